package store

import (
	"context"
	"fmt"
)

// LedgerBytes returns how much room the ledger takes in the database: calls and
// their indexes on PostgreSQL, the whole file on SQLite.
func (db *DB) LedgerBytes(ctx context.Context) (int64, error) {
	var n int64
	if err := db.r.QueryRowContext(ctx, db.d.size).Scan(&n); err != nil {
		return 0, fmt.Errorf("ask the database for the size of the ledger: %w", err)
	}
	return n, nil
}
