-- Organizations, projects, end users, tags, shared budgets, access groups, and
-- what keys, users and teams carry of them. Spend of those that have no columns
-- for it stands in table totals, where it may be older than their row.
-- Columns called limits and details hold JSON of what is seldom set and never
-- searched for, so that a plain row stays small.

-- +goose Up
ALTER TABLE keys ADD COLUMN project_id TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN budget_id TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN service_account_id TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN rotate_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN limits TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN details TEXT NOT NULL DEFAULT '';
CREATE INDEX keys_org ON keys (org_id) WHERE org_id <> '';
CREATE INDEX keys_project ON keys (project_id) WHERE project_id <> '';
CREATE INDEX keys_budget ON keys (budget_id) WHERE budget_id <> '';
CREATE INDEX keys_rotate ON keys (rotate_at) WHERE rotate_at > 0;
CREATE INDEX keys_created ON keys (created_at, hash);

ALTER TABLE users ADD COLUMN sso_id TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN org_id TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN orgs TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN blocked BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE users ADD COLUMN limits TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN details TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX users_sso ON users (sso_id) WHERE sso_id <> '';
CREATE INDEX users_created ON users (created_at, id);

ALTER TABLE teams ADD COLUMN member_budget_id TEXT NOT NULL DEFAULT '';
ALTER TABLE teams ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE teams ADD COLUMN updated_by TEXT NOT NULL DEFAULT '';
ALTER TABLE teams ADD COLUMN limits TEXT NOT NULL DEFAULT '';
ALTER TABLE teams ADD COLUMN details TEXT NOT NULL DEFAULT '';
CREATE INDEX teams_org ON teams (org_id) WHERE org_id <> '';
CREATE INDEX teams_created ON teams (created_at, id);

CREATE TABLE organizations (
    id              TEXT PRIMARY KEY,
    alias           TEXT NOT NULL,
    budget_id       TEXT NOT NULL,
    models          TEXT NOT NULL,
    members         TEXT NOT NULL,
    rpm             BIGINT,
    tpm             BIGINT,
    parallel        BIGINT,
    budget          BIGINT,
    budget_duration TEXT NOT NULL,
    soft_budget     BIGINT,
    limits          TEXT NOT NULL,
    metadata        TEXT NOT NULL,
    details         TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL,
    updated_at      BIGINT NOT NULL,
    updated_by      TEXT NOT NULL
);
CREATE INDEX organizations_budget ON organizations (budget_id) WHERE budget_id <> '';

CREATE TABLE projects (
    id              TEXT PRIMARY KEY,
    alias           TEXT NOT NULL,
    description     TEXT NOT NULL,
    team_id         TEXT NOT NULL,
    budget_id       TEXT NOT NULL,
    models          TEXT NOT NULL,
    tags            TEXT NOT NULL,
    rpm             BIGINT,
    tpm             BIGINT,
    parallel        BIGINT,
    budget          BIGINT,
    budget_duration TEXT NOT NULL,
    soft_budget     BIGINT,
    limits          TEXT NOT NULL,
    blocked         BOOLEAN NOT NULL,
    metadata        TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL,
    updated_at      BIGINT NOT NULL,
    updated_by      TEXT NOT NULL
);
CREATE INDEX projects_team ON projects (team_id) WHERE team_id <> '';
CREATE INDEX projects_budget ON projects (budget_id) WHERE budget_id <> '';

CREATE TABLE end_users (
    id              TEXT PRIMARY KEY,
    alias           TEXT NOT NULL,
    region          TEXT NOT NULL,
    default_model   TEXT NOT NULL,
    budget_id       TEXT NOT NULL,
    models          TEXT NOT NULL,
    rpm             BIGINT,
    tpm             BIGINT,
    parallel        BIGINT,
    budget          BIGINT,
    budget_duration TEXT NOT NULL,
    soft_budget     BIGINT,
    limits          TEXT NOT NULL,
    blocked         BOOLEAN NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX end_users_budget ON end_users (budget_id) WHERE budget_id <> '';
CREATE INDEX end_users_created ON end_users (created_at, id);

CREATE TABLE tags (
    name            TEXT PRIMARY KEY,
    description     TEXT NOT NULL,
    models          TEXT NOT NULL,
    budget_id       TEXT NOT NULL,
    rpm             BIGINT,
    tpm             BIGINT,
    parallel        BIGINT,
    budget          BIGINT,
    budget_duration TEXT NOT NULL,
    soft_budget     BIGINT,
    limits          TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX tags_budget ON tags (budget_id) WHERE budget_id <> '';

CREATE TABLE budgets (
    id              TEXT PRIMARY KEY,
    allowed_models  TEXT NOT NULL,
    rpm             BIGINT,
    tpm             BIGINT,
    parallel        BIGINT,
    budget          BIGINT,
    budget_duration TEXT NOT NULL,
    soft_budget     BIGINT,
    limits          TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL,
    updated_at      BIGINT NOT NULL,
    updated_by      TEXT NOT NULL
);

CREATE TABLE access_groups (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    models          TEXT NOT NULL,
    teams           TEXT NOT NULL,
    keys            TEXT NOT NULL,
    budget_id       TEXT NOT NULL,
    rpm             BIGINT,
    tpm             BIGINT,
    parallel        BIGINT,
    budget          BIGINT,
    budget_duration TEXT NOT NULL,
    soft_budget     BIGINT,
    limits          TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL,
    updated_at      BIGINT NOT NULL,
    updated_by      TEXT NOT NULL
);
CREATE UNIQUE INDEX access_groups_name ON access_groups (name) WHERE name <> '';

CREATE TABLE models (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    params     TEXT NOT NULL,
    info       TEXT NOT NULL,
    team_id    TEXT NOT NULL,
    blocked    BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL
);
CREATE INDEX models_name ON models (name);

CREATE TABLE credentials (
    name         TEXT PRIMARY KEY,
    display_name TEXT NOT NULL,
    secrets      TEXT NOT NULL,
    info         TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    created_by   TEXT NOT NULL,
    updated_at   BIGINT NOT NULL,
    updated_by   TEXT NOT NULL
);

-- Keys that were replaced: they work until then, as the key that replaced them.
CREATE TABLE deprecated_keys (
    hash       TEXT PRIMARY KEY,
    active     TEXT NOT NULL,
    until      BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX deprecated_keys_active ON deprecated_keys (active);

CREATE TABLE jwt_mappings (
    id          TEXT PRIMARY KEY,
    issuer      TEXT NOT NULL,
    claim       TEXT NOT NULL,
    value       TEXT NOT NULL,
    key_hash    TEXT NOT NULL,
    description TEXT NOT NULL,
    active      BOOLEAN NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  TEXT NOT NULL,
    updated_at  BIGINT NOT NULL,
    updated_by  TEXT NOT NULL
);
CREATE UNIQUE INDEX jwt_mappings_claim ON jwt_mappings (issuer, claim, value);
CREATE INDEX jwt_mappings_key ON jwt_mappings (key_hash);

CREATE TABLE audit (
    id          TEXT PRIMARY KEY,
    at          BIGINT NOT NULL,
    actor       TEXT NOT NULL,
    actor_key   TEXT NOT NULL,
    action      TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id   TEXT NOT NULL,
    team_id     TEXT NOT NULL,
    key_hash    TEXT NOT NULL,
    before      TEXT NOT NULL,
    after       TEXT NOT NULL,
    client_ip   TEXT NOT NULL,
    request_url TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at, id);
CREATE INDEX audit_object ON audit (object_id, at);

-- +goose Down
DROP TABLE audit;
DROP TABLE jwt_mappings;
DROP TABLE deprecated_keys;
DROP TABLE credentials;
DROP TABLE models;
DROP TABLE access_groups;
DROP TABLE budgets;
DROP TABLE tags;
DROP TABLE end_users;
DROP TABLE projects;
DROP TABLE organizations;
DROP INDEX teams_created;
DROP INDEX teams_org;
ALTER TABLE teams DROP COLUMN details;
ALTER TABLE teams DROP COLUMN limits;
ALTER TABLE teams DROP COLUMN updated_by;
ALTER TABLE teams DROP COLUMN created_by;
ALTER TABLE teams DROP COLUMN member_budget_id;
DROP INDEX users_created;
DROP INDEX users_sso;
ALTER TABLE users DROP COLUMN details;
ALTER TABLE users DROP COLUMN limits;
ALTER TABLE users DROP COLUMN blocked;
ALTER TABLE users DROP COLUMN orgs;
ALTER TABLE users DROP COLUMN org_id;
ALTER TABLE users DROP COLUMN sso_id;
DROP INDEX keys_created;
DROP INDEX keys_rotate;
DROP INDEX keys_budget;
DROP INDEX keys_project;
DROP INDEX keys_org;
ALTER TABLE keys DROP COLUMN details;
ALTER TABLE keys DROP COLUMN limits;
ALTER TABLE keys DROP COLUMN rotate_at;
ALTER TABLE keys DROP COLUMN service_account_id;
ALTER TABLE keys DROP COLUMN budget_id;
ALTER TABLE keys DROP COLUMN project_id;
