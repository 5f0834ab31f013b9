package app_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/mock"
)

// whyAnswer is what /v1/explain answers, as far as tests look at it.
type whyAnswer struct {
	Status string `json:"status"`
	DryRun bool   `json:"dry_run"`
	Group  string `json:"model_group"`
	Error  *struct {
		Kind    string `json:"kind"`
		Status  int    `json:"status"`
		Message string `json:"message"`
	} `json:"error"`
	Limits []struct {
		Scope string  `json:"scope"`
		Kind  string  `json:"kind"`
		Limit float64 `json:"limit"`
		Left  float64 `json:"left"`
	} `json:"limits"`
	Picks []struct {
		Group  string `json:"model_group"`
		Chosen string `json:"chosen"`
		Kept   []struct {
			ID     string `json:"model_id"`
			Filter string `json:"filter"`
		} `json:"kept_out_by"`
	} `json:"picks"`
	Hops []struct {
		From, To string
		Because  string `json:"because"`
	} `json:"fallbacks"`
	Attempts []struct {
		ID     string `json:"model_id"`
		OK     bool   `json:"ok"`
		Kind   string `json:"failure"`
		Status int    `json:"status"`
		Hedged bool   `json:"hedge"`
	} `json:"attempts"`
	Cost *struct {
		USD   float64 `json:"usd"`
		Price string  `json:"price_version"`
	} `json:"cost"`
	Hedge *struct {
		USD jsontext.Value `json:"usd"`
	} `json:"hedge_cost"`
	Estimate *struct {
		Worst float64 `json:"worst_usd"`
	} `json:"estimate"`
	Story []string `json:"story"`
}

// way is the attempts in short: "ill=upstream timeout well".
func (w *whyAnswer) way() string {
	var out []string
	for _, a := range w.Attempts {
		s := a.ID
		if !a.OK {
			s += "=" + a.Kind
		}
		if a.Hedged {
			s += "(hedge)"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func (h *house) why(key, id string) *whyAnswer {
	h.t.Helper()
	res, body := h.do("GET", "/v1/explain/"+id, key, "")
	var w whyAnswer
	if err := json.Unmarshal([]byte(body), &w); err != nil || res.StatusCode != 200 {
		h.t.Fatalf("/v1/explain/%s: %d %s (%v)", id, res.StatusCode, body, err)
	}
	return &w
}

// The reason of each outcome is the right one, in the headers of the answer and
// in what is kept of the call.
func TestEveryOutcomeIsExplained(t *testing.T) {
	const second = `
  - {model_name: m, litellm_params: {model: openai/well, api_base: MOCK/v1, api_key: k, order: 2}, model_info: {id: well}}
`
	for _, tt := range []struct {
		name, script string
		status       int
		way          string
		route        string
	}{
		{"a rate limit", "status=429,retry_after=30", 200, "ill=upstream rate limited well", "m: ill=upstream-rate-limited, well"},
		{"a failure", "status=500", 200, "ill=upstream failed well", "m: ill=upstream-failed, well"},
		{"a wrong key", "status=401", 200, "ill=upstream refused our credentials well", ""},
		{"no such model", "status=404", 200, "ill=upstream does not know the model well", ""},
		{"a hang", "hang", 200, "ill=upstream timeout well", ""},
		{"a cut", "cut_bytes=40", 200, "ill=upstream cut the stream well", ""},
		{"too long a prompt, which no order cures", "status=400", 400, "ill=context window exceeded", "m: ill=context-window-exceeded"},
		{"nothing wrong", "tokens=3", 200, "ill", "m: ill"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := start(t, `
model_list:
  - {model_name: m, litellm_params: {model: "openai/mock-`+tt.script+`", api_base: MOCK/v1, api_key: k, order: 1, timeout: 0.1}, model_info: {id: ill}}`+second+`
router_settings: {num_retries: 0}
`)
			res, body := h.ask(master, `"model":"m"`)
			if res.StatusCode != tt.status {
				t.Fatalf("%d %s", res.StatusCode, body)
			}
			w := h.why(master, res.Header.Get("X-Litellm-Call-Id"))
			if w.way() != tt.way || w.Group != "m" {
				t.Errorf("attempts %q, want %q; %+v", w.way(), tt.way, w)
			}
			if got := res.Header.Get("X-Penstock-Route"); tt.route != "" && got != tt.route {
				t.Errorf("route header %q, want %q", got, tt.route)
			}
			last := w.Attempts[len(w.Attempts)-1].ID
			if got := res.Header.Get("X-Litellm-Model-Id"); got != last || res.Header.Get("X-Litellm-Model-Group") != "m" || res.Header.Get("X-Litellm-Attempted-Retries") == "" {
				t.Errorf("headers %v, want those of %s", res.Header, last)
			}
			if story := strings.Join(w.Story, "\n"); !strings.Contains(story, "ill was chosen") || len(w.Attempts) > 1 && !strings.Contains(story, "order 2") {
				t.Errorf("story:\n%s", story)
			}
		})
	}
}

func TestExplainACooldownAndAFallback(t *testing.T) {
	h := start(t, `
model_list:
  - {model_name: m, litellm_params: {model: "openai/mock-status=429,retry_after=60", api_base: MOCK/v1, api_key: k}, model_info: {id: ill1}}
  - {model_name: m, litellm_params: {model: "openai/mock-status=429,retry_after=60", api_base: MOCK/v1, api_key: k}, model_info: {id: ill2}}
  - {model_name: other, litellm_params: {model: openai/well, api_base: MOCK/v1, api_key: k}, model_info: {id: well}}
router_settings: {num_retries: 2, fallbacks: [{m: [other]}]}
`)
	res, body := h.ask(master, `"model":"m"`, "x-penstock-explain", "1")
	if res.StatusCode != 200 || res.Header.Get("X-Litellm-Attempted-Fallbacks") != "1" || res.Header.Get("X-Litellm-Model-Group") != "other" {
		t.Fatalf("%d %v %s", res.StatusCode, res.Header, body)
	}
	if got := res.Header.Get("X-Penstock-Explain"); !strings.Contains(got, "fell back from m to other") || !strings.Contains(got, "well was chosen") {
		t.Errorf("x-penstock-explain: %s", got)
	}
	w := h.why(master, res.Header.Get("X-Litellm-Call-Id"))
	if len(w.Attempts) != 3 || w.Attempts[2].ID != "well" || len(w.Hops) != 1 || w.Hops[0].Because != "upstream rate limited" {
		t.Errorf("the first call: %+v", w)
	}
	res, _ = h.ask(master, `"model":"m"`)
	w = h.why(master, res.Header.Get("X-Litellm-Call-Id"))
	if w.way() != "well" || len(w.Picks[0].Kept) != 2 || w.Picks[0].Kept[0].Filter != "cooldown" || w.Picks[0].Chosen != "" {
		t.Errorf("the second call, while both cool down: %+v", w)
	}
	if res.Header.Get("X-Penstock-Explain") != "" {
		t.Error("explained to a client that did not ask")
	}
}

func TestWhoMayAskWhy(t *testing.T) {
	h := start(t, model("mock-tokens=2"))
	post := func(path, body string) string {
		t.Helper()
		res, out := h.do("POST", path, master, body)
		if res.StatusCode != 200 {
			t.Fatalf("%s: %d %s", path, res.StatusCode, out)
		}
		return out
	}
	post("/user/new", `{"user_id":"boss","auto_create_key":false}`)
	post("/user/new", `{"user_id":"worker","auto_create_key":false}`)
	post("/team/new", `{"team_id":"t","members_with_roles":[{"user_id":"boss","role":"admin"},{"user_id":"worker","role":"user"}]}`)
	mine := h.key(`"team_id":"t","user_id":"worker","max_budget":5,"rpm_limit":7,"metadata":{"a":1}`)
	boss, worker, stranger := h.key(`"user_id":"boss"`), h.key(`"user_id":"worker"`), h.key("")
	res, _ := h.ask(mine, `"model":"m","max_tokens":2`)
	id := res.Header.Get("X-Litellm-Call-Id")
	for _, tt := range []struct {
		who, key string
		status   int
	}{
		{"the master key", master, 200},
		{"the key that made it", mine, 200},
		{"an admin of its team", boss, 200},
		{"the same user's other key", worker, 404},
		{"a stranger", stranger, 404},
		{"nobody", "", 401},
	} {
		if res, body := h.do("GET", "/v1/explain/"+id, tt.key, ""); res.StatusCode != tt.status {
			t.Errorf("%s: %d %s, want %d", tt.who, res.StatusCode, body, tt.status)
		}
	}
	w := h.why(mine, id)
	limits := map[string]float64{}
	for _, l := range w.Limits {
		limits[l.Scope+" "+l.Kind] = l.Left
	}
	if limits["api_key requests"] != 6 || limits["api_key budget"] == 0 || w.Cost.USD != 0.002 || w.Cost.Price == "" {
		t.Errorf("what its limits had left: %v, cost %+v", limits, w.Cost)
	}
	// What is kept survives the process.
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	h.serve(filepath.Dir(h.config))
	if again := h.why(mine, id); again.way() != w.way() || len(again.Limits) != len(w.Limits) {
		t.Errorf("after a restart: %+v, want %+v", again, w)
	}
}

func TestRefusalsAreExplained(t *testing.T) {
	h := start(t, model("mock"))
	key := h.key(`"rpm_limit":0`)
	broke := h.key(`"max_budget":0`)
	for _, tt := range []struct {
		name, key, members string
		status             int
		says               string
	}{
		{"a rate limit", key, `"model":"m"`, 429, "Rate limit exceeded for api_key"},
		{"a budget", broke, `"model":"m"`, 422, "Budget has been exceeded"},
		{"a model that the key may not use", h.key(`"models":["n"]`), `"model":"m"`, 403, "not available"},
		{"a request that cannot be", master, `"model":"m","max_tokens":-1`, 400, "max_tokens"},
		{"a model that nobody knows", master, `"model":"n"`, 400, "Invalid model name passed in model=n"},
	} {
		res, body := h.ask(tt.key, tt.members, "x-penstock-explain", "1")
		if res.StatusCode != tt.status {
			t.Errorf("%s: %d %v %s", tt.name, res.StatusCode, res.Header, body)
		}
		if reached := tt.status == 429 || tt.status == 422 || tt.says[:7] == "Invalid"; reached && (res.Header.Get("X-Litellm-Model-Group") == "" || res.Header.Get("X-Litellm-Attempted-Fallbacks") != "0") {
			t.Errorf("%s: headers %v", tt.name, res.Header)
		}
		w := h.why(tt.key, res.Header.Get("X-Litellm-Call-Id"))
		if w.Status != "refused" || w.Error == nil || w.Error.Status != tt.status || !strings.Contains(w.Error.Message, tt.says) || !strings.Contains(w.Story[0], tt.says) {
			t.Errorf("%s: %+v", tt.name, w)
		}
	}
}

// A dry run tells what would be, and changes nothing.
func TestDryRun(t *testing.T) {
	h := start(t, model("mock-tokens=5")+`
  - {model_name: two, litellm_params: {model: "openai/mock-status=500", api_base: MOCK/v1, api_key: k, order: 1}, model_info: {id: first}}
  - {model_name: two, litellm_params: {model: openai/well, api_base: MOCK/v1, api_key: k, order: 2}, model_info: {id: second}}
router_settings: {fallbacks: [{two: [m]}]}
`)
	key := h.key(`"rpm_limit":1,"tpm_limit":100000,"max_budget":10,"max_parallel_requests":1`)
	dry := func(key, body string) *whyAnswer {
		t.Helper()
		res, out := h.do("POST", "/v1/explain", key, body)
		var w whyAnswer
		if err := json.Unmarshal([]byte(out), &w); err != nil || res.StatusCode != 200 {
			t.Fatalf("%d %s (%v)", res.StatusCode, out, err)
		}
		return &w
	}
	const messages = `"messages":[{"role":"user","content":"Hello"}],"max_tokens":100`
	for range 3 {
		w := dry(key, `{"model":"m",`+messages+`}`)
		if !w.DryRun || w.Status != "admitted" || w.Estimate.Worst != 0.1 || len(w.Limits) != 4 || len(w.Attempts) != 0 || w.Picks[0].Chosen == "" {
			t.Fatalf("a call that would be let in: %+v", w)
		}
		for _, l := range w.Limits {
			if l.Left != l.Limit {
				t.Errorf("something was taken: %+v", l)
			}
		}
	}
	w := dry(master, `{"model":"two",`+messages+`}`)
	if len(w.Picks) != 2 || w.Picks[0].Chosen != "first" || w.Picks[1].Group != "m" || len(w.Hops) != 1 {
		t.Errorf("a group with a fallback: %+v", w)
	}
	if res, body := h.ask(key, `"model":"m","max_tokens":100`); res.StatusCode != 200 {
		t.Fatalf("the one call of this minute: %d %s", res.StatusCode, body)
	}
	if w := dry(key, `{"model":"m",`+messages+`}`); w.Status != "refused" || w.Error.Status != 429 {
		t.Errorf("after it: %+v", w)
	}
	if w := dry(h.key(`"max_budget":0.05`), `{"model":"m",`+messages+`}`); w.Status != "refused" || w.Error.Kind != "budget exceeded" {
		t.Errorf("over the budget: %+v", w)
	}
	if w := dry(master, `{"model":"nobody",`+messages+`}`); w.Status != "refused" || !strings.Contains(w.Error.Message, "Invalid model name") {
		t.Errorf("a model nobody knows: %+v", w)
	}
	if res, body := h.do("POST", "/v1/explain", h.key(`"models":["m"]`), `{"model":"two",`+messages+`}`); res.StatusCode != http.StatusForbidden {
		t.Errorf("a model the key may not use: %d %s", res.StatusCode, body)
	}
	calls := h.mock.Calls()
	if len(calls) != 1 || calls[0].Outcome != mock.Answered {
		t.Errorf("%d calls to providers, want the one that was made", len(calls))
	}
	if rows := h.rows(key); len(rows) != 1 {
		t.Errorf("%d rows in the ledger, want one", len(rows))
	}
}
