-- What a ledger needs beside its rows: entries that change a cost later, totals
-- that a manager changed, and a chain of hashes over what was booked.

-- +goose Up
DROP TABLE adjustments;
CREATE TABLE adjustments (
    started_at INTEGER NOT NULL,
    call_id    BLOB NOT NULL,
    n          INTEGER NOT NULL,
    rate       TEXT NOT NULL,
    cost       INTEGER NOT NULL,
    made_at    INTEGER NOT NULL,
    link       INTEGER,
    PRIMARY KEY (started_at, call_id, n)
) WITHOUT ROWID;

CREATE TABLE corrections (
    scope   TEXT NOT NULL,
    id      TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    amount  INTEGER NOT NULL
);
CREATE INDEX corrections_owner ON corrections (scope, id);

CREATE TABLE chain (
    link    INTEGER PRIMARY KEY,
    entries INTEGER NOT NULL,
    hash    BLOB NOT NULL,
    made_at INTEGER NOT NULL
);

-- Days whose calls are no longer kept; their sums are.
CREATE TABLE dropped_days (
    day  TEXT PRIMARY KEY,
    link INTEGER
) WITHOUT ROWID;

-- What totals and the daily sums do not explain was set by managers.
INSERT INTO corrections (scope, id, made_at, amount)
SELECT o.scope, o.id, 0, o.total - COALESCE(d.cost, 0)
FROM (SELECT 'key' AS scope, hash AS id, spend_total AS total FROM keys
      UNION ALL SELECT 'user', id, spend_total FROM users
      UNION ALL SELECT 'team', id, spend_total FROM teams
      UNION ALL SELECT scope, id, spend_total FROM totals) AS o
LEFT JOIN (SELECT scope, id, SUM(cost) AS cost FROM daily GROUP BY scope, id) AS d ON d.scope = o.scope AND d.id = o.id
WHERE o.total <> COALESCE(d.cost, 0);

-- +goose Down
DROP TABLE dropped_days;
DROP TABLE chain;
DROP TABLE corrections;
DROP TABLE adjustments;
CREATE TABLE adjustments (
    started_at INTEGER NOT NULL,
    call_id    BLOB NOT NULL,
    rate       TEXT NOT NULL,
    cost       INTEGER NOT NULL,
    made_at    INTEGER NOT NULL,
    PRIMARY KEY (started_at, call_id, rate)
) WITHOUT ROWID;
