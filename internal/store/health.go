package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/health"
)

// healthKept is how long the history of health checks is kept.
const healthKept = 30 * 24 * time.Hour

const healthColumns = `deployment_id, model_group, provider, model, ok, unknown, kind, status, error, checked_at, took, call_id, asked_by`

const healthInsert = ` (` + healthColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

func healthArgs(r *health.Result) []any {
	return []any{
		fitID(r.Deployment), fitID(r.Group), fitID(r.Provider), fitID(r.Model), r.OK, fitText(r.Unknown, maxText), int64(r.Kind), r.Status,
		fitText(r.Error, maxText), micros(r.At), r.Took.Microseconds(), fitID(r.CallID), fitID(r.By),
	}
}

// SaveHealth keeps r as the last result of its deployment, if it is the newest,
// and adds it to the history if history.
func (db *DB) SaveHealth(ctx context.Context, r *health.Result, history bool) error {
	args := healthArgs(r)
	err := db.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO health`+healthInsert+` ON CONFLICT (deployment_id) DO UPDATE SET
			model_group = excluded.model_group, provider = excluded.provider, model = excluded.model, ok = excluded.ok, unknown = excluded.unknown,
			kind = excluded.kind, status = excluded.status, error = excluded.error, checked_at = excluded.checked_at, took = excluded.took,
			call_id = excluded.call_id, asked_by = excluded.asked_by
			WHERE health.checked_at < excluded.checked_at`, args...)
		if err != nil || !history {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO health_history`+healthInsert+` ON CONFLICT (checked_at, deployment_id) DO NOTHING`, args...); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM health_history WHERE checked_at < $1`, micros(r.At.Add(-healthKept)))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep the health of %s: %w", shown(r.Deployment), err)
	}
	return nil
}

// Health returns the last result of each deployment that was checked since then.
func (db *DB) Health(ctx context.Context, since time.Time) ([]health.Result, error) {
	return db.healthRows(ctx, `SELECT `+healthColumns+` FROM health WHERE checked_at >= $1 ORDER BY deployment_id`, micros(since))
}

// HealthFilter selects results; what is empty selects nothing away.
type HealthFilter struct {
	Deployment string
	Group      string
	Status     string // "healthy" or "unhealthy"
	From, To   time.Time
	Limit      int // default 100, at most 10,000
	Offset     int
}

// HealthHistory returns what was kept of earlier checks, the newest first, and
// how many there are.
func (db *DB) HealthHistory(ctx context.Context, f HealthFilter) (results []health.Result, total int, err error) {
	var w where
	w.is("deployment_id", f.Deployment)
	w.is("model_group", f.Group)
	switch f.Status {
	case "healthy":
		w.parts = append(w.parts, "ok")
	case "unhealthy":
		w.parts = append(w.parts, "NOT ok AND unknown = ''")
	}
	if !f.From.IsZero() {
		w.parts = append(w.parts, "checked_at >= "+w.arg(micros(f.From)))
	}
	if !f.To.IsZero() {
		w.parts = append(w.parts, "checked_at < "+w.arg(micros(f.To)))
	}
	if w.bad != nil {
		return nil, 0, w.bad
	}
	if err := db.r.QueryRowContext(ctx, "SELECT COUNT(*) FROM health_history"+w.sql(), w.args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count health checks: %w", err)
	}
	limit := w.arg(Page{Limit: f.Limit}.limit())
	offset := w.arg(max(f.Offset, 0))
	results, err = db.healthRows(ctx, "SELECT "+healthColumns+" FROM health_history"+w.sql()+" ORDER BY checked_at DESC, deployment_id LIMIT "+limit+" OFFSET "+offset, w.args...)
	return results, total, err
}

func (db *DB) healthRows(ctx context.Context, query string, args ...any) ([]health.Result, error) {
	rows, err := db.r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read health checks: %w", err)
	}
	defer rows.Close()
	var out []health.Result
	for rows.Next() {
		var r health.Result
		var kind, at, took int64
		if err := rows.Scan(&r.Deployment, &r.Group, &r.Provider, &r.Model, &r.OK, &r.Unknown, &kind, &r.Status, &r.Error, &at, &took, &r.CallID, &r.By); err != nil {
			return nil, fmt.Errorf("read health checks: %w", err)
		}
		r.Kind, r.At, r.Took = gateway.Kind(kind), instant(at), time.Duration(took)*time.Microsecond
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read health checks: %w", err)
	}
	return out, nil
}
