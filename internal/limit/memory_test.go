package limit_test

import (
	"context"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/limit/limittest"
)

func TestMemory(t *testing.T) {
	limittest.Run(t, func(*testing.T) limit.Counter { return limit.NewMemory(limit.Calendar{}) })
}

func TestMemoryStartsFromTheBooks(t *testing.T) {
	today := time.Date(2026, 3, 18, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		spent gateway.Spend
		left  int64
	}{
		{"nothing spent", gateway.Spend{}, 100},
		{"spent today", gateway.Spend{Window: 70, WindowStart: today, Total: 170}, 30},
		{"spent yesterday is forgotten", gateway.Spend{Window: 70, WindowStart: today.AddDate(0, 0, -1), Total: 170}, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := limit.NewMemory(limit.Calendar{})
			day := limit.Window{N: 1, Unit: limit.Days}
			takes := limittest.Takes(limit.KeyScope, "k", limit.Limit{Kind: limit.Money, Amount: 100, Window: day, Booked: tt.spent})
			if f := m.Reserve(t.Context(), limittest.Epoch, &limit.Hold{}, takes, limittest.Exactly(0, tt.left+1)); f == nil {
				t.Errorf("%d admitted, want at most %d", tt.left+1, tt.left)
			}
			h := &limit.Hold{}
			if f := m.Reserve(t.Context(), limittest.Epoch, h, takes, limittest.Exactly(0, tt.left)); f != nil {
				t.Errorf("%d refused: %+v", tt.left, f)
			}
			m.Settle(h, &limit.Actual{Requests: 1, Money: 5})
			spent, ok := m.Spent(limit.Scope{Kind: limit.KeyScope, ID: "k"}, day, limittest.Epoch)
			if want := 105 - tt.left; !ok || spent != want {
				t.Errorf("Spent = %d, %v; want %d, true", spent, ok, want)
			}
		})
	}
}

func TestRefusalNamesEverything(t *testing.T) {
	key := &gateway.Key{Hash: "abc", Name: "sk-...1234", Alias: "prod", Limits: gateway.Limits{RPM: new(int64(1)), Budget: new(gateway.NanoUSD(10_000_000_000))}}
	for _, tt := range []struct {
		name    string
		p       gateway.Principal
		g       *limit.Global
		size    limit.Size
		kind    gateway.Kind
		message string
	}{
		{
			"rate",
			gateway.Principal{Key: key},
			nil,
			limit.Size{},
			gateway.Exceeded,
			"Rate limit exceeded for api_key: abc. Limit type: requests. Current limit: 1, Remaining: 0. Limit resets at: 2026-03-18 10:21:31 UTC. Used: 1, this call needs: 1",
		},
		{
			"budget",
			gateway.Principal{Key: &gateway.Key{Hash: "other", Name: "sk-...1234", Alias: "prod", Limits: gateway.Limits{Budget: new(gateway.NanoUSD(10_000_000_000))}}},
			nil,
			limit.Size{Money: limit.Exactly(6_000_000_000)},
			gateway.BudgetExceeded,
			"Budget has been exceeded! Key=prod (sk-...1234) Current cost: 0.0, Max budget: 10.0. In flight: 6.0, this call needs: 6.0",
		},
		{
			"more tokens than the limit ever allows",
			gateway.Principal{},
			&limit.Global{Limits: gateway.Limits{TPM: new(int64(5))}},
			limit.Size{Tokens: limit.Exactly(6)},
			gateway.Exceeded,
			"Rate limit exceeded for global: . Limit type: tokens. Current limit: 5, Remaining: 5. Limit resets at: 2026-03-18 10:21:30 UTC. Used: 0, this call needs: 6, which is more than the limit allows at any time",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := limit.New(limit.NewMemory(limit.Calendar{}), func() time.Time { return limittest.Epoch })
			var err error
			for range 2 {
				err = l.Reserve(t.Context(), &limit.Hold{}, &tt.p, tt.g, "m", &tt.size)
			}
			e := gateway.AsError(err)
			if e == nil || e.Kind != tt.kind || e.Message != tt.message {
				t.Errorf("got  %+v\nwant %v %q", e, tt.kind, tt.message)
			}
		})
	}
}

func TestCountersGoOnFromWhatAnImportHasBooked(t *testing.T) {
	now := limittest.Epoch
	scope := limit.Scope{Kind: limit.KeyScope, ID: "k"}
	for _, tt := range []struct {
		name     string
		between  func(m *limit.Memory, takes []limit.Take) // Standing and Rebase
		anyway   bool
		rebased  bool
		spent    int64
		recorded bool // the call before
	}{
		{"what is booked counts", func(*limit.Memory, []limit.Take) {}, false, true, 350, true},
		{"a call that ends meanwhile may or may not be in the books", spend10, false, false, 20, true},
		{"after many tries it counts, too much rather than too little", spend10, true, true, 360, true},
		{"so does one that is not in the journal yet", func(*limit.Memory, []limit.Take) {}, false, false, 10, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := limit.NewMemory(limit.Calendar{})
			takes := limittest.Takes(limit.KeyScope, "k", limittest.Of(limit.Money, 400))
			if _, ok := m.Standing(scope, now); ok {
				t.Error("a scope without calls has a standing")
			}
			var h limit.Hold
			if f := m.Reserve(t.Context(), now, &h, takes, &limit.Size{Money: limit.Exactly(10)}); f != nil {
				t.Fatal(f)
			}
			m.Settle(&h, &limit.Actual{Requests: 1, Money: 10})
			if tt.recorded {
				h.Recorded()
			}
			st, ok := m.Standing(scope, now)
			if !ok || len(st.Accounts) != 1 || st.Accounts[0].Scope != "key" || st.Accounts[0].ID != "k" {
				t.Fatalf("standing %+v, %v", st, ok)
			}
			tt.between(m, takes)
			if got := m.Rebase(&st, []int64{350}, tt.anyway); got != tt.rebased {
				t.Errorf("rebased: %v, want %v", got, tt.rebased)
			}
			if got, _ := m.Spent(scope, limit.Window{}, now); got != tt.spent {
				t.Errorf("spent %d, want %d", got, tt.spent)
			}
		})
	}
}

// spend10 makes a call that costs 10.
func spend10(m *limit.Memory, takes []limit.Take) {
	var h limit.Hold
	_ = m.Reserve(context.Background(), limittest.Epoch, &h, takes, &limit.Size{Money: limit.Exactly(10)}) // what is spent says whether it was admitted
	m.Settle(&h, &limit.Actual{Requests: 1, Money: 10})
	h.Recorded()
}
