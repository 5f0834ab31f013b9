package app_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

type healthAnswer struct {
	Healthy   []healthEntry `json:"healthy_endpoints"`
	Unhealthy []healthEntry `json:"unhealthy_endpoints"`
	Well      int           `json:"healthy_count"`
	Ill       int           `json:"unhealthy_count"`
}

type healthEntry struct {
	ID      string `json:"model_id"`
	Base    string `json:"api_base"`
	Error   string `json:"error"`
	Note    string `json:"note"`
	Checked string `json:"checked_at"`
}

func (h *house) health(key, query string) (int, *healthAnswer) {
	h.t.Helper()
	res, body := h.do("GET", "/health"+query, key, "")
	var v healthAnswer
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		h.t.Fatalf("/health%s: %d %s", query, res.StatusCode, body)
	}
	return res.StatusCode, &v
}

func (a *healthAnswer) of(id string) (e healthEntry, well bool) {
	for _, e := range a.Healthy {
		if e.ID == id {
			return e, true
		}
	}
	for _, e := range a.Unhealthy {
		if e.ID == id {
			return e, false
		}
	}
	return healthEntry{}, false
}

const wards = `
model_list:
  - {model_name: well, litellm_params: {model: openai/mock-prompt=7, api_base: MOCK/v1, api_key: k, input_cost_per_token: 0.01, output_cost_per_token: 0.001}, model_info: {id: well}}
  - {model_name: claude, litellm_params: {model: anthropic/claude-sonnet-4-5, api_base: MOCK, api_key: k}, model_info: {id: claude}}
  - {model_name: emb, litellm_params: {model: openai/mock-emb, api_base: MOCK/v1, api_key: k}, model_info: {id: emb, mode: embedding}}
  - {model_name: ill, litellm_params: {model: openai/mock-status=401, api_base: MOCK/v1, api_key: k}, model_info: {id: ill}}
  - {model_name: hangs, litellm_params: {model: openai/mock-hang, api_base: MOCK/v1, api_key: k}, model_info: {id: hangs, health_check_timeout: 0.1}}
  - {model_name: off, litellm_params: {model: openai/mock-off, api_base: MOCK/v1, api_key: k}, model_info: {id: "off", disable_background_health_check: true}}
  - {model_name: "any/*", litellm_params: {model: "openai/*", api_base: MOCK/v1, api_key: k}, model_info: {id: any}}
  - {model_name: "some/*", litellm_params: {model: "openai/*", api_base: MOCK/v1, api_key: k}, model_info: {id: some, health_check_model: some/mock-this}}
  - {model_name: image, litellm_params: {model: openai/mock-image, api_base: MOCK/v1, api_key: k}, model_info: {id: image, mode: image_generation}}
`

// Checks in the background find out who is ill, cost a token each, and are on
// the books as what they are.
func TestBackgroundHealthChecks(t *testing.T) {
	h := start(t, wards+"general_settings: {background_health_checks: true, health_check_interval: 3600}\n")
	var got *healthAnswer
	h.eventually("every deployment is checked", func() bool {
		_, got = h.health(master, "")
		for _, id := range []string{"well", "claude", "emb", "ill", "hangs", "any", "some", "image"} {
			if e, _ := got.of(id); e.Checked == "" {
				return false
			}
		}
		return true
	})
	for id, want := range map[string]struct {
		well bool
		says string
	}{
		"well": {true, ""}, "claude": {true, ""}, "emb": {true, ""}, "some": {true, ""}, "off": {true, ""},
		"ill":   {false, "refused our credentials"},
		"hangs": {false, "did not answer within 100ms"},
		"any":   {true, "not checked: a wildcard needs model_info.health_check_model"},
		"image": {true, `not checked: there is no check for models of mode "image_generation"`},
	} {
		e, well := got.of(id)
		if well != want.well || !strings.Contains(e.Error+e.Note, want.says) || e.Base == "" {
			t.Errorf("%s: well %t, %+v; want %t with %q", id, well, e, want.well, want.says)
		}
	}
	if e, _ := got.of("off"); e.Checked != "" {
		t.Errorf("a deployment that is not to be checked was: %+v", e)
	}
	for _, c := range h.mock.Calls() {
		if strings.HasSuffix(c.Path, "/chat/completions") && !strings.Contains(string(c.Body), `"max_tokens":1`) && !strings.Contains(string(c.Body), `"max_completion_tokens":1`) {
			t.Errorf("a check that may cost more than a token: %s", c.Body)
		}
		if strings.Contains(string(c.Body), "mock-off") {
			t.Errorf("a deployment that is not to be checked was: %s", c.Body)
		}
	}
	// 7 tokens at a cent and one at a tenth of it, charged to nobody's key.
	res, body := h.do("GET", "/spend/logs?api_key=litellm-internal-health-check", master, "")
	if res.StatusCode != 200 || strings.Count(body, `"spend":0.071`) != 1 || strings.Count(body, `"request_tags":["litellm-internal-health-check"]`) != 6 {
		t.Errorf("the books have of the checks: %d %s", res.StatusCode, body)
	}
	for path, want := range map[string]string{
		"/health/latest": `"total_models":8`,
		"/health/history?status_filter=unhealthy": `"total_records":2`,
		"/health/history?model=well&limit=1":      `"checked_by":"background"`,
	} {
		h.eventually(path+" says "+want, func() bool { // they are stored a moment after they are known
			res, body := h.do("GET", path, master, "")
			return res.StatusCode == 200 && strings.Contains(body, want)
		})
		if res, _ := h.do("GET", path, h.key(""), ""); res.StatusCode != 403 {
			t.Errorf("%s to a key: %d, want 403", path, res.StatusCode)
		}
	}
}

func TestHealthOfOneModel(t *testing.T) {
	h := start(t, wards)
	if status, got := h.health(master, ""); status != 200 || got.Well != 9 || len(h.mock.Calls()) != 0 {
		t.Errorf("nobody asked for a check: %d %+v, and %d calls to providers", status, got, len(h.mock.Calls()))
	}
	key := h.key(`"models":["well","ill"],"max_budget":1`)
	for _, tt := range []struct {
		name, key, query string
		status, well     int
		calls            int
	}{
		{"one that is well", master, "?model=well", 200, 1, 1},
		{"one that is well, by its id", master, "?model_id=well", 200, 1, 1},
		{"one that is well, by the provider's name", master, "?model=anthropic/claude-sonnet-4-5", 200, 1, 1},
		{"one that is ill", master, "?model=ill", 503, 0, 1},
		{"one that is not checked by itself", master, "?model=off", 200, 1, 1},
		{"a key's own", key, "?model=well", 200, 1, 1},
	} {
		h.mock.Reset()
		status, got := h.health(tt.key, tt.query)
		if status != tt.status || got.Well != tt.well || got.Well+got.Ill != 1 || len(h.mock.Calls()) != tt.calls {
			t.Errorf("%s: %d %+v and %d calls, want %d and %d well", tt.name, status, got, len(h.mock.Calls()), tt.status, tt.well)
		}
	}
	h.mock.Reset()
	for _, tt := range []struct {
		name, key, query string
		status           int
	}{
		{"one that nobody knows", master, "?model=nothing", 404},
		{"one that the key may not use", key, "?model=claude", 403},
	} {
		if res, body := h.do("GET", "/health"+tt.query, tt.key, ""); res.StatusCode != tt.status || len(h.mock.Calls()) != 0 {
			t.Errorf("%s: %d %s", tt.name, res.StatusCode, body)
		}
	}
	_, got := h.health(key, "")
	if e, _ := got.of("well"); got.Well+got.Ill != 2 || e.Base != "" {
		t.Errorf("a key sees of its own two models: %+v", got)
	}
	// Its check was its own call.
	if spent := h.spend(key); spent != "0.071" {
		t.Errorf("the check cost the key %s, want 0.071", spent)
	}
}

// A provider that is ill, a full house or a missing database are no reasons to
// send clients elsewhere: only what keeps Penstock from serving is.
func TestReadiness(t *testing.T) {
	h := start(t, wards)
	if res, body := h.do("GET", "/health/readiness", "", ""); res.StatusCode != 200 || !strings.Contains(body, `"db":"connected"`) {
		t.Errorf("readiness: %d %s", res.StatusCode, body)
	}
	if res, _ := h.do("GET", "/health/readiness/details", "", ""); res.StatusCode != 401 {
		t.Errorf("details without a key: %d", res.StatusCode)
	}
	if res, body := h.do("GET", "/health/readiness/details", master, ""); res.StatusCode != 200 || !strings.Contains(body, `"deployments":9`) {
		t.Errorf("details: %d %s", res.StatusCode, body)
	}
}

func TestHealthOfALoggingDestination(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer hook.Close()
	h := start(t, wards+"litellm_settings: {callbacks: [hook]}\ncallback_settings: {hook: {callback_type: generic_api, endpoint: \""+hook.URL+"\"}}\n")
	if res, body := h.do("GET", "/health/services?service=hook", master, ""); res.StatusCode != 200 || !strings.Contains(body, `"status":"success"`) {
		t.Errorf("one that is up: %d %s", res.StatusCode, body)
	}
	status = http.StatusForbidden
	if res, body := h.do("GET", "/health/services?service=hook", master, ""); res.StatusCode != 500 || !strings.Contains(body, "403") {
		t.Errorf("one that refuses: %d %s", res.StatusCode, body)
	}
	if res, body := h.do("GET", "/health/services?service=slack", master, ""); res.StatusCode != 422 || !strings.Contains(body, "hook") {
		t.Errorf("one that is not configured: %d %s", res.StatusCode, body)
	}
	if res, _ := h.do("GET", "/health/services?service=hook", h.key(""), ""); res.StatusCode != 403 {
		t.Errorf("to a key: %d", res.StatusCode)
	}
}

// With routing by health, calls avoid what has failed its check, as long as
// there is something else.
func TestCallsAvoidWhatIsIll(t *testing.T) {
	h := start(t, `
model_list:
  - {model_name: m, litellm_params: {model: openai/mock-status=500, api_base: MOCK/v1, api_key: k}, model_info: {id: ill}}
  - {model_name: m, litellm_params: {model: openai/mock, api_base: MOCK/v1, api_key: k}, model_info: {id: well}}
  - {model_name: alone, litellm_params: {model: openai/mock-status=503, api_base: MOCK/v1, api_key: k}, model_info: {id: alone}}
general_settings: {background_health_checks: true, health_check_interval: 3600, enable_health_check_routing: true}
router_settings: {num_retries: 0, disable_cooldowns: true}
`)
	h.eventually("the checks are done", func() bool {
		_, got := h.health(master, "")
		return got.Ill == 2 && got.Well == 1
	})
	for range 20 {
		res, body := h.ask(master, `"model":"m"`)
		if res.StatusCode != 200 {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		if w := h.why(master, res.Header.Get("X-Litellm-Call-Id")); w.way() != "well" || len(w.Picks[0].Kept) != 1 || w.Picks[0].Kept[0].Filter != "health" {
			t.Fatalf("%+v", w)
		}
	}
	if res, body := h.ask(master, `"model":"alone"`); res.StatusCode != 503 || len(h.mock.Calls()) != 24 {
		t.Errorf("with nothing else left the ill one is asked: %d %s, %d calls", res.StatusCode, body, len(h.mock.Calls()))
	}
}
