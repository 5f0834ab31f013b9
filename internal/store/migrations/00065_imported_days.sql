-- +goose Up
-- Sums of days whose calls another gateway no longer had when its books were
-- brought. Reports show them; the ledger, which is made of calls, does not know
-- them. A source is the database they came from.
CREATE TABLE imported_days (
    scope       TEXT NOT NULL,
    id          TEXT NOT NULL,
    day         TEXT NOT NULL,
    model       TEXT NOT NULL,
    provider    TEXT NOT NULL,
    source      TEXT NOT NULL,
    requests    BIGINT NOT NULL,
    failures    BIGINT NOT NULL,
    prompt      BIGINT NOT NULL,
    completion  BIGINT NOT NULL,
    cache_read  BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    cost        BIGINT NOT NULL,
    PRIMARY KEY (scope, id, day, model, provider, source)
);

-- +goose Down
DROP TABLE imported_days;
