package limit_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/limit/limittest"
)

func TestLimitsOnEachSessionOfAKey(t *testing.T) {
	now := limittest.Epoch
	m := limit.NewMemory(limit.Calendar{})
	l := limit.New(m, func() time.Time { return now })
	key := &gateway.Key{Hash: "k", Metadata: []byte(`{"team":"x","session_rpm_limit":2,"max_budget_per_session":0.00000003}`)}
	call := func(session string, cost int64) error {
		h := &limit.Hold{Session: session}
		err := l.Reserve(t.Context(), h, &gateway.Principal{Key: key}, nil, "m", limittest.Exactly(1, cost))
		if err == nil {
			l.Settle(h, &limit.Actual{Requests: 1, Tokens: 1, Money: gateway.NanoUSD(cost)})
		}
		return err
	}
	steps := []struct {
		name    string
		session string
		cost    int64
		want    gateway.Kind // Internal: admitted
	}{
		{"the first", "a", 10, gateway.Internal},
		{"the second", "a", 10, gateway.Internal},
		{"the third in a minute", "a", 1, gateway.Exceeded},
		{"another session", "b", 30, gateway.Internal},
		{"more than is left of its budget", "b", 1, gateway.BudgetExceeded},
		{"a call without a session", "", 1000, gateway.Internal},
	}
	for _, s := range steps {
		e := gateway.AsError(call(s.session, s.cost))
		if e == nil && s.want != gateway.Internal || e != nil && e.Kind != s.want {
			t.Errorf("%s: %v, want %v", s.name, e, s.want)
		}
	}
	now = now.Add(59 * time.Minute)
	m.Sweep(now)
	if call("b", 1) == nil {
		t.Error("59 minutes later the session's budget is full again")
	}
	now = now.Add(2 * time.Minute)
	m.Sweep(now)
	if err := call("b", 1); err != nil {
		t.Errorf("a session of which nothing was heard for an hour is remembered: %v", err)
	}
}

// tag_rpm_limit of a key counts its calls with a tag, stored or not.
func TestLimitsOfAKeyOnATag(t *testing.T) {
	l := limit.New(limit.NewMemory(limit.Calendar{}), func() time.Time { return limittest.Epoch })
	p := gateway.Principal{Key: &gateway.Key{Hash: "k", Limits: gateway.Limits{TagRPM: map[string]int64{"night": 1, "day": 2}}}}
	call := func(tags ...string) error {
		return l.Reserve(t.Context(), &limit.Hold{Tags: tags}, &p, nil, "m", limittest.Exactly(1, 0))
	}
	for i, tags := range [][]string{{"night", "day"}, {"day"}, {"other"}, nil} {
		if err := call(tags...); err != nil {
			t.Errorf("call %d with %v: %v", i+1, tags, err)
		}
	}
	e := gateway.AsError(call("other", "night"))
	if e == nil || e.Kind != gateway.Exceeded || !strings.HasPrefix(e.Message, "Rate limit exceeded for tag_per_key: k:night. Limit type: requests. Current limit: 1,") ||
		e.Headers["X-Ratelimit-Tag_per_key-Limit-Requests"] != "1" {
		t.Errorf("a second call of the night: %+v", e)
	}
}

// tag_budget_config has budgets of tags that are not stored; one that is stored
// with a budget of its own keeps that.
func TestBudgetsOfTagsByConfiguration(t *testing.T) {
	l := limit.New(limit.NewMemory(limit.Calendar{}), func() time.Time { return limittest.Epoch })
	rule := func(n gateway.NanoUSD) *limit.TagRule { return &limit.TagRule{Limits: gateway.Limits{Budget: &n}} }
	l.SetRules(&limit.Rules{Tags: map[string]*limit.TagRule{"night": rule(10), "stored": rule(10), "bare": rule(10)}})
	stored := []*gateway.Tag{{Name: "stored", Limits: gateway.Limits{Budget: new(gateway.NanoUSD(5))}}, {Name: "bare"}}
	for _, tt := range []struct {
		tags []string
		cost int64
		want string // "" is admitted
	}{
		{[]string{"day"}, 1000, ""},
		{[]string{"night", "day"}, 11, "Budget has been exceeded! Tag=night "},
		{[]string{"night", "night"}, 10, ""},
		{[]string{"stored"}, 6, "Budget has been exceeded! Tag=stored "},
		{[]string{"bare"}, 11, "Budget has been exceeded! Tag=bare "},
	} {
		p := gateway.Principal{}
		for _, s := range stored {
			if s.Name == tt.tags[0] {
				p.Tags = append(p.Tags, s)
			}
		}
		err := l.Reserve(t.Context(), &limit.Hold{Tags: tt.tags}, &p, nil, "m", limittest.Exactly(1, tt.cost))
		e := gateway.AsError(err)
		if (e == nil) != (tt.want == "") || e != nil && !strings.HasPrefix(e.Message, tt.want) {
			t.Errorf("%d for %v: %v, want %q", tt.cost, tt.tags, err, tt.want)
		}
	}
}
