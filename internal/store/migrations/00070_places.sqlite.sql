-- Pages by number far from both ends of a long list: where every so many rows stand
-- is noted from time to time, and what has come, gone and changed since.

-- +goose Up
CREATE TABLE list_marks (
    list   TEXT NOT NULL,
    number BIGINT NOT NULL,
    text   TEXT NOT NULL,
    id     TEXT NOT NULL,
    n      BIGINT NOT NULL,
    PRIMARY KEY (list, number, text, id)
) WITHOUT ROWID;
CREATE TABLE list_counts (list TEXT PRIMARY KEY, counted_at BIGINT NOT NULL, counted BIGINT NOT NULL);
CREATE TABLE list_moves (
    n          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL,
    sign       SMALLINT NOT NULL,
    id         TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    budget     BIGINT NOT NULL,
    alias      TEXT NOT NULL,
    email      TEXT NOT NULL,
    role       TEXT NOT NULL
);

-- +goose StatementBegin
CREATE TRIGGER keys_place_added AFTER INSERT ON keys BEGIN
    INSERT INTO list_moves (kind, sign, id, updated_at, budget, alias, email, role) VALUES ('key', 1, new.hash, new.updated_at, COALESCE(new.budget, 9223372036854775807), new.alias, '', '');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_place_gone AFTER DELETE ON keys BEGIN
    INSERT INTO list_moves (kind, sign, id, updated_at, budget, alias, email, role) VALUES ('key', -1, old.hash, old.updated_at, COALESCE(old.budget, 9223372036854775807), old.alias, '', '');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_place_moved AFTER UPDATE ON keys WHEN old.hash <> new.hash OR old.updated_at <> new.updated_at OR old.alias <> new.alias OR COALESCE(old.budget, 9223372036854775807) <> COALESCE(new.budget, 9223372036854775807) BEGIN
    INSERT INTO list_moves (kind, sign, id, updated_at, budget, alias, email, role) VALUES ('key', -1, old.hash, old.updated_at, COALESCE(old.budget, 9223372036854775807), old.alias, '', ''), ('key', 1, new.hash, new.updated_at, COALESCE(new.budget, 9223372036854775807), new.alias, '', '');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER users_place_added AFTER INSERT ON users BEGIN
    INSERT INTO list_moves (kind, sign, id, updated_at, budget, alias, email, role) VALUES ('user', 1, new.id, new.updated_at, COALESCE(new.budget, 9223372036854775807), new.alias, new.email, new.role);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER users_place_gone AFTER DELETE ON users BEGIN
    INSERT INTO list_moves (kind, sign, id, updated_at, budget, alias, email, role) VALUES ('user', -1, old.id, old.updated_at, COALESCE(old.budget, 9223372036854775807), old.alias, old.email, old.role);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER users_place_moved AFTER UPDATE ON users WHEN old.id <> new.id OR old.updated_at <> new.updated_at OR old.alias <> new.alias OR old.email <> new.email OR old.role <> new.role OR COALESCE(old.budget, 9223372036854775807) <> COALESCE(new.budget, 9223372036854775807) BEGIN
    INSERT INTO list_moves (kind, sign, id, updated_at, budget, alias, email, role) VALUES ('user', -1, old.id, old.updated_at, COALESCE(old.budget, 9223372036854775807), old.alias, old.email, old.role), ('user', 1, new.id, new.updated_at, COALESCE(new.budget, 9223372036854775807), new.alias, new.email, new.role);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER teams_place_added AFTER INSERT ON teams BEGIN
    INSERT INTO list_moves (kind, sign, id, updated_at, budget, alias, email, role) VALUES ('team', 1, new.id, new.updated_at, COALESCE(new.budget, 9223372036854775807), new.alias, '', '');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER teams_place_gone AFTER DELETE ON teams BEGIN
    INSERT INTO list_moves (kind, sign, id, updated_at, budget, alias, email, role) VALUES ('team', -1, old.id, old.updated_at, COALESCE(old.budget, 9223372036854775807), old.alias, '', '');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER teams_place_moved AFTER UPDATE ON teams WHEN old.id <> new.id OR old.updated_at <> new.updated_at OR old.alias <> new.alias OR COALESCE(old.budget, 9223372036854775807) <> COALESCE(new.budget, 9223372036854775807) BEGIN
    INSERT INTO list_moves (kind, sign, id, updated_at, budget, alias, email, role) VALUES ('team', -1, old.id, old.updated_at, COALESCE(old.budget, 9223372036854775807), old.alias, '', ''), ('team', 1, new.id, new.updated_at, COALESCE(new.budget, 9223372036854775807), new.alias, '', '');
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER keys_place_moved;
DROP TRIGGER keys_place_gone;
DROP TRIGGER keys_place_added;
DROP TRIGGER users_place_moved;
DROP TRIGGER users_place_gone;
DROP TRIGGER users_place_added;
DROP TRIGGER teams_place_moved;
DROP TRIGGER teams_place_gone;
DROP TRIGGER teams_place_added;
DROP TABLE list_moves;
DROP TABLE list_counts;
DROP TABLE list_marks;
