package app

import (
	"context"
	"errors"
	"time"
)

const (
	forgetEvery = time.Hour
	// changesKept is how long changes are kept for replicas that were away; one
	// that was away for longer loads everything again.
	changesKept = 24 * time.Hour
	// replacedKept is how long a replaced key is kept after its grace: calls
	// that were under way then are booked by its hash.
	replacedKept = 7 * 24 * time.Hour
)

// tidy forgets what nobody asks for any more, when it starts and then every
// hour, until ctx ends. It does not matter which replica does it.
func (a *App) tidy(ctx context.Context) {
	for {
		a.forget(ctx, time.Now())
		timer := time.NewTimer(forgetEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

func (a *App) forget(ctx context.Context, now time.Time) {
	_, err := a.store.PruneChanges(ctx, now.Add(-changesKept))
	_, err2 := a.store.PruneDeprecatedKeys(ctx, now.Add(-replacedKept))
	if err = errors.Join(err, err2); err != nil && ctx.Err() == nil {
		a.log.Warn("old changes and replaced keys are not forgotten; tried again in an hour", "err", err)
	}
}
