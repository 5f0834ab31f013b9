package admin_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"penstock/internal/admin"
	"penstock/internal/gateway"
	"penstock/internal/price"
	"penstock/internal/spend"
)

// bill is a call of key h1, user u1, which cost 2.85e-05.
func bill() spend.Row {
	start := noon.Add(-time.Hour)
	return spend.Row{
		CallID: "call-1", ResponseID: "chatcmpl-1", KeyHash: "h1", UserID: "u1", TeamID: "t1", OrgID: "o1", EndUser: "c1", Tags: []string{"x", "y"},
		Operation: gateway.Chat, Route: "/v1/chat/completions", Group: "gpt", Model: "gpt-4o", Provider: "openai", Deployment: "d1",
		Session: "s1", ClientIP: "10.0.0.1", Retries: 1, Fallbacks: 2,
		Usage: gateway.Usage{Prompt: 10, CacheRead: 4, CacheWrite: 1, CacheWrite1h: 2, Completion: 5, Reasoning: 3},
		Cost:  28_500, Priced: true, Price: "v1", Start: start, FirstByte: start.Add(time.Second), End: start.Add(1500 * time.Millisecond),
	}
}

func TestSpendLogsShowACallAsLiteLLMDoes(t *testing.T) {
	f := newFake()
	f.keys["h1"] = &gateway.Key{Hash: "h1", Alias: "ann"}
	f.calls = []spend.Row{bill()}
	d := open(t, f)
	d.get("/spend/logs").ok().has(
		"0.request_id", `"chatcmpl-1"`, "0.litellm_call_id", `"call-1"`, "0.call_type", `"acompletion"`, "0.api_key", `"h1"`, "0.spend", "2.85e-05",
		"0.total_tokens", "15", "0.prompt_tokens", "10", "0.completion_tokens", "5", "0.startTime", `"2026-01-17T11:00:00Z"`,
		"0.endTime", `"2026-01-17T11:00:01.5Z"`, "0.completionStartTime", `"2026-01-17T11:00:01Z"`, "0.request_duration_ms", "1500",
		"0.model", `"gpt-4o"`, "0.model_id", `"d1"`, "0.model_group", `"gpt"`, "0.custom_llm_provider", `"openai"`, "0.api_base", `""`, "0.user", `"u1"`,
		"0.cache_hit", `"False"`, "0.cache_key", `"Cache OFF"`, "0.request_tags", `["x","y"]`, "0.team_id", `"t1"`, "0.organization_id", `"o1"`,
		"0.end_user", `"c1"`, "0.requester_ip_address", `"10.0.0.1"`, "0.session_id", `"s1"`, "0.status", `"success"`, "0.messages", "{}", "0.response", "{}",
		"0.metadata.user_api_key", `"h1"`, "0.metadata.user_api_key_alias", `"ann"`, "0.metadata.attempted_retries", "1", "0.metadata.attempted_fallbacks", "2",
		"0.metadata.error_information", "null", "0.metadata.status", `"success"`, "0.metadata.price_version", `"v1"`,
		"0.metadata.usage_object.prompt_tokens_details.cached_tokens", "4", "0.metadata.usage_object.prompt_tokens_details.cache_creation_tokens", "3",
		"0.metadata.usage_object.completion_tokens_details.reasoning_tokens", "3",
	)
	if d.flushes != 1 {
		t.Errorf("%d flushes, want 1: a call that was just answered must be there", d.flushes)
	}
}

func TestSpendLogsOfUnusualCalls(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*spend.Row)
		want   []string
	}{
		{"the master key has a name instead of a hash", func(r *spend.Row) { r.KeyHash = "" }, []string{"0.api_key", `"litellm_proxy_master_key"`}},
		{"without an answer's id, the call's", func(r *spend.Row) { r.ResponseID = "" }, []string{"0.request_id", `"call-1"`}},
		{"without a session, the call is one", func(r *spend.Row) { r.Session = "" }, []string{"0.session_id", `"call-1"`}},
		{"without a vendor, the model that was asked for", func(r *spend.Row) { r.Model = "" }, []string{"0.model", `"gpt"`}},
		{"a failure says what failed", func(r *spend.Row) {
			r.Failed, r.Kind, r.Error, r.Cost, r.FirstByte = true, gateway.UpstreamLimited, "slow down", 0, time.Time{}
		}, []string{
			"0.status", `"failure"`, "0.spend", "0.0", "0.completionStartTime", "null",
			"0.metadata.error_information", `{"error_class":"upstream rate limited","error_message":"slow down","llm_provider":"openai"}`,
		}},
		{"a deleted key has no alias", func(r *spend.Row) { r.KeyHash = "gone" }, []string{"0.api_key", `"gone"`, "0.metadata.user_api_key_alias", "null"}},
		{"an embedding", func(r *spend.Row) { r.Operation = gateway.Embed }, []string{"0.call_type", `"aembedding"`}},
		{"a message in Anthropic's dialect", func(r *spend.Row) { r.Route = "/v1/messages" }, []string{"0.call_type", `"anthropic_messages"`}},
		{"a call without tags and team", func(r *spend.Row) { r.Tags, r.TeamID = nil, "" }, []string{"0.request_tags", "[]", "0.team_id", "null"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			row := bill()
			tt.change(&row)
			f.calls = []spend.Row{row}
			open(t, f).get("/spend/logs").ok().has(tt.want...)
		})
	}
}

func TestSpendLogsFilter(t *testing.T) {
	f := newFake()
	key := "sk-1234567890123456"
	for i, who := range []struct {
		hash, user, model string
		day               int
		cost              gateway.NanoUSD
	}{
		{sum(key), "u1", "m1", 10, 1e8}, {sum(key), "u1", "m2", 10, 2e8}, {"h2", "u2", "m1", 10, 4e8}, {"h2", "u2", "m1", 11, 8e8}, {"", "", "m1", 12, 16e8},
	} {
		row := bill()
		row.CallID, row.ResponseID = fmt.Sprintf("call-%d", i), fmt.Sprintf("chatcmpl-%d", i)
		row.KeyHash, row.UserID, row.Model, row.Cost = who.hash, who.user, who.model, who.cost
		row.Start = time.Date(2026, 1, who.day, 23, 30, 0, 0, time.UTC)
		f.calls = append(f.calls, row)
	}
	f.keys[sum(key)] = &gateway.Key{Hash: sum(key), UserID: "u1"}
	f.keys["h2"] = &gateway.Key{Hash: "h2", UserID: "u2"}
	const (
		day10 = `{"startTime":"2026-01-10","spend":0.7,"users":{"u1":0.3,"u2":0.4},"models":{"m1":0.5,"m2":0.2}}`
		day11 = `{"startTime":"2026-01-11","spend":0.8,"users":{"u2":0.8},"models":{"m1":0.8}}`
		day12 = `{"startTime":"2026-01-12","spend":1.6,"users":{},"models":{"m1":1.6}}`
		own10 = `{"startTime":"2026-01-10","spend":0.3,"users":{"u1":0.3},"models":{"m1":0.1,"m2":0.2}}`
		two10 = `{"startTime":"2026-01-10","spend":0.4,"users":{"u2":0.4},"models":{"m1":0.4}}`
	)
	for _, tt := range []struct {
		name, query string
		want        string // the answer, or the calls in it: "#0 1"
	}{
		{"everything without dates are calls", "", "#0 1 2 3 4"},
		{"by key", "api_key=" + key, "#0 1"},
		{"by hash", "api_key=h2", "#2 3"},
		{"by user", "user_id=u2", "#2 3"},
		{"by the answer's id", "request_id=chatcmpl-3", "#3"},
		{"by the call's id", "request_id=call-3", "#3"},
		{"by an id nobody has", "request_id=x", "#"},
		{"an id is not summed up", "request_id=call-3&start_date=2026-01-11", "#3"},
		{"days are summed up", "start_date=2026-01-10&end_date=2026-01-12", "[" + day10 + "," + day11 + "," + day12 + "]"},
		{"the last day counts in full", "start_date=2026-01-11&end_date=2026-01-11", "[" + day11 + "]"},
		{"from a day on", "start_date=2026-01-12", "[" + day12 + "]"},
		{"until a day", "end_date=2026-01-10", "[" + day10 + "]"},
		{"days of a key", "start_date=2026-01-01&api_key=" + key, "[" + own10 + "]"},
		{"days of a user", "start_date=2026-01-01&user_id=u2", "[" + two10 + "," + day11 + "]"},
		{"days of a user with another's key", "start_date=2026-01-01&user_id=u2&api_key=" + key, "[]"},
		{"days without calls", "start_date=2026-02-01", "[]"},
		{"the calls of a day", "start_date=2026-01-10&end_date=2026-01-10&summarize=false", "#0 1 2"},
		{"the calls until a moment", "end_date=" + url.QueryEscape("2026-01-11 23:30:00") + "&summarize=False", "#0 1 2"},
		{"the calls from a moment", "start_date=2026-01-11T23:30:00Z&summarize=false", "#3 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := open(t, f).get("/spend/logs?" + tt.query).ok()
			if !strings.HasPrefix(tt.want, "#") {
				if a.Body != tt.want {
					t.Errorf("got  %s\nwant %s", a.Body, tt.want)
				}
				return
			}
			var got []string
			for i := range f.calls {
				if strings.Contains(a.Body, fmt.Sprintf(`"request_id":"chatcmpl-%d"`, i)) {
					got = append(got, fmt.Sprint(i))
				}
			}
			if s := "#" + strings.Join(got, " "); s != tt.want {
				t.Errorf("got calls %s, want %s", s, tt.want)
			}
		})
	}
	d := open(t, f)
	d.get("/spend/logs?start_date=yesterday").refused(400, "bad_request_error", "start_date", "'yesterday'. Use YYYY-MM-DD")
	d.get("/spend/logs?start_date=2026-02-01&end_date=2026-01-01").refused(400, "bad_request_error", "end_date", "before start_date")
	d.get("/spend/logs?summarize=perhaps").refused(422, "validation_error", "summarize", "true or false")
	d.get("/spend/logs?user_id=%00").refused(400, "bad_request_error", "user_id", "NUL")
	if d.flushes != 0 {
		t.Errorf("%d flushes for calls that are refused", d.flushes)
	}
}

func TestAReportThatMayMissCallsIsNotGiven(t *testing.T) {
	d := open(t, newFake(), func(o *admin.Options) {
		o.Flush = func(context.Context) error { return fmt.Errorf("journal is stuck") }
	})
	for _, path := range []string{"/spend/logs", "/spend/keys", "/global/spend"} {
		d.get(path).refused(503, "no_db_connection", "", "try again")
	}
}

func TestSpendKeys(t *testing.T) {
	f := newFake()
	for _, k := range []gateway.Key{{Hash: "a", Spend: gateway.Spend{Window: 1e9}}, {Hash: "b", Spend: gateway.Spend{Window: 3e9}}, {Hash: "c", Spend: gateway.Spend{Window: 2e9}}} {
		f.keys[k.Hash] = &k
	}
	open(t, f).get("/spend/keys").ok().has("0.token", `"b"`, "0.spend", "3.0", "1.token", `"c"`, "2.token", `"a"`)
	open(t, f, func(o *admin.Options) {
		o.LiveSpend = func(_, id string) (gateway.NanoUSD, bool) { return 9e9, id == "a" }
	}).get("/spend/keys").ok().has("0.token", `"a"`, "0.spend", "9.0", "1.token", `"b"`)
}

func TestGlobalSpend(t *testing.T) {
	f := newFake()
	f.calls = []spend.Row{{CallID: "1", Cost: 1_250_000_000}, {CallID: "2", Cost: 1}}
	if got, want := open(t, f).get("/global/spend").ok().Body, `{"spend":1.250000001,"max_budget":0.0}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	open(t, f, func(o *admin.Options) {
		o.Settings = func() *admin.Settings { return &admin.Settings{Budget: new(gateway.NanoUSD(7e9))} }
	}).get("/global/spend").ok().has("max_budget", "7.0")
}

func TestModelInfo(t *testing.T) {
	rate, err := price.Override(nil, map[string]string{"input_cost_per_token": "2.5e-06", "output_cost_per_token": "1e-05"})
	if err != nil {
		t.Fatal(err)
	}
	dear, err := price.Override(nil, map[string]string{"input_cost_per_token": "0.5", "output_cost_per_token": "7.5e-11"})
	if err != nil {
		t.Fatal(err)
	}
	models := []admin.Model{
		{
			Deployment: &gateway.Deployment{
				ID: "d1", Group: "gpt", Provider: "openai", Upstream: "gpt-4o", APIKey: "sk-upstream-secret", BaseURL: "https://me:hunter2@llm.example/v1?key=hunter2#x",
				RPM: 60, Timeout: 90 * time.Second, Headers: map[string]string{"X-Key": "hunter2"}, Defaults: []gateway.Param{{Name: "k", Value: []byte(`"hunter2"`)}},
			},
			Price: &price.Model{Key: "gpt-4o", Mode: "chat", MaxInput: 128000, MaxOutput: 16384}, Rate: rate,
		},
		{
			Deployment: &gateway.Deployment{ID: "d2", Group: "own", Provider: "openai", Upstream: "x", Mode: "embedding", AccessGroups: []string{"g"}},
			Info:       []byte(`{"id":"else","tier":"paid","max_output_tokens":512,"max_input_tokens":"many","supports_vision":true,"team":{"n":7},"team_api_key":"hunter2","note":"sk-secret-of-somebody"}`),
		},
		{Deployment: &gateway.Deployment{ID: "d3", Group: "dear", Provider: "openai", Upstream: "y"}, Rate: dear},
	}
	for _, path := range []string{"/model/info", "/v1/model/info"} {
		d := open(t, newFake(), func(o *admin.Options) { o.Models = func() []admin.Model { return models } })
		a := d.get(path).ok().has(
			"data.0.model_name", `"gpt"`, "data.0.litellm_params.model", `"openai/gpt-4o"`, "data.0.litellm_params.api_base", `"https://llm.example/v1"`,
			"data.0.litellm_params.rpm", "60", "data.0.litellm_params.timeout", "90", "data.0.model_info.id", `"d1"`, "data.0.model_info.db_model", "false",
			"data.0.model_info.key", `"gpt-4o"`, "data.0.model_info.max_tokens", "16384", "data.0.model_info.max_input_tokens", "128000",
			"data.0.model_info.input_cost_per_token", "2.5e-06", "data.0.model_info.output_cost_per_token", "1e-05", "data.0.model_info.mode", `"chat"`,
			"data.1.model_info.input_cost_per_token", "null", "data.1.model_info.mode", `"embedding"`, "data.1.model_info.max_tokens", "null",
			"data.1.model_info.id", `"d2"`, "data.1.model_info.tier", `"paid"`, "data.1.model_info.max_output_tokens", "512", "data.1.model_info.max_input_tokens", "null",
			"data.1.model_info.supports_vision", "true", "data.1.model_info.team", `{"n":7}`,
			"data.1.model_info.access_groups", `["g"]`, "data.2.model_info.input_cost_per_token", "0.5", "data.2.model_info.output_cost_per_token", "7.5e-11",
		)
		if strings.Contains(a.Body, "hunter2") || strings.Contains(a.Body, "secret") {
			t.Errorf("shows a credential: %s", a.Body)
		}
		d.get(path+"?litellm_model_id=d2").ok().has("data.0.model_name", `"own"`)
		d.get(path+"?litellm_model_id=d9").refused(400, "bad_request_error", "litellm_model_id", "Model id = d9 not found")
	}
	open(t, newFake()).get("/model/info").ok().has("data", "[]")
}

func TestThePriceTableIsShownAsLiteLLMsFile(t *testing.T) {
	d := open(t, newFake())
	all := d.get("/public/litellm_model_cost_map").ok()
	all.has("gpt-4o.litellm_provider", `"openai"`, "gpt-4o.mode", `"chat"`, "gpt-4o.max_input_tokens", "128000", "gpt-4o.input_cost_per_token", "2.5e-6",
		"gpt-4o.output_cost_per_token", "1e-5", "gpt-4o.cache_read_input_token_cost", "1.25e-6", "gpt-4o.supports_vision", "true")
	if again := d.get("/public/litellm_model_cost_map"); again.Body != all.Body {
		t.Error("the table is another one the second time")
	}
	source := d.get("/model/cost_map/source").ok().has("source", `"local"`, "url", "null")
	d.post("/reload/model_cost_map", "").ok().has("status", `"success"`, "models_count", source.at("model_count"))
}
