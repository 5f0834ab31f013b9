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
CREATE INDEX keys_budgeted ON keys (COALESCE(budget, 9223372036854775807), hash);
CREATE INDEX users_updated ON users (updated_at, id);
CREATE INDEX users_budgeted ON users (COALESCE(budget, 9223372036854775807), id);
CREATE INDEX users_by_alias ON users (alias, id);
CREATE INDEX users_by_email ON users (email, id);
CREATE INDEX users_by_role ON users (role, id);
CREATE INDEX users_of_role ON users (role, created_at, id);
CREATE INDEX teams_updated ON teams (updated_at, id);
CREATE INDEX teams_budgeted ON teams (COALESCE(budget, 9223372036854775807), id);
CREATE INDEX teams_by_alias ON teams (alias, id);
CREATE INDEX keys_by_spend ON keys (spend_total, hash);
CREATE INDEX users_by_spend ON users (spend_total, id);
CREATE INDEX teams_by_spend ON teams (spend_total, id);

-- Spans of 2^level microseconds: a second, eighteen minutes and twelve days.
CREATE TABLE tallied_times (
    kind   TEXT NOT NULL,
    level  SMALLINT NOT NULL,
    bucket BIGINT NOT NULL,
    n      BIGINT NOT NULL,
    PRIMARY KEY (kind, level, bucket)
) WITHOUT ROWID;
INSERT INTO tallied_times (kind, level, bucket, n) SELECT 'key', l.level, v.created_at >> l.level, COUNT(*) FROM keys AS v CROSS JOIN (SELECT 20 AS level UNION ALL SELECT 30 UNION ALL SELECT 40) AS l GROUP BY 2, 3;
INSERT INTO tallied_times (kind, level, bucket, n) SELECT 'user', l.level, v.created_at >> l.level, COUNT(*) FROM users AS v CROSS JOIN (SELECT 20 AS level UNION ALL SELECT 30 UNION ALL SELECT 40) AS l GROUP BY 2, 3;
INSERT INTO tallied_times (kind, level, bucket, n) SELECT 'team', l.level, v.created_at >> l.level, COUNT(*) FROM teams AS v CROSS JOIN (SELECT 20 AS level UNION ALL SELECT 30 UNION ALL SELECT 40) AS l GROUP BY 2, 3;
INSERT INTO tallied_times (kind, level, bucket, n) SELECT 'end_user', l.level, v.created_at >> l.level, COUNT(*) FROM end_users AS v CROSS JOIN (SELECT 20 AS level UNION ALL SELECT 30 UNION ALL SELECT 40) AS l GROUP BY 2, 3;
INSERT INTO tallies (kind, n) SELECT 'user', COUNT(*) FROM users;
INSERT INTO tallies (kind, n) SELECT 'team', COUNT(*) FROM teams;
INSERT INTO tallies (kind, n) SELECT 'end_user', COUNT(*) FROM end_users;

-- +goose StatementBegin
CREATE TRIGGER keys_time_added AFTER INSERT ON keys BEGIN
    INSERT INTO tallied_times (kind, level, bucket, n) VALUES ('key', 20, new.created_at >> 20, 1), ('key', 30, new.created_at >> 30, 1), ('key', 40, new.created_at >> 40, 1)
        ON CONFLICT (kind, level, bucket) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_time_gone AFTER DELETE ON keys BEGIN
    UPDATE tallied_times SET n = n - 1 WHERE kind = 'key' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40);
    DELETE FROM tallied_times WHERE kind = 'key' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40) AND n = 0;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_time_moved AFTER UPDATE OF created_at ON keys WHEN old.created_at <> new.created_at BEGIN
    UPDATE tallied_times SET n = n - 1 WHERE kind = 'key' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40);
    DELETE FROM tallied_times WHERE kind = 'key' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40) AND n = 0;
    INSERT INTO tallied_times (kind, level, bucket, n) VALUES ('key', 20, new.created_at >> 20, 1), ('key', 30, new.created_at >> 30, 1), ('key', 40, new.created_at >> 40, 1)
        ON CONFLICT (kind, level, bucket) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER users_time_added AFTER INSERT ON users BEGIN
    UPDATE tallies SET n = n + 1 WHERE kind = 'user';
    INSERT INTO tallied_times (kind, level, bucket, n) VALUES ('user', 20, new.created_at >> 20, 1), ('user', 30, new.created_at >> 30, 1), ('user', 40, new.created_at >> 40, 1)
        ON CONFLICT (kind, level, bucket) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER users_time_gone AFTER DELETE ON users BEGIN
    UPDATE tallies SET n = n - 1 WHERE kind = 'user';
    UPDATE tallied_times SET n = n - 1 WHERE kind = 'user' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40);
    DELETE FROM tallied_times WHERE kind = 'user' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40) AND n = 0;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER users_time_moved AFTER UPDATE OF created_at ON users WHEN old.created_at <> new.created_at BEGIN
    UPDATE tallied_times SET n = n - 1 WHERE kind = 'user' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40);
    DELETE FROM tallied_times WHERE kind = 'user' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40) AND n = 0;
    INSERT INTO tallied_times (kind, level, bucket, n) VALUES ('user', 20, new.created_at >> 20, 1), ('user', 30, new.created_at >> 30, 1), ('user', 40, new.created_at >> 40, 1)
        ON CONFLICT (kind, level, bucket) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER teams_time_added AFTER INSERT ON teams BEGIN
    UPDATE tallies SET n = n + 1 WHERE kind = 'team';
    INSERT INTO tallied_times (kind, level, bucket, n) VALUES ('team', 20, new.created_at >> 20, 1), ('team', 30, new.created_at >> 30, 1), ('team', 40, new.created_at >> 40, 1)
        ON CONFLICT (kind, level, bucket) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER teams_time_gone AFTER DELETE ON teams BEGIN
    UPDATE tallies SET n = n - 1 WHERE kind = 'team';
    UPDATE tallied_times SET n = n - 1 WHERE kind = 'team' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40);
    DELETE FROM tallied_times WHERE kind = 'team' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40) AND n = 0;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER teams_time_moved AFTER UPDATE OF created_at ON teams WHEN old.created_at <> new.created_at BEGIN
    UPDATE tallied_times SET n = n - 1 WHERE kind = 'team' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40);
    DELETE FROM tallied_times WHERE kind = 'team' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40) AND n = 0;
    INSERT INTO tallied_times (kind, level, bucket, n) VALUES ('team', 20, new.created_at >> 20, 1), ('team', 30, new.created_at >> 30, 1), ('team', 40, new.created_at >> 40, 1)
        ON CONFLICT (kind, level, bucket) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER end_users_time_added AFTER INSERT ON end_users BEGIN
    UPDATE tallies SET n = n + 1 WHERE kind = 'end_user';
    INSERT INTO tallied_times (kind, level, bucket, n) VALUES ('end_user', 20, new.created_at >> 20, 1), ('end_user', 30, new.created_at >> 30, 1), ('end_user', 40, new.created_at >> 40, 1)
        ON CONFLICT (kind, level, bucket) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER end_users_time_gone AFTER DELETE ON end_users BEGIN
    UPDATE tallies SET n = n - 1 WHERE kind = 'end_user';
    UPDATE tallied_times SET n = n - 1 WHERE kind = 'end_user' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40);
    DELETE FROM tallied_times WHERE kind = 'end_user' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40) AND n = 0;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER end_users_time_moved AFTER UPDATE OF created_at ON end_users WHEN old.created_at <> new.created_at BEGIN
    UPDATE tallied_times SET n = n - 1 WHERE kind = 'end_user' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40);
    DELETE FROM tallied_times WHERE kind = 'end_user' AND (level = 20 AND bucket = old.created_at >> 20 OR level = 30 AND bucket = old.created_at >> 30 OR level = 40 AND bucket = old.created_at >> 40) AND n = 0;
    INSERT INTO tallied_times (kind, level, bucket, n) VALUES ('end_user', 20, new.created_at >> 20, 1), ('end_user', 30, new.created_at >> 30, 1), ('end_user', 40, new.created_at >> 40, 1)
        ON CONFLICT (kind, level, bucket) DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd

CREATE TABLE users_words (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, words TEXT NOT NULL);
INSERT INTO users_words (id, words) SELECT id, id || char(10) || alias || char(10) || email FROM users;
CREATE VIRTUAL TABLE users_found USING fts5(words, content='users_words', content_rowid='n', tokenize='trigram');
INSERT INTO users_found (users_found) VALUES ('rebuild');
-- +goose StatementBegin
CREATE TRIGGER users_added AFTER INSERT ON users BEGIN
    INSERT INTO users_words (id, words) VALUES (new.id, new.id || char(10) || new.alias || char(10) || new.email);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER users_gone AFTER DELETE ON users BEGIN
    DELETE FROM users_words WHERE id = old.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER users_renamed AFTER UPDATE OF id, alias, email ON users
WHEN old.id <> new.id OR old.alias <> new.alias OR old.email <> new.email BEGIN
    UPDATE users_words SET id = new.id, words = new.id || char(10) || new.alias || char(10) || new.email WHERE id = old.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER users_words_added AFTER INSERT ON users_words BEGIN
    INSERT INTO users_found (rowid, words) VALUES (new.n, new.words);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER users_words_gone AFTER DELETE ON users_words BEGIN
    INSERT INTO users_found (users_found, rowid, words) VALUES ('delete', old.n, old.words);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER users_words_changed AFTER UPDATE OF words ON users_words WHEN old.words <> new.words BEGIN
    INSERT INTO users_found (users_found, rowid, words) VALUES ('delete', old.n, old.words);
    INSERT INTO users_found (rowid, words) VALUES (new.n, new.words);
END;
-- +goose StatementEnd

CREATE TABLE teams_words (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, words TEXT NOT NULL);
INSERT INTO teams_words (id, words) SELECT id, id || char(10) || alias FROM teams;
CREATE VIRTUAL TABLE teams_found USING fts5(words, content='teams_words', content_rowid='n', tokenize='trigram');
INSERT INTO teams_found (teams_found) VALUES ('rebuild');
-- +goose StatementBegin
CREATE TRIGGER teams_added AFTER INSERT ON teams BEGIN
    INSERT INTO teams_words (id, words) VALUES (new.id, new.id || char(10) || new.alias);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER teams_gone AFTER DELETE ON teams BEGIN
    DELETE FROM teams_words WHERE id = old.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER teams_renamed AFTER UPDATE OF id, alias ON teams
WHEN old.id <> new.id OR old.alias <> new.alias BEGIN
    UPDATE teams_words SET id = new.id, words = new.id || char(10) || new.alias WHERE id = old.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER teams_words_added AFTER INSERT ON teams_words BEGIN
    INSERT INTO teams_found (rowid, words) VALUES (new.n, new.words);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER teams_words_gone AFTER DELETE ON teams_words BEGIN
    INSERT INTO teams_found (teams_found, rowid, words) VALUES ('delete', old.n, old.words);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER teams_words_changed AFTER UPDATE OF words ON teams_words WHEN old.words <> new.words BEGIN
    INSERT INTO teams_found (teams_found, rowid, words) VALUES ('delete', old.n, old.words);
    INSERT INTO teams_found (rowid, words) VALUES (new.n, new.words);
END;
-- +goose StatementEnd

CREATE TABLE end_users_words (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, words TEXT NOT NULL);
INSERT INTO end_users_words (id, words) SELECT id, id || char(10) || alias FROM end_users;
CREATE VIRTUAL TABLE end_users_found USING fts5(words, content='end_users_words', content_rowid='n', tokenize='trigram');
INSERT INTO end_users_found (end_users_found) VALUES ('rebuild');
-- +goose StatementBegin
CREATE TRIGGER end_users_added AFTER INSERT ON end_users BEGIN
    INSERT INTO end_users_words (id, words) VALUES (new.id, new.id || char(10) || new.alias);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER end_users_gone AFTER DELETE ON end_users BEGIN
    DELETE FROM end_users_words WHERE id = old.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER end_users_renamed AFTER UPDATE OF id, alias ON end_users
WHEN old.id <> new.id OR old.alias <> new.alias BEGIN
    UPDATE end_users_words SET id = new.id, words = new.id || char(10) || new.alias WHERE id = old.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER end_users_words_added AFTER INSERT ON end_users_words BEGIN
    INSERT INTO end_users_found (rowid, words) VALUES (new.n, new.words);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER end_users_words_gone AFTER DELETE ON end_users_words BEGIN
    INSERT INTO end_users_found (end_users_found, rowid, words) VALUES ('delete', old.n, old.words);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER end_users_words_changed AFTER UPDATE OF words ON end_users_words WHEN old.words <> new.words BEGIN
    INSERT INTO end_users_found (end_users_found, rowid, words) VALUES ('delete', old.n, old.words);
    INSERT INTO end_users_found (rowid, words) VALUES (new.n, new.words);
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER end_users_words_changed;
DROP TRIGGER end_users_words_gone;
DROP TRIGGER end_users_words_added;
DROP TRIGGER end_users_renamed;
DROP TRIGGER end_users_gone;
DROP TRIGGER end_users_added;
DROP TABLE end_users_found;
DROP TABLE end_users_words;
DROP TRIGGER teams_words_changed;
DROP TRIGGER teams_words_gone;
DROP TRIGGER teams_words_added;
DROP TRIGGER teams_renamed;
DROP TRIGGER teams_gone;
DROP TRIGGER teams_added;
DROP TABLE teams_found;
DROP TABLE teams_words;
DROP TRIGGER users_words_changed;
DROP TRIGGER users_words_gone;
DROP TRIGGER users_words_added;
DROP TRIGGER users_renamed;
DROP TRIGGER users_gone;
DROP TRIGGER users_added;
DROP TABLE users_found;
DROP TABLE users_words;
DROP TRIGGER end_users_time_moved;
DROP TRIGGER end_users_time_gone;
DROP TRIGGER end_users_time_added;
DROP TRIGGER teams_time_moved;
DROP TRIGGER teams_time_gone;
DROP TRIGGER teams_time_added;
DROP TRIGGER users_time_moved;
DROP TRIGGER users_time_gone;
DROP TRIGGER users_time_added;
DROP TRIGGER keys_time_moved;
DROP TRIGGER keys_time_gone;
DROP TRIGGER keys_time_added;
DROP TABLE tallied_times;
DELETE FROM tallies WHERE kind <> 'key';
DROP INDEX teams_by_spend;
DROP INDEX users_by_spend;
DROP INDEX keys_by_spend;
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
