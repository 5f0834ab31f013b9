-- Says that a replica is alive, and returns how many are, what time it
-- is, and whether it was known.
-- KEYS[1] is a sorted set of replicas by when they count as gone.
local now = tonumber(ARGV[2])
if now == 0 then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local added = redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[3]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], 86400000)
return { redis.call('ZCARD', KEYS[1]), now, 1 - added }
