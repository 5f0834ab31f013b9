-- By which program calls were made, as its User-Agent says.

-- +goose Up
ALTER TABLE contexts ADD COLUMN agent TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE contexts DROP COLUMN agent;
