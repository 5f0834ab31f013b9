package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"penstock/internal/config"
	"penstock/internal/limit"
	"penstock/internal/redis"
	"penstock/internal/store"
)

// counters is what counts for limits: in this process, or shared.
type counters interface {
	limit.Counter
	Spent(limit.Scope, limit.Window, time.Time) (int64, bool)
	SetSpent(limit.Scope, limit.Window, int64)
	Forget(limit.Scope)
	// Reread is told that somebody else may have changed what the books have of
	// the scope's budgets.
	Reread(limit.Scope)
	SetCalendar(limit.Calendar)
	Sweep(time.Time) int
}

// sharing is how limits are shared with other replicas.
type sharing struct {
	leases *limit.Leases // nil if they are not
	over   string        // "redis", "postgres", "" if they are not
	redis  *redis.DB     // nil if there is none
	name   string        // of this replica
	tidy   *store.Leases // of PostgreSQL
	booked chan struct{} // closed when the booker has stopped and all is booked
}

// share makes the counters: shared through Redis if there is one, else through
// PostgreSQL, else this process's own. It must follow recover: what the process
// before us held is given back, because all that it spent is booked by now. Its
// undoing must come after that of the booker, for the same reason.
func (a *App) share(ctx context.Context, s *config.Server, databaseURL string) error {
	a.sharing.booked = make(chan struct{})
	var shared limit.Shared
	switch {
	case s.RedisURL != "":
		db, err := redis.Open(redis.Options{URL: s.RedisURL, Nodes: s.RedisNodes, Namespace: s.RedisNamespace})
		if err != nil {
			return fmt.Errorf("share limits: %w", err)
		}
		a.onStop("redis", func(context.Context) error { return db.Close() })
		shared, a.sharing.over, a.sharing.redis = db.Leases(), "redis", db
	case a.store.Dialect() == "postgres":
		l, err := store.OpenLeases(ctx, databaseURL, nil)
		if err != nil {
			return fmt.Errorf("share limits: %w", err)
		}
		a.onStop("leases' connections", func(context.Context) error { return l.Close() })
		shared, a.sharing.over, a.sharing.tidy = l, "postgres", l
	default:
		a.log.Info("limits are per process: with a Redis (REDIS_URL) or PostgreSQL (DATABASE_URL), several processes share them")
		a.counters = alone{limit.NewMemory(a.calendar), a}
		return nil
	}
	name, reborn, err := replicaName(s.DataDir)
	if err != nil {
		return err
	}
	a.sharing.name = name
	a.sharing.leases = limit.NewLeases(limit.LeaseOptions{
		Shared: shared, Ledger: ledger{a}, Replica: name, Reborn: reborn, Deadline: s.LimitStoreTimeout, Policies: policies(&s.OnStoreFailure),
		Calendar: a.calendar, Log: a.log, Now: time.Now,
	})
	a.onStop("shared limits", a.sharing.leases.Stop)
	a.counters = a.sharing.leases
	a.log.Info("limits are shared", "over", a.sharing.over, "replica", name)
	return nil
}

// policies translates the configuration's words.
func policies(f *config.StoreFailure) map[limit.Kind]limit.Policy {
	p := map[string]limit.Policy{"open": limit.Open, "closed": limit.Closed}
	return map[limit.Kind]limit.Policy{
		limit.Requests: p[f.Requests], limit.Tokens: p[f.Tokens], limit.InputTokens: p[f.Tokens], limit.OutputTokens: p[f.Tokens],
		limit.Parallel: p[f.Parallel], limit.Money: p[f.Budgets],
	}
}

// replicaName returns the name of the replica that owns the data directory,
// made at its first start, and whether an earlier process had it.
func replicaName(dir string) (name string, reborn bool, err error) {
	path := filepath.Join(dir, "replica")
	b, err := os.ReadFile(path)
	switch {
	case err == nil && len(strings.TrimSpace(string(b))) >= 8:
		return strings.TrimSpace(string(b)), true, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", false, fmt.Errorf("read this replica's name: %w", err)
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	name = hex.EncodeToString(id[:])
	if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
		return "", false, fmt.Errorf("keep this replica's name: %w", err)
	}
	return name, false, nil
}

// ledger is the books as leases see them.
type ledger struct{ a *App }

// Flush implements limit.Ledger.
func (l ledger) Flush(ctx context.Context) error {
	select {
	case <-l.a.sharing.booked:
		return nil
	default:
		return l.a.booker.Flush(ctx)
	}
}

// Spent implements limit.Ledger.
func (l ledger) Spent(ctx context.Context, accounts []limit.Account) ([]int64, error) {
	return l.a.store.Spent(ctx, accounts)
}

// Common implements limit.Ledger. An SQLite file is one replica's own.
func (l ledger) Common() bool { return l.a.store.Dialect() == "postgres" }

// alone are the counters of a process that shares its limits with nobody.
type alone struct {
	*limit.Memory
	a *App
}

// rebaseTries is how often counters are compared with the books before they go by
// the greater of two sums: calls that end at the same time stand in the way.
const rebaseTries = 50

// Reread implements counters. An import by another process has added to the books.
func (c alone) Reread(s limit.Scope) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for try := 1; ; try++ {
		st, ok := c.Standing(s, time.Now())
		if !ok {
			return // it will begin with what the books have
		}
		err := c.a.booker.Flush(ctx)
		var sums []int64
		if err == nil {
			sums, err = c.a.store.Spent(ctx, st.Accounts)
		}
		if err != nil {
			c.a.log.Warn("what an import has added to a budget counts after the next start only", "scope", s.String(), "err", err)
			return
		}
		if c.Rebase(&st, sums, try >= rebaseTries) {
			return
		}
	}
}

// closeBooker books what is left.
func (a *App) closeBooker(ctx context.Context) error {
	err := a.booker.Close(ctx)
	if err == nil {
		close(a.sharing.booked)
	}
	return err
}

// tidyEvery is how often meters that nobody needs are removed from PostgreSQL.
const tidyEvery = time.Minute

func (a *App) tidyLeases(ctx context.Context, wg *sync.WaitGroup) {
	if a.sharing.tidy == nil {
		return
	}
	wg.Go(func() {
		tick := time.NewTicker(tidyEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				tctx, cancel := context.WithTimeout(ctx, 10*time.Second)
				if err := a.sharing.tidy.Tidy(tctx); err != nil && ctx.Err() == nil {
					a.log.Warn("shared counters that nobody needs are not removed; tried again in a minute", "err", err)
				}
				cancel()
			}
		}
	})
}

// Limits says where limits are counted, and whether that place answers.
func (h *healthDesk) Limits() (over, state string) {
	s := &h.a.sharing
	if s.leases == nil {
		return "this process", "connected"
	}
	if s.leases.Stats().Down {
		return s.over, "disconnected"
	}
	return s.over, "connected"
}
