-- Keys that were replaced because their rotation was due: the new one, sealed,
-- until whoever it is for has had time to fetch it.

-- +goose Up
CREATE TABLE rotated_keys (
    hash    TEXT PRIMARY KEY,
    sealed  TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    until   BIGINT NOT NULL
);
CREATE INDEX rotated_keys_until ON rotated_keys (until);

-- +goose Down
DROP TABLE rotated_keys;
