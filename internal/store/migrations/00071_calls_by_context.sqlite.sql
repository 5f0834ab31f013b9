-- The calls of a key, a user, a team, a model, or of those that failed.

-- +goose Up
CREATE INDEX calls_context ON calls (context, started_at);

-- +goose Down
DROP INDEX calls_context;
