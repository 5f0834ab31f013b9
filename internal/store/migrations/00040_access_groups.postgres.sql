-- Who has which stored access group, kept from what keys and teams say
-- (access_group_ids in their details), whoever writes those; and what may be spent
-- through an access group, by its name.

-- +goose Up
CREATE TABLE access_group_owners (
    group_id TEXT NOT NULL,
    kind     TEXT NOT NULL,
    owner    TEXT NOT NULL,
    PRIMARY KEY (group_id, kind, owner)
);
CREATE INDEX access_group_owners_of ON access_group_owners (kind, owner);

CREATE TABLE access_group_budgets (
    name            TEXT PRIMARY KEY,
    budget_id       TEXT NOT NULL,
    rpm             BIGINT,
    tpm             BIGINT,
    parallel        BIGINT,
    budget          BIGINT,
    budget_duration TEXT NOT NULL,
    soft_budget     BIGINT,
    limits          TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL,
    updated_at      BIGINT NOT NULL,
    updated_by      TEXT NOT NULL
);

-- The arguments are the kind of owner, and its column of ids.
-- +goose StatementBegin
CREATE FUNCTION access_group_owned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM access_group_owners WHERE kind = TG_ARGV[0] AND owner = to_jsonb(OLD) ->> TG_ARGV[1];
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO access_group_owners (group_id, kind, owner)
            SELECT g, TG_ARGV[0], to_jsonb(NEW) ->> TG_ARGV[1]
            FROM jsonb_array_elements_text(COALESCE(NULLIF(NEW.details, '')::jsonb -> 'access_group_ids', '[]'::jsonb)) AS g
            ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER keys_groups_added AFTER INSERT ON keys FOR EACH ROW
    WHEN (NEW.details LIKE '%"access_group_ids":%') EXECUTE FUNCTION access_group_owned('key', 'hash');
CREATE TRIGGER keys_groups_gone AFTER DELETE ON keys FOR EACH ROW
    WHEN (OLD.details LIKE '%"access_group_ids":%') EXECUTE FUNCTION access_group_owned('key', 'hash');
CREATE TRIGGER keys_groups_changed AFTER UPDATE OF hash, details ON keys FOR EACH ROW
    WHEN (OLD.hash <> NEW.hash OR OLD.details <> NEW.details) EXECUTE FUNCTION access_group_owned('key', 'hash');
CREATE TRIGGER teams_groups_added AFTER INSERT ON teams FOR EACH ROW
    WHEN (NEW.details LIKE '%"access_group_ids":%') EXECUTE FUNCTION access_group_owned('team', 'id');
CREATE TRIGGER teams_groups_gone AFTER DELETE ON teams FOR EACH ROW
    WHEN (OLD.details LIKE '%"access_group_ids":%') EXECUTE FUNCTION access_group_owned('team', 'id');
CREATE TRIGGER teams_groups_changed AFTER UPDATE OF id, details ON teams FOR EACH ROW
    WHEN (OLD.id <> NEW.id OR OLD.details <> NEW.details) EXECUTE FUNCTION access_group_owned('team', 'id');

INSERT INTO access_group_owners (group_id, kind, owner)
    SELECT DISTINCT g, 'key', hash FROM keys, jsonb_array_elements_text(COALESCE(NULLIF(keys.details, '')::jsonb -> 'access_group_ids', '[]'::jsonb)) AS g
    ON CONFLICT DO NOTHING;
INSERT INTO access_group_owners (group_id, kind, owner)
    SELECT DISTINCT g, 'team', teams.id FROM teams, jsonb_array_elements_text(COALESCE(NULLIF(teams.details, '')::jsonb -> 'access_group_ids', '[]'::jsonb)) AS g
    ON CONFLICT DO NOTHING;

-- Groups that say who has them, without that key or team saying so.
UPDATE keys SET details = jsonb_set(COALESCE(NULLIF(details, '')::jsonb, '{}'::jsonb), '{access_group_ids}', (
        SELECT jsonb_agg(g) FROM (
            SELECT jsonb_array_elements_text(COALESCE(NULLIF(keys.details, '')::jsonb -> 'access_group_ids', '[]'::jsonb)) AS g
            UNION SELECT access_groups.id FROM access_groups, jsonb_array_elements_text(NULLIF(access_groups.keys, '')::jsonb) AS said WHERE said = keys.hash
        ) AS have))::text
    WHERE hash IN (SELECT jsonb_array_elements_text(NULLIF(access_groups.keys, '')::jsonb) FROM access_groups);
UPDATE teams SET details = jsonb_set(COALESCE(NULLIF(details, '')::jsonb, '{}'::jsonb), '{access_group_ids}', (
        SELECT jsonb_agg(g) FROM (
            SELECT jsonb_array_elements_text(COALESCE(NULLIF(teams.details, '')::jsonb -> 'access_group_ids', '[]'::jsonb)) AS g
            UNION SELECT access_groups.id FROM access_groups, jsonb_array_elements_text(NULLIF(access_groups.teams, '')::jsonb) AS said WHERE said = teams.id
        ) AS have))::text
    WHERE id IN (SELECT jsonb_array_elements_text(NULLIF(access_groups.teams, '')::jsonb) FROM access_groups);

-- +goose Down
DROP TRIGGER teams_groups_changed ON teams;
DROP TRIGGER teams_groups_gone ON teams;
DROP TRIGGER teams_groups_added ON teams;
DROP TRIGGER keys_groups_changed ON keys;
DROP TRIGGER keys_groups_gone ON keys;
DROP TRIGGER keys_groups_added ON keys;
DROP FUNCTION access_group_owned();
DROP TABLE access_group_budgets;
DROP TABLE access_group_owners;
