package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"penstock/internal/api"
	"penstock/internal/export"
	"penstock/internal/gateway"
	"penstock/internal/health"
	"penstock/internal/relay"
	"penstock/internal/store"
)

// healthDesk checks deployments and tells who needs to know.
type healthDesk struct {
	a     *App
	board *health.Board

	mu    sync.Mutex
	saved map[string]time.Time // by deployment: when its history was last written; guarded by mu
}

var _ api.Health = (*healthDesk)(nil)

func newHealthDesk(a *App) *healthDesk {
	return &healthDesk{a: a, board: health.NewBoard(), saved: map[string]time.Time{}}
}

// loop returns the background checks.
func (h *healthDesk) loop() *health.Loop {
	return &health.Loop{
		Settings:    func() health.Settings { return h.settings() },
		Deployments: func() []*gateway.Deployment { return h.a.snapshot.Load().Table.Deployments() },
		Check: func(ctx context.Context, d *gateway.Deployment) health.Result {
			return h.a.relay.Check(ctx, d, nobody(), api.NewID(time.Now()), health.Background)
		},
		Known: h.known, Heard: h.heard, Board: h.board,
	}
}

// nobody is who calls a provider when no client asked for it.
func nobody() gateway.Principal {
	return gateway.Principal{Key: &gateway.Key{Hash: relay.CheckKey, Alias: relay.CheckKey}, Role: gateway.ProxyAdmin}
}

func (h *healthDesk) settings() health.Settings {
	c := &h.a.loaded.Load().config.Server.Health
	return health.Settings{
		Background: c.Background, Every: c.Every, Concurrency: c.Concurrency, Routing: c.Routing, Stale: c.Stale, IgnoreTransient: c.IgnoreTransient,
	}
}

// known returns what other replicas, or this one before it was started anew,
// have found out.
func (h *healthDesk) known(ctx context.Context, since time.Time) []health.Result {
	rs, err := h.a.store.Health(ctx, since)
	if err != nil {
		h.a.log.Warn("earlier health checks not read", "err", err)
	}
	return rs
}

// historyEvery is how often a deployment that stays as it is goes into the history.
const historyEvery = time.Hour

// heard tells the router and the database.
func (h *healthDesk) heard(ctx context.Context, r health.Result, changed bool) {
	s := h.settings()
	h.a.snapshot.Load().Table.SetHealth(r.Deployment, s.IllUntil(&r))
	if changed && !r.OK && r.Unknown == "" {
		h.a.log.Warn("a deployment does not answer its health check", "deployment", r.Deployment, "model", r.Group, "kind", r.Kind.String(), "message", r.Error)
	}
	h.mu.Lock()
	last := h.saved[r.Deployment]
	history := changed || r.At.Sub(last) >= historyEvery
	if history {
		h.saved[r.Deployment] = r.At
	}
	h.mu.Unlock()
	if err := h.a.store.SaveHealth(ctx, &r, history); err != nil && ctx.Err() == nil {
		h.a.log.Warn("health check not stored", "err", err)
	}
}

// Check implements api.Health.
func (h *healthDesk) Check(ctx context.Context, d *gateway.Deployment, p gateway.Principal, by string) health.Result {
	r := h.a.relay.Check(ctx, d, p, api.NewID(time.Now()), by)
	if r.Unknown == "" && ctx.Err() == nil {
		h.heard(ctx, r, h.board.Put(r))
	}
	return r
}

// Last implements api.Health.
func (h *healthDesk) Last(id string) (health.Result, bool) { return h.board.Get(id) }

// Latest implements api.Health.
func (h *healthDesk) Latest(ctx context.Context) ([]health.Result, error) {
	return h.a.store.Health(ctx, time.Time{})
}

// History implements api.Health.
func (h *healthDesk) History(ctx context.Context, f store.HealthFilter) ([]health.Result, int, error) {
	return h.a.store.HealthHistory(ctx, f)
}

// Details implements api.Health.
func (h *healthDesk) Details() bool { return h.a.loaded.Load().config.Server.Health.Details }

// Service implements api.Health.
func (h *healthDesk) Service(ctx context.Context, name string) error {
	err := h.a.exports.test(ctx, name, testRecord("/health/services"))
	if errors.Is(err, export.ErrUnknown) {
		var names []string
		for _, d := range h.a.loaded.Load().config.Logging.Destinations {
			names = append(names, d.Name)
		}
		return &gateway.Error{
			Kind: gateway.Invalid, Status: http.StatusUnprocessableEntity, Param: "service",
			Message: fmt.Sprintf("service '%s' is not in the callbacks of this gateway: %v are", name, names),
		}
	}
	return err
}

// Spend implements api.Health.
func (h *healthDesk) Spend() api.SpendHealth {
	s := h.a.booker.Stats()
	out := api.SpendHealth{
		Status: "booked", JournalBytes: h.a.journal.Size(), JournalMax: h.a.journal.Max(), InMemory: s.Memory,
		BehindSeconds: s.Down.Seconds(), DamagedBytes: h.a.journal.Lost(),
	}
	switch {
	case out.JournalBytes >= out.JournalMax, h.a.relay.Refusing():
		out.Status = "full"
	case s.Memory > 0:
		out.Status = "in memory"
	case s.Down > 0:
		out.Status = "behind"
	case out.DamagedBytes > 0:
		out.Status = "damaged"
	}
	return out
}

// Ready implements api.Health: it says why calls cannot be served. A database
// that is away is no reason: keys are in memory, and spend waits in the journal.
func (h *healthDesk) Ready(ctx context.Context) (db string, err error) {
	db = "connected"
	if perr := h.a.store.Ping(ctx); perr != nil {
		db = "disconnected"
	}
	switch {
	case h.a.stopping.Load():
		err = errors.New("shutting down")
	case h.a.journal.Size() >= h.a.journal.Max():
		err = errors.New("the spend journal is full: the database has not booked for long")
	case h.a.relay.Refusing():
		err = errors.New("the spend journal cannot be written")
	}
	return db, err
}
