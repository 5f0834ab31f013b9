package app

import (
	"context"
	"sync"
	"time"

	"penstock/internal/figures"
	"penstock/internal/router"
)

const (
	// figuresEvery is how often replicas tell each other how deployments do: a
	// cooldown counts everywhere within a second.
	figuresEvery = time.Second
	// figuresWithin bounds one exchange. It is on no call's path.
	figuresWithin = 500 * time.Millisecond
	// sameCooldown is how far the end of a cooldown that others tell may lie
	// behind ours and be the same: clocks are compared over a network.
	sameCooldown = 500 * time.Millisecond
)

// shareFigures tells other replicas how deployments do and hears of them, over
// what they share limits with: Redis, or else PostgreSQL.
func (a *App) shareFigures(ctx context.Context, wg *sync.WaitGroup) {
	var board figures.Board
	switch {
	case a.sharing.redis != nil:
		board = a.sharing.redis.Board()
	case a.sharing.leases != nil:
		board = a.store.Board()
	default:
		return // alone
	}
	wg.Go(func() {
		f := figures.Share(board, a.sharing.name)
		tick := time.NewTicker(figuresEvery)
		defer tick.Stop()
		away := false
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			err := exchangeFigures(ctx, f, a.snapshot.Load().Table)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil && !away:
				a.log.Warn("cooldowns and loads of deployments are not shared with other replicas; tried again every second", "err", err)
			case err == nil && away:
				a.log.Info("cooldowns and loads of deployments are shared again")
			}
			away = err != nil
		}
	})
}

func exchangeFigures(ctx context.Context, f *figures.Shared, t *router.Table) error {
	ctx, cancel := context.WithTimeout(ctx, figuresWithin)
	defer cancel()
	now := time.Now()
	var own []router.Figures
	cooling := map[string]time.Time{}
	for v := range t.Figures(now) {
		own = append(own, v)
		cooling[v.ID] = v.CoolUntil
	}
	others, err := f.Exchange(ctx, own, now)
	if err != nil {
		return err
	}
	for _, v := range others {
		if !v.CoolUntil.After(cooling[v.ID].Add(sameCooldown)) {
			v.CoolUntil = time.Time{} // ours, come back
		}
		t.Elsewhere(v, time.Now())
	}
	return nil
}
