-- +goose Up
-- What calls of one context used on one day: the daily sums by everything that a
-- context says. Scope and id are empty for every call; customers and tags, which
-- no context knows, have rows of their own beside it.
CREATE TABLE activity (
    scope       TEXT NOT NULL,
    id          TEXT NOT NULL,
    day         TEXT NOT NULL,
    context     INTEGER NOT NULL,
    requests    INTEGER NOT NULL,
    prompt      INTEGER NOT NULL,
    completion  INTEGER NOT NULL,
    cache_read  INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    cost        INTEGER NOT NULL,
    took        INTEGER NOT NULL,
    timed       INTEGER NOT NULL,
    PRIMARY KEY (scope, id, day, context)
) WITHOUT ROWID;
CREATE INDEX activity_context ON activity (context, day);
CREATE INDEX contexts_team ON contexts (team_id);
CREATE INDEX contexts_org ON contexts (org_id);

-- Days whose calls are gone keep their daily sums only.
INSERT INTO activity
SELECT '', '', strftime('%Y-%m-%d', (c.started_at - (c.started_at % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch'), c.context, COUNT(*),
    SUM(c.prompt), SUM(c.completion), SUM(COALESCE(c.cache_read, 0)), SUM(COALESCE(c.cache_write, 0) + COALESCE(c.cache_write_1h, 0)),
    SUM(c.cost + COALESCE(a.cost, 0)), SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN c.took ELSE 0 END), SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN 1 ELSE 0 END)
FROM calls AS c
LEFT JOIN (SELECT started_at, call_id, SUM(cost) AS cost FROM adjustments GROUP BY started_at, call_id) AS a
    ON a.started_at = c.started_at AND a.call_id = c.call_id
WHERE c.started_at BETWEEN -62135596800000000 AND 253402300799999999 AND strftime('%Y-%m-%d', (c.started_at - (c.started_at % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch') NOT IN (SELECT day FROM dropped_days)
GROUP BY 1, 2, 3, 4;
INSERT INTO activity
SELECT 'end_user', c.end_user, strftime('%Y-%m-%d', (c.started_at - (c.started_at % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch'), c.context, COUNT(*),
    SUM(c.prompt), SUM(c.completion), SUM(COALESCE(c.cache_read, 0)), SUM(COALESCE(c.cache_write, 0) + COALESCE(c.cache_write_1h, 0)),
    SUM(c.cost + COALESCE(a.cost, 0)), SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN c.took ELSE 0 END), SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN 1 ELSE 0 END)
FROM calls AS c
LEFT JOIN (SELECT started_at, call_id, SUM(cost) AS cost FROM adjustments GROUP BY started_at, call_id) AS a
    ON a.started_at = c.started_at AND a.call_id = c.call_id
WHERE c.started_at BETWEEN -62135596800000000 AND 253402300799999999 AND strftime('%Y-%m-%d', (c.started_at - (c.started_at % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch') NOT IN (SELECT day FROM dropped_days) AND c.end_user IS NOT NULL
GROUP BY 1, 2, 3, 4;
INSERT INTO activity
SELECT 'tag', c.tag, strftime('%Y-%m-%d', (c.started_at - (c.started_at % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch'), c.context, COUNT(*),
    SUM(c.prompt), SUM(c.completion), SUM(COALESCE(c.cache_read, 0)), SUM(COALESCE(c.cache_write, 0) + COALESCE(c.cache_write_1h, 0)),
    SUM(c.cost + COALESCE(a.cost, 0)), SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN c.took ELSE 0 END), SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN 1 ELSE 0 END)
FROM (SELECT DISTINCT c.started_at, c.call_id, c.context, c.prompt, c.completion, c.cache_read, c.cache_write, c.cache_write_1h, c.cost, c.took, j.value AS tag
      FROM calls AS c, json_each(c.tags) AS j WHERE c.tags IS NOT NULL) AS c
LEFT JOIN (SELECT started_at, call_id, SUM(cost) AS cost FROM adjustments GROUP BY started_at, call_id) AS a
    ON a.started_at = c.started_at AND a.call_id = c.call_id
WHERE c.started_at BETWEEN -62135596800000000 AND 253402300799999999 AND strftime('%Y-%m-%d', (c.started_at - (c.started_at % 1000000 + 1000000) % 1000000) / 1000000, 'unixepoch') NOT IN (SELECT day FROM dropped_days) AND c.tag <> ''
GROUP BY 1, 2, 3, 4;

-- +goose Down
DROP INDEX contexts_org;
DROP INDEX contexts_team;
DROP TABLE activity;
