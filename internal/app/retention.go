package app

import (
	"context"
	"time"
)

// retryRetention is how soon old calls are dropped after it failed.
const retryRetention = 10 * time.Minute

// retain drops calls that are older than the configuration keeps them, when it
// starts and then at each interval, until ctx ends. It reads the configuration
// each time: a reload changes it.
func (a *App) retain(ctx context.Context) {
	for {
		s := &a.loaded.Load().config.Server
		wait := s.RetentionInterval
		if s.SpendLogsRetention > 0 {
			start := time.Now()
			days, err := a.store.DropBefore(ctx, start.Add(-s.SpendLogsRetention))
			switch {
			case ctx.Err() != nil:
			case err != nil:
				a.log.Error("calls older than the retention period are not dropped; tried again later", "err", err)
				wait = min(wait, retryRetention)
			case days > 0:
				a.log.Info("dropped calls older than the retention period", "days", days, "period", s.SpendLogsRetention.String(), "took", time.Since(start).Round(time.Millisecond).String())
			}
		}
		timer := time.NewTimer(max(wait, time.Second))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}
