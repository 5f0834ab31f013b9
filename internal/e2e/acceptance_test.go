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

// acceptanceConfig serves two models, one of them in an access group.
const acceptanceConfig = `
model_list:
  - model_name: gpt-4o
    litellm_params: {model: "openai/mock-tokens=5", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}
    model_info: {access_groups: [beta]}
  - model_name: other
    litellm_params: {model: "openai/mock-tokens=5", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}
general_settings: {store_model_in_db: true}
`

// TestWhatLiteLLMsClientsRelyOn is what somebody checks who replaces LiteLLM, seen
// from outside only.
func TestWhatLiteLLMsClientsRelyOn(t *testing.T) {
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			vars := []string{env()}
			if engine == "PostgreSQL" {
				vars = append(vars, "DATABASE_URL="+storetest.PostgresURL(t))
			}
			m, url := provider(t)
			h := openOn(t, m, url, acceptanceConfig, vars...)
			for _, c := range []struct {
				name string
				run  func(t *testing.T, h *house)
			}{
				{"a key is taken from each of its headers, and refused by name", acceptHeaders},
				{"a new key is known by its hash", acceptNewKey},
				{"a key may use the models it has: by name, wildcard, group and team", acceptModels},
				{"a budget that is used up refuses", acceptBudget},
				{"limits of key, team, user, member and end user are shared by their calls", acceptLimits},
				{"what is blocked, expired or deleted is refused at once, and what changed counts at once", acceptChanges},
				{"roles may do what they may", acceptRoles},
				{"the books have one row a call, and the totals are their sums", acceptBooks},
				{"lists have pages, updates merge, what is taken is refused, a new model serves at once", acceptManagement},
				{"health and models look as clients expect", acceptHealth},
			} {
				t.Run(c.name, func(t *testing.T) {
					at := *h
					at.t = t
					c.run(t, &at)
				})
			}
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

func acceptBudget(t *testing.T, h *house) {
	key := h.key(`"max_budget":0.005`)
	says(t, "the first call", h.ask(key, `"model":"gpt-4o","max_tokens":5`), 200)
	says(t, "the second", h.ask(key, `"model":"gpt-4o","max_tokens":5`), 422, "budget_exceeded", `"code":"422"`)
	if got := h.spend(key); got != "0.005" {
		t.Errorf("the key has spent %s", got)
	}
}

func acceptLimits(t *testing.T, h *house) {
	h.manage("/team/new", `{"team_id":"shared","rpm_limit":2}`, nil)
	h.manage("/user/new", `{"user_id":"shared","rpm_limit":2,"auto_create_key":false}`, nil)
	h.manage("/budget/new", `{"budget_id":"two-a-minute","rpm_limit":2}`, nil)
	h.manage("/customer/new", `{"user_id":"customer","budget_id":"two-a-minute"}`, nil)
	for _, c := range []struct {
		name string
		keys []string
		more string
		text string
	}{
		{"a key", []string{h.key(`"rpm_limit":2`)}, "", "Rate limit exceeded for api_key:"},
		{"a team", []string{h.key(`"team_id":"shared"`), h.key(`"team_id":"shared"`)}, "", "Rate limit exceeded for team"},
		{"a user", []string{h.key(`"user_id":"shared"`), h.key(`"user_id":"shared"`)}, "", "Rate limit exceeded for user"},
		{"an end user", []string{h.key(""), h.key("")}, `,"user":"customer"`, "Rate limit exceeded for end_user"},
	} {
		for n := range 2 {
			says(t, c.name, h.ask(c.keys[n%len(c.keys)], `"model":"gpt-4o","max_tokens":5`+c.more), 200)
		}
		a := h.ask(c.keys[0], `"model":"gpt-4o","max_tokens":5`+c.more)
		says(t, c.name+", the third call", a, 429, c.text, "Limit type: requests", "throttling_error")
		if a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After: %s", c.name, a)
		}
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

func acceptBooks(t *testing.T, h *house) {
	h.manage("/organization/new", `{"organization_id":"booked","organization_alias":"Booked"}`, nil)
	h.manage("/team/new", `{"team_id":"booked","organization_id":"booked"}`, nil)
	h.manage("/user/new", `{"user_id":"booked","auto_create_key":false}`, nil)
	h.manage("/team/member_add", `{"team_id":"booked","member":{"role":"user","user_id":"booked"}}`, nil)
	key := h.key(`"team_id":"booked","user_id":"booked","tags":["of-key"]`)
	for range 3 {
		says(t, "a call", h.ask(key, `"model":"gpt-4o","max_tokens":5,"user":"who","metadata":{"tags":["of-call"]}`), 200)
	}
	var rows []struct {
		Key  string   `json:"api_key"`
		User string   `json:"user"`
		Team string   `json:"team_id"`
		Org  string   `json:"organization_id"`
		End  string   `json:"end_user"`
		Tags []string `json:"request_tags"`
	}
	h.manage("/spend/logs?api_key="+key, "", &rows)
	if len(rows) != 3 {
		t.Fatalf("%d rows, want 3", len(rows))
	}
	for _, r := range rows {
		if r.Key != hashOf(key) || r.User != "booked" || r.Team != "booked" || r.Org != "booked" || r.End != "who" || len(r.Tags) != 2 {
			t.Errorf("the row says %+v", r)
		}
	}
	if got := h.spend(key); got != "0.015" {
		t.Errorf("the key has spent %s, want 0.015", got)
	}
	says(t, "the team", h.do("GET", "/team/info?team_id=booked", master, ""), 200, `"spend":0.015`)
}

func acceptManagement(t *testing.T, h *house) {
	for range 3 {
		h.key(`"user_id":"lister"`)
	}
	page := h.do("GET", "/key/list?user_id=lister&page=2&size=2", master, "")
	if keys := in[[]string](t, page, "keys"); len(keys) != 1 || in[int](t, page, "total_count") != 3 || in[int](t, page, "total_pages") != 2 {
		t.Errorf("the second page: %s", page)
	}
	key := h.key(`"rpm_limit":10,"tpm_limit":20`)
	h.manage("/key/update", `{"key":"`+key+`","rpm_limit":null}`, nil)
	says(t, "null takes away, and what is not sent stays", h.do("GET", "/key/info?key="+key, master, ""), 200, `"rpm_limit":null`, `"tpm_limit":20`)
	h.manage("/team/new", `{"team_id":"joined"}`, nil)
	h.manage("/team/member_add", `{"team_id":"joined","member":{"role":"user","user_id":"joiner"}}`, nil)
	says(t, "a user made by joining", h.do("GET", "/user/info?user_id=joiner", master, ""), 200, "joiner")
	for path, body := range map[string]string{"/customer/new": `{"user_id":"twice"}`, "/budget/new": `{"budget_id":"twice","max_budget":1}`} {
		h.manage(path, body, nil)
		says(t, path+" again", h.do("POST", path, master, body), 400)
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
