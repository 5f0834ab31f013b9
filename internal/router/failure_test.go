package router_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/router"
)

// failures are one of each class.
var failures = []struct {
	class  string
	kind   gateway.Kind
	status int
	policy string // LiteLLM's name, "" if its policies say nothing about it

	again     bool // a lone deployment is tried again
	elsewhere bool // another deployment is tried
	falls     bool // to the general fallbacks
	// cools is after how many failures in a row a deployment rests, alone and
	// beside another; 0 is never in ten.
	coolsAlone, coolsBeside int
}{
	{"rate limit", gateway.UpstreamLimited, 429, "RateLimitError", true, true, true, 0, 1},
	{"timeout", gateway.UpstreamTimeout, 0, "TimeoutError", true, true, true, 0, 5},
	{"auth", gateway.UpstreamAuth, 401, "AuthenticationError", false, true, true, 1, 1},
	{"payment", gateway.UpstreamAuth, 402, "BadRequestError", false, true, true, 0, 1},
	{"not found", gateway.UpstreamNotFound, 404, "NotFoundError", false, false, true, 1, 1},
	{"context window", gateway.ContextWindow, 400, "BadRequestError", false, false, true, 0, 0},
	{"content policy", gateway.ContentPolicy, 400, "ContentPolicyViolationError", false, false, true, 0, 0},
	{"bad request", gateway.UpstreamRefused, 400, "BadRequestError", false, false, true, 0, 0},
	{"conflict", gateway.UpstreamRefused, 409, "BadRequestError", true, true, true, 0, 0},
	{"server", gateway.UpstreamFailed, 500, "InternalServerError", true, true, true, 0, 5},
	{"bad gateway", gateway.UpstreamFailed, 502, "BadGatewayError", true, true, true, 0, 5},
	{"overloaded", gateway.UpstreamFailed, 503, "ServiceUnavailableError", true, true, true, 0, 5},
	{"connection", gateway.UpstreamFailed, 0, "InternalServerError", true, true, true, 0, 5},
	{"cut stream", gateway.UpstreamCut, 0, "InternalServerError", true, true, true, 0, 5},
	{"no room", gateway.Exceeded, 0, "", false, true, true, 0, 0},
	{"ours", gateway.Internal, 0, "", false, false, false, 0, 0},
	{"a guardrail", gateway.Blocked, 0, "", false, false, false, 0, 0},
}

func TestWhatEachFailureLeadsTo(t *testing.T) {
	for _, f := range failures {
		t.Run(f.class, func(t *testing.T) {
			fallback := map[string][]string{"m": {"other"}}
			tries := func(s router.Settings, ds ...gateway.Deployment) int {
				b := newBench(t, s, ds...)
				b.fails(f.kind, f.status, "a", "b")
				asked, out, err := b.do(call("m"))
				if len(asked) != len(out.Attempts) {
					t.Errorf("%d attempts written down of %d", len(out.Attempts), len(asked))
				}
				if gateway.AsError(err) != nil && gateway.AsError(err).Kind != f.kind {
					t.Errorf("shown as %v", err)
				}
				return len(asked)
			}
			want := func(what string, got int, yes bool, n int) {
				t.Helper()
				if !yes {
					n = 1
				}
				if got != n {
					t.Errorf("%s: asked %d times, want %d", what, got, n)
				}
			}
			want("alone", tries(router.Settings{Retries: 1}, d("a")), f.again, 2)
			want("beside another", tries(router.Settings{Retries: 1}, d("a"), d("b")), f.elsewhere, 2)
			want("no retries", tries(router.Settings{}, d("a"), d("b")), f.kind == gateway.Exceeded, 2)
			want("fallback", tries(router.Settings{Fallbacks: fallback}, d("a"), d("o", group("other"))), f.falls, 2)
			if f.policy == "" {
				return
			}
			want("policy of three", tries(router.Settings{RetryPolicy: map[string]int{f.policy: 3}}, d("a")), true, 4)
			want("policy of none", tries(router.Settings{Retries: 5, RetryPolicy: map[string]int{f.policy: 0}}, d("a"), d("b")), false, 0)
			want("default of the policy", tries(router.Settings{RetryPolicy: map[string]int{"Default": 2}}, d("a")), true, 3)
			want("the group's policy first", tries(router.Settings{
				RetryPolicy: map[string]int{f.policy: 7}, GroupRetryPolicy: map[string]map[string]int{"m": {f.policy: 1}},
			}, d("a")), true, 2)
			want("another group's policy", tries(router.Settings{GroupRetryPolicy: map[string]map[string]int{"x": {f.policy: 5}}}, d("a")), false, 0)
		})
	}
}

func TestWhenAFailureCools(t *testing.T) {
	for _, f := range failures {
		for _, alone := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, alone %v", f.class, alone), func(t *testing.T) {
				ds := []gateway.Deployment{d("a")}
				after := f.coolsAlone
				if !alone {
					ds, after = append(ds, d("b")), f.coolsBeside
				}
				cools := func(s router.Settings, ds ...gateway.Deployment) int {
					s.Cooldown = time.Minute
					b := newBench(t, s, ds...)
					b.fails(f.kind, f.status, "a")
					for n := 1; n <= 10; n++ {
						for { // until a has been asked
							if asked, _, _ := b.do(call("m")); asked[0] == "a" {
								break
							}
						}
						if b.tab.Health(b.now)[0].Cooling > 0 {
							return n
						}
					}
					return 0
				}
				// Calls that b answers meanwhile do not count for a.
				if got := cools(router.Settings{}, ds...); got != after {
					t.Errorf("rests after %d failures, want %d", got, after)
				}
				if got := cools(router.Settings{DisableCooldowns: true}, ds...); got != 0 {
					t.Errorf("rests after %d failures with cooldowns off", got)
				}
				two, name := 2, f.policy
				if f.policy == "" {
					return
				}
				want := 3
				if f.coolsBeside == 0 { // says nothing about the deployment
					want = 0
				}
				if got := cools(router.Settings{AllowedFails: &two}, ds...); got != want {
					t.Errorf("rests after %d failures, want %d: two are allowed", got, want)
				}
				if got := cools(router.Settings{FailsPolicy: map[string]int{name: 2}}, ds...); got != want {
					t.Errorf("rests after %d failures, want %d: the policy allows two", got, want)
				}
				own := func(d *gateway.Deployment) { d.FailsPolicy = map[string]int{name: 1} }
				ds[0] = d("a", own)
				if got := cools(router.Settings{AllowedFails: &two}, ds...); got != 2 {
					t.Errorf("rests after %d failures, want 2: its own policy allows one", got)
				}
			})
		}
	}
}

func TestARatioOfFailuresCools(t *testing.T) {
	b := newBench(t, router.Settings{Cooldown: time.Minute}, d("a"), d("b"))
	for range 6 { // answered
		b.do(call("a"))
	}
	b.fails(gateway.UpstreamFailed, 500, "a")
	fails := 0
	for b.tab.Health(b.now)[0].Cooling == 0 {
		if asked, _, _ := b.do(call("m")); asked[0] == "a" {
			fails++
		}
	}
	if fails != 7 {
		t.Errorf("rests after 7 of 13 calls failed, got %d", fails)
	}
}

func TestBackOff(t *testing.T) {
	const j = 750 * time.Millisecond
	retryAfter := func(d time.Duration) func(*gateway.Error) { return func(e *gateway.Error) { e.RetryAfter = d } }
	ms := time.Millisecond
	for _, tt := range []struct {
		name string
		s    router.Settings
		ds   []gateway.Deployment
		kind gateway.Kind
		mod  func(*gateway.Error)
		want []time.Duration // least waits; each may be longer by the jitter
	}{
		{
			"it doubles up to eight seconds",
			router.Settings{Retries: 6},
			[]gateway.Deployment{d("a")},
			gateway.UpstreamFailed, nil,
			[]time.Duration{500 * ms, 1000 * ms, 2000 * ms, 4000 * ms, 8000 * ms, 8000 * ms},
		},
		{
			"it is not less than retry_after",
			router.Settings{Retries: 2, RetryAfter: 3 * time.Second},
			[]gateway.Deployment{d("a")},
			gateway.UpstreamFailed, nil,
			[]time.Duration{3000 * ms, 3000 * ms},
		},
		{"it is what the provider says", router.Settings{Retries: 1}, []gateway.Deployment{d("a")}, gateway.UpstreamLimited, retryAfter(7 * time.Second), []time.Duration{7000 * ms}},
		{"down to milliseconds", router.Settings{Retries: 1}, []gateway.Deployment{d("a")}, gateway.UpstreamLimited, retryAfter(20 * ms), []time.Duration{20 * ms}},
		{"but not if it says more than a minute", router.Settings{Retries: 1}, []gateway.Deployment{d("a")}, gateway.UpstreamLimited, retryAfter(time.Hour), []time.Duration{500 * ms}},
		{"nobody waits while somebody else is left", router.Settings{Retries: 1}, []gateway.Deployment{d("a"), d("b")}, gateway.UpstreamLimited, retryAfter(7 * time.Second), nil},
		{"when all have failed, it is waited", router.Settings{Retries: 2}, []gateway.Deployment{d("a"), d("b")}, gateway.UpstreamFailed, nil, []time.Duration{1000 * ms}},
		{
			"rather a fallback than waiting for a limit",
			router.Settings{Retries: 2, Fallbacks: map[string][]string{"m": {"f"}}},
			[]gateway.Deployment{d("a"), d("f", group("f"))},
			gateway.UpstreamLimited, retryAfter(7 * time.Second), nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.s, tt.ds...)
			for _, id := range []string{"a", "b"} {
				b.answers[id] = func() error {
					e := &gateway.Error{Kind: tt.kind, Status: 500}
					if tt.mod != nil {
						tt.mod(e)
					}
					return e
				}
			}
			b.do(call("m"))
			if len(b.slept) != len(tt.want) {
				t.Fatalf("waited %v, want %v", b.slept, tt.want)
			}
			for i, d := range b.slept {
				if d < tt.want[i] || d > tt.want[i]+j {
					t.Errorf("waited %v, want %v and up to %v more", d, tt.want[i], j)
				}
			}
		})
	}
}

func TestRetriesOfWhom(t *testing.T) {
	n := func(v int) *int { return &v }
	own := func(v int) func(*gateway.Deployment) { return func(d *gateway.Deployment) { d.Retries = &v } }
	for _, tt := range []struct {
		name string
		s    router.Settings
		d    gateway.Deployment
		c    *int
		want int // attempts
	}{
		{"the router's", router.Settings{Retries: 2}, d("a"), nil, 3},
		{"the deployment's first", router.Settings{Retries: 2}, d("a", own(1)), nil, 2},
		{"the deployment wants none", router.Settings{Retries: 2}, d("a", own(0)), nil, 1},
		{"the client's before all", router.Settings{Retries: 2}, d("a", own(1)), n(4), 5},
		{"the client wants none", router.Settings{Retries: 2}, d("a", own(1)), n(0), 1},
		{"a policy before the client's number", router.Settings{RetryPolicy: map[string]int{"Default": 1}}, d("a"), n(4), 2},
		{"but not before its none", router.Settings{RetryPolicy: map[string]int{"Default": 1}}, d("a"), n(0), 1},
		{"never more than 64 attempts", router.Settings{Retries: 1000}, d("a"), nil, 64},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.s, tt.d)
			b.fails(gateway.UpstreamFailed, 500, "a")
			c := call("m")
			c.Retries = tt.c
			asked, out, err := b.do(c)
			if err == nil || len(asked) != tt.want || out.Retries != tt.want-1 {
				t.Errorf("%d attempts, %d retries, %v; want %d", len(asked), out.Retries, err, tt.want)
			}
		})
	}
}

func TestWeightedFailover(t *testing.T) {
	ds := []gateway.Deployment{d("a"), d("b"), d("c"), d("e"), d("f", group("f"))}
	s := router.Settings{WeightedFailover: true, Fallbacks: map[string][]string{"m": {"f"}}}
	for _, tt := range []struct {
		name     string
		strategy router.Strategy
		kind     gateway.Kind
		want     int // attempts in the group
	}{
		{"everybody is asked once", router.SimpleShuffle, gateway.UpstreamFailed, 4},
		{"not for what nobody would answer", router.SimpleShuffle, gateway.UpstreamRefused, 1},
		{"not with another strategy", router.LeastBusy, gateway.UpstreamFailed, 1},
	} {
		s.Strategy = tt.strategy
		b := newBench(t, s, ds...)
		b.fails(tt.kind, 500, "a", "b", "c", "e")
		asked, _, err := b.do(call("m"))
		if err != nil || len(asked) != tt.want+1 || asked[tt.want] != "f" || len(b.slept) > 0 {
			t.Errorf("%s: asked %v, %v, waited %v", tt.name, asked, err, b.slept)
		}
		slices.Sort(asked)
		if len(slices.Compact(asked)) != tt.want+1 {
			t.Errorf("%s: asked %v, somebody twice", tt.name, asked)
		}
	}
}

func TestTimeIsBounded(t *testing.T) {
	b := newBench(t, router.Settings{Retries: 50, Total: time.Minute, Fallbacks: map[string][]string{"m": {"f"}}}, d("a"), d("f", group("f")))
	b.fails(gateway.UpstreamTimeout, 0, "a", "f")
	b.takes = 25 * time.Second
	start := b.now
	asked, _, err := b.do(call("m"))
	if took := b.now.Sub(start); took > 90*time.Second || err == nil {
		t.Errorf("asked %v in %v, %v; want no attempt to begin after a minute", asked, took, err)
	}
	t.Run("no wait beyond the client's own deadline", func(t *testing.T) {
		b := newBench(t, router.Settings{Retries: 5, RetryAfter: 8 * time.Second}, d("a"))
		b.fails(gateway.UpstreamFailed, 500, "a")
		ctx, cancel := context.WithDeadline(context.Background(), b.now.Add(5*time.Second))
		defer cancel()
		r := must(b.tab.Route(call("m")))
		err := r.Do(ctx, b.clock(), &router.Outcome{}, func(context.Context, router.Target) (router.Seen, error) {
			return router.Seen{}, &gateway.Error{Kind: gateway.UpstreamFailed, Status: 500}
		})
		if len(b.slept) > 0 || gateway.AsError(err).Status != 500 {
			t.Errorf("slept %v, %v", b.slept, err)
		}
	})
}

func TestNothingIsTriedAfterTheFirstByte(t *testing.T) {
	b := newBench(t, router.Settings{Retries: 3, DefaultFallbacks: []string{"f"}}, d("a"), d("b"), d("f", group("f")))
	cut := &gateway.Error{Kind: gateway.UpstreamCut, Message: "cut"}
	for _, id := range []string{"a", "b"} {
		b.answers[id] = func() error { return fmt.Errorf("%w: %w", router.ErrCommitted, cut) }
	}
	asked, out, err := b.do(call("m"))
	if len(asked) != 1 || !errors.Is(err, router.ErrCommitted) || out.Attempts[0].Kind != gateway.UpstreamCut {
		t.Errorf("asked %v, %v, %+v", asked, err, out.Attempts)
	}
}

func TestAClientThatLeavesSaysNothingAboutADeployment(t *testing.T) {
	b := newBench(t, router.Settings{Retries: 3, Cooldown: time.Minute, DefaultFallbacks: []string{"f"}}, d("a"), d("b"), d("f", group("f")))
	for range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		r := must(b.tab.Route(call("m")))
		n := 0
		_ = r.Do(ctx, b.clock(), &router.Outcome{}, func(context.Context, router.Target) (router.Seen, error) {
			n++
			cancel()
			return router.Seen{}, &gateway.Error{Kind: gateway.UpstreamFailed, Status: 500}
		})
		if n != 1 {
			t.Fatalf("asked %d times", n)
		}
	}
	for _, h := range b.tab.Health(b.now) {
		if h.Cooling > 0 || h.InFlight != 0 {
			t.Errorf("%s: %+v", h.ID, h)
		}
	}
	t.Run("nor does a time that the client has set", func(t *testing.T) {
		b := newBench(t, router.Settings{Cooldown: time.Minute}, d("a"), d("b"))
		b.fails(gateway.UpstreamTimeout, 0, "a", "b")
		c := call("m")
		c.Timeout = time.Millisecond
		b.counts(40, c)
		for _, h := range b.tab.Health(b.now) {
			if h.Cooling > 0 {
				t.Errorf("%s rests", h.ID)
			}
		}
	})
}

func TestAnAccountWithoutMoney(t *testing.T) {
	quota := func() error {
		return &gateway.Error{Kind: gateway.UpstreamLimited, Status: 429, Code: "insufficient_quota"}
	}
	b := newBench(t, router.Settings{Retries: 2}, d("a"))
	b.answers["a"] = quota
	if asked, _, _ := b.do(call("m")); len(asked) != 1 {
		t.Errorf("asked %v: waiting does not fill an account", asked)
	}
	b = newBench(t, router.Settings{Retries: 2}, d("a"), d("b"))
	b.answers["a"] = quota
	for range 10 {
		if asked, _, err := b.do(call("m")); err != nil || asked[len(asked)-1] != "b" {
			t.Errorf("asked %v, %v", asked, err)
		}
	}
}

func TestFallbacks(t *testing.T) {
	five := router.Settings{
		Fallbacks:        map[string][]string{"m": {"f1", "f2"}, "f1": {"f3"}, "f3": {"m", "f1", "f4"}, "self": {"self", "f2"}, "bare": {"f2"}},
		DefaultFallbacks: []string{"any"}, MaxFallback: 5,
	}
	special := router.Settings{
		Fallbacks: map[string][]string{"m": {"f1"}}, ContextWindow: map[string][]string{"m": {"long"}}, ContentPolicy: map[string][]string{"m": {"lax"}},
	}
	var ds []gateway.Deployment
	for _, g := range []string{"m", "f1", "f2", "f3", "f4", "any", "self", "long", "lax", "x", "openai/bare"} {
		ds = append(ds, d("-"+g, group(g)))
	}
	for _, tt := range []struct {
		name  string
		s     router.Settings
		model string
		kind  gateway.Kind
		fail  string // groups that fail
		own   []string
		off   bool
		want  string // groups asked
	}{
		{"the first that answers", five, "m", gateway.UpstreamFailed, "m", nil, false, "m f1"},
		{"fallbacks of fallbacks before the next", five, "m", gateway.UpstreamFailed, "m f1", nil, false, "m f1 f3"},
		{"nobody twice", five, "m", gateway.UpstreamFailed, "m f1 f2 f3 f4 any", nil, false, "m f1 f3 f4 any f2"},
		{"not to itself", five, "self", gateway.UpstreamFailed, "self", nil, false, "self f2"},
		{"only those that the caller may use", router.Settings{Fallbacks: five.Fallbacks, MaxFallback: 5, AllowedOnly: true, Allowed: func(_ *gateway.Principal, model string, _ *router.Table) error {
			if model == "f1" {
				return &gateway.Error{Kind: gateway.Forbidden}
			}
			return nil
		}}, "m", gateway.UpstreamFailed, "m", nil, false, "m f2"},
		{"the default ones", five, "x", gateway.UpstreamFailed, "x", nil, false, "x any"},
		{"by the name without its provider", five, "openai/bare", gateway.UpstreamFailed, "openai/bare", nil, false, "openai/bare f2"},
		{"the client's instead", five, "m", gateway.UpstreamFailed, "m", []string{"f4"}, false, "m f4"},
		{"the client's are used up", five, "m", gateway.UpstreamFailed, "m f4", []string{"f4"}, false, "m f4 any"},
		{"the client's unknown one is passed over", five, "m", gateway.UpstreamFailed, "m", []string{"nothing", "f4"}, false, "m f4"},
		{"the client wants none", five, "m", gateway.UpstreamFailed, "m", []string{}, false, "m"},
		{"the client turns them off", five, "m", gateway.UpstreamFailed, "m", nil, true, "m"},
		{"for long prompts", special, "m", gateway.ContextWindow, "m", nil, false, "m long"},
		{"for refused content", special, "m", gateway.ContentPolicy, "m", nil, false, "m lax"},
		{"the general ones for the rest", special, "m", gateway.UpstreamFailed, "m", nil, false, "m f1"},
		{"special ones are configured, but not for this group", special, "x", gateway.ContextWindow, "x", nil, false, "x"},
		{"none are configured: the general ones", five, "m", gateway.ContextWindow, "m", nil, false, "m f1"},
		{"no deeper than max_fallbacks", router.Settings{Fallbacks: five.Fallbacks, MaxFallback: 1}, "m", gateway.UpstreamFailed, "m f1 f2", nil, false, "m f1 f2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.s, ds...)
			for g := range strings.SplitSeq(tt.fail, " ") {
				b.fails(tt.kind, 500, "-"+g)
			}
			c := call(tt.model)
			c.Fallbacks, c.DisableFallbacks = tt.own, tt.off
			asked, out, err := b.do(c)
			if got := strings.ReplaceAll(strings.Join(asked, " "), "-", ""); got != tt.want {
				t.Errorf("asked %q, want %q", got, tt.want)
			}
			if n := len(strings.Fields(tt.want)) - 1; out.Fallbacks != n || len(out.Why.Hops) != n {
				t.Errorf("%d fallbacks, %d hops, want %d", out.Fallbacks, len(out.Why.Hops), n)
			}
			if answered := !slices.Contains(strings.Fields(tt.fail), strings.TrimPrefix(asked[len(asked)-1], "-")); answered != (err == nil) {
				t.Errorf("answered %v, but %v", answered, err)
			}
			if err != nil && !strings.HasPrefix(gateway.AsError(err).Message, "-"+tt.model+" ") {
				t.Errorf("the failure shown is %v, want that of the group that was asked for", err)
			}
		})
	}
}
