-- Where replicas leave word for each other: which deployments cool down, and how
-- much they carry. A row is renewed every second.

-- +goose Up
CREATE TABLE board (
    replica TEXT PRIMARY KEY,
    word    TEXT NOT NULL
);

-- +goose Down
DROP TABLE board;
