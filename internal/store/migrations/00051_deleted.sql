-- Keys and teams as they were when they were deleted, and who did it. The columns
-- are those of their tables: what is added there must be added here.

-- +goose Up
CREATE TABLE deleted_keys (
    archive            TEXT PRIMARY KEY,
    hash               TEXT NOT NULL,
    name               TEXT NOT NULL,
    alias              TEXT NOT NULL,
    user_id            TEXT NOT NULL,
    team_id            TEXT NOT NULL,
    org_id             TEXT NOT NULL,
    project_id         TEXT NOT NULL,
    budget_id          TEXT NOT NULL,
    service_account_id TEXT NOT NULL,
    models             TEXT NOT NULL,
    aliases            TEXT NOT NULL,
    rpm                BIGINT,
    tpm                BIGINT,
    parallel           BIGINT,
    budget             BIGINT,
    budget_duration    TEXT NOT NULL,
    soft_budget        BIGINT,
    limits             TEXT NOT NULL,
    spend_window       BIGINT NOT NULL,
    window_start       BIGINT NOT NULL,
    spend_total        BIGINT NOT NULL,
    expires            BIGINT NOT NULL,
    blocked            BOOLEAN NOT NULL,
    allowed_routes     TEXT NOT NULL,
    key_type           TEXT NOT NULL,
    tags               TEXT NOT NULL,
    metadata           TEXT NOT NULL,
    permissions        TEXT NOT NULL,
    rotate_at          BIGINT NOT NULL,
    details            TEXT NOT NULL,
    logging            TEXT NOT NULL,
    last_active        BIGINT NOT NULL,
    created_at         BIGINT NOT NULL,
    created_by         TEXT NOT NULL,
    updated_at         BIGINT NOT NULL,
    updated_by         TEXT NOT NULL,
    deleted_at         BIGINT NOT NULL,
    deleted_by         TEXT NOT NULL,
    deleted_by_key     TEXT NOT NULL,
    changed_by         TEXT NOT NULL
);
CREATE INDEX deleted_keys_hash ON deleted_keys (hash, deleted_at);
CREATE INDEX deleted_keys_at ON deleted_keys (created_at, archive);
CREATE INDEX deleted_keys_user ON deleted_keys (user_id, created_at, archive) WHERE user_id <> '';
CREATE INDEX deleted_keys_team ON deleted_keys (team_id, created_at, archive) WHERE team_id <> '';

CREATE TABLE deleted_teams (
    archive          TEXT PRIMARY KEY,
    id               TEXT NOT NULL,
    alias            TEXT NOT NULL,
    org_id           TEXT NOT NULL,
    models           TEXT NOT NULL,
    model_aliases    TEXT NOT NULL,
    members          TEXT NOT NULL,
    member_budget_id TEXT NOT NULL,
    rpm              BIGINT,
    tpm              BIGINT,
    parallel         BIGINT,
    budget           BIGINT,
    budget_duration  TEXT NOT NULL,
    soft_budget      BIGINT,
    limits           TEXT NOT NULL,
    spend_window     BIGINT NOT NULL,
    window_start     BIGINT NOT NULL,
    spend_total      BIGINT NOT NULL,
    blocked          BOOLEAN NOT NULL,
    metadata         TEXT NOT NULL,
    details          TEXT NOT NULL,
    logging          TEXT NOT NULL,
    created_at       BIGINT NOT NULL,
    created_by       TEXT NOT NULL,
    updated_at       BIGINT NOT NULL,
    updated_by       TEXT NOT NULL,
    deleted_at       BIGINT NOT NULL,
    deleted_by       TEXT NOT NULL,
    deleted_by_key   TEXT NOT NULL,
    changed_by       TEXT NOT NULL
);
CREATE INDEX deleted_teams_id ON deleted_teams (id);
CREATE INDEX deleted_teams_at ON deleted_teams (created_at, archive);

-- +goose Down
DROP TABLE deleted_teams;
DROP TABLE deleted_keys;
