package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// TestTheListOfModels is /v1/models with everything that clients can ask of it.
func TestTheListOfModels(t *testing.T) {
	h := start(t, `
model_list:
  - {model_name: a, litellm_params: {model: openai/a, api_base: MOCK/v1, api_key: k}, model_info: {access_groups: [one, two]}}
  - {model_name: b, litellm_params: {model: openai/b, api_base: MOCK/v1, api_key: k}, model_info: {access_groups: [two]}}
  - {model_name: c, litellm_params: {model: openai/c, api_base: MOCK/v1, api_key: k}}
  - {model_name: "groq/*", litellm_params: {model: "groq/*", api_base: MOCK/v1, api_key: k}}
  - {model_name: ill, litellm_params: {model: "openai/mock-status=401", api_base: MOCK/v1, api_key: k}}
router_settings:
  fallbacks: [{a: [b, c]}]
  context_window_fallbacks: [{a: [c]}]
`)
	for _, body := range []string{`{"team_id":"t","models":["b","c"]}`, `{"team_id":"u","models":["c"]}`} {
		if res, got := h.do("POST", "/team/new", master, body); res.StatusCode != http.StatusOK {
			t.Fatalf("/team/new: %d %s", res.StatusCode, got)
		}
	}
	all, some, grouped, ofTeam := h.key(``), h.key(`"models":["a","b","gone"]`), h.key(`"models":["one"]`), h.key(`"team_id":"t"`)
	for _, tt := range []struct {
		name, key, query string
		want             string // names, "" after a failure
		lacks            string
		status           int // 200 if 0
	}{
		{name: "what the key's list has", key: some, want: "a b"},
		{name: "what its group has", key: grouped, want: "a"},
		{name: "what its team has", key: ofTeam, want: "b c"},
		{name: "wildcards stand for what is known", key: all, want: "a b c ill", lacks: "groq/*"},
		{name: "wildcards themselves", key: all, query: "return_wildcard_routes=True", want: "groq/*"},
		{name: "the groups of a key without a list", key: all, query: "include_model_access_groups=true", want: "a one two"},
		{name: "groups alone", key: all, query: "only_model_access_groups=true", want: "one two", lacks: "a"},
		{name: "the groups that a list names", key: grouped, query: "include_model_access_groups=true", want: "a one", lacks: "two"},
		{name: "none, for a list that names none", key: some, query: "only_model_access_groups=true"},
		{name: "another team's, for admins", key: master, query: "team_id=u", want: "c", lacks: "a"},
		{name: "its own team's", key: ofTeam, query: "team_id=t", want: "b c"},
		{name: "another team's, for others", key: ofTeam, query: "team_id=u", status: 403},
		{name: "a team that is not there", key: master, query: "team_id=v", status: 404},
		{name: "a team that is not there, for others", key: ofTeam, query: "team_id=v", status: 403},
		{name: "everything, for admins", key: master, query: "scope=expand&team_id=u", want: "a b c"},
		{name: "expand, for others", key: some, query: "scope=expand", want: "a b", lacks: "c"},
		{name: "another scope", key: some, query: "scope=all", status: 400},
		{name: "a flag that is none", key: some, query: "healthy_only=perhaps", status: 400},
		{name: "fallbacks of no kind", key: some, query: "include_metadata=true&fallback_type=any", status: 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, body := h.do("GET", "/v1/models?"+tt.query, tt.key, "")
			if tt.status == 0 {
				tt.status = 200
			}
			if res.StatusCode != tt.status {
				t.Fatalf("%d %s, want %d", res.StatusCode, body, tt.status)
			}
			names := idsOf(t, body)
			for name := range strings.FieldsSeq(tt.want) {
				if !names[name] {
					t.Errorf("%s is not in %s", name, body)
				}
			}
			if tt.lacks != "" && names[tt.lacks] {
				t.Errorf("%s is in %s", tt.lacks, body)
			}
			if tt.status == 200 && tt.want == "" && len(names) > 0 {
				t.Errorf("got %s, want none", body)
			}
		})
	}
	if _, body := h.do("GET", "/v1/models", all, ""); !strings.Contains(body, `"id":"groq/`) {
		t.Errorf("the wildcard stands for nothing: %s", body)
	}
	for _, tt := range []struct{ key, query, want string }{
		{all, "", `"id":"a","object":"model","created":1677610602,"owned_by":"openai","metadata":{"fallbacks":["b","c"]}}`},
		{all, "&fallback_type=context_window", `"owned_by":"openai","metadata":{"fallbacks":["c"]}}`},
		{all, "&fallback_type=content_policy", `"id":"a","object":"model","created":1677610602,"owned_by":"openai","metadata":{"fallbacks":[]}}`},
		{some, "", `"metadata":{"fallbacks":["b"]}}`}, // c is not for it
	} {
		if _, body := h.do("GET", "/models?include_metadata=true"+tt.query, tt.key, ""); !strings.Contains(body, tt.want) {
			t.Errorf("%s: %s lacks %s", tt.query, body, tt.want)
		}
	}

	// A model that nobody serves for now, as a check has found.
	if _, body := h.do("GET", "/health?model=ill", master, ""); !strings.Contains(body, `"unhealthy_count":1`) {
		t.Fatalf("a model that fails is well: %s", body)
	}
	if _, body := h.do("GET", "/v1/models?healthy_only=true", all, ""); idsOf(t, body)["ill"] || !idsOf(t, body)["a"] {
		t.Errorf("healthy ones are %s", body)
	}
	for _, path := range []string{"/models", "/model/info", "/v1/model/info"} {
		_, body := h.do("GET", path, all, "")
		if _, healthy := h.do("GET", path+"?healthy_only=true", all, ""); !strings.Contains(body, `"ill"`) || strings.Contains(healthy, `"ill"`) || !strings.Contains(healthy, `"a"`) {
			t.Errorf("healthy ones at %s are %s, all are %s", path, healthy, body)
		}
	}

	for path, want := range map[string]int{"/v1/models/ill": 200, "/v1/models/ill?healthy_only=true": 404, "/v1/models/a?healthy_only=true": 200, "/v1/models/a?healthy_only=perhaps": 400} {
		if res, body := h.do("GET", path, all, ""); res.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", path, res.StatusCode, body, want)
		}
	}

	// Anthropic's form.
	if _, body := h.do("GET", "/v1/models", some, "", "anthropic-version", "2023-06-01"); !strings.HasPrefix(body, `{"data":[{"type":"model","id":"a","display_name":"a",`) || !strings.HasSuffix(body, `"has_more":false,"first_id":"a","last_id":"b"}`) {
		t.Errorf("in Anthropic's form: %s", body)
	}

	// One, or several.
	for _, tt := range []struct {
		name   string
		status int
		want   string
	}{
		{"a", 200, `{"id":"a","object":"model","created":1677610602,"owned_by":"openai"}`},
		{"a,b", 200, `{"id":"a,b",`},
		{"c", 404, `"detail":"The model ` + "`c`" + ` does not exist or is not accessible"}`},
		{"no-such", 404, `"code":"model_not_found"},"detail":"The model ` + "`no-such`" + ` does not`},
		{"a,c,x", 404, `"detail":"The following model(s) do not exist or are not accessible: c, x"}`},
		{"gone", 404, `"detail":"Model 'gone' not found in router configuration"}`},
	} {
		if res, body := h.do("GET", "/v1/models/"+tt.name, some, ""); res.StatusCode != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d %s, want %d and %s", tt.name, res.StatusCode, body, tt.status, tt.want)
		}
	}
}

// The configuration may have every list of models without those that nobody serves.
func TestListsOfHealthyModels(t *testing.T) {
	h := start(t, `
model_list:
  - {model_name: a, litellm_params: {model: openai/a, api_base: MOCK/v1, api_key: k}}
  - {model_name: ill, litellm_params: {model: "openai/mock-status=401", api_base: MOCK/v1, api_key: k}}
general_settings: {model_list_healthy_only: true}
`)
	for _, path := range []string{"/v1/models", "/v1/models?healthy_only=false", "/model/info"} {
		if _, body := h.do("GET", path, master, ""); !strings.Contains(body, `"ill"`) {
			t.Errorf("%s lacks a model of which nothing is known yet: %s", path, body)
		}
	}
	if _, body := h.do("GET", "/health?model=ill", master, ""); !strings.Contains(body, `"unhealthy_count":1`) {
		t.Fatalf("a model that fails is well: %s", body)
	}
	for _, path := range []string{"/v1/models", "/v1/models?healthy_only=false", "/model/info"} {
		if _, body := h.do("GET", path, master, ""); strings.Contains(body, `"ill"`) || !strings.Contains(body, `"a"`) {
			t.Errorf("%s is %s, want the model that is well", path, body)
		}
	}
	if res, body := h.do("GET", "/v1/models/ill", master, ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("a model that is ill: %d %s", res.StatusCode, body)
	}
}

func idsOf(t *testing.T, body string) map[string]bool {
	t.Helper()
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	ids := map[string]bool{}
	for _, m := range list.Data {
		ids[m.ID] = true
	}
	return ids
}
