-- PostgreSQL has had this index from the first.

-- +goose Up
SELECT 1;

-- +goose Down
SELECT 1;
