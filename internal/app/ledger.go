package app

import (
	"context"

	"penstock/internal/api"
	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// ledgerDesk finds calls for those who ask why.
type ledgerDesk struct{ a *App }

var _ api.Ledger = ledgerDesk{}

// FindCall implements api.Ledger.
func (l ledgerDesk) FindCall(ctx context.Context, id string) (*spend.Row, error) {
	f := store.CallFilter{RequestID: id, Limit: 1}
	rows, err := l.a.store.Calls(ctx, f)
	if err == nil && len(rows) == 0 {
		// It may have ended just now.
		if err = l.a.booker.Flush(ctx); err == nil {
			rows, err = l.a.store.Calls(ctx, f)
		}
	}
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// Team implements api.Ledger.
func (l ledgerDesk) Team(id string) *gateway.Team { return l.a.directory.Team(id) }
