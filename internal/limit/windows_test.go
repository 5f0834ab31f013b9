package limit_test

import (
	"slices"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/limit/limittest"
)

// A call counts in every window of everybody it is charged to, and the ledger
// is told by the names it sums by.
func TestChargesNameEveryWindow(t *testing.T) {
	p := gateway.Principal{
		Key: &gateway.Key{Hash: "k", Limits: gateway.Limits{
			Budget: new(gateway.NanoUSD(100)), BudgetDuration: "30d",
			Budgets: []gateway.BudgetWindow{{Amount: 50, Duration: "1d"}, {Amount: 20, Duration: "2h"}},
			Models:  map[string]gateway.ModelLimits{"gpt-*": {Budget: &gateway.BudgetWindow{Amount: 10, Duration: "1d"}}},
		}},
		Team:   &gateway.Team{ID: "t", Limits: gateway.Limits{Budget: new(gateway.NanoUSD(1000))}},
		Member: &gateway.Member{UserID: "u", Limits: gateway.Limits{Budget: new(gateway.NanoUSD(10)), BudgetDuration: "1d"}},
		Tags:   []*gateway.Tag{{Name: "b", Limits: gateway.Limits{Budget: new(gateway.NanoUSD(10)), BudgetDuration: "5m"}}, {Name: "a"}},
	}
	l := limit.New(limit.NewMemory(limit.Calendar{}), func() time.Time { return limittest.Epoch })
	h := &limit.Hold{}
	if err := l.Reserve(t.Context(), h, &p, nil, "openai/gpt-4o", limittest.Exactly(1, 1)); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 3, 18, 0, 0, 0, 0, time.UTC)
	want := []limit.Charge{
		{Scope: "key", ID: "k", Duration: "1mo", Start: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Own: true},
		{Scope: "key", ID: "k", Duration: "1d", Start: day},
		{Scope: "key", ID: "k", Duration: "2h", Start: day.Add(10 * time.Hour)},
		{Scope: "model_per_key", ID: "k:gpt-*", Duration: "1d", Start: day},
		{Scope: "team_member", ID: "t:u", Duration: "1d", Start: day, Own: true},
		{Scope: "tag", ID: "b", Duration: "5m", Start: day.Add(10*time.Hour + 20*time.Minute), Own: true},
	}
	same := func(when string) {
		t.Helper()
		for _, w := range want {
			if !slices.Contains(h.Charges, w) {
				t.Errorf("%s: %v is missing in %v", when, w, h.Charges)
			}
		}
		if len(h.Charges) != len(want) {
			t.Errorf("%s: %d windows, want %d: %v", when, len(h.Charges), len(want), h.Charges)
		}
	}
	same("admitted")
	l.Settle(h, &limit.Actual{Requests: 1, Money: 1})
	same("settled")
}

// Money counts in a window that was set while its call ran, and in the old
// window still, should that be set again.
func TestChangingTheDurationOfABudgetDuringCalls(t *testing.T) {
	now := limittest.Epoch
	m := limit.NewMemory(limit.Calendar{})
	l := limit.New(m, func() time.Time { return now })
	key := func(duration string) *gateway.Principal {
		return &gateway.Principal{Key: &gateway.Key{Hash: "k", Limits: gateway.Limits{Budget: new(gateway.NanoUSD(100)), BudgetDuration: duration}}}
	}
	spend := func(p *gateway.Principal, n gateway.NanoUSD) {
		t.Helper()
		h := &limit.Hold{}
		if err := l.Reserve(t.Context(), h, p, nil, "m", limittest.Exactly(1, int64(n))); err != nil {
			t.Fatal(err)
		}
		l.Settle(h, &limit.Actual{Requests: 1, Money: n})
	}
	spent := func(w limit.Window, want int64) {
		t.Helper()
		if got, _ := m.Spent(limit.Scope{Kind: limit.KeyScope, ID: "k"}, w, now); got != want {
			t.Errorf("spent in %v: %d, want %d", w, got, want)
		}
	}
	hour, day := limit.Window{N: 1, Unit: limit.Hours}, limit.Window{N: 1, Unit: limit.Days}

	spend(key("1h"), 10)
	running := &limit.Hold{}
	if err := l.Reserve(t.Context(), running, key("1h"), nil, "m", limittest.Exactly(1, 7)); err != nil {
		t.Fatal(err)
	}
	spend(key("1d"), 20)
	l.Settle(running, &limit.Actual{Requests: 1, Money: 7})
	if !slices.ContainsFunc(running.Charges, func(c limit.Charge) bool { return c.Duration == "1d" }) {
		t.Errorf("the running call is charged to %v, want 1d among them", running.Charges)
	}
	spent(day, 37) // what was spent stays spent
	spent(hour, 37)
	now = now.Add(time.Hour)
	spend(key("1d"), 1)
	spent(hour, 1)
	spend(key("1h"), 2)
	spent(day, 40)
	spent(hour, 40)
}

// A budget that is raised by more than there are numbers is not below nothing.
func TestARaisedBudgetDoesNotOverflow(t *testing.T) {
	now := time.Date(2026, 1, 17, 12, 0, 0, 0, time.UTC)
	l := limit.Limit{Kind: limit.Money, Amount: 9_000_000_000_000_000_000, Raise: 9_000_000_000_000_000_000, RaiseUntil: now.Add(time.Hour)}
	if got := l.AmountAt(now); got != limit.Unlimited-1 {
		t.Errorf("the budget is %d, want %d", got, int64(limit.Unlimited-1))
	}
}
