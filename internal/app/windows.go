package app

import (
	"context"
	"fmt"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

// loadWindows tells the limits what the books hold of each budget window, so
// that budgets go on where the last process stopped.
func (a *App) loadWindows(ctx context.Context) error {
	err := a.store.Windows(ctx, func(w spend.Window, spent gateway.NanoUSD) error {
		a.limiter.SetBooked(w.Scope, w.ID, w.Duration, gateway.Spend{Window: spent, WindowStart: w.Start})
		return nil
	})
	if err != nil {
		return fmt.Errorf("load what was spent in budget windows: %w", err)
	}
	return nil
}
