package store

import (
	"context"
	"fmt"
	"io/fs"
)

// MigrateFrom runs the migrations in dir instead of the program's own.
func (db *DB) MigrateFrom(ctx context.Context, dir fs.FS) error { return db.migrateFrom(ctx, dir) }

// Has reports whether a table can be read.
func (db *DB) Has(ctx context.Context, table string) bool {
	var n int
	return db.w.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n) == nil
}

// Rows returns how many rows a table has.
func (db *DB) Rows(ctx context.Context, table string) (int, error) {
	var n int
	err := db.w.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table).Scan(&n)
	return n, err
}

// Versions returns how many migrations have been run.
func (db *DB) Versions(ctx context.Context) (int, error) {
	done, err := db.applied(ctx)
	return len(done), err
}

// Connect opens the database as it is.
func Connect(url string) (*DB, error) { return connect(url, Options{}) }

// Fill writes n keys of n/10 users and 1,000 teams in one statement, for
// benchmarks. Their aliases are "service-000123-production".
func (db *DB) Fill(ctx context.Context, n int) error {
	series, hash := "WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i + 1 < $1)",
		"printf('%08x', (i * 2654435761) & 4294967295) || printf('%056d', i)"
	pad := func(width int, v string) string { return fmt.Sprintf("printf('%%0%dd', %s)", width, v) }
	if db.d.name == "postgres" {
		series, hash = "WITH s AS (SELECT generate_series(0::bigint, $1::bigint - 1) AS i)",
			"lpad(to_hex((i * 2654435761) & 4294967295), 8, '0') || lpad(i::text, 56, '0')"
		pad = func(width int, v string) string { return fmt.Sprintf("lpad((%s)::text, %d, '0')", v, width) }
	}
	_, err := db.w.ExecContext(ctx, series+` INSERT INTO keys (hash, name, alias, user_id, team_id, org_id, models, aliases, rpm, tpm, budget, budget_duration,
		spend_window, window_start, spend_total, expires, blocked, allowed_routes, key_type, tags, metadata, permissions, created_at, created_by, updated_at, updated_by, last_active)
		SELECT `+hash+`, 'sk-...' || `+pad(4, "i % 10000")+`, 'service-' || `+pad(6, "i")+` || '-production', 'user-' || `+pad(30, "i / 10")+`, 'team-' || `+pad(30, "i % 1000")+`,
		'org-' || `+pad(30, "i % 50")+`, '["gpt-4o","claude-sonnet-4"]', '', 600, 100000, 100000000000, '30d', i * 1234567, 1767225600000000, i * 7654321, 0, FALSE, '', 'llm_api', '["production"]',
		'{"application":"service-' || `+pad(6, "i")+` || '","owner":"someone@example.com"}', '', 1767225600000000 + i * 1000, 'default_user_id', 1767225600000000 + i * 1000, 'default_user_id', 0 FROM s`, n)
	analyze := "ANALYZE"
	if db.d.name == "postgres" {
		// What autovacuum does soon after: the visibility of rows, without which
		// no index answers alone, and the tail of the trigrams.
		analyze = "VACUUM ANALYZE keys"
	}
	if err == nil {
		_, err = db.w.ExecContext(ctx, analyze)
	}
	return err
}
