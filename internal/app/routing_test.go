package app_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"penstock/internal/app"
	"penstock/internal/config"
)

const routed = `
x-mock: &mock {api_base: MOCK/v1, api_key: up-key}
x-price: &price {input_cost_per_token: 0.00001, output_cost_per_token: 0.00001, cache_read_input_token_cost: 0.000001}
model_list:
  - {model_name: tagged, litellm_params: {<<: *mock, model: openai/free, tags: [free]}, model_info: {id: free}}
  - {model_name: tagged, litellm_params: {<<: *mock, model: openai/paid, tags: [paid, team-a]}, model_info: {id: paid}}
  - {model_name: tagged, litellm_params: {<<: *mock, model: openai/rest, tags: [default]}, model_info: {id: rest}}
  - {model_name: where, litellm_params: {<<: *mock, model: openai/paris, region_name: eu-west-3}, model_info: {id: paris}}
  - {model_name: where, litellm_params: {<<: *mock, model: openai/ohio, region_name: us-east-2}, model_info: {id: ohio}}
  - {model_name: window, litellm_params: {<<: *mock, model: openai/short, order: 1}, model_info: {id: short, max_input_tokens: 100}}
  - {model_name: window, litellm_params: {<<: *mock, model: openai/long, order: 2}, model_info: {id: long, max_input_tokens: 100000}}
  - {model_name: access, litellm_params: {<<: *mock, model: openai/beta}, model_info: {id: beta, access_groups: [testers]}}
  - {model_name: access, litellm_params: {<<: *mock, model: openai/prod}, model_info: {id: prod, access_groups: [everybody]}}
  - {model_name: eyes, litellm_params: {<<: *mock, model: openai/seeing}, model_info: {id: seeing, supports_vision: true}}
  - {model_name: eyes, litellm_params: {<<: *mock, model: openai/blind}, model_info: {id: blind, supports_vision: false}}
  - {model_name: model_name_ta_1, litellm_params: {<<: *mock, model: openai/own}, model_info: {id: own, team_id: ta, team_public_model_name: where}}
  - {model_name: shut, litellm_params: {<<: *mock, model: openai/shut}, model_info: {id: shut, blocked: true}}
  - {model_name: cost, litellm_params: {<<: *mock, model: openai/dear, input_cost_per_token: 0.002, output_cost_per_token: 0.002}, model_info: {id: dear}}
  - {model_name: cost, litellm_params: {<<: *mock, model: openai/cheap, input_cost_per_token: 0.001, output_cost_per_token: 0.001}, model_info: {id: cheap}}
  - {model_name: weigh, litellm_params: {<<: *mock, model: openai/never, weight: 1}, model_info: {id: never}}
  - {model_name: weigh, litellm_params: {<<: *mock, model: openai/always, weight: 1}, model_info: {id: always}}
  - {model_name: bad, litellm_params: {<<: *mock, model: openai/mock-status=400}, model_info: {id: bad}}
  - {model_name: cached, litellm_params: {<<: *mock, <<: *price, model: openai/c1}, model_info: {id: c1}}
  - {model_name: cached, litellm_params: {<<: *mock, <<: *price, model: openai/c2}, model_info: {id: c2}}
  - {model_name: cached, litellm_params: {<<: *mock, <<: *price, model: openai/c3}, model_info: {id: c3}}
  - {model_name: cached, litellm_params: {<<: *mock, <<: *price, model: openai/c4}, model_info: {id: c4}}
router_settings:
  enable_tag_filtering: true
  tag_filtering_match_any: true
  enable_pre_call_checks: true
  routing_strategy: simple-shuffle
  routing_strategy_args: {ttl: 60, lowest_latency_buffer: 0.2, max_latency_list_size: 5, ttft_percentile: 0.95}
  routing_groups: [{group_name: g, models: [cost], routing_strategy: cost-based-routing}]
  weights: {weigh: {never: 0}}
  enable_weighted_failover: true
  retry_policy: {BadRequestErrorRetries: 2}
  model_group_retry_policy: {cost: {RateLimitErrorRetries: 1}}
  allowed_fails_policy: {RateLimitErrorAllowedFails: 3}
  optional_pre_call_checks: [enforce_model_rate_limits, session_affinity, deployment_affinity, prompt_caching, router_budget_limiting]
  deployment_affinity_ttl_seconds: 60
  model_group_alias: {nick: cost}
`

func TestRouting(t *testing.T) {
	h := start(t, strings.Replace(routed, "optional_pre_call_checks: [enforce_model_rate_limits, session_affinity, deployment_affinity, ", "optional_pre_call_checks: [enforce_model_rate_limits, ", 1))
	for _, team := range []string{`{"team_id":"ta"}`, `{"team_id":"tb","metadata":{"tags":["paid"]}}`} {
		if res, body := h.do("POST", "/team/new", master, team); res.StatusCode != 200 {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
	}
	free := h.key(`"tags":["free"]`)
	eu := h.key(`"metadata":{"allowed_model_region":"eu"}`)
	testers := h.key(`"models":["testers"]`)
	named := h.key(`"models":["access"]`)
	ta, tb := h.key(`"team_id":"ta"`), h.key(`"team_id":"tb"`)
	alias := h.key(`"aliases":{"mine":"cost"}`)
	const image = `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/x.png"}}]}]`
	for _, tt := range []struct {
		name    string
		key     string
		members string
		header  []string
		want    string // IDs that answer, sorted; "" if none may
		status  int
		says    string
	}{
		{"tags in the body", master, `"model":"tagged","tags":["paid"]`, nil, "paid", 200, ""},
		{"tags in the metadata", master, `"model":"tagged","metadata":{"tags":["free"]}`, nil, "free", 200, ""},
		{"tags in a header", master, `"model":"tagged"`, []string{"x-litellm-tags", "paid, team-a"}, "paid", 200, ""},
		{"tags of the key", free, `"model":"tagged"`, nil, "free", 200, ""},
		{"tags of the team", tb, `"model":"tagged"`, nil, "paid", 200, ""},
		{"no tags", master, `"model":"tagged"`, nil, "rest", 200, ""},
		{"the key's region", eu, `"model":"where"`, nil, "paris", 200, ""},
		{"the key's region before the client's", eu, `"model":"where","allowed_model_region":"us"`, nil, "paris", 200, ""},
		{"the client's region", master, `"model":"where","allowed_model_region":"us"`, nil, "ohio", 200, ""},
		{"a region nobody is in", master, `"model":"where","allowed_model_region":"ap"`, nil, "", 403, "region"},
		{"anywhere", master, `"model":"where"`, nil, "ohio paris", 200, ""},
		{"a team's own model of that name", ta, `"model":"where"`, nil, "own", 200, ""},
		{"which others do not know", tb, `"model":"model_name_ta_1"`, nil, "", 400, "Invalid model name"},
		{"an access group is the way in", testers, `"model":"access"`, nil, "beta", 200, ""},
		{"the name is the way in", named, `"model":"access"`, nil, "beta prod", 200, ""},
		{"an image", master, `"model":"eyes",` + image, nil, "seeing", 200, ""},
		{"no image", master, `"model":"eyes"`, nil, "blind seeing", 200, ""},
		{"a short prompt", master, `"model":"window"`, nil, "short", 200, ""},
		{"a long prompt", master, `"model":"window","messages":[{"role":"user","content":"` + strings.Repeat("word ", 500) + `"}]`, nil, "long", 200, ""},
		{"a blocked model", master, `"model":"shut"`, nil, "", 403, "Model is blocked"},
		{"a name with a slip", master, `"model":"costt"`, nil, "", 400, "Did you mean 'cost'?"},
		{"a group with a strategy of its own", master, `"model":"cost"`, nil, "cheap", 200, ""},
		{"an alias", master, `"model":"nick"`, nil, "cheap", 200, ""},
		{"an alias of the key", alias, `"model":"mine"`, nil, "cheap", 200, ""},
		{"a deployment by its id", master, `"model":"dear"`, nil, "dear", 200, ""},
		{"weights of the router's settings", master, `"model":"weigh"`, nil, "always", 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := map[string]bool{}
			for range 20 {
				members := tt.members
				if !strings.Contains(members, `"messages"`) {
					members += `,"messages":[{"role":"user","content":"Hello"}]`
				}
				res, body := h.do("POST", "/v1/chat/completions", tt.key, `{`+members+`}`, tt.header...)
				if res.StatusCode != tt.status || !strings.Contains(body, tt.says) {
					t.Fatalf("%d %s\nwant %d with %q", res.StatusCode, body, tt.status, tt.says)
				}
				if id := res.Header.Get("X-Litellm-Model-Id"); id != "" {
					got[id] = true
				}
			}
			var ids []string
			for id := range got {
				ids = append(ids, id)
			}
			slices.Sort(ids)
			if s := strings.Join(ids, " "); s != tt.want {
				t.Errorf("answered by %q, want %q", s, tt.want)
			}
		})
	}
	t.Run("a conversation stays where its prompt is cached", func(t *testing.T) {
		system := `{"role":"system","content":"` + strings.Repeat("Be brief. ", 800) + `"}`
		short := map[string]bool{}
		for i := range 12 {
			res, _ := h.ask(master, `"model":"cached"`)
			short[res.Header.Get("X-Litellm-Model-Id")] = true
			first := ""
			talk := system
			for turn := range 4 {
				talk += `,{"role":"user","content":"` + strings.Repeat(string(rune('a'+i)), 900*(turn+1)) + `"}`
				res, body := h.do("POST", "/v1/chat/completions", master, `{"model":"cached","messages":[`+talk+`]}`)
				id := res.Header.Get("X-Litellm-Model-Id")
				if first == "" {
					first = id
				}
				if res.StatusCode != 200 || i == 0 && id != first {
					t.Fatalf("turn %d went to %s, the first to %s: %d %s", turn, id, first, res.StatusCode, body)
				}
			}
		}
		if len(short) < 2 {
			t.Errorf("short prompts went to %v alone", short)
		}
	})
	t.Run("a retry policy", func(t *testing.T) {
		h.mock.Reset()
		res, body := h.ask(master, `"model":"bad"`)
		if n := len(h.mock.Calls()); res.StatusCode != 400 || n != 3 {
			t.Errorf("asked %d times, %d %s; want two retries of a bad request", n, res.StatusCode, body)
		}
	})
	t.Run("a fallback with members of its own", func(t *testing.T) {
		h.mock.Reset()
		res, body := h.ask(master, `"model":"bad","temperature":1,"num_retries":0,"fallbacks":["bad",{"model":"cheap","temperature":0.5,"messages":[{"role":"user","content":"shorter"}]}]`)
		calls := h.mock.Calls()
		if res.StatusCode != 200 || len(calls) != 2 || res.Header.Get("X-Litellm-Attempted-Fallbacks") != "1" {
			t.Fatalf("%d %s after %d calls", res.StatusCode, body, len(calls))
		}
		if b := string(calls[0].Body); !strings.Contains(b, `"Hello"`) || !strings.Contains(b, `"temperature":1`) {
			t.Errorf("first: %s", b)
		}
		if b := string(calls[1].Body); !strings.Contains(b, `"shorter"`) || strings.Contains(b, "Hello") || !strings.Contains(b, `"temperature":0.5`) || !strings.Contains(b, `"model":"cheap"`) {
			t.Errorf("the fallback: %s", b)
		}
	})
	t.Run("settings of a key", func(t *testing.T) {
		key := h.key(`"router_settings":{"model_group_alias":{"theirs":"cost"},"fallbacks":[{"bad":["weigh"]}],"model_group_retry_policy":{"bad":{"BadRequestErrorRetries":0}}}`)
		if res, body := h.ask(key, `"model":"theirs"`); res.StatusCode != 200 || res.Header.Get("X-Litellm-Model-Id") != "cheap" {
			t.Errorf("an alias: %d %s by %s", res.StatusCode, body, res.Header.Get("X-Litellm-Model-Id"))
		}
		h.mock.Reset()
		if res, body := h.ask(key, `"model":"bad"`); res.StatusCode != 200 || res.Header.Get("X-Litellm-Model-Id") != "always" || len(h.mock.Calls()) != 2 {
			t.Errorf("no retries, then a fallback: %d %s by %s after %d calls", res.StatusCode, body, res.Header.Get("X-Litellm-Model-Id"), len(h.mock.Calls()))
		}
	})
	t.Run("settings that are wrong are refused", func(t *testing.T) {
		for _, wrong := range []string{`{"routing_strategy":"best"}`, `{"num_retries":"many"}`, `{"fallbacks":{"a":"b"}}`} {
			if res, body := h.do("POST", "/key/generate", master, `{"router_settings":`+wrong+`}`); res.StatusCode != 400 || !strings.Contains(body, `"router_settings"`) {
				t.Errorf("%s: %d %s", wrong, res.StatusCode, body)
			}
		}
	})
	t.Run("settings of a key lead no further than it may go", func(t *testing.T) {
		key := h.key(`"models":["weigh"],"router_settings":{"model_group_alias":{"weigh":"cost"}}`)
		if res, body := h.ask(key, `"model":"weigh"`); res.StatusCode != 403 {
			t.Errorf("%d %s by %s", res.StatusCode, body, res.Header.Get("X-Litellm-Model-Id"))
		}
	})
	t.Run("models that are shown", func(t *testing.T) {
		for _, tt := range []struct{ key, has, hasNot string }{{ta, `"id":"where"`, `"model_name_ta_1"`}, {tb, `"id":"nick"`, `"shut"`}} {
			_, body := h.do("GET", "/v1/models", tt.key, "")
			if !strings.Contains(body, tt.has) || strings.Contains(body, tt.hasNot) {
				t.Errorf("%s\nwant %s and not %s", body, tt.has, tt.hasNot)
			}
		}
	})
}

func TestEverySettingOfRoutingIsHonoured(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(routed, "MOCK", "http://localhost:1")), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, report, err := config.Load(app.ConfigOptions(path, func(name string) (string, bool) { return master, name == "LITELLM_MASTER_KEY" }))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range report.Ignored {
		t.Errorf("ignored: %s", i)
	}
	for _, w := range report.Warnings {
		t.Errorf("warning: %s", w)
	}
	for _, s := range app.Unhonoured(cfg) {
		if strings.Contains(s, "router_settings") || strings.Contains(s, "model_info") || strings.Contains(s, "litellm_params") {
			t.Errorf("not honoured: %s", s)
		}
	}
}

// A limit that is counted otherwise than the environment says must not be
// believed to be.
func TestAnotherWindowOfRatesIsSaidToBeNone(t *testing.T) {
	for size, said := range map[string]bool{"10": true, "60": false, "": false} {
		vars := map[string]string{"LITELLM_MASTER_KEY": master, "LITELLM_RATE_LIMIT_WINDOW_SIZE": size}
		cfg, _, err := config.Load(app.ConfigOptions("", func(name string) (string, bool) { v := vars[name]; return v, v != "" }))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(app.Unhonoured(cfg), "\n"), "LITELLM_RATE_LIMIT_WINDOW_SIZE"); got != said {
			t.Errorf("a window of %q seconds: said is %t, want %t", size, got, said)
		}
	}
}
