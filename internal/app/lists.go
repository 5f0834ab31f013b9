package app

import (
	"context"
	"time"
)

// countEvery is how often the store is asked whether a list's rows are to be
// counted anew.
const countEvery = time.Minute

// countLists keeps it known where the rows of long lists stand, until ctx ends. It
// does not matter which replica does it.
func (a *App) countLists(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := a.store.CountLists(ctx); err != nil && ctx.Err() == nil {
				a.log.Warn("the rows of lists are not counted, so that far pages take longer; tried again in a minute", "err", err)
			}
		}
	}
}
