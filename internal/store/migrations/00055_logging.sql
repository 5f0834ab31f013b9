-- +goose Up
-- Where the calls of a key or a team are logged to: JSON, with secrets sealed.
ALTER TABLE keys ADD COLUMN logging TEXT NOT NULL DEFAULT '';
ALTER TABLE teams ADD COLUMN logging TEXT NOT NULL DEFAULT '';
CREATE INDEX keys_logging ON keys (hash) WHERE logging <> '';

-- +goose Down
DROP INDEX keys_logging;
ALTER TABLE teams DROP COLUMN logging;
ALTER TABLE keys DROP COLUMN logging;
