package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"penstock/internal/gateway"
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

// FillMany is Fill for very many rows: what lists need is made after them, as a
// migration makes it.
func (db *DB) FillMany(ctx context.Context, n int) error {
	dir, err := db.embedded()
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(db.d.goose, db.w, dir, goose.WithDisableGlobalRegistry(true), goose.WithAllowOutofOrder(true))
	if err != nil {
		return err
	}
	const lists, moreLists, places = 14, 60, 70 // numbers of migrations
	for _, version := range []int64{places, moreLists, lists} {
		if _, err := p.ApplyVersion(ctx, version, false); err != nil {
			return err
		}
	}
	if err := db.fill(ctx, n); err != nil {
		return err
	}
	for _, version := range []int64{lists, moreLists, places} {
		if _, err := p.ApplyVersion(ctx, version, true); err != nil {
			return err
		}
	}
	return db.analyze(ctx)
}

// Fill writes n keys of n/10 users and 1,000 teams, and n users, teams and end
// users, for benchmarks. Aliases of keys are "service-000123-production".
func (db *DB) Fill(ctx context.Context, n int) error {
	if err := db.fill(ctx, n); err != nil {
		return err
	}
	return db.analyze(ctx)
}

func (db *DB) fill(ctx context.Context, n int) error {
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
	if err == nil {
		_, err = db.w.ExecContext(ctx, series+` INSERT INTO users (id, alias, email, role, models, teams, budget, budget_duration, spend_window, window_start, spend_total, metadata, created_at, updated_at)
			SELECT 'user-' || `+pad(30, "i")+`, 'Person ' || `+pad(6, "i")+`, 'person' || `+pad(6, "i")+` || '@example.com', CASE WHEN i % 1000 = 0 THEN 'proxy_admin' ELSE 'internal_user' END,
			'', '["team-' || `+pad(30, "i % 1000")+` || '"]', 100000000000, '30d', 0, 0, i * 7654321, '', 1767225600000000 + i * 1000, 1767225600000000 + i * 1000 FROM s`, n)
	}
	if err == nil {
		_, err = db.w.ExecContext(ctx, series+` INSERT INTO teams (id, alias, org_id, models, model_aliases, members, budget, budget_duration, spend_window, window_start, spend_total, blocked, metadata, created_at, updated_at)
			SELECT 'team-' || `+pad(30, "i")+`, 'Division ' || `+pad(6, "i")+`, 'org-' || `+pad(30, "i % 50")+`, '["gpt-4o"]', '', '[{"user_id":"user-' || `+pad(30, "i")+` || '","role":"admin"}]',
			100000000000, '30d', 0, 0, i * 7654321, FALSE, '', 1767225600000000 + i * 1000, 1767225600000000 + i * 1000 FROM s`, n)
	}
	if err == nil {
		_, err = db.w.ExecContext(ctx, series+` INSERT INTO end_users (id, alias, region, default_model, budget_id, models, budget, budget_duration, limits, blocked, created_at, updated_at)
			SELECT 'customer-' || `+pad(30, "i")+`, 'Client ' || `+pad(6, "i")+`, '', '', CASE WHEN i % 10 = 0 THEN 'free' ELSE '' END, '', NULL, '', '', FALSE, 1767225600000000 + i * 1000, 1767225600000000 + i * 1000 FROM s`, n)
	}
	return err
}

// SetRoles gives a role to the users whose ids are lower.
func (db *DB) SetRoles(ctx context.Context, role gateway.Role, id string) error {
	_, err := db.w.ExecContext(ctx, "UPDATE users SET role = $1 WHERE id < $2", string(role), id)
	return err
}

// analyze does what autovacuum does soon after: statistics, the visibility of rows,
// without which no index answers alone, and the tail of the trigrams. A gateway
// never has SQLite analyze anything.
func (db *DB) analyze(ctx context.Context) error {
	if db.d.name != "postgres" {
		return nil
	}
	_, err := db.w.ExecContext(ctx, "VACUUM ANALYZE keys, users, teams, end_users, spend_order, tallied_times")
	return err
}

// AnalyzeCalls does the same for calls.
func (db *DB) AnalyzeCalls(ctx context.Context) error {
	if db.d.name != "postgres" {
		return nil
	}
	_, err := db.w.ExecContext(ctx, "VACUUM ANALYZE calls, contexts, daily, adjustments")
	return err
}

// ExplainKeys returns how SQLite finds a page of a list of keys.
func (db *DB) ExplainKeys(ctx context.Context, f KeyFilter, p Page) ([]string, error) {
	w := f.where()
	o, err := keys.order(p)
	if err != nil {
		return nil, err
	}
	total, exact, err := keys.count(ctx, db, &w, p)
	if err != nil {
		return nil, err
	}
	tail, err := keys.tail(ctx, db, &w, o, p, total, exact)
	if err != nil {
		return nil, err
	}
	return db.explain(ctx, "SELECT hash FROM keys"+tail, w.args)
}

// ExplainCalls returns how SQLite counts the calls that f selects.
func (db *DB) ExplainCalls(ctx context.Context, f CallFilter) ([]string, error) {
	var w where
	f.where(&w, db.d, all(&f))
	return db.explain(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+contextCalls+w.sql()+" LIMIT 10001) AS c", w.args)
}

// Touched returns how many rows and entries of indexes PostgreSQL reads in f.
func (db *DB) Touched(ctx context.Context, f func() error) (int64, error) {
	db.r.SetMaxOpenConns(1) // what one connection has read is told by it
	count := func() (n int64, err error) {
		if _, err := db.r.ExecContext(ctx, `SELECT pg_stat_force_next_flush()`); err != nil {
			return 0, err
		}
		err = db.r.QueryRowContext(ctx, `SELECT (SELECT SUM(seq_tup_read) FROM pg_stat_user_tables) + (SELECT SUM(idx_tup_read) FROM pg_stat_user_indexes)`).Scan(&n)
		return n, err
	}
	before, err := count()
	if err == nil {
		err = f()
	}
	if err != nil {
		return 0, err
	}
	after, err := count()
	return after - before, err
}

// Explain returns how SQLite finds the facts that f selects.
func (db *DB) Explain(ctx context.Context, f FactFilter) ([]string, error) {
	w, from := f.where(db.d)
	return db.explain(ctx, "SELECT a.day, SUM(a.cost)"+from+w.sql()+" GROUP BY 1", w.args)
}

// ExplainTags returns how SQLite finds the tags and programs that f selects.
func (db *DB) ExplainTags(ctx context.Context, f TagUseFilter) ([]string, error) {
	w, from, err := db.tagged(ctx, &f)
	if err != nil {
		return nil, err
	}
	return db.explain(ctx, "SELECT t.tag, SUM(t.cost)"+from+w.sql()+" GROUP BY 1", w.args)
}

// ExplainTimes returns how SQLite finds the calls whose times f asks for.
func (db *DB) ExplainTimes(ctx context.Context, f TimingFilter) ([]string, error) {
	w, _, err := db.timed(ctx, &f)
	if err != nil {
		return nil, err
	}
	return db.explain(ctx, "SELECT c.deployment_id, COUNT(*) FROM calls CROSS JOIN contexts AS c"+w.sql()+" GROUP BY 1", w.args)
}

func (db *DB) explain(ctx context.Context, query string, args []any) ([]string, error) {
	rows, err := db.r.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, args...)
	var out []string
	err = results(rows, err, func(r *sql.Rows) error {
		var id, parent, unused int
		var detail string
		err := r.Scan(&id, &parent, &unused, &detail)
		out = append(out, detail)
		return err
	})
	return out, err
}
