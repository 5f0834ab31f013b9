-- Lists of a million keys: indexes in the order of the list, a count that is
-- kept instead of counted, and parts of texts found by their trigrams.

-- +goose Up
DROP INDEX keys_user;
DROP INDEX keys_team;
DROP INDEX keys_org;
CREATE INDEX keys_user ON keys (user_id, created_at, hash) WHERE user_id <> '';
CREATE INDEX keys_team ON keys (team_id, created_at, hash) WHERE team_id <> '';
CREATE INDEX keys_org ON keys (org_id, created_at, hash) WHERE org_id <> '';
CREATE INDEX keys_by_alias ON keys (alias, hash);
CREATE INDEX keys_name ON keys (name);

CREATE TABLE tallies (kind TEXT PRIMARY KEY, n BIGINT NOT NULL);
INSERT INTO tallies (kind, n) SELECT 'key', COUNT(*) FROM keys;

-- +goose StatementBegin
CREATE FUNCTION keys_tally() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    rows BIGINT;
BEGIN
    SELECT COUNT(*) INTO rows FROM changed;
    IF rows = 0 THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' THEN
        rows := -rows;
    END IF;
    UPDATE tallies SET n = n + rows WHERE kind = 'key';
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER keys_added AFTER INSERT ON keys REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keys_tally();
CREATE TRIGGER keys_gone AFTER DELETE ON keys REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keys_tally();

-- Where the extension is not to be had, a search reads the whole table.
-- +goose StatementBegin
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX keys_alias_words ON keys USING gin (LOWER(alias) gin_trgm_ops);
    CREATE INDEX keys_user_words ON keys USING gin (LOWER(user_id) gin_trgm_ops);
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'searches of keys will be slow, for want of the extension pg_trgm: %', SQLERRM;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP INDEX IF EXISTS keys_user_words;
DROP INDEX IF EXISTS keys_alias_words;
DROP TRIGGER keys_gone ON keys;
DROP TRIGGER keys_added ON keys;
DROP FUNCTION keys_tally();
DROP TABLE tallies;
DROP INDEX keys_name;
DROP INDEX keys_by_alias;
DROP INDEX keys_org;
DROP INDEX keys_team;
DROP INDEX keys_user;
CREATE INDEX keys_user ON keys (user_id) WHERE user_id <> '';
CREATE INDEX keys_team ON keys (team_id) WHERE team_id <> '';
CREATE INDEX keys_org ON keys (org_id) WHERE org_id <> '';
