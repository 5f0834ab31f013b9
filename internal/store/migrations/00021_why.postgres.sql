-- Why each call went as it did.

-- +goose Up
ALTER TABLE calls ADD COLUMN why BYTEA;

-- +goose Down
ALTER TABLE calls DROP COLUMN why;
