-- +goose Up
-- What calls of one context used on one day: the daily sums by everything that a
-- context says. Scope and id are empty for every call; customers and tags, which
-- no context knows, have rows of their own beside it.
CREATE TABLE activity (
    scope       TEXT NOT NULL,
    id          TEXT NOT NULL,
    day         TEXT NOT NULL,
    context     BIGINT NOT NULL,
    requests    BIGINT NOT NULL,
    prompt      BIGINT NOT NULL,
    completion  BIGINT NOT NULL,
    cache_read  BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    cost        BIGINT NOT NULL,
    took        BIGINT NOT NULL,
    timed       BIGINT NOT NULL,
    PRIMARY KEY (scope, id, day, context)
);
CREATE INDEX activity_context ON activity (context, day);
CREATE INDEX contexts_team ON contexts (team_id);
CREATE INDEX contexts_org ON contexts (org_id);

-- Days whose calls are gone keep their daily sums only.
INSERT INTO activity
SELECT '', '', to_char(to_timestamp((c.started_at - (c.started_at % 1000000 + 1000000) % 1000000) / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD'), c.context, COUNT(*),
    CAST(SUM(c.prompt) AS BIGINT), CAST(SUM(c.completion) AS BIGINT), CAST(SUM(COALESCE(c.cache_read, 0)) AS BIGINT), CAST(SUM(COALESCE(c.cache_write, 0) + COALESCE(c.cache_write_1h, 0)) AS BIGINT),
    CAST(SUM(c.cost + COALESCE(a.cost, 0)) AS BIGINT), CAST(SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN c.took ELSE 0 END) AS BIGINT), CAST(SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN 1 ELSE 0 END) AS BIGINT)
FROM calls AS c
LEFT JOIN (SELECT started_at, call_id, CAST(SUM(cost) AS BIGINT) AS cost FROM adjustments GROUP BY started_at, call_id) AS a
    ON a.started_at = c.started_at AND a.call_id = c.call_id
WHERE c.started_at BETWEEN -62135596800000000 AND 253402300799999999 AND to_char(to_timestamp((c.started_at - (c.started_at % 1000000 + 1000000) % 1000000) / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD') NOT IN (SELECT day FROM dropped_days)
GROUP BY 1, 2, 3, 4;
INSERT INTO activity
SELECT 'end_user', c.end_user, to_char(to_timestamp((c.started_at - (c.started_at % 1000000 + 1000000) % 1000000) / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD'), c.context, COUNT(*),
    CAST(SUM(c.prompt) AS BIGINT), CAST(SUM(c.completion) AS BIGINT), CAST(SUM(COALESCE(c.cache_read, 0)) AS BIGINT), CAST(SUM(COALESCE(c.cache_write, 0) + COALESCE(c.cache_write_1h, 0)) AS BIGINT),
    CAST(SUM(c.cost + COALESCE(a.cost, 0)) AS BIGINT), CAST(SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN c.took ELSE 0 END) AS BIGINT), CAST(SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN 1 ELSE 0 END) AS BIGINT)
FROM calls AS c
LEFT JOIN (SELECT started_at, call_id, CAST(SUM(cost) AS BIGINT) AS cost FROM adjustments GROUP BY started_at, call_id) AS a
    ON a.started_at = c.started_at AND a.call_id = c.call_id
WHERE c.started_at BETWEEN -62135596800000000 AND 253402300799999999 AND to_char(to_timestamp((c.started_at - (c.started_at % 1000000 + 1000000) % 1000000) / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD') NOT IN (SELECT day FROM dropped_days) AND c.end_user IS NOT NULL
GROUP BY 1, 2, 3, 4;
INSERT INTO activity
SELECT 'tag', c.tag, to_char(to_timestamp((c.started_at - (c.started_at % 1000000 + 1000000) % 1000000) / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD'), c.context, COUNT(*),
    CAST(SUM(c.prompt) AS BIGINT), CAST(SUM(c.completion) AS BIGINT), CAST(SUM(COALESCE(c.cache_read, 0)) AS BIGINT), CAST(SUM(COALESCE(c.cache_write, 0) + COALESCE(c.cache_write_1h, 0)) AS BIGINT),
    CAST(SUM(c.cost + COALESCE(a.cost, 0)) AS BIGINT), CAST(SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN c.took ELSE 0 END) AS BIGINT), CAST(SUM(CASE WHEN c.took BETWEEN 0 AND 999999999999 THEN 1 ELSE 0 END) AS BIGINT)
FROM (SELECT DISTINCT c.started_at, c.call_id, c.context, c.prompt, c.completion, c.cache_read, c.cache_write, c.cache_write_1h, c.cost, c.took, j.value AS tag
      FROM calls AS c, jsonb_array_elements_text(CAST(c.tags AS JSONB)) AS j (value) WHERE c.tags IS NOT NULL) AS c
LEFT JOIN (SELECT started_at, call_id, CAST(SUM(cost) AS BIGINT) AS cost FROM adjustments GROUP BY started_at, call_id) AS a
    ON a.started_at = c.started_at AND a.call_id = c.call_id
WHERE c.started_at BETWEEN -62135596800000000 AND 253402300799999999 AND to_char(to_timestamp((c.started_at - (c.started_at % 1000000 + 1000000) % 1000000) / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD') NOT IN (SELECT day FROM dropped_days) AND c.tag <> ''
GROUP BY 1, 2, 3, 4;

-- +goose Down
DROP INDEX contexts_org;
DROP INDEX contexts_team;
DROP TABLE activity;
