package router_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/router"
)

func TestSettingsOfAKeyAndATeam(t *testing.T) {
	s := router.Settings{Fallbacks: map[string][]string{"m": {"f"}}, Aliases: map[string]router.Alias{"nick": {Group: "f"}}}
	ds := []gateway.Deployment{d("a", tags("x")), d("b", tags("y")), d("f", group("f")), d("g", group("g"))}
	for _, tt := range []struct {
		name      string
		key, team string
		model     string
		change    func(*gateway.Call)
		fail      gateway.Kind // of a and b; 0 for none
		want      string       // IDs asked in many calls
		attempts  int          // of one call
		timeout   time.Duration
	}{
		{name: "none", model: "m", fail: gateway.UpstreamFailed, want: "a b f", attempts: 2, timeout: 10 * time.Minute},
		{name: "empty", key: "{}", team: "{}", model: "m", fail: gateway.UpstreamFailed, want: "a b f", attempts: 2, timeout: 10 * time.Minute},
		{name: "fallbacks of the key", key: `{"fallbacks":[{"m":["g"]}]}`, model: "m", fail: gateway.UpstreamFailed, want: "a b g", attempts: 2, timeout: 10 * time.Minute},
		{name: "as objects", key: `{"fallbacks":[{"m":[{"model":"g"}]}]}`, model: "m", fail: gateway.UpstreamFailed, want: "a b g", attempts: 2, timeout: 10 * time.Minute},
		{name: "fallbacks of the team", team: `{"fallbacks":[{"m":["g"]}]}`, model: "m", fail: gateway.UpstreamFailed, want: "a b g", attempts: 2, timeout: 10 * time.Minute},
		{name: "the key's before the team's", key: `{"fallbacks":[]}`, team: `{"fallbacks":[{"m":["g"]}]}`, model: "m", fail: gateway.UpstreamFailed, want: "a b", attempts: 1, timeout: 10 * time.Minute},
		{name: "for long prompts", key: `{"context_window_fallbacks":[{"m":["g"]}]}`, model: "m", fail: gateway.ContextWindow, want: "a b g", attempts: 2, timeout: 10 * time.Minute},
		{name: "for refused content", key: `{"content_policy_fallbacks":[{"m":["g"]}]}`, model: "m", fail: gateway.ContentPolicy, want: "a b g", attempts: 2, timeout: 10 * time.Minute},
		{name: "retries", key: `{"num_retries":1,"fallbacks":[]}`, model: "m", fail: gateway.UpstreamFailed, want: "a b", attempts: 2, timeout: 10 * time.Minute},
		{name: "a policy", key: `{"model_group_retry_policy":{"m":{"InternalServerErrorRetries":3}},"fallbacks":[]}`, model: "m", fail: gateway.UpstreamFailed, want: "a b", attempts: 4, timeout: 10 * time.Minute},
		{name: "timeout", key: `{"timeout":2.5}`, model: "g", want: "g", attempts: 1, timeout: 2500 * time.Millisecond},
		{name: "alias", key: `{"model_group_alias":{"nick":"g","m":"f"}}`, model: "nick", want: "g", attempts: 1, timeout: 10 * time.Minute},
		{name: "alias as an object", key: `{"model_group_alias":{"nick":{"model":"g","hidden":true}}}`, model: "nick", want: "g", attempts: 1, timeout: 10 * time.Minute},
		{name: "tags", key: `{"enable_tag_filtering":true}`, model: "m", change: func(c *gateway.Call) { c.Tags = []string{"y"} }, want: "b", attempts: 1, timeout: 10 * time.Minute},
		{name: "weights", key: `{"weights":{"m":{"a":1}}}`, model: "m", want: "a", attempts: 1, timeout: 10 * time.Minute},
		{name: "what cannot be read counts for nothing", key: `{"num_retries":"many"}`, model: "m", fail: gateway.UpstreamFailed, want: "a b f", attempts: 2, timeout: 10 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, s, ds...)
			if tt.fail != 0 {
				b.fails(tt.fail, 500, "a", "b")
			}
			c := call(tt.model)
			c.Principal = gateway.Principal{Key: &gateway.Key{TeamID: "t", RouterSettings: []byte(tt.key)}, Team: &gateway.Team{ID: "t", RouterSettings: []byte(tt.team)}}
			if tt.change != nil {
				tt.change(c)
			}
			asked, out, _ := b.do(c)
			if len(asked) != tt.attempts || out.Target.Timeout != tt.timeout {
				t.Errorf("asked %v within %v, want %d attempts and %v", asked, out.Target.Timeout, tt.attempts, tt.timeout)
			}
			if got := ids(b.counts(60, c)); got != tt.want {
				t.Errorf("asked %q, want %q", got, tt.want)
			}
			route := must(b.tab.Route(c))
			for _, target := range route.Serving() {
				if target.ID == "g" && tt.want == "a b g" {
					return
				}
			}
			if strings.Contains(tt.want, "g") && tt.model == "m" {
				t.Error("the fallback is not among those that may answer")
			}
		})
	}
	t.Run("no further than the key may go", func(t *testing.T) {
		s := s
		s.Allowed = func(_ *gateway.Principal, model string, _ *router.Table) error {
			if model == "g" {
				return &gateway.Error{Kind: gateway.Forbidden}
			}
			return nil
		}
		b := newBench(t, s, ds...)
		b.fails(gateway.UpstreamFailed, 500, "a", "b")
		c := call("m")
		c.Principal.Key = &gateway.Key{RouterSettings: []byte(`{"fallbacks":[{"m":["g","f"]}],"model_group_alias":{"nick":"g"}}`)}
		if asked, _, err := b.do(c); err != nil || asked[1] != "f" {
			t.Errorf("asked %v, %v; want f: g is not for this key", asked, err)
		}
		route := must(b.tab.Route(c))
		for _, target := range route.Serving() {
			if target.ID == "g" {
				t.Error("g is among those that may answer")
			}
		}
		c.Group = "nick"
		if asked, _, err := b.do(c); gateway.AsError(err) == nil || gateway.AsError(err).Kind != gateway.Forbidden {
			t.Errorf("asked %v by an alias, %v", asked, err)
		}
	})
	t.Run("a strategy", func(t *testing.T) {
		b := newBench(t, s, ds...)
		c := call("m")
		c.Principal.Key = &gateway.Key{RouterSettings: []byte(`{"routing_strategy":"least-busy"}`)}
		b.inFlight("a", 1, func() {
			if got := ids(b.counts(30, c)); got != "b" {
				t.Errorf("asked %q, want b, which is less busy", got)
			}
		})
		if _, out, _ := b.do(c); out.Why.Picks[0].Strategy != "least-busy" {
			t.Errorf("written down as %s", out.Why.Picks[0].Strategy)
		}
	})
}

func TestAnOverrideThatIsWrongSaysSo(t *testing.T) {
	for in, want := range map[string]string{
		`{"routing_strategy":"best"}`: "routing_strategy", `{"num_retries":-1}`: "num_retries", `{"timeout":-1}`: "timeout", `[]`: "", `{"fallbacks":{"a":"b"}}`: "fallbacks",
	} {
		if _, err := router.ParseOverride([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func FuzzParseOverride(f *testing.F) {
	f.Add([]byte(`{"fallbacks":[{"a":["b",{"model":"c"}]}],"model_group_alias":{"x":{"model":"y"}},"model_group_retry_policy":{"a":{"RateLimitErrorRetries":3}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := router.ParseOverride(b)
		if err == nil && o.Retries != nil && (*o.Retries < 0 || *o.Retries > 64) {
			t.Errorf("%s: %d retries", b, *o.Retries)
		}
	})
}
