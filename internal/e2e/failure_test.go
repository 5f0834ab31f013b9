package e2e_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock/internal/mock"
)

const failing = `
model_list:
  - {model_name: m, litellm_params: {model: openai/plain, api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}}
  - {model_name: once, litellm_params: {model: openai/once, api_base: MOCK/v1, api_key: k, num_retries: 0}}
  - {model_name: down, litellm_params: {model: openai/mock-status=503, api_base: MOCK/v1, api_key: k, num_retries: 0}}
  - {model_name: slow, litellm_params: {model: openai/mock-hang, api_base: MOCK/v1, api_key: k, timeout: 0.2, num_retries: 0}}
  - {model_name: stalls, litellm_params: {model: "openai/mock-chunks=5,stall=2", api_base: MOCK/v1, api_key: k, stream_timeout: 0.2, num_retries: 0}}
router_settings: {num_retries: 2, fallbacks: [{down: [m]}]}
`

func TestFailuresOfAProvider(t *testing.T) {
	t.Parallel()
	h := open(t, failing, env())
	for _, tt := range []struct {
		name    string
		steps   []mock.Step
		members string
		status  int
		text    string
		header  string // "Name: value"
		asked   int    // how often the provider was
	}{
		{"a failure is tried again", []mock.Step{{Status: 500}, {}}, `"model":"m"`, 200, `"finish_reason":"stop"`, "X-Litellm-Attempted-Retries: 1", 2},
		{"no retry if the deployment wants none", []mock.Step{{Status: 500}}, `"model":"once"`, 500, `"error"`, "", 1},
		{"no retry if the client wants none", []mock.Step{{Status: 500}}, `"model":"m","num_retries":0`, 500, `"error"`, "", 1},
		{"a bad request is not tried again", []mock.Step{{Status: 422}}, `"model":"m"`, 422, `"error"`, "", 1},
		{"the provider's limit is waited for", []mock.Step{{Status: 429, RetryAfter: 1}, {}}, `"model":"m"`, 200, `"finish_reason":"stop"`, "X-Litellm-Attempted-Retries: 1", 2},
		{"the provider's limit is passed on", []mock.Step{{Status: 429, RetryAfter: 7}}, `"model":"once"`, 429, `"rate_limit_exceeded"`, "Retry-After: 7", 1},
		{"another group answers", nil, `"model":"down"`, 200, `"model":"down"`, "X-Litellm-Attempted-Fallbacks: 1", 2},
		{"no fallback if the client wants none", nil, `"model":"down","disable_fallbacks":true`, 503, `"error"`, "", 1},
		{"an answer cut in its middle is tried again, the client has nothing of it", []mock.Step{{Cut: mock.After(3)}, {}}, `"model":"m"`, 200, `"finish_reason":"stop"`, "X-Litellm-Attempted-Retries: 1", 2},
		{"a stream cut before its first byte is tried again", []mock.Step{{Cut: mock.After(0)}, {}}, `"model":"m","stream":true`, 200, "data: [DONE]\n\n", "", 2},
		{"a stream cut after it began ends with an error", []mock.Step{{Cut: mock.After(3)}}, `"model":"m","stream":true`, 200, `data: {"error":{"message":`, "", 1},
		{"a stream without its end mark ends with an error", []mock.Step{{Short: mock.After(3)}}, `"model":"m","stream":true`, 200, `data: {"error":{"message":`, "", 1},
		{"the provider's own error event is passed on", []mock.Step{{Error: mock.After(3)}}, `"model":"m","stream":true`, 200, `data: {"error":{"message":`, "", 1},
		{"a provider that does not answer is given up", nil, `"model":"slow"`, 408, `"timeout_error"`, "", 1},
		{"a stream that does not begin is given up", nil, `"model":"slow","stream":true`, 408, `"timeout_error"`, "", 1},
		{"a stream that stalls ends with an error", nil, `"model":"stalls","stream":true`, 200, `data: {"error":{"message":`, "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.mock.Reset()
			h.mock.Script(tt.steps...)
			key := h.key("")
			a := h.ask(key, tt.members)
			if a.status != tt.status || !strings.Contains(a.body, tt.text) {
				t.Errorf("%s\nwant %d with %q", a, tt.status, tt.text)
			}
			if name, want, ok := strings.Cut(tt.header, ": "); ok && a.header.Get(name) != want {
				t.Errorf("%s is %q, want %q", name, a.header.Get(name), want)
			}
			calls := h.mock.Calls()
			if len(calls) != tt.asked {
				t.Errorf("the provider was asked %d times, want %d", len(calls), tt.asked)
			}
			for n, s := range tt.steps {
				if after := time.Duration(s.RetryAfter) * time.Second; n+1 < len(calls) && calls[n+1].Start.Sub(calls[n].Start) < after {
					t.Errorf("asked again after %v, the provider said %v", calls[n+1].Start.Sub(calls[n].Start), after)
				}
			}
			if a.status == 200 && strings.Contains(a.body, `"error"`) {
				if errors := strings.Count(a.body, `data: {"error"`); errors != 1 || strings.Contains(a.body, "[DONE]") {
					t.Errorf("%d error events, want one and no [DONE]:\n%s", errors, a.body)
				}
			}
			for _, behind := range []string{"127.0.0.1", "openai/", "mock-hang", "mock-status", "mock-chunks"} {
				if strings.Contains(a.body, behind) {
					t.Errorf("the answer shows %q, which is behind the gateway: %s", behind, a)
				}
			}
		})
	}
}

func TestCooldown(t *testing.T) {
	t.Parallel()
	h := open(t, `
model_list:
  - {model_name: two, litellm_params: {model: "openai/mock-status=429,retry_after=30", api_base: MOCK/v1, api_key: k}}
  - {model_name: two, litellm_params: {model: openai/good, api_base: MOCK/v1, api_key: k}}
  - {model_name: alone, litellm_params: {model: openai/mock-status=401, api_base: MOCK/v1, api_key: k}}
router_settings: {cooldown_time: 20}
`, env())
	t.Run("who is at its limit is not asked again", func(t *testing.T) {
		// Each call meets the bad deployment first with a chance of one half,
		// so that all forty miss it once in 10^12 runs.
		for range 40 {
			if a := h.ask(master, `"model":"two"`); a.status != 200 {
				t.Fatalf("%s", a)
			}
		}
		limited := 0
		for _, c := range h.mock.Calls() {
			if strings.Contains(c.Model, "429") {
				limited++
			}
		}
		if limited != 1 {
			t.Errorf("the deployment at its limit was asked %d times, want 1", limited)
		}
	})
	t.Run("a refused key rests, and the client hears for how long", func(t *testing.T) {
		if a := h.ask(master, `"model":"alone"`); a.status != 401 || !strings.Contains(a.body, `"invalid_api_key"`) {
			t.Errorf("first: %s", a)
		}
		a := h.ask(master, `"model":"alone"`)
		wait, err := strconv.Atoi(a.header.Get("Retry-After"))
		if a.status != 429 || !strings.Contains(a.body, "in cooldown") || err != nil || wait < 1 || wait > 20 {
			t.Errorf("second: %s\nwant a 429 with a retry-after of at most 20", a)
		}
	})
}
