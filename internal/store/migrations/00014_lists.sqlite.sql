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

-- A table with an id of its own: the rowids of keys may change with a VACUUM.
CREATE TABLE keys_words (id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, words TEXT NOT NULL);
INSERT INTO keys_words (hash, words) SELECT hash, alias || char(10) || user_id FROM keys;
CREATE VIRTUAL TABLE keys_found USING fts5(words, content='keys_words', content_rowid='id', tokenize='trigram');
INSERT INTO keys_found (keys_found) VALUES ('rebuild');

-- +goose StatementBegin
CREATE TRIGGER keys_added AFTER INSERT ON keys BEGIN
    UPDATE tallies SET n = n + 1 WHERE kind = 'key';
    INSERT INTO keys_words (hash, words) VALUES (new.hash, new.alias || char(10) || new.user_id);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_gone AFTER DELETE ON keys BEGIN
    UPDATE tallies SET n = n - 1 WHERE kind = 'key';
    DELETE FROM keys_words WHERE hash = old.hash;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_renamed AFTER UPDATE OF hash, alias, user_id ON keys
WHEN old.hash <> new.hash OR old.alias <> new.alias OR old.user_id <> new.user_id BEGIN
    UPDATE keys_words SET hash = new.hash, words = new.alias || char(10) || new.user_id WHERE hash = old.hash;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_words_added AFTER INSERT ON keys_words BEGIN
    INSERT INTO keys_found (rowid, words) VALUES (new.id, new.words);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_words_gone AFTER DELETE ON keys_words BEGIN
    INSERT INTO keys_found (keys_found, rowid, words) VALUES ('delete', old.id, old.words);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_words_changed AFTER UPDATE OF words ON keys_words WHEN old.words <> new.words BEGIN
    INSERT INTO keys_found (keys_found, rowid, words) VALUES ('delete', old.id, old.words);
    INSERT INTO keys_found (rowid, words) VALUES (new.id, new.words);
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER keys_words_changed;
DROP TRIGGER keys_words_gone;
DROP TRIGGER keys_words_added;
DROP TRIGGER keys_renamed;
DROP TRIGGER keys_gone;
DROP TRIGGER keys_added;
DROP TABLE keys_found;
DROP TABLE keys_words;
DROP TABLE tallies;
DROP INDEX keys_name;
DROP INDEX keys_by_alias;
DROP INDEX keys_org;
DROP INDEX keys_team;
DROP INDEX keys_user;
CREATE INDEX keys_user ON keys (user_id) WHERE user_id <> '';
CREATE INDEX keys_team ON keys (team_id) WHERE team_id <> '';
CREATE INDEX keys_org ON keys (org_id) WHERE org_id <> '';
