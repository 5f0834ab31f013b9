// Package store keeps keys, users, teams, settings and the spend ledger in
// SQLite or PostgreSQL, with one set of SQL for both.
//
// SQL is written in what both engines speak: numbered parameters, ON CONFLICT,
// RETURNING, ids as text that we make, money as BIGINT nano-USD, time as BIGINT
// Unix microseconds with 0 for "never", lists and maps as JSON text with the
// empty string for "none". The few differences are fields of a dialect.
package store
