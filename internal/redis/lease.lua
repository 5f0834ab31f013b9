-- One step of one meter: limit.Shared.Apply says what it means.
--
-- KEYS[1] is a hash: base and at of budgets, short (when somebody was short of
-- it), s<second> of rates, and h<replica> = "epoch seq held idle expires".
-- Times are in microseconds. Lua's numbers are exact up to 2^53.
local replica = ARGV[1]
local epoch, seq, fresh, span = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5]
local amount, keep, need, wish, spare, idle = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local newBase, newAt, add = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])
local replicas, forget, now = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])
local ttl, grace, tightFor, slices, settles, window = tonumber(ARGV[18]), tonumber(ARGV[19]), tonumber(ARGV[20]), tonumber(ARGV[21]), tonumber(ARGV[22]), tonumber(ARGV[23])
local scrap, least = tonumber(ARGV[24]), tonumber(ARGV[25])

local key = KEYS[1]
if now == 0 then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
local sec = math.floor(now / 1000000)
local function int(n) return string.format('%.0f', n) end

local base, at, short, used, others, othersIdle, me, gone = nil, 0, 0, {}, 0, 0, nil, {}
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
	local f, v = all[i], all[i + 1]
	local c = string.sub(f, 1, 1)
	if f == 'base' then
		base = tonumber(v)
	elseif f == 'at' then
		at = tonumber(v)
	elseif f == 'short' then
		short = tonumber(v)
	elseif c == 's' then
		local s = tonumber(string.sub(f, 2))
		if s < sec - window then gone[#gone + 1] = f else used[s] = tonumber(v) end
	elseif c == 'h' then
		local e, q, held, unused, expires = string.match(v, '(%S+) (%S+) (%S+) (%S+) (%S+)')
		if now >= tonumber(expires) + grace then
			gone[#gone + 1] = f
		elseif string.sub(f, 2) == replica then
			me = { epoch = tonumber(e), seq = tonumber(q), held = tonumber(held), idle = tonumber(unused) }
		else
			-- Money of who is not heard of counts as not in use: it may have started again since.
			if span == 'budget' and now >= tonumber(expires) then unused = held end
			others, othersIdle = others + tonumber(held), othersIdle + tonumber(unused)
		end
	end
end

local reborn = me and me.epoch < epoch
if me and me.epoch > epoch then return { 3 } end
if span == 'budget' and newAt == 0 and (not base or reborn) then return { 2 } end
if not me and not fresh then return { 1 } end

for i = 1, #gone, 500 do
	redis.call('HDEL', key, unpack(gone, i, math.min(i + 499, #gone)))
end

local function count(s, n)
	if s < sec - window then return end
	used[s] = (used[s] or 0) + n
	if used[s] == 0 then
		redis.call('HDEL', key, 's' .. int(s))
	else
		redis.call('HSET', key, 's' .. int(s), int(used[s]))
	end
end

local function sum()
	local n = (base or 0) + others
	for _, v in pairs(used) do n = n + v end
	return n
end

if reborn and span == 'sliding' and me.held > 0 then
	count(sec, me.held) -- some of it may have been used
end
if not me or reborn or seq > me.seq then
	if newAt > 0 and (not base or newBase > base or newAt > at + settles) then
		base, at = newBase, newAt
		redis.call('HSET', key, 'at', int(at))
	end
	if span == 'budget' then
		base = base + add
		redis.call('HSET', key, 'base', int(base))
	end
	for i = 26, #ARGV, 2 do
		count(tonumber(ARGV[i]), tonumber(ARGV[i + 1]))
	end
	local left = math.max(amount - sum() - keep, 0)
	local got = math.min(need, left)
	if got < need then
		short = now
		redis.call('HSET', key, 'short', int(short))
		if scrap + got < least then
			got = -scrap
		elseif least > 0 then
			idle = idle + (scrap + got) % least
		end
	else
		local more = math.min(wish, left - got)
		if now >= short + tightFor then
			more = more + math.min(spare, math.floor((left - got - more) / (slices * replicas)))
		end
		got, idle = got + more, idle + more
	end
	me = { held = keep + got, idle = idle }
	redis.call('HSET', key, 'h' .. replica, int(epoch) .. ' ' .. int(seq) .. ' ' .. int(me.held) .. ' ' .. int(me.idle) .. ' ' .. int(now + ttl))
	-- The clock of a test may stand still or jump; the key's own must not.
	local untilThen = ttl + grace + window * 1000000
	if forget > 0 then untilThen = math.max(untilThen, forget * 1000000 - now + grace) end
	redis.call('PEXPIRE', key, int(math.ceil(untilThen / 1000)))
end

local missing = me.held < keep + need
local out = { 0, me.held, sum() + me.held, base or 0, othersIdle, missing and 1 or 0, now < short + tightFor and 1 or 0 }
if missing and span == 'sliding' then
	for s, n in pairs(used) do
		out[#out + 1] = s
		out[#out + 1] = n
	end
end
return out
