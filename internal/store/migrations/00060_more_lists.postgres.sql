-- Lists of a million users, teams and customers too: an index for every order, a
-- count that is kept instead of counted, parts of texts found by their trigrams,
-- and how many rows were made in each span of time, so that a page by its number
-- is found without walking to it.

-- +goose Up
DROP INDEX teams_org;
CREATE INDEX teams_org ON teams (org_id, created_at, id) WHERE org_id <> '';
DROP INDEX end_users_budget;
CREATE INDEX end_users_budget ON end_users (budget_id, created_at, id) WHERE budget_id <> '';
DROP INDEX keys_project;
CREATE INDEX keys_project ON keys (project_id, created_at, hash) WHERE project_id <> '';
CREATE INDEX keys_updated ON keys (updated_at, hash);
-- Only with the column itself can the index answer alone.
CREATE INDEX keys_budgeted ON keys (COALESCE(budget, 9223372036854775807), hash) INCLUDE (budget);
CREATE INDEX users_updated ON users (updated_at, id);
CREATE INDEX users_budgeted ON users (COALESCE(budget, 9223372036854775807), id) INCLUDE (budget);
CREATE INDEX users_by_alias ON users (alias, id);
CREATE INDEX users_by_email ON users (email, id);
CREATE INDEX users_by_role ON users (role, id);
CREATE INDEX users_of_role ON users (role, created_at, id);
CREATE INDEX teams_updated ON teams (updated_at, id);
CREATE INDEX teams_budgeted ON teams (COALESCE(budget, 9223372036854775807), id) INCLUDE (budget);
CREATE INDEX teams_by_alias ON teams (alias, id);

-- What is spent changes with every call. In an index of the table itself it would
-- have each change write to all of the table's indexes, so the order by spend
-- stands here.
CREATE TABLE spend_order (
    kind        TEXT NOT NULL,
    spend_total BIGINT NOT NULL,
    id          TEXT NOT NULL,
    PRIMARY KEY (kind, spend_total, id)
);
INSERT INTO spend_order (kind, spend_total, id) SELECT 'key', spend_total, hash FROM keys;
INSERT INTO spend_order (kind, spend_total, id) SELECT 'user', spend_total, id FROM users;
INSERT INTO spend_order (kind, spend_total, id) SELECT 'team', spend_total, id FROM teams;

-- Spans of 2^level microseconds: a second, eighteen minutes and twelve days.
CREATE TABLE tallied_times (
    kind   TEXT NOT NULL,
    level  SMALLINT NOT NULL,
    bucket BIGINT NOT NULL,
    n      BIGINT NOT NULL,
    PRIMARY KEY (kind, level, bucket)
);
INSERT INTO tallied_times (kind, level, bucket, n) SELECT 'key', l.level, v.created_at >> l.level, COUNT(*) FROM keys AS v CROSS JOIN (SELECT 20 AS level UNION ALL SELECT 30 UNION ALL SELECT 40) AS l GROUP BY 2, 3;
INSERT INTO tallied_times (kind, level, bucket, n) SELECT 'user', l.level, v.created_at >> l.level, COUNT(*) FROM users AS v CROSS JOIN (SELECT 20 AS level UNION ALL SELECT 30 UNION ALL SELECT 40) AS l GROUP BY 2, 3;
INSERT INTO tallied_times (kind, level, bucket, n) SELECT 'team', l.level, v.created_at >> l.level, COUNT(*) FROM teams AS v CROSS JOIN (SELECT 20 AS level UNION ALL SELECT 30 UNION ALL SELECT 40) AS l GROUP BY 2, 3;
INSERT INTO tallied_times (kind, level, bucket, n) SELECT 'end_user', l.level, v.created_at >> l.level, COUNT(*) FROM end_users AS v CROSS JOIN (SELECT 20 AS level UNION ALL SELECT 30 UNION ALL SELECT 40) AS l GROUP BY 2, 3;
INSERT INTO tallies (kind, n) SELECT 'user', COUNT(*) FROM users;
INSERT INTO tallies (kind, n) SELECT 'team', COUNT(*) FROM teams;
INSERT INTO tallies (kind, n) SELECT 'end_user', COUNT(*) FROM end_users;

-- +goose StatementBegin
CREATE FUNCTION lists_tally() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    which TEXT := TG_ARGV[0];
    rows BIGINT;
    sign BIGINT := CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END;
BEGIN
    SELECT COUNT(*) INTO rows FROM changed;
    IF rows = 0 THEN
        RETURN NULL;
    END IF;
    INSERT INTO tallied_times AS t (kind, level, bucket, n)
        SELECT which, l.level, c.created_at >> l.level, sign * COUNT(*) FROM changed AS c CROSS JOIN (VALUES (20), (30), (40)) AS l (level)
        GROUP BY 2, 3 ORDER BY 2, 3
        ON CONFLICT (kind, level, bucket) DO UPDATE SET n = t.n + excluded.n;
    IF TG_OP = 'DELETE' THEN
        DELETE FROM tallied_times AS t USING (SELECT DISTINCT l.level, c.created_at >> l.level AS bucket FROM changed AS c CROSS JOIN (VALUES (20), (30), (40)) AS l (level)) AS d
            WHERE t.kind = which AND t.level = d.level AND t.bucket = d.bucket AND t.n = 0;
    END IF;
    IF which <> 'key' THEN
        UPDATE tallies SET n = n + sign * rows WHERE kind = which;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION lists_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tallied_times AS t (kind, level, bucket, n)
        SELECT TG_ARGV[0], l.level, OLD.created_at >> l.level, -1 FROM (VALUES (20), (30), (40)) AS l (level)
        ON CONFLICT (kind, level, bucket) DO UPDATE SET n = t.n - 1;
    INSERT INTO tallied_times AS t (kind, level, bucket, n)
        SELECT TG_ARGV[0], l.level, NEW.created_at >> l.level, 1 FROM (VALUES (20), (30), (40)) AS l (level)
        ON CONFLICT (kind, level, bucket) DO UPDATE SET n = t.n + 1;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER keys_time_added AFTER INSERT ON keys REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lists_tally('key');
CREATE TRIGGER keys_time_gone AFTER DELETE ON keys REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lists_tally('key');
CREATE TRIGGER keys_time_moved AFTER UPDATE OF created_at ON keys FOR EACH ROW WHEN (OLD.created_at <> NEW.created_at) EXECUTE FUNCTION lists_moved('key');
CREATE TRIGGER users_time_added AFTER INSERT ON users REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lists_tally('user');
CREATE TRIGGER users_time_gone AFTER DELETE ON users REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lists_tally('user');
CREATE TRIGGER users_time_moved AFTER UPDATE OF created_at ON users FOR EACH ROW WHEN (OLD.created_at <> NEW.created_at) EXECUTE FUNCTION lists_moved('user');
CREATE TRIGGER teams_time_added AFTER INSERT ON teams REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lists_tally('team');
CREATE TRIGGER teams_time_gone AFTER DELETE ON teams REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lists_tally('team');
CREATE TRIGGER teams_time_moved AFTER UPDATE OF created_at ON teams FOR EACH ROW WHEN (OLD.created_at <> NEW.created_at) EXECUTE FUNCTION lists_moved('team');
CREATE TRIGGER end_users_time_added AFTER INSERT ON end_users REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lists_tally('end_user');
CREATE TRIGGER end_users_time_gone AFTER DELETE ON end_users REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION lists_tally('end_user');
CREATE TRIGGER end_users_time_moved AFTER UPDATE OF created_at ON end_users FOR EACH ROW WHEN (OLD.created_at <> NEW.created_at) EXECUTE FUNCTION lists_moved('end_user');

-- +goose StatementBegin
CREATE FUNCTION keys_spend_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO spend_order (kind, spend_total, id) SELECT 'key', spend_total, hash FROM changed;
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM spend_order AS o USING changed AS c WHERE o.kind = 'key' AND o.spend_total = c.spend_total AND o.id = c.hash;
    ELSE
        UPDATE spend_order SET spend_total = NEW.spend_total, id = NEW.hash WHERE kind = 'key' AND spend_total = OLD.spend_total AND id = OLD.hash;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER keys_spend_added AFTER INSERT ON keys REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keys_spend_order();
CREATE TRIGGER keys_spend_gone AFTER DELETE ON keys REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION keys_spend_order();
CREATE TRIGGER keys_spend_moved AFTER UPDATE ON keys FOR EACH ROW
    WHEN (OLD.spend_total <> NEW.spend_total OR OLD.hash <> NEW.hash) EXECUTE FUNCTION keys_spend_order();

-- +goose StatementBegin
CREATE FUNCTION users_spend_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO spend_order (kind, spend_total, id) SELECT 'user', spend_total, id FROM changed;
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM spend_order AS o USING changed AS c WHERE o.kind = 'user' AND o.spend_total = c.spend_total AND o.id = c.id;
    ELSE
        UPDATE spend_order SET spend_total = NEW.spend_total, id = NEW.id WHERE kind = 'user' AND spend_total = OLD.spend_total AND id = OLD.id;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER users_spend_added AFTER INSERT ON users REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION users_spend_order();
CREATE TRIGGER users_spend_gone AFTER DELETE ON users REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION users_spend_order();
CREATE TRIGGER users_spend_moved AFTER UPDATE ON users FOR EACH ROW
    WHEN (OLD.spend_total <> NEW.spend_total OR OLD.id <> NEW.id) EXECUTE FUNCTION users_spend_order();

-- +goose StatementBegin
CREATE FUNCTION teams_spend_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO spend_order (kind, spend_total, id) SELECT 'team', spend_total, id FROM changed;
    ELSIF TG_OP = 'DELETE' THEN
        DELETE FROM spend_order AS o USING changed AS c WHERE o.kind = 'team' AND o.spend_total = c.spend_total AND o.id = c.id;
    ELSE
        UPDATE spend_order SET spend_total = NEW.spend_total, id = NEW.id WHERE kind = 'team' AND spend_total = OLD.spend_total AND id = OLD.id;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER teams_spend_added AFTER INSERT ON teams REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION teams_spend_order();
CREATE TRIGGER teams_spend_gone AFTER DELETE ON teams REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION teams_spend_order();
CREATE TRIGGER teams_spend_moved AFTER UPDATE ON teams FOR EACH ROW
    WHEN (OLD.spend_total <> NEW.spend_total OR OLD.id <> NEW.id) EXECUTE FUNCTION teams_spend_order();

-- Where the extension is not to be had, a search reads the whole table.
-- +goose StatementBegin
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX users_id_words ON users USING gin (LOWER(id) gin_trgm_ops);
    CREATE INDEX users_alias_words ON users USING gin (LOWER(alias) gin_trgm_ops);
    CREATE INDEX users_email_words ON users USING gin (LOWER(email) gin_trgm_ops);
    CREATE INDEX teams_id_words ON teams USING gin (LOWER(id) gin_trgm_ops);
    CREATE INDEX teams_alias_words ON teams USING gin (LOWER(alias) gin_trgm_ops);
    CREATE INDEX end_users_id_words ON end_users USING gin (LOWER(id) gin_trgm_ops);
    CREATE INDEX end_users_alias_words ON end_users USING gin (LOWER(alias) gin_trgm_ops);
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'searches of users, teams and customers will be slow, for want of the extension pg_trgm: %', SQLERRM;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP INDEX IF EXISTS end_users_alias_words;
DROP INDEX IF EXISTS end_users_id_words;
DROP INDEX IF EXISTS teams_alias_words;
DROP INDEX IF EXISTS teams_id_words;
DROP INDEX IF EXISTS users_email_words;
DROP INDEX IF EXISTS users_alias_words;
DROP INDEX IF EXISTS users_id_words;
DROP TRIGGER teams_spend_moved ON teams;
DROP TRIGGER teams_spend_gone ON teams;
DROP TRIGGER teams_spend_added ON teams;
DROP FUNCTION teams_spend_order;
DROP TRIGGER users_spend_moved ON users;
DROP TRIGGER users_spend_gone ON users;
DROP TRIGGER users_spend_added ON users;
DROP FUNCTION users_spend_order;
DROP TRIGGER keys_spend_moved ON keys;
DROP TRIGGER keys_spend_gone ON keys;
DROP TRIGGER keys_spend_added ON keys;
DROP FUNCTION keys_spend_order;
DROP TRIGGER end_users_time_moved ON end_users;
DROP TRIGGER end_users_time_gone ON end_users;
DROP TRIGGER end_users_time_added ON end_users;
DROP TRIGGER teams_time_moved ON teams;
DROP TRIGGER teams_time_gone ON teams;
DROP TRIGGER teams_time_added ON teams;
DROP TRIGGER users_time_moved ON users;
DROP TRIGGER users_time_gone ON users;
DROP TRIGGER users_time_added ON users;
DROP TRIGGER keys_time_moved ON keys;
DROP TRIGGER keys_time_gone ON keys;
DROP TRIGGER keys_time_added ON keys;
DROP FUNCTION lists_moved;
DROP FUNCTION lists_tally;
DROP TABLE spend_order;
DROP TABLE tallied_times;
DELETE FROM tallies WHERE kind <> 'key';
DROP INDEX teams_by_alias;
DROP INDEX teams_budgeted;
DROP INDEX teams_updated;
DROP INDEX users_of_role;
DROP INDEX users_by_role;
DROP INDEX users_by_email;
DROP INDEX users_by_alias;
DROP INDEX users_budgeted;
DROP INDEX users_updated;
DROP INDEX keys_budgeted;
DROP INDEX keys_updated;
DROP INDEX teams_org;
CREATE INDEX teams_org ON teams (org_id) WHERE org_id <> '';
DROP INDEX end_users_budget;
CREATE INDEX end_users_budget ON end_users (budget_id) WHERE budget_id <> '';
DROP INDEX keys_project;
CREATE INDEX keys_project ON keys (project_id) WHERE project_id <> '';
