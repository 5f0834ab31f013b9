-- +goose Up
CREATE TABLE keys (
    hash            TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    alias           TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    team_id         TEXT NOT NULL,
    org_id          TEXT NOT NULL,
    models          TEXT NOT NULL,
    aliases         TEXT NOT NULL,
    rpm             BIGINT,
    tpm             BIGINT,
    parallel        BIGINT,
    budget          BIGINT,
    budget_duration TEXT NOT NULL,
    soft_budget     BIGINT,
    spend_window    BIGINT NOT NULL,
    window_start    BIGINT NOT NULL,
    spend_total     BIGINT NOT NULL,
    expires         BIGINT NOT NULL,
    blocked         BOOLEAN NOT NULL,
    allowed_routes  TEXT NOT NULL,
    key_type        TEXT NOT NULL,
    tags            TEXT NOT NULL,
    metadata        TEXT NOT NULL,
    permissions     TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL,
    updated_at      BIGINT NOT NULL,
    updated_by      TEXT NOT NULL,
    last_active     BIGINT NOT NULL
);
CREATE UNIQUE INDEX keys_alias ON keys (alias) WHERE alias <> '';
CREATE INDEX keys_user ON keys (user_id) WHERE user_id <> '';
CREATE INDEX keys_team ON keys (team_id) WHERE team_id <> '';

CREATE TABLE users (
    id              TEXT PRIMARY KEY,
    alias           TEXT NOT NULL,
    email           TEXT NOT NULL,
    role            TEXT NOT NULL,
    models          TEXT NOT NULL,
    teams           TEXT NOT NULL,
    rpm             BIGINT,
    tpm             BIGINT,
    parallel        BIGINT,
    budget          BIGINT,
    budget_duration TEXT NOT NULL,
    soft_budget     BIGINT,
    spend_window    BIGINT NOT NULL,
    window_start    BIGINT NOT NULL,
    spend_total     BIGINT NOT NULL,
    metadata        TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_email ON users (LOWER(email)) WHERE email <> '';

CREATE TABLE teams (
    id              TEXT PRIMARY KEY,
    alias           TEXT NOT NULL,
    org_id          TEXT NOT NULL,
    models          TEXT NOT NULL,
    model_aliases   TEXT NOT NULL,
    members         TEXT NOT NULL,
    rpm             BIGINT,
    tpm             BIGINT,
    parallel        BIGINT,
    budget          BIGINT,
    budget_duration TEXT NOT NULL,
    soft_budget     BIGINT,
    spend_window    BIGINT NOT NULL,
    window_start    BIGINT NOT NULL,
    spend_total     BIGINT NOT NULL,
    blocked         BOOLEAN NOT NULL,
    metadata        TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- What is spent by those who have no row of their own.
CREATE TABLE totals (
    scope        TEXT NOT NULL,
    id           TEXT NOT NULL,
    spend_window BIGINT NOT NULL,
    window_start BIGINT NOT NULL,
    spend_total  BIGINT NOT NULL,
    PRIMARY KEY (scope, id)
);

CREATE TABLE calls (
    call_id        TEXT PRIMARY KEY,
    response_id    TEXT NOT NULL,
    key_hash       TEXT NOT NULL,
    user_id        TEXT NOT NULL,
    team_id        TEXT NOT NULL,
    org_id         TEXT NOT NULL,
    end_user       TEXT NOT NULL,
    tags           TEXT NOT NULL,
    operation      TEXT NOT NULL,
    route          TEXT NOT NULL,
    model_group    TEXT NOT NULL,
    model          TEXT NOT NULL,
    provider       TEXT NOT NULL,
    deployment_id  TEXT NOT NULL,
    session_id     TEXT NOT NULL,
    client_ip      TEXT NOT NULL,
    failed         BOOLEAN NOT NULL,
    kind           SMALLINT NOT NULL,
    error          TEXT NOT NULL,
    interrupted    BOOLEAN NOT NULL,
    streamed       BOOLEAN NOT NULL,
    finish         TEXT NOT NULL,
    retries        INTEGER NOT NULL,
    fallbacks      INTEGER NOT NULL,
    prompt         BIGINT NOT NULL,
    cache_read     BIGINT NOT NULL,
    cache_write    BIGINT NOT NULL,
    cache_write_1h BIGINT NOT NULL,
    audio_in       BIGINT NOT NULL,
    image_in       BIGINT NOT NULL,
    completion     BIGINT NOT NULL,
    reasoning      BIGINT NOT NULL,
    audio_out      BIGINT NOT NULL,
    image_out      BIGINT NOT NULL,
    web_searches   BIGINT NOT NULL,
    tier           TEXT NOT NULL,
    estimated      BOOLEAN NOT NULL,
    cost           BIGINT NOT NULL,
    priced         BOOLEAN NOT NULL,
    price          TEXT NOT NULL,
    started_at     BIGINT NOT NULL,
    first_byte_at  BIGINT NOT NULL,
    ended_at       BIGINT NOT NULL
);
-- Every index is paid for by every call: no more than the spend pages need.
CREATE INDEX calls_started ON calls (started_at);
CREATE INDEX calls_key ON calls (key_hash, started_at);

CREATE TABLE daily (
    day         TEXT NOT NULL,
    scope       TEXT NOT NULL,
    id          TEXT NOT NULL,
    model       TEXT NOT NULL,
    provider    TEXT NOT NULL,
    requests    BIGINT NOT NULL,
    failures    BIGINT NOT NULL,
    prompt      BIGINT NOT NULL,
    completion  BIGINT NOT NULL,
    cache_read  BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    cost        BIGINT NOT NULL,
    PRIMARY KEY (scope, id, day, model, provider)
);

CREATE TABLE changes (
    seq        BIGINT PRIMARY KEY,
    kind       TEXT NOT NULL,
    id         TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);
-- One row. Its lock is held until the writer commits, so numbers become
-- visible in order: a database sequence would let a reader miss a number that
-- was drawn earlier and committed later.
CREATE TABLE change_seq (
    id  INTEGER PRIMARY KEY,
    seq  BIGINT NOT NULL
);
INSERT INTO change_seq (id, seq) VALUES (1, 0);

-- +goose Down
DROP TABLE change_seq;
DROP TABLE changes;
DROP TABLE daily;
DROP TABLE calls;
DROP TABLE totals;
DROP TABLE settings;
DROP TABLE teams;
DROP TABLE users;
DROP TABLE keys;
