-- A client knows its call by the answer's id as well; without this index,
-- asking for one reads the whole ledger.

-- +goose Up
CREATE INDEX calls_response ON calls (response_id) WHERE response_id <> '';

-- +goose Down
DROP INDEX calls_response;
