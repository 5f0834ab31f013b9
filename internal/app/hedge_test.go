package app_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/mock"
)

const pair = `
model_list:
  - {model_name: m, litellm_params: {model: "openai/SLOW", api_base: MOCK/v1, api_key: k, order: 1, input_cost_per_token: 0.01, output_cost_per_token: 0.001}, model_info: {id: slow}}
  - {model_name: m, litellm_params: {model: "openai/FAST", api_base: MOCK/v1, api_key: k, order: 2, input_cost_per_token: 0.01, output_cost_per_token: 0.001}, model_info: {id: fast}}
  - {model_name: m, litellm_params: {model: "openai/FAST", api_base: MOCK/v1, api_key: k, order: 3, input_cost_per_token: 0.01, output_cost_per_token: 0.001}, model_info: {id: blocked, blocked: true}}
router_settings: {num_retries: 0, hedge_after: 0.05, disable_cooldowns: true HEDGING}
`

func hedged(slow, fast, settings string) string {
	return strings.NewReplacer("SLOW", slow, "FAST", fast, "HEDGING", settings).Replace(pair)
}

const hello = "Hello from the Penstock mock. Hello from the Penstock mock. Hello from"

// A slow stream is asked of a second deployment: the first word wins, the
// other is cancelled, and both are on the books.
func TestHedging(t *testing.T) {
	for _, tt := range []struct {
		name, slow, fast string
		way              string
		route            string
		mainCost         string // of the call's own row; "" if no hedge was made
		hedgeCost        string // of the slower attempt's
		total            string
	}{
		{"the second wins", "mock-hang", "mock-prompt=7", "slow=canceled fast(hedge)", "m: slow=canceled, fast(hedge)", "0.082", "0.13", "0.212"},
		{"the second wins over one that has sent its head", "mock-first=5000", "mock-prompt=7", "slow=canceled fast(hedge)", "", "0.082", "0.13", "0.212"},
		{"the first wins all the same", "mock-first=500,prompt=7", "mock-hang", "fast=canceled(hedge) slow", "m: fast=canceled(hedge), slow", "0.082", "0.13", "0.212"},
		{"the second fails, and the first goes on", "mock-first=700,prompt=7", "mock-status=500", "fast=upstream failed(hedge) slow", "", "0.082", "0.0", "0.082"},
		{"the first fails while the second runs", "mock-latency=500,status=500", "mock-first=1200,prompt=7", "slow=upstream failed fast(hedge)", "", "0.082", "0.0", "0.082"},
		{"a first that is quick has no rival", "mock-prompt=7", "mock-hang", "slow", "m: slow", "0.082", "", "0.082"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := hedged(tt.slow, tt.fast, ", hedging: true")
			if tt.hedgeCost == "" {
				config = strings.Replace(config, "hedge_after: 0.05", "hedge_after: 5", 1)
			}
			h := start(t, config)
			key := h.key(`"max_budget":100,"rpm_limit":10,"tpm_limit":100000,"max_parallel_requests":1`)
			res, body := h.do("POST", "/v1/chat/completions", key, `{"model":"m","stream":true,"max_tokens":64,"messages":[{"role":"user","content":"Hello"}]}`)
			a := hear(res, body, false)
			if !a.correct(hello) {
				t.Fatalf("%s %s", a.broken, a)
			}
			if got := a.header.Get("X-Penstock-Route"); tt.route != "" && got != tt.route {
				t.Errorf("route %q, want %q", got, tt.route)
			}
			id := a.header.Get("X-Litellm-Call-Id")
			if w := h.why(key, id); w.way() != tt.way || (w.Hedge != nil) != (tt.hedgeCost != "") || w.Hedge != nil && w.Hedge.USD.String() != tt.hedgeCost {
				t.Errorf("attempts %q, want %q: %+v", w.way(), tt.way, w)
			}
			if got := h.spend(key); got != tt.total {
				t.Errorf("the key has spent %s, want %s", got, tt.total)
			}
			costs := map[string]string{}
			for _, r := range h.rows(key) {
				costs[r.CallID] = r.Spend.String()
			}
			if costs[id] != tt.mainCost || costs[id+"-hedge"] != tt.hedgeCost || len(costs) > 2 {
				t.Errorf("the books have %v, want %s and %q", costs, tt.mainCost, tt.hedgeCost)
			}
			if tt.hedgeCost != "" {
				_, body := h.do("GET", "/spend/logs?request_id="+id+"-hedge", master, "")
				if !strings.Contains(body, "asked beside another deployment for call "+id) || !strings.Contains(body, `"session_id":"`+id+`"`) {
					t.Errorf("the row of the slower attempt does not say what it is: %s", body)
				}
			}
			h.eventually("no call to a provider is left open", func() bool {
				for _, c := range h.mock.Calls() {
					if c.Outcome == mock.Running {
						return false
					}
				}
				return true
			})
			// Nothing is left in reserve: the one slot and all of the money are free again.
			if res, body := h.do("POST", "/v1/explain", key, `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"Hello"}]}`); !strings.Contains(body, `"kind":"max_parallel_requests","limit":1,"left":1`) {
				t.Errorf("afterwards: %d %s", res.StatusCode, body)
			}
		})
	}
}

func TestHedgingIsOptIn(t *testing.T) {
	slow := func(h *house, members string, header ...string) string {
		t.Helper()
		a := h.talk("/v1/chat/completions", "m", members, header...)
		if !a.correct(hello) {
			t.Fatalf("%s %s", a.broken, a)
		}
		return a.header.Get("X-Litellm-Model-Id")
	}
	for _, tt := range []struct {
		name, settings, members string
		header                  []string
		want                    string
	}{
		{"not unless it is set", "", `,"stream":true`, nil, "slow"},
		{"a group that is named", ", hedging: [m]", `,"stream":true`, nil, "fast"},
		{"another group that is named", ", hedging: [n]", `,"stream":true`, nil, "slow"},
		{"a request that wants it", "", `,"stream":true`, []string{"x-penstock-hedge", "1"}, "fast"},
		{"a request that does not", ", hedging: true", `,"stream":true`, []string{"x-penstock-hedge", "false"}, "slow"},
		{"not what is not streamed", ", hedging: true", ``, nil, "slow"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := slow(start(t, hedged("mock-first=700", "mock", tt.settings)), tt.members, tt.header...); got != tt.want {
				t.Errorf("%s answered, want %s", got, tt.want)
			}
		})
	}
}

// Without a time that is set, the deployment's own tells when it is slow.
func TestHedgingAfterTheUsualTime(t *testing.T) {
	h := start(t, strings.Replace(hedged("mock", "mock", ", hedging: true"), "hedge_after: 0.05,", "", 1))
	said := mock.Step{First: 30 * time.Millisecond}
	h.mock.Script(slices.Repeat([]mock.Step{said}, 10)...)
	for range 10 {
		if a := h.talk("/v1/chat/completions", "m", `,"stream":true`); !a.correct(hello) {
			t.Fatalf("%s", a)
		}
	}
	hangs := said
	hangs.Hang = true
	h.mock.Script(hangs, said)
	if a := h.talk("/v1/chat/completions", "m", `,"stream":true`); !a.correct(hello) || a.header.Get("X-Litellm-Model-Id") != "fast" {
		t.Errorf("one that is slower than ever before: %s", a)
	}
}

// Many hedged calls at once under a budget: never a cent over it, and what the
// books have is what the key has spent.
func TestHedgesNeverOvershoot(t *testing.T) {
	h := start(t, hedged("mock-first=150,prompt=6", "mock-first=60,prompt=6", ", hedging: true"))
	key := h.key(`"max_budget":1`)
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			res, body := h.do("POST", "/v1/chat/completions", key, `{"model":"m","stream":true,"max_tokens":12,"messages":[{"role":"user","content":"Hello"}]}`)
			if a := hear(res, body, false); !a.correct(hello) && res.StatusCode != 422 {
				t.Errorf("%s %s", a.broken, a)
			}
		})
	}
	wg.Wait()
	var sum float64
	hedges := 0
	for _, r := range h.rows(key) {
		v, err := strconv.ParseFloat(r.Spend.String(), 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += v
		if strings.HasSuffix(r.CallID, "-hedge") {
			hedges++
		}
	}
	spent, err := strconv.ParseFloat(h.spend(key), 64)
	if err != nil || spent > 1 || spent-sum > 1e-9 || sum-spent > 1e-9 || hedges == 0 {
		t.Errorf("spent %v by the key and %v by the books of 1, with %d hedges (%v)", spent, sum, hedges, err)
	}
}

// A client that leaves while both are asked pays for both prompts, and leaves
// nobody running.
func TestAClientLeavesAHedgedCall(t *testing.T) {
	h := start(t, hedged("mock-hang", "mock-hang", ", hedging: true"))
	key := h.key(`"max_budget":100,"max_parallel_requests":1`)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", h.url+"/v1/chat/completions", strings.NewReader(`{"model":"m","stream":true,"max_tokens":5,"messages":[{"role":"user","content":"Hello"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			t.Error("an answer came")
		}
	}()
	h.eventually("both are asked", func() bool { return len(h.mock.Calls()) == 2 })
	leave()
	<-gone
	h.eventually("both are on the books", func() bool { return len(h.rows(key)) == 2 })
	if got := h.spend(key); got != "0.26" {
		t.Errorf("spent %s, want 0.26: the prompt twice", got)
	}
	h.eventually("nobody is running", func() bool {
		return !slices.ContainsFunc(h.mock.Calls(), func(c mock.Call) bool { return c.Outcome == mock.Running })
	})
}
