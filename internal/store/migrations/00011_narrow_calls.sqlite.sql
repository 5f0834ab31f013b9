-- The ledger in narrow rows. What many calls have in common is written once, in
-- contexts; the calls stand in the order of their starts and need no index for
-- it. Columns that are empty for most calls are NULL then.

-- +goose Up
CREATE TABLE rates (
    id    TEXT PRIMARY KEY,
    terms TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE contexts (
    id            INTEGER PRIMARY KEY,
    key_hash      TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    team_id       TEXT NOT NULL,
    org_id        TEXT NOT NULL,
    project_id    TEXT NOT NULL,
    operation     TEXT NOT NULL,
    route         TEXT NOT NULL,
    model_group   TEXT NOT NULL,
    model         TEXT NOT NULL,
    provider      TEXT NOT NULL,
    deployment_id TEXT NOT NULL,
    tier          TEXT NOT NULL,
    finish        TEXT NOT NULL,
    kind          INTEGER NOT NULL,
    failed        INTEGER NOT NULL,
    interrupted   INTEGER NOT NULL,
    streamed      INTEGER NOT NULL,
    estimated     INTEGER NOT NULL,
    priced        INTEGER NOT NULL,
    price         TEXT NOT NULL,
    rate          TEXT NOT NULL
);
CREATE INDEX contexts_key ON contexts (key_hash);
CREATE INDEX contexts_user ON contexts (user_id);

-- A window of a budget, for budgets that are not their owner's only one.
CREATE TABLE windows (
    scope        TEXT NOT NULL,
    id           TEXT NOT NULL,
    duration     TEXT NOT NULL,
    window_start INTEGER NOT NULL,
    spend        INTEGER NOT NULL,
    PRIMARY KEY (scope, id, duration)
) WITHOUT ROWID;

-- What a call's cost was changed by later. History is never edited.
CREATE TABLE adjustments (
    started_at INTEGER NOT NULL,
    call_id    BLOB NOT NULL,
    rate       TEXT NOT NULL,
    cost       INTEGER NOT NULL,
    made_at    INTEGER NOT NULL,
    PRIMARY KEY (started_at, call_id, rate)
) WITHOUT ROWID;

INSERT INTO contexts
SELECT ROW_NUMBER() OVER (), *
FROM (SELECT DISTINCT key_hash, user_id, team_id, org_id, '' AS project_id, operation, route, model_group, model, provider, deployment_id,
             tier, finish, kind, failed, interrupted, streamed, estimated, priced, price, '' AS rate
      FROM calls) AS d;

CREATE TABLE narrow (
    started_at     INTEGER NOT NULL,
    call_id        BLOB NOT NULL,
    context        INTEGER NOT NULL,
    cost           INTEGER NOT NULL,
    prompt         INTEGER NOT NULL,
    completion     INTEGER NOT NULL,
    took           INTEGER,
    first_byte     INTEGER,
    response_id    TEXT,
    client_ip      TEXT,
    cache_read     INTEGER,
    end_user       TEXT,
    session_id     TEXT,
    tags           TEXT,
    reasoning      INTEGER,
    error          TEXT,
    retries        INTEGER,
    fallbacks      INTEGER,
    cache_write    INTEGER,
    cache_write_1h INTEGER,
    audio_in       INTEGER,
    image_in       INTEGER,
    audio_out      INTEGER,
    image_out      INTEGER,
    web_searches   INTEGER,
    link           INTEGER,
    PRIMARY KEY (started_at, call_id)
) WITHOUT ROWID;

INSERT INTO narrow
SELECT c.started_at,
    CASE WHEN c.call_id GLOB '0???????-????-7???-????-????????????' AND c.call_id = LOWER(c.call_id) AND unhex(c.call_id, '-') IS NOT NULL
        THEN unhex(c.call_id, '-') ELSE CAST(X'FF' || CAST(c.call_id AS BLOB) AS BLOB) END,
    x.id, c.cost, c.prompt, c.completion,
    CASE WHEN c.ended_at <> 0 THEN c.ended_at - c.started_at END,
    CASE WHEN c.first_byte_at <> 0 THEN c.first_byte_at - c.started_at END,
    NULLIF(c.response_id, ''), NULLIF(c.client_ip, ''), NULLIF(c.cache_read, 0), NULLIF(c.end_user, ''), NULLIF(c.session_id, ''),
    NULLIF(c.tags, ''), NULLIF(c.reasoning, 0), NULLIF(c.error, ''), NULLIF(c.retries, 0), NULLIF(c.fallbacks, 0),
    NULLIF(c.cache_write, 0), NULLIF(c.cache_write_1h, 0), NULLIF(c.audio_in, 0), NULLIF(c.image_in, 0),
    NULLIF(c.audio_out, 0), NULLIF(c.image_out, 0), NULLIF(c.web_searches, 0), NULL
FROM calls AS c
JOIN contexts AS x ON x.key_hash = c.key_hash AND x.user_id = c.user_id AND x.team_id = c.team_id AND x.org_id = c.org_id
    AND x.operation = c.operation AND x.route = c.route AND x.model_group = c.model_group AND x.model = c.model
    AND x.provider = c.provider AND x.deployment_id = c.deployment_id AND x.tier = c.tier AND x.finish = c.finish
    AND x.kind = c.kind AND x.failed = c.failed AND x.interrupted = c.interrupted AND x.streamed = c.streamed
    AND x.estimated = c.estimated AND x.priced = c.priced AND x.price = c.price;
DROP TABLE calls;
ALTER TABLE narrow RENAME TO calls;
-- An answer's id is looked for hour by hour. Ids of vendors are random: in one
-- tree of them every new row would dirty a page of its own.
CREATE INDEX calls_response ON calls (started_at / 3600000000, response_id) WHERE response_id IS NOT NULL;
-- Ids that are no UUIDs do not tell when their call was. There are next to none.
CREATE INDEX calls_other_id ON calls (call_id) WHERE call_id >= X'FF';

-- +goose Down
CREATE TABLE wide (
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
INSERT INTO wide
SELECT CASE WHEN HEX(SUBSTR(c.call_id, 1, 1)) = 'FF' THEN CAST(SUBSTR(c.call_id, 2) AS TEXT)
        ELSE LOWER(SUBSTR(HEX(c.call_id), 1, 8) || '-' || SUBSTR(HEX(c.call_id), 9, 4) || '-' || SUBSTR(HEX(c.call_id), 13, 4) || '-' || SUBSTR(HEX(c.call_id), 17, 4) || '-' || SUBSTR(HEX(c.call_id), 21)) END,
    COALESCE(c.response_id, ''), x.key_hash, x.user_id, x.team_id, x.org_id, COALESCE(c.end_user, ''), COALESCE(c.tags, ''),
    x.operation, x.route, x.model_group, x.model, x.provider, x.deployment_id, COALESCE(c.session_id, ''), COALESCE(c.client_ip, ''),
    x.failed, x.kind, COALESCE(c.error, ''), x.interrupted, x.streamed, x.finish, COALESCE(c.retries, 0), COALESCE(c.fallbacks, 0),
    c.prompt, COALESCE(c.cache_read, 0), COALESCE(c.cache_write, 0), COALESCE(c.cache_write_1h, 0), COALESCE(c.audio_in, 0), COALESCE(c.image_in, 0),
    c.completion, COALESCE(c.reasoning, 0), COALESCE(c.audio_out, 0), COALESCE(c.image_out, 0), COALESCE(c.web_searches, 0), x.tier, x.estimated,
    c.cost, x.priced, x.price, c.started_at, COALESCE(c.first_byte + c.started_at, 0), COALESCE(c.took + c.started_at, 0)
FROM calls AS c JOIN contexts AS x ON x.id = c.context;
DROP TABLE calls;
ALTER TABLE wide RENAME TO calls;
CREATE INDEX calls_started ON calls (started_at);
CREATE INDEX calls_key ON calls (key_hash, started_at);
CREATE INDEX calls_response ON calls (response_id) WHERE response_id <> '';
DROP TABLE adjustments;
DROP TABLE windows;
DROP TABLE contexts;
DROP TABLE rates;
