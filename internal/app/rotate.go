package app

import (
	"context"
	"time"
)

const (
	// rotateAtOnce is how many keys are replaced before others have a turn.
	rotateAtOnce = 100
	// rotateTimeout bounds one such batch: the next look finds what is left.
	rotateTimeout = time.Minute
)

// rotateKeys replaces keys whose rotation is due, until ctx ends. Every replica
// does it, and each key is replaced by one of them.
func (a *App) rotateKeys(ctx context.Context) {
	for {
		r := a.loaded.Load().config.Server.Rotation
		if !r.Off {
			a.rotateDue(ctx, r.GraceOr())
		}
		timer := time.NewTimer(r.Every)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

func (a *App) rotateDue(ctx context.Context, grace time.Duration) {
	for {
		bctx, cancel := context.WithTimeout(ctx, rotateTimeout)
		n, err := a.management.RotateDue(bctx, grace, rotateAtOnce)
		cancel()
		if err != nil && ctx.Err() == nil {
			a.log.Warn("keys that are due are not replaced; tried again in a moment", "err", err)
		}
		if err != nil || n < rotateAtOnce {
			return
		}
	}
}
