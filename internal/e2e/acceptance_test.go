package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"penstock/internal/store/storetest"
)

// acceptanceConfig serves models whose answers and prices are known. Days begin in Tokyo.
const acceptanceConfig = `
model_list:
  - model_name: gpt-4o
    litellm_params: {model: "openai/mock-tokens=5", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}
    model_info: {access_groups: [beta]}
  - model_name: other
    litellm_params: {model: "openai/mock-tokens=5", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}
  - {model_name: endless, litellm_params: {model: "openai/mock-chunks=5,stall=1", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}}
  - {model_name: broken, litellm_params: {model: "openai/mock-status=400", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}}
  - {model_name: half-cached, litellm_params: {model: "openai/mock-prompt=20,cached=15,tokens=5", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}}
  - {model_name: listed, litellm_params: {model: openai/gpt-4o, api_base: MOCK/v1, api_key: k}}
  - {model_name: of-a-base, litellm_params: {model: openai/our-deployment, api_base: MOCK/v1, api_key: k}, model_info: {base_model: gpt-4o}}
  - {model_name: own-price, litellm_params: {model: openai/gpt-4o, api_base: MOCK/v1, api_key: k, input_cost_per_token: 0.000002, output_cost_per_token: 0.000003}}
  - {model_name: long, litellm_params: {model: gemini/gemini-2.5-pro, api_base: MOCK, api_key: k}}
general_settings: {store_model_in_db: true}
litellm_settings:
  timezone: Asia/Tokyo
`

// TestWhatLiteLLMsClientsRelyOn is what somebody checks who replaces LiteLLM, seen
// from outside only.
func TestWhatLiteLLMsClientsRelyOn(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			m, url := provider(t)
			// fresh starts a gateway with a database of its own.
			fresh := func(t *testing.T, more string, vars ...string) *house {
				vars = append(vars, env())
				if engine == "PostgreSQL" {
					vars = append(vars, "DATABASE_URL="+storetest.EmptyPostgresURL(t))
				}
				return openOn(t, m, url, acceptanceConfig+more, vars...)
			}
			h := fresh(t, "")
			for _, c := range []struct {
				name string
				run  func(t *testing.T, h *house)
			}{
				{"a key is taken from each of its headers, and refused by name", acceptHeaders},
				{"a new key is known by its hash and shows its last letters", acceptNewKey},
				{"a key may use the models it has: by name, wildcard, group and team", acceptModels},
				{"a budget that is used up refuses", acceptBudget},
				{"calls at once do not spend more than a budget", acceptBudgetAtOnce},
				{"the third request of two a minute is refused and told when to come again", acceptRequestLimit},
				{"one call at a time is one, and its place is free after an error, a departure and an end", acceptParallelLimit},
				{"tokens count without those that were cached, and are refused when used up", acceptTokenLimit},
				{"limits of team, user, member and end user are shared by their calls", acceptSharedLimits},
				{"what is blocked, expired or deleted is refused at once, and what changed counts at once", acceptChanges},
				{"roles may do what they may", acceptRoles},
				{"every call has one row that says whose it was, and the totals are the rows' sums", acceptBooks},
				{"a call costs what its tokens cost: cached, in a long prompt, at the own price and at the base model's", acceptCosts},
				{"a budget for a day begins again at midnight in its zone, and one for seconds without anybody's help", acceptWindows},
				{"lists have pages, updates merge, null takes away", acceptUpdates},
				{"what is taken is refused, joining makes a user, a new model serves at once", acceptManagement},
				{"a tag's budget holds for the tags of a header", acceptTagBudget},
				{"health and models look as clients expect", acceptHealth},
				{"a wrong method is told the right ones", acceptMethods},
			} {
				t.Run(c.name, func(t *testing.T) {
					at := *h
					at.t = t
					c.run(t, &at)
				})
			}
			t.Run("a budget that is used up is a 429 if so configured", func(t *testing.T) {
				acceptBudgetStatus(t, fresh(t, "  budget_exceeded_status_code: 429\n"))
			})
			t.Run("a process that is killed under load loses no call it has answered", func(t *testing.T) {
				acceptKill(t, fresh(t, ""))
			})
		})
	}
}

// says fails the test unless an answer has a status and holds every text.
func says(t *testing.T, what string, a *answer, status int, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("%s: want %q in %s", what, text, a)
			return
		}
	}
	if a.status != status {
		t.Errorf("%s: want %d, got %s", what, status, a)
	}
}

// in reads a member of an answer's object.
func in[T any](t *testing.T, a *answer, member string) T {
	t.Helper()
	var all map[string]maybe[T]
	if err := json.Unmarshal([]byte(a.body), &all); err != nil {
		t.Fatalf("%v: %s", err, a)
	}
	return all[member].v
}

// maybe is a value of that type, or nothing if it is of another.
type maybe[T any] struct{ v T }

func (j *maybe[T]) UnmarshalJSON(b []byte) error {
	_ = json.Unmarshal(b, &j.v)
	return nil
}

func acceptHeaders(t *testing.T, h *house) {
	says(t, "no key", h.ask("", `"model":"gpt-4o"`), 401, "No api key passed in.", `"type":"auth_error"`, `"param":"None"`, `"code":"401"`)
	says(t, "an unknown key", h.ask("sk-unknown-0123456789", `"model":"gpt-4o"`), 401, "token_not_found_in_db", `"param":"key"`)
	says(t, "no key at all", h.ask("abc", `"model":"gpt-4o"`), 401, "auth_error")
	key := h.key("")
	for _, header := range []string{"x-litellm-api-key", "api-key", "x-api-key", "x-goog-api-key", "Authorization"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", h.url+"/v1/models", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(header, key)
		if header == "Authorization" {
			req.Header.Set(header, "Bearer "+key)
		}
		res, err := h.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != 200 {
			t.Errorf("a key in %s: %d, %v", header, res.StatusCode, err)
		}
	}
}

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

func acceptNewKey(t *testing.T, h *house) {
	a := h.do("POST", "/key/generate", master, "{}")
	key := in[string](t, a, "key")
	if got := in[string](t, a, "token_id"); got != hashOf(key) {
		t.Errorf("token_id %s, want the key's hash", got)
	}
	if name := in[string](t, a, "key_name"); !strings.HasSuffix(name, key[len(key)-4:]) {
		t.Errorf("key_name %q does not end like the key", name)
	}
	byKey, byHash := h.do("GET", "/key/info?key="+key, master, ""), h.do("GET", "/key/info?key="+hashOf(key), master, "")
	type info struct {
		Info struct {
			Name    string  `json:"key_name"`
			Spend   float64 `json:"spend"`
			Created string  `json:"created_at"`
		} `json:"info"`
	}
	var one, other info
	if err := json.Unmarshal([]byte(byKey.body), &one); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(byHash.body), &other); err != nil || one != other || one.Info.Created == "" {
		t.Errorf("by key %+v, by hash %+v, %v", one, other, err)
	}
}

func acceptModels(t *testing.T, h *house) {
	h.manage("/team/new", `{"team_id":"models","models":["other"]}`, nil)
	for _, c := range []struct {
		key, model string
		status     int
	}{
		{`"models":["gpt-4o"]`, "gpt-4o", 200},
		{`"models":["gpt-4o"]`, "other", 403},
		{`"models":["gpt-*"]`, "gpt-4o", 200},
		{`"models":["gpt-*"]`, "other", 403},
		{`"models":["openai/*"]`, "gpt-4o", 200},
		{`"models":["anthropic/*"]`, "gpt-4o", 403},
		{`"models":["beta"]`, "gpt-4o", 200},
		{`"models":["beta"]`, "other", 403},
		{`"models":["all-team-models"],"team_id":"models"`, "other", 200},
		{`"models":["all-team-models"],"team_id":"models"`, "gpt-4o", 403},
	} {
		a := h.ask(h.key(c.key), `"model":"`+c.model+`","max_tokens":5`)
		if c.status == 200 {
			says(t, c.key+" and "+c.model, a, 200)
			continue
		}
		code := "key_model_access_denied"
		if strings.Contains(c.key, "team") {
			code = "model_access_denied" // the team's
		}
		says(t, c.key+" and "+c.model, a, 403, code, `"param":"model"`)
	}
}

func acceptChanges(t *testing.T, h *house) {
	call := `"model":"gpt-4o","max_tokens":5`
	blocked, gone, expired := h.key(""), h.key(""), h.key(`"duration":"1s"`)
	h.manage("/team/new", `{"team_id":"blocked"}`, nil)
	ofTeam, limited := h.key(`"team_id":"blocked"`), h.key("")
	for _, key := range []string{blocked, gone, ofTeam, limited} {
		says(t, "before", h.ask(key, call), 200)
	}
	h.manage("/key/block", `{"key":"`+blocked+`"}`, nil)
	h.manage("/key/delete", `{"keys":["`+gone+`"]}`, nil)
	h.manage("/team/block", `{"team_id":"blocked"}`, nil)
	h.manage("/key/update", `{"key":"`+limited+`","models":["other"]}`, nil)
	says(t, "a blocked key", h.ask(blocked, call), 401, "locked")
	says(t, "a deleted key", h.ask(gone, call), 401, "token_not_found_in_db")
	says(t, "a key of a blocked team", h.ask(ofTeam, call), 401, "locked")
	says(t, "a key that lost the model", h.ask(limited, call), 403, "key_model_access_denied")
	h.eventually("an expired key is refused", func() bool {
		a := h.ask(expired, call)
		return a.status == 401 && strings.Contains(a.body, "expired_key")
	})
}

func acceptRoles(t *testing.T, h *house) {
	h.manage("/user/new", `{"user_id":"someone","auto_create_key":false}`, nil)
	keys := map[string]string{}
	for _, role := range []string{"internal_user", "internal_user_viewer", "proxy_admin_viewer"} {
		h.manage("/user/new", `{"user_id":"`+role+`","user_role":"`+role+`","auto_create_key":false}`, nil)
		keys[role] = h.key(`"user_id":"` + role + `"`)
	}
	says(t, "a key for somebody else", h.do("POST", "/key/generate", keys["internal_user"], `{"user_id":"someone"}`), 403)
	says(t, "a key for oneself", h.do("POST", "/key/generate", keys["internal_user"], `{"user_id":"internal_user"}`), 200)
	says(t, "a team", h.do("POST", "/team/new", keys["internal_user"], `{}`), 401)
	if a := h.do("GET", "/user/info?user_id=someone", keys["internal_user"], ""); a.status != 403 {
		t.Errorf("another user: %s", a)
	}
	says(t, "a viewer calls a model", h.ask(keys["internal_user_viewer"], `"model":"gpt-4o","max_tokens":5`), 200)
	says(t, "an admin who only looks calls a model", h.ask(keys["proxy_admin_viewer"], `"model":"gpt-4o","max_tokens":5`), 403)
	says(t, "an admin who only looks", h.do("GET", "/user/info?user_id=someone", keys["proxy_admin_viewer"], ""), 200)
}

func acceptUpdates(t *testing.T, h *house) {
	for range 3 {
		h.key(`"user_id":"lister"`)
	}
	page := h.do("GET", "/key/list?user_id=lister&page=2&size=2", master, "")
	if keys := in[[]string](t, page, "keys"); len(keys) != 1 || in[int](t, page, "total_count") != 3 || in[int](t, page, "total_pages") != 2 || in[int](t, page, "current_page") != 2 {
		t.Errorf("the second page: %s", page)
	}
	key := h.key(`"rpm_limit":10,"tpm_limit":20,"max_budget":3,"metadata":{"a":1},"models":["gpt-4o"]`)
	h.manage("/key/update", `{"key":"`+key+`","rpm_limit":null,"max_budget":null}`, nil)
	says(t, "null takes away, and what is not sent stays", h.do("GET", "/key/info?key="+key, master, ""), 200,
		`"rpm_limit":null`, `"max_budget":null`, `"tpm_limit":20`, `"metadata":{"a":1}`, `"models":["gpt-4o"]`)
	h.manage("/key/update", `{"key":"`+hashOf(key)+`","metadata":{"b":2}}`, nil)
	says(t, "metadata that is sent is all there is", h.do("GET", "/key/info?key="+key, master, ""), 200, `"metadata":{"b":2}`)
}

func acceptManagement(t *testing.T, h *house) {
	h.manage("/team/new", `{"team_id":"joined"}`, nil)
	h.manage("/team/member_add", `{"team_id":"joined","member":{"role":"user","user_id":"joiner"}}`, nil)
	says(t, "a user made by joining", h.do("GET", "/user/info?user_id=joiner", master, ""), 200, "joiner")
	for path, body := range map[string]string{"/customer/new": `{"user_id":"twice"}`, "/budget/new": `{"budget_id":"twice","max_budget":1}`} {
		h.manage(path, body, nil)
		says(t, path+" again", h.do("POST", path, master, body), 400, "already exists", "twice")
	}
	h.manage("/model/new", `{"model_name":"fresh","litellm_params":{"model":"openai/mock-tokens=5","api_base":"`+h.mockAt()+`","api_key":"k"}}`, nil)
	says(t, "a new model", h.ask(master, `"model":"fresh","max_tokens":5`), 200)
}

// mockAt is where the mock provider of the house listens.
func (h *house) mockAt() string {
	var info struct {
		Data []struct {
			Params struct {
				Base string `json:"api_base"`
			} `json:"litellm_params"`
		} `json:"data"`
	}
	h.manage("/model/info", "", &info)
	if len(info.Data) == 0 {
		h.t.Fatal("/model/info shows no model")
	}
	return info.Data[0].Params.Base
}

func acceptHealth(t *testing.T, h *house) {
	if a := h.do("GET", "/health/liveliness", "", ""); a.status != 200 || a.body != `"I'm alive!"` {
		t.Errorf("liveliness: %s", a)
	}
	says(t, "readiness", h.do("GET", "/health/readiness", "", ""), 200, "healthy")
	says(t, "models", h.do("GET", "/v1/models", master, ""), 200, `"created":1677610602`, `"owned_by":"openai"`, `"id":"gpt-4o"`)
}

func acceptMethods(t *testing.T, h *house) {
	for _, c := range []struct{ method, path, allow string }{
		{"GET", "/key/generate", "POST"},
		{"POST", "/key/info", "GET, HEAD"},
		{"DELETE", "/v1/chat/completions", "POST"},
		{"PUT", "/credentials/some", "PATCH, DELETE"},
		{"OPTIONS", "/team/a-team/members/me", "GET, HEAD"},
		{"PUT", "/v1/models", "GET, HEAD"},
	} {
		a := h.do(c.method, c.path, master, "")
		says(t, c.method+" "+c.path, a, 405, `"error":{"message":"`+c.path+` does not take `+c.method+`, but `+c.allow, `"type":"invalid_request_error"`, `"param":null`, `"code":"405"`)
		if got := a.header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s: it allows %q, want %q", c.method, c.path, got, c.allow)
		}
	}
	says(t, "no endpoint at all", h.do("GET", "/key/nothing", master, ""), 404, `"type":"not_found_error"`, `"code":"404"`)
}
