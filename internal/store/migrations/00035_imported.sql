-- +goose Up
-- What an import has brought from another gateway: of which state of the other's
-- rows ours were made, and how much of each total came with it.
CREATE TABLE imported_rows (
    kind   TEXT NOT NULL,
    id     TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE TABLE imported_spend (
    scope        TEXT NOT NULL,
    id           TEXT NOT NULL,
    total        BIGINT NOT NULL,
    spend_window BIGINT NOT NULL,
    window_start BIGINT NOT NULL,
    PRIMARY KEY (scope, id)
);

-- +goose Down
DROP TABLE imported_spend;
DROP TABLE imported_rows;
