package app

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// What was spent in a budget window, whoever's and however many there are, is
// known to the next process.
func TestEveryBudgetWindowGoesOnAfterARestart(t *testing.T) {
	db, err := store.Open(t.Context(), "sqlite:"+t.TempDir()+"/p.db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now := time.Date(2026, 3, 18, 10, 20, 30, 0, time.UTC)
	start := func() *App {
		a := &App{store: db, counters: alone{Memory: limit.NewMemory(limit.Calendar{})}}
		a.limiter = limit.New(a.counters, func() time.Time { return now })
		a.limiter.SetRules(&limit.Rules{
			Deployments: map[string]*gateway.Limits{"d": {Budget: new(gateway.NanoUSD(100))}},
			Providers:   map[string]*gateway.Limits{"openai": {Budget: new(gateway.NanoUSD(100)), BudgetDuration: "1d"}},
		})
		if err := a.loadWindows(t.Context()); err != nil {
			t.Fatal(err)
		}
		return a
	}
	budget := func(duration string) gateway.Limits {
		return gateway.Limits{Budget: new(gateway.NanoUSD(100)), BudgetDuration: duration}
	}
	team := &gateway.Team{ID: "t"}
	size := func(n int64) *limit.Size { return &limit.Size{Money: limit.Exactly(n)} }
	for _, tt := range []struct {
		name string
		p    gateway.Principal
		g    *limit.Global
	}{
		{"a key's day", gateway.Principal{Key: &gateway.Key{Hash: "k1", Limits: budget("1d")}}, nil},
		{"a key's second budget", gateway.Principal{Key: &gateway.Key{Hash: "k2", Limits: gateway.Limits{Budgets: []gateway.BudgetWindow{{Amount: 1000, Duration: "1d"}, {Amount: 100, Duration: "2h"}}}}}, nil},
		{"a key's budget for a model", gateway.Principal{Key: &gateway.Key{Hash: "k3", Limits: gateway.Limits{Models: map[string]gateway.ModelLimits{"m": {Budget: &gateway.BudgetWindow{Amount: 100, Duration: "7d"}}}}}}, nil},
		{"a key's budget for a model, for ever", gateway.Principal{Key: &gateway.Key{Hash: "k4", Limits: gateway.Limits{Models: map[string]gateway.ModelLimits{"*": {Budget: &gateway.BudgetWindow{Amount: 100}}}}}}, nil},
		{"a user's month", gateway.Principal{User: &gateway.User{ID: "u1", Limits: budget("30d")}}, nil},
		{"a team's five minutes", gateway.Principal{Team: &gateway.Team{ID: "t1", Limits: budget("5m")}}, nil},
		{"a member's week", gateway.Principal{Team: team, Member: &gateway.Member{UserID: "u", Limits: budget("7d")}}, nil},
		{"an organization's day", gateway.Principal{Organization: &gateway.Organization{ID: "o", Limits: budget("1d")}}, nil},
		{"a project's hour", gateway.Principal{Project: &gateway.Project{ID: "p", Limits: budget("1h")}}, nil},
		{"an end user's three days", gateway.Principal{EndUser: &gateway.EndUser{ID: "e", Limits: budget("3d")}}, nil},
		{"a tag's half minute", gateway.Principal{Tags: []*gateway.Tag{{Name: "g", Limits: budget("30s")}}}, nil},
		{"an access group's day", gateway.Principal{Through: []*gateway.GroupBudget{{Name: "g", Limits: budget("1d")}}}, nil},
		{"the gateway's two months", gateway.Principal{}, &limit.Global{Limits: budget("2mo")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &limit.Hold{}
			a := start()
			if err := a.limiter.Reserve(t.Context(), h, &tt.p, tt.g, "m", size(90)); err != nil {
				t.Fatal(err)
			}
			a.limiter.Settle(h, &limit.Actual{Requests: 1, Money: 90})
			book(t, db, tt.name, 90, h)
			again := start()
			if err := again.limiter.Reserve(t.Context(), &limit.Hold{}, &tt.p, tt.g, "m", size(11)); err == nil {
				t.Error("11 more are admitted after the restart, want at most 10")
			}
			if err := again.limiter.Reserve(t.Context(), &limit.Hold{}, &tt.p, tt.g, "m", size(10)); err != nil {
				t.Errorf("10 more are refused after the restart: %v", err)
			}
		})
	}
	t.Run("a deployment and its provider", func(t *testing.T) {
		d := &gateway.Deployment{ID: "d", Provider: "openai"}
		a, h := start(), &limit.Hold{}
		if err := a.limiter.ReserveAttempt(t.Context(), h, d, func() *limit.Size { return size(100) }); err != nil {
			t.Fatal(err)
		}
		a.limiter.Settle(h, &limit.Actual{Requests: 1, Money: 100})
		book(t, db, "d", 100, h)
		for _, d := range []*gateway.Deployment{d, {ID: "d", Provider: "other"}, {ID: "x", Provider: "openai"}} {
			if kind, ok := start().limiter.Room(d); ok || kind != limit.Money {
				t.Errorf("%s of %s has room again after the restart", d.ID, d.Provider)
			}
		}
	})
}

// book books a call that counts as h says.
func book(t *testing.T, db *store.DB, id string, cost gateway.NanoUSD, h *limit.Hold) {
	t.Helper()
	r := spend.Row{CallID: strings.ReplaceAll(id, " ", "-"), Group: "m", Cost: cost, Priced: true, Start: time.Now(), End: time.Now()}
	for _, c := range h.Charges {
		r.Windows = append(r.Windows, spend.Window{Scope: c.Scope, ID: c.ID, Duration: c.Duration, Start: c.Start})
	}
	if n, err := db.Book(t.Context(), []spend.Row{r}); err != nil || n != 1 {
		t.Fatalf("book: %d, %v", n, err)
	}
}
