-- Through which budgeted access groups calls were made: a JSON list of names.

-- +goose Up
ALTER TABLE contexts ADD COLUMN access_groups TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE contexts DROP COLUMN access_groups;
