package limit_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/limit/limittest"
)

// The texts are LiteLLM's; clients and dashboards match on them. What follows
// them are the numbers behind.
func TestTheTextOfARefusal(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	rpm := gateway.Limits{RPM: n(1)}
	cent := gateway.Limits{Budget: new(gateway.NanoUSD(10_000_000))}
	daily := gateway.Limits{Budgets: []gateway.BudgetWindow{{Amount: 10_000_000, Duration: "1d"}}}
	model := gateway.Limits{Models: map[string]gateway.ModelLimits{"gpt-4o": {RPM: n(1)}}}
	modelBudget := gateway.Limits{Models: map[string]gateway.ModelLimits{"gpt-4o": {Budget: &gateway.BudgetWindow{Amount: 10_000_000, Duration: "1d"}}}}
	key := func(l gateway.Limits) gateway.Principal {
		return gateway.Principal{Key: &gateway.Key{Hash: "abc", Name: "sk-...1234", Alias: "prod", Limits: l}}
	}
	user := func(l gateway.Limits) gateway.Principal {
		return gateway.Principal{User: &gateway.User{ID: "u1", Limits: l}}
	}
	team := func(l gateway.Limits) gateway.Principal {
		return gateway.Principal{Team: &gateway.Team{ID: "t1", Limits: l}}
	}
	member := func(l gateway.Limits) gateway.Principal {
		return gateway.Principal{Team: &gateway.Team{ID: "t1"}, Member: &gateway.Member{UserID: "u1", Limits: l}}
	}
	org := func(l gateway.Limits) gateway.Principal {
		return gateway.Principal{Organization: &gateway.Organization{ID: "o1", Limits: l}}
	}
	project := func(l gateway.Limits) gateway.Principal {
		return gateway.Principal{Project: &gateway.Project{ID: "p1", Limits: l}}
	}
	endUser := func(l gateway.Limits) gateway.Principal {
		return gateway.Principal{EndUser: &gateway.EndUser{ID: "e1", Limits: l}}
	}
	tag := func(l gateway.Limits) gateway.Principal {
		return gateway.Principal{Tags: []*gateway.Tag{{Name: "b"}, {Name: "g1", Limits: l}, {Name: "z"}}}
	}
	const spent = "Current cost: 0.01, Max budget: 0.01"
	const rate = ". Limit type: requests. Current limit: 1, Remaining: 0. Limit resets at: 2026-03-18 10:21:31 UTC"
	for _, tt := range []struct {
		name string
		p    gateway.Principal
		g    *limit.Global
		want string
	}{
		{"a key's rate", key(rpm), nil, "Rate limit exceeded for api_key: abc" + rate},
		{"a user's rate", user(rpm), nil, "Rate limit exceeded for user: u1" + rate},
		{"a team's rate", team(rpm), nil, "Rate limit exceeded for team: t1" + rate},
		{"a team member's rate", member(rpm), nil, "Rate limit exceeded for team_member: t1:u1" + rate},
		{"an organization's rate", org(rpm), nil, "Rate limit exceeded for organization: o1" + rate},
		{"a project's rate", project(rpm), nil, "Rate limit exceeded for project: p1" + rate},
		{"an end user's rate", endUser(rpm), nil, "Rate limit exceeded for end_user: e1" + rate},
		{"a tag's rate", tag(rpm), nil, "Rate limit exceeded for tag: g1" + rate},
		{"the gateway's rate", gateway.Principal{}, &limit.Global{Limits: rpm}, "Rate limit exceeded for global: " + rate},
		{"a key's rate for a model", key(model), nil, "Rate limit exceeded for model_per_key: abc:gpt-4o" + rate},
		{"a team's rate for a model", team(model), nil, "Rate limit exceeded for model_per_team: t1:gpt-4o" + rate},
		{"an organization's rate for a model", org(model), nil, "Rate limit exceeded for model_per_organization: o1:gpt-4o" + rate},

		{"a key's budget", key(cent), nil, "Budget has been exceeded! Key=prod (sk-...1234) " + spent},
		{"a user's budget", user(cent), nil, "ExceededBudget: User=u1 over budget. Spend=0.01, Budget=0.01"},
		{"a team's budget", team(cent), nil, "Budget has been exceeded! Team=t1 " + spent},
		{"a team member's budget", member(cent), nil, "Budget has been exceeded! User=u1 in Team=t1 " + spent},
		{"an organization's budget", org(cent), nil, "Budget has been exceeded! Organization=o1 " + spent},
		{"a project's budget", project(cent), nil, "Budget has been exceeded! Project=p1 " + spent},
		{"an end user's budget", endUser(cent), nil, "ExceededBudget: End User=e1 over budget. Spend=0.01, Budget=0.01"},
		{"a tag's budget", tag(cent), nil, "Budget has been exceeded! Tag=g1 " + spent},
		{"the gateway's budget", gateway.Principal{}, &limit.Global{Limits: cent}, "Budget has been exceeded! " + spent},
		{"a key's second budget", key(daily), nil, "ExceededBudget: Key over 1d budget. Spend=$0.0100, Limit=$0.01"},
		{"a team's second budget", team(daily), nil, "ExceededBudget: Team=t1 over 1d budget. Spend=$0.0100, Limit=$0.01"},
		{"a key's budget for a model", key(modelBudget), nil, "LiteLLM Virtual Key: abc, key_alias: prod, exceeded budget for model=gpt-4o"},
		{"a user's budget for a model", user(modelBudget), nil, "LiteLLM User: u1, exceeded budget for model=gpt-4o"},
		{"an end user's budget for a model", endUser(modelBudget), nil, "LiteLLM End User: e1, exceeded budget for model=gpt-4o"},
		{"a team's budget for a model", team(modelBudget), nil, "LiteLLM Team: t1, exceeded budget for model=gpt-4o"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := limit.New(limit.NewMemory(limit.Calendar{}), func() time.Time { return limittest.Epoch })
			call := func() error {
				h := &limit.Hold{}
				err := l.Reserve(t.Context(), h, &tt.p, tt.g, "gpt-4o", limittest.Exactly(1, 10_000_000))
				if err == nil {
					l.Settle(h, &limit.Actual{Requests: 1, Tokens: 1, Money: 10_000_000})
				}
				return err
			}
			if err := call(); err != nil {
				t.Fatalf("the first call: %v", err)
			}
			e := gateway.AsError(call())
			kind, typ := gateway.Exceeded, "throttling_error"
			if !strings.HasPrefix(tt.want, "Rate") {
				kind, typ = gateway.BudgetExceeded, "budget_exceeded"
			}
			if e == nil || !strings.HasPrefix(e.Message, tt.want) || e.Kind != kind || e.Type != typ {
				t.Errorf("got  %+v\nwant %v %q", e, kind, tt.want)
			}
			if kind == gateway.Exceeded && e.RetryAfter != 61*time.Second {
				t.Errorf("retry after %v, want the 61 s until its second has left the window", e.RetryAfter)
			}
			if tt.p.Key != nil && strings.Contains(tt.name, "for a model") {
				if err := l.Reserve(t.Context(), &limit.Hold{}, &tt.p, tt.g, "other", limittest.Exactly(1, 1)); err != nil {
					t.Errorf("another model is refused: %v", err)
				}
			}
		})
	}
}

// A user's budget is for personal keys: what a team's key spends is the team's,
// unless the configuration says otherwise.
func TestBudgetsOfAUserInATeam(t *testing.T) {
	p := gateway.Principal{User: &gateway.User{ID: "u", Limits: gateway.Limits{Budget: new(gateway.NanoUSD(0))}}, Team: &gateway.Team{ID: "t"}}
	l := limit.New(limit.NewMemory(limit.Calendar{}), time.Now)
	if err := l.Reserve(t.Context(), &limit.Hold{}, &p, nil, "m", limittest.Exactly(1, 1)); err != nil {
		t.Errorf("refused: %v", err)
	}
	l.SetRules(&limit.Rules{UserBudgetsInTeams: true})
	if err := l.Reserve(t.Context(), &limit.Hold{}, &p, nil, "m", limittest.Exactly(1, 1)); err == nil {
		t.Error("admitted, though the user's budget is to hold")
	}
}

func TestRulesForKeysThatDoNotSay(t *testing.T) {
	one, two := int64(1), int64(2)
	l := limit.New(limit.NewMemory(limit.Calendar{}), time.Now)
	l.SetRules(&limit.Rules{KeyParallel: &one})
	for _, tt := range []struct {
		name     string
		parallel *int64
		want     int
	}{{"silent", nil, 1}, {"says two", &two, 2}} {
		p := gateway.Principal{Key: &gateway.Key{Hash: tt.name, Limits: gateway.Limits{Parallel: tt.parallel}}}
		got := 0
		for l.Reserve(t.Context(), &limit.Hold{}, &p, nil, "m", limittest.Exactly(1, 1)) == nil && got < 10 {
			got++
		}
		if got != tt.want {
			t.Errorf("key that is %s: %d calls in flight, want %d", tt.name, got, tt.want)
		}
	}
}

// A raise holds until its end, and not a moment longer.
func TestARaisedBudget(t *testing.T) {
	now := limittest.Epoch
	l := limit.New(limit.NewMemory(limit.Calendar{}), func() time.Time { return now })
	p := gateway.Principal{Key: &gateway.Key{Hash: "k", Limits: gateway.Limits{Budget: new(gateway.NanoUSD(10)), Raise: 5, RaiseUntil: now.Add(time.Hour)}}}
	try := func(n int64, want bool) {
		t.Helper()
		h := &limit.Hold{}
		err := l.Reserve(t.Context(), h, &p, nil, "m", limittest.Exactly(1, n))
		if (err == nil) != want {
			t.Errorf("%d at %v: %v, want admitted %v", n, now, err, want)
		}
		if err == nil {
			l.Settle(h, &limit.Actual{Requests: 1, Money: gateway.NanoUSD(n)})
		}
	}
	try(12, true)
	try(4, false)
	now = now.Add(time.Hour - 1)
	try(3, true)
	now = now.Add(1)
	try(1, false)
}

// Shadow mode counts and tells, and refuses nothing.
func TestShadowMode(t *testing.T) {
	l := limit.New(limit.NewMemory(limit.Calendar{}), func() time.Time { return limittest.Epoch })
	one := int64(1)
	shadow := gateway.Limits{RPM: &one, Parallel: &one, Budget: new(gateway.NanoUSD(1)), Shadow: true}
	p := gateway.Principal{Key: &gateway.Key{Hash: "k", Limits: shadow}, Team: &gateway.Team{ID: "t", Limits: gateway.Limits{Budget: new(gateway.NanoUSD(25))}}}
	var told []string
	for range 2 {
		h := &limit.Hold{}
		if err := l.Reserve(t.Context(), h, &p, nil, "m", limittest.Exactly(1, 10)); err != nil {
			t.Fatal(err)
		}
		if h.Money != 10 {
			t.Errorf("promised %d, want 10: a limit in shadow mode caps nothing", h.Money)
		}
		for _, f := range h.Would {
			told = append(told, limit.Kinds[f.Limit.Kind].Name)
		}
	}
	if got := strings.Join(told, " "); got != "budget requests max_parallel_requests budget" {
		t.Errorf("told of %q", got)
	}
	if err := l.Reserve(t.Context(), &limit.Hold{}, &p, nil, "m", limittest.Exactly(1, 10)); err == nil {
		t.Error("the team's budget, which is no shadow, admits a third")
	}
}

// A soft budget is told when it is reached, once in its window.
func TestSoftBudget(t *testing.T) {
	now := limittest.Epoch
	p := gateway.Principal{Key: &gateway.Key{Hash: "k", Limits: gateway.Limits{SoftBudget: new(gateway.NanoUSD(20)), BudgetDuration: "1d"}}}
	told := func(l *limit.Limiter, n gateway.NanoUSD) int {
		h := &limit.Hold{}
		if err := l.Reserve(t.Context(), h, &p, nil, "m", limittest.Exactly(1, int64(n))); err != nil {
			t.Fatal(err)
		}
		l.Settle(h, &limit.Actual{Requests: 1, Money: n})
		return len(h.Reached)
	}
	clock := func() time.Time { return now }
	l := limit.New(limit.NewMemory(limit.Calendar{}), clock)
	for i, want := range []int{0, 1, 0} {
		if got := told(l, 10); got != want {
			t.Errorf("call %d: told %d times, want %d", i+1, got, want)
		}
	}
	again := limit.New(limit.NewMemory(limit.Calendar{}), clock)
	again.SetBooked("key", "k", "1d", gateway.Spend{Window: 30, WindowStart: time.Date(2026, 3, 18, 0, 0, 0, 0, time.UTC)})
	if got := told(again, 10); got != 0 {
		t.Errorf("after a restart: told %d times, want 0", got)
	}
	now = now.Add(24 * time.Hour)
	if got := told(l, 30); got != 1 {
		t.Errorf("the next day: told %d times, want 1", got)
	}
}

func TestLimitsOfDeploymentsAndProviders(t *testing.T) {
	one, two := int64(1), int64(2)
	now := limittest.Epoch
	d, other := &gateway.Deployment{ID: "d", Provider: "p"}, &gateway.Deployment{ID: "e", Provider: "p"}
	size := func() *limit.Size { return limittest.Exactly(1, 5) }
	for _, tt := range []struct {
		name string
		l    gateway.Limits
		kind limit.Kind
		text string
	}{
		{"slots", gateway.Limits{Parallel: &one}, limit.Parallel, "Rate limit exceeded for deployment: d. Limit type: max_parallel_requests"},
		{"requests", gateway.Limits{RPM: &one}, limit.Requests, "Rate limit exceeded for deployment: d. Limit type: requests"},
		{"money", gateway.Limits{Budget: new(gateway.NanoUSD(5))}, limit.Money, "No deployments available - crossed budget: deployment d has spent 0.0 of 5e-09"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := limit.New(limit.NewMemory(limit.Calendar{}), func() time.Time { return now })
			l.SetRules(&limit.Rules{Deployments: map[string]*gateway.Limits{"d": &tt.l}})
			if err := l.ReserveAttempt(t.Context(), &limit.Hold{}, d, size); err != nil {
				t.Fatal(err)
			}
			if kind, ok := l.Room(d); ok || kind != tt.kind {
				t.Errorf("Room = %v, %v; want %v, false", kind, ok, tt.kind)
			}
			if e := gateway.AsError(l.ReserveAttempt(t.Context(), &limit.Hold{}, d, size)); e == nil || e.Kind != gateway.Exceeded || !strings.HasPrefix(e.Message, tt.text) {
				t.Errorf("a second attempt: %+v, want %q", e, tt.text)
			}
			if _, ok := l.Room(other); !ok {
				t.Error("another deployment has no room")
			}
		})
	}
	l := limit.New(limit.NewMemory(limit.Calendar{}), func() time.Time { return now })
	l.SetRules(&limit.Rules{Providers: map[string]*gateway.Limits{"p": {RPM: &two}}})
	for i, d := range []*gateway.Deployment{d, other, d} {
		if err := l.ReserveAttempt(t.Context(), &limit.Hold{}, d, size); (err == nil) != (i < 2) {
			t.Errorf("attempt %d of the provider's deployments: %v", i+1, err)
		}
	}
}
