-- +goose Up
-- Who was asked to come in, and the hashes of passwords. These stand apart from
-- users, whose rows are kept in memory and shown.
CREATE TABLE invitations (
    id          TEXT PRIMARY KEY,
    user_id     TEXT NOT NULL,
    accepted    BOOLEAN NOT NULL,
    accepted_at BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  TEXT NOT NULL,
    updated_at  BIGINT NOT NULL,
    updated_by  TEXT NOT NULL
);
CREATE INDEX invitations_user ON invitations (user_id);
CREATE TABLE passwords (
    user_id    TEXT PRIMARY KEY,
    hash       TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE passwords;
DROP TABLE invitations;
