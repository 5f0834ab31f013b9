-- What members of organizations spend in them is summed up for budgets of their
-- own, like that of members of teams. Calls that are in the books count.

-- +goose Up
INSERT INTO daily (day, scope, id, model, provider, requests, failures, prompt, completion, cache_read, cache_write, cost)
SELECT day, 'organization_member', id, model, provider, COUNT(*), SUM(failed), SUM(prompt), SUM(completion), SUM(cache_read), SUM(cache_write), SUM(cost)
FROM (
    SELECT strftime('%Y-%m-%d', c.started_at / 1000000, 'unixepoch') AS day,
        REPLACE(REPLACE(x.org_id, '%', '%25'), ':', '%3A') || ':' || REPLACE(REPLACE(x.user_id, '%', '%25'), ':', '%3A') AS id,
        CASE WHEN x.model = '' THEN x.model_group ELSE x.model END AS model, x.provider AS provider,
        CASE WHEN x.failed THEN 1 ELSE 0 END AS failed, c.prompt AS prompt, c.completion AS completion,
        COALESCE(c.cache_read, 0) AS cache_read, COALESCE(c.cache_write, 0) + COALESCE(c.cache_write_1h, 0) AS cache_write,
        c.cost + COALESCE((SELECT SUM(a.cost) FROM adjustments AS a WHERE a.started_at = c.started_at AND a.call_id = c.call_id), 0) AS cost
    FROM calls AS c JOIN contexts AS x ON x.id = c.context
    WHERE x.org_id <> '' AND x.user_id <> ''
) AS made
WHERE LENGTH(id) <= 512
GROUP BY day, id, model, provider;

INSERT INTO totals (scope, id, spend_window, window_start, spend_total)
SELECT 'organization_member', id, SUM(cost), 0, SUM(cost) FROM daily WHERE scope = 'organization_member' GROUP BY id;

-- +goose Down
DELETE FROM totals WHERE scope = 'organization_member';
DELETE FROM daily WHERE scope = 'organization_member';
