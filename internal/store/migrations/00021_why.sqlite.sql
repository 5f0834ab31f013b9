-- Why each call went as it did.

-- +goose Up
ALTER TABLE calls ADD COLUMN why BLOB;

-- +goose Down
ALTER TABLE calls DROP COLUMN why;
