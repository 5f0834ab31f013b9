package store

import (
	"context"
	"database/sql"
	"fmt"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

// SetWindow says what was spent in a budget window, for an administrator who
// corrects it.
func (db *DB) SetWindow(ctx context.Context, w spend.Window, spent gateway.NanoUSD) error {
	return db.putWindow(ctx, w, `spend = excluded.spend, window_start = excluded.window_start`, spent)
}

// AddToWindow adds to what is booked in a budget window, or takes from it, in
// any order with the booking of calls: what a budget had spent when its duration
// was changed goes on in its new window.
func (db *DB) AddToWindow(ctx context.Context, w spend.Window, more gateway.NanoUSD) error {
	return db.putWindow(ctx, w, windowRule, more)
}

// windowRule is how an amount enters a stored window: what comes late for one
// that is over is dropped, and a new one starts from nothing.
const windowRule = `
	spend = CASE WHEN windows.window_start > excluded.window_start THEN windows.spend
		WHEN windows.window_start = excluded.window_start THEN windows.spend + excluded.spend
		ELSE excluded.spend END,
	window_start = CASE WHEN windows.window_start > excluded.window_start THEN windows.window_start ELSE excluded.window_start END`

func (db *DB) putWindow(ctx context.Context, w spend.Window, set string, n gateway.NanoUSD) error {
	//nolint:gosec // G202: the text is ours, values are parameters
	text := `INSERT INTO windows (scope, id, duration, window_start, spend) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (scope, id, duration) DO UPDATE SET ` + set
	err := db.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, text, w.Scope, fitID(w.ID), w.Duration, micros(w.Start), int64(n))
		return err
	})
	if err != nil {
		return fmt.Errorf("write the %s window of %s %q: %w", w.Duration, w.Scope, shown(w.ID), err)
	}
	return nil
}
