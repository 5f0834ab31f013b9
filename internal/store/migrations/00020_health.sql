-- What health checks of deployments have found: the last result of each, and
-- how it changed.

-- +goose Up
CREATE TABLE health (
    deployment_id TEXT PRIMARY KEY,
    model_group   TEXT NOT NULL,
    provider      TEXT NOT NULL,
    model         TEXT NOT NULL,
    ok            BOOLEAN NOT NULL,
    unknown       TEXT NOT NULL,
    kind          SMALLINT NOT NULL,
    status        INTEGER NOT NULL,
    error         TEXT NOT NULL,
    checked_at    BIGINT NOT NULL,
    took          BIGINT NOT NULL,
    call_id       TEXT NOT NULL,
    asked_by      TEXT NOT NULL
);
CREATE TABLE health_history (
    checked_at    BIGINT NOT NULL,
    deployment_id TEXT NOT NULL,
    model_group   TEXT NOT NULL,
    provider      TEXT NOT NULL,
    model         TEXT NOT NULL,
    ok            BOOLEAN NOT NULL,
    unknown       TEXT NOT NULL,
    kind          SMALLINT NOT NULL,
    status        INTEGER NOT NULL,
    error         TEXT NOT NULL,
    took          BIGINT NOT NULL,
    call_id       TEXT NOT NULL,
    asked_by      TEXT NOT NULL,
    PRIMARY KEY (checked_at, deployment_id)
);

-- +goose Down
DROP TABLE health_history;
DROP TABLE health;
