package e2e_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Nobody says how long the answers may be, and the model may write for 32
// dollars: what is promised must not be what it could come to.
func TestCallsWithoutACapShareASmallBudget(t *testing.T) {
	t.Parallel()
	h := open(t, oneModel("mock-tokens=5,latency=500"), env())
	t.Run("twenty at once under a budget for a hundred all pass", func(t *testing.T) {
		t.Parallel()
		for _, members := range []string{`"model":"m"`, `"model":"m","stream":true`} {
			key := h.key(`"max_budget":0.5`)
			var whole atomic.Int64
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if a := h.ask(key, members); a.whole() {
						whole.Add(1)
					} else {
						t.Errorf("not answered to its end: %s", a)
					}
				})
			}
			wg.Wait()
			if whole.Load() != 20 {
				t.Errorf("%d of 20 were answered", whole.Load())
			}
		}
	})
	t.Run("six in a row under a budget for six all pass, and a seventh does not", func(t *testing.T) {
		t.Parallel()
		key := h.key(`"max_budget":0.03`)
		for n := range 6 {
			if a := h.ask(key, `"model":"m"`); !a.whole() {
				t.Errorf("call %d: %s", n+1, a)
			}
		}
		if a := h.ask(key, `"model":"m"`); a.status != 422 || !strings.Contains(a.body, "Budget has been exceeded! Key=key (sk-...") {
			t.Errorf("the seventh: %s", a)
		}
		if spend := h.spend(key); spend != "0.03" {
			t.Errorf("spent %s, want 0.03", spend)
		}
	})
	t.Run("a hundred at once never spend more than there is", func(t *testing.T) {
		t.Parallel()
		key := h.key(`"max_budget":0.05`)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { h.ask(key, `"model":"m"`) })
		}
		wg.Wait()
		if spend := nanos(t, h.spend(key)); spend > 50_000_000 || spend == 0 {
			t.Errorf("spent %d billionths of 50000000", spend)
		}
	})
}

func TestBudgetsOfDeploymentsAndProviders(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, config, refused string }{
		{"a deployment that has spent its budget makes room for another", `
model_list:
  - {model_name: m, model_info: {id: small}, litellm_params: {model: "openai/mock-tokens=5", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001, order: 1, max_budget: 0.01, budget_duration: 1d}}
  - {model_name: m, model_info: {id: large}, litellm_params: {model: "openai/mock-tokens=5", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001, order: 2, max_budget: 0.015}}
`, "crossed budget"},
		{"a provider's budget is for all its deployments", `
model_list:
  - {model_name: m, model_info: {id: small}, litellm_params: {model: "openai/mock-tokens=5", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}}
  - {model_name: m, model_info: {id: large}, litellm_params: {model: "openai/mock-tokens=5", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}}
router_settings:
  provider_budget_config: {openai: {budget_limit: 0.025, time_period: 1d}}
`, "crossed budget"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, tt.config, env())
			key := h.key("")
			used := map[string]int{}
			ask := func() *answer { return h.ask(key, `"model":"m","max_tokens":5`) }
			for n := range 3 {
				a := ask()
				if !a.whole() {
					t.Fatalf("call %d: %s", n+1, a)
				}
				used[a.header.Get("X-Litellm-Model-Id")]++
			}
			h.restart() // what was spent is on the books
			for n := range 2 {
				a := ask()
				if !a.whole() {
					t.Fatalf("call %d: %s", n+4, a)
				}
				used[a.header.Get("X-Litellm-Model-Id")]++
			}
			if a := ask(); a.status != 429 || !strings.Contains(a.body, tt.refused) {
				t.Errorf("the sixth: %s\nwant a 429 with %q", a, tt.refused)
			}
			if strings.Contains(tt.config, "order") && (used["small"] != 2 || used["large"] != 3) {
				t.Errorf("answered by %v, want small twice and large three times", used)
			}
		})
	}
}

func TestUnpricedModels(t *testing.T) {
	t.Parallel()
	const model = `
model_list:
  - {model_name: m, litellm_params: {model: "openai/mock-tokens=5", api_base: MOCK/v1, api_key: k}}
  - {model_name: free, litellm_params: {model: "openai/mock-tokens=5", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0}}
`
	for _, tt := range []struct {
		name, settings string
		status         int // of a key with a budget
		spend          string
	}{
		{"are blocked where there is a budget", "", 403, "0.0"},
		{"cost nothing if that is allowed", "general_settings: {unpriced: allow}", 200, "0.0"},
		{"are estimated", "general_settings: {unpriced: estimate, unpriced_input_cost_per_token: 0, unpriced_output_cost_per_token: 0.001}", 200, "0.005"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, model+tt.settings, env())
			key := h.key(`"max_budget":1`)
			if a := h.ask(key, `"model":"m"`); a.status != tt.status {
				t.Errorf("with a budget: %s\nwant %d", a, tt.status)
			}
			if spend := h.spend(key); spend != tt.spend {
				t.Errorf("spent %s, want %s", spend, tt.spend)
			}
			if a := h.ask(h.key(""), `"model":"m"`); !a.whole() {
				t.Errorf("without a budget: %s", a)
			}
			if a := h.ask(h.key(`"max_budget":0`), `"model":"free"`); !a.whole() {
				t.Errorf("a price of 0 is free, even under a budget of 0: %s", a)
			}
		})
	}
}

func TestABudgetGoesOnWhenItsDurationChangesDuringCalls(t *testing.T) {
	t.Parallel()
	h := open(t, oneModel("mock-tokens=5,latency=700"), env())
	for _, tt := range []struct{ from, to string }{{"1h", "30d"}, {"30d", "1d"}, {"", "7d"}, {"1d", ""}} {
		t.Run(tt.from+" to "+tt.to, func(t *testing.T) {
			span := func(d string) string {
				if d == "" {
					return `"budget_duration":null`
				}
				return `"budget_duration":"` + d + `"`
			}
			key := h.key(`"max_budget":0.03,` + span(tt.from))
			if a := h.ask(key, `"model":"m","max_tokens":5`); !a.whole() {
				t.Fatal(a)
			}
			done := make(chan *answer)
			go func() { done <- h.ask(key, `"model":"m","max_tokens":5`) }()
			received := h.mock.Stats().Received
			h.eventually("a call is running", func() bool { return h.mock.Stats().Received > received })
			h.manage("/key/update", `{"key":"`+key+`",`+span(tt.to)+`}`, nil)
			if a := <-done; !a.whole() {
				t.Errorf("the running call: %s", a)
			}
			if spend := h.spend(key); spend != "0.01" {
				t.Errorf("spent %s, want 0.01", spend)
			}
			h.restart()
			for n := range 4 {
				if a := h.ask(key, `"model":"m","max_tokens":5`); !a.whole() {
					t.Errorf("call %d after the restart: %s", n+3, a)
				}
			}
			if a := h.ask(key, `"model":"m","max_tokens":5`); a.status != 422 {
				t.Errorf("the seventh: %s\nwant a 422", a)
			}
			if spend := h.spend(key); spend != "0.03" {
				t.Errorf("spent %s, want 0.03", spend)
			}
		})
	}
}

func TestSoftBudgetsAndLimitsInShadowModeTellAndRefuseNothing(t *testing.T) {
	t.Parallel()
	h := open(t, oneModel("mock-tokens=5")+`
general_settings: {global_rpm_limit: 3, enforce_global_limits: false}
litellm_settings: {default_soft_budget: 0.01}
`, env())
	key := h.key("")
	for n := range 4 {
		if a := h.ask(key, `"model":"m","max_tokens":5`); !a.whole() {
			t.Fatalf("call %d: %s", n+1, a)
		}
	}
	h.eventually("both are told", func() bool {
		m := h.do("GET", "/metrics", master, "").body
		return strings.Contains(m, `penstock_soft_budgets_reached_total{scope="api_key"} 1`) &&
			strings.Contains(m, `penstock_limits_shadow_refused_total{limit="requests",scope="global"} 1`)
	})
	for _, want := range []string{"soft budget reached", "a limit in shadow mode would have refused a call"} {
		if n := strings.Count(h.log.String(), want); n != 1 {
			t.Errorf("the log says %q %d times, want once", want, n)
		}
	}

	trial := h.key(`"rpm_limit":1,"enforce":false`)
	if info := h.do("GET", "/key/info?key="+trial, master, ""); !strings.Contains(info.body, `"enforce":false`) {
		t.Errorf("the key does not say that its limits are on trial: %s", info)
	}
	for n := range 2 {
		if a := h.ask(trial, `"model":"m","max_tokens":5`); !a.whole() {
			t.Errorf("call %d of a key whose limits are on trial: %s", n+1, a)
		}
	}
	h.manage("/key/update", `{"key":"`+trial+`","enforce":true}`, nil)
	refusal(t, h.ask(trial, `"model":"m","max_tokens":5`), "Rate limit exceeded for api_key: ")
}

func TestAnswersAndRefusalsTellWhatIsLeft(t *testing.T) {
	t.Parallel()
	h := open(t, oneModel("mock-tokens=5"), env())
	key := h.key(`"rpm_limit":2,"tpm_limit":1000`)
	told := func(a *answer, want map[string]string) {
		t.Helper()
		for name, v := range want {
			if got := a.header.Get(name); got != v {
				t.Errorf("%s: %q, want %q", name, got, v)
			}
		}
	}
	first := h.ask(key, `"model":"m","max_tokens":5`)
	told(first, map[string]string{
		"x-ratelimit-limit-requests": "2", "x-ratelimit-remaining-requests": "1", "x-ratelimit-limit-tokens": "1000",
		"x-ratelimit-api_key-limit-requests": "2", "x-ratelimit-api_key-remaining-requests": "1", "x-ratelimit-api_key-limit-tokens": "1000",
	})
	for _, name := range []string{"x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"} {
		if v := first.header.Get(name); v != "1m0s" && v != "1m1s" {
			t.Errorf("%s: %q, want a minute", name, v)
		}
	}
	h.ask(key, `"model":"m","max_tokens":5`)
	refused := h.ask(key, `"model":"m","max_tokens":5`)
	refusal(t, refused, "Rate limit exceeded for api_key: ")
	told(refused, map[string]string{
		"x-ratelimit-limit-requests": "2", "x-ratelimit-remaining-requests": "0", "x-ratelimit-api_key-remaining-requests": "0", "rate_limit_type": "requests",
	})
	if refused.header.Get("x-ratelimit-reset-requests") == "" || refused.header.Get("reset_at") == "" {
		t.Errorf("the refusal does not say when: %v", refused.header)
	}
}
