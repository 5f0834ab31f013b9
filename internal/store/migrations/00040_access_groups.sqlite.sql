-- Who has which stored access group, kept from what keys and teams say
-- (access_group_ids in their details), whoever writes those; and what may be spent
-- through an access group, by its name.

-- +goose Up
CREATE TABLE access_group_owners (
    group_id TEXT NOT NULL,
    kind     TEXT NOT NULL,
    owner    TEXT NOT NULL,
    PRIMARY KEY (group_id, kind, owner)
) WITHOUT ROWID;
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

-- +goose StatementBegin
CREATE TRIGGER keys_groups_added AFTER INSERT ON keys WHEN new.details LIKE '%"access_group_ids":%' BEGIN
    INSERT OR IGNORE INTO access_group_owners (group_id, kind, owner) SELECT value, 'key', new.hash FROM json_each(new.details, '$.access_group_ids');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_groups_gone AFTER DELETE ON keys WHEN old.details LIKE '%"access_group_ids":%' BEGIN
    DELETE FROM access_group_owners WHERE kind = 'key' AND owner = old.hash;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_groups_changed AFTER UPDATE OF hash, details ON keys WHEN old.hash <> new.hash OR old.details <> new.details BEGIN
    DELETE FROM access_group_owners WHERE kind = 'key' AND owner = old.hash;
    INSERT OR IGNORE INTO access_group_owners (group_id, kind, owner) SELECT value, 'key', new.hash FROM json_each(NULLIF(new.details, ''), '$.access_group_ids');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER teams_groups_added AFTER INSERT ON teams WHEN new.details LIKE '%"access_group_ids":%' BEGIN
    INSERT OR IGNORE INTO access_group_owners (group_id, kind, owner) SELECT value, 'team', new.id FROM json_each(new.details, '$.access_group_ids');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER teams_groups_gone AFTER DELETE ON teams WHEN old.details LIKE '%"access_group_ids":%' BEGIN
    DELETE FROM access_group_owners WHERE kind = 'team' AND owner = old.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER teams_groups_changed AFTER UPDATE OF id, details ON teams WHEN old.id <> new.id OR old.details <> new.details BEGIN
    DELETE FROM access_group_owners WHERE kind = 'team' AND owner = old.id;
    INSERT OR IGNORE INTO access_group_owners (group_id, kind, owner) SELECT value, 'team', new.id FROM json_each(NULLIF(new.details, ''), '$.access_group_ids');
END;
-- +goose StatementEnd

INSERT OR IGNORE INTO access_group_owners (group_id, kind, owner)
    SELECT value, 'key', hash FROM keys, json_each(NULLIF(keys.details, ''), '$.access_group_ids');
INSERT OR IGNORE INTO access_group_owners (group_id, kind, owner)
    SELECT value, 'team', teams.id FROM teams, json_each(NULLIF(teams.details, ''), '$.access_group_ids');

-- Groups that say who has them, without that key or team saying so.
UPDATE keys SET details = json_set(COALESCE(NULLIF(details, ''), '{}'), '$.access_group_ids', json((
    SELECT json_group_array(g) FROM (
        SELECT value AS g FROM json_each(NULLIF(keys.details, ''), '$.access_group_ids')
        UNION SELECT access_groups.id FROM access_groups, json_each(NULLIF(access_groups.keys, '')) AS said WHERE said.value = keys.hash))))
    WHERE hash IN (SELECT said.value FROM access_groups, json_each(NULLIF(access_groups.keys, '')) AS said);
UPDATE teams SET details = json_set(COALESCE(NULLIF(details, ''), '{}'), '$.access_group_ids', json((
    SELECT json_group_array(g) FROM (
        SELECT value AS g FROM json_each(NULLIF(teams.details, ''), '$.access_group_ids')
        UNION SELECT access_groups.id FROM access_groups, json_each(NULLIF(access_groups.teams, '')) AS said WHERE said.value = teams.id))))
    WHERE id IN (SELECT said.value FROM access_groups, json_each(NULLIF(access_groups.teams, '')) AS said);

-- +goose Down
DROP TRIGGER teams_groups_changed;
DROP TRIGGER teams_groups_gone;
DROP TRIGGER teams_groups_added;
DROP TRIGGER keys_groups_changed;
DROP TRIGGER keys_groups_gone;
DROP TRIGGER keys_groups_added;
DROP TABLE access_group_budgets;
DROP TABLE access_group_owners;
