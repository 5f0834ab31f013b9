package app_test

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json"

	"penstock/internal/store/storetest"
)

// What customers, organizations, tags, projects and members have spent in their
// budget's window is shown after a restart as before, although no call of theirs
// has come yet.
func TestSpendIsShownAfterARestart(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  func(*testing.T) []string
	}{
		{"SQLite", func(*testing.T) []string { return nil }},
		{"PostgreSQL", func(t *testing.T) []string { return []string{"DATABASE_URL", storetest.PostgresURL(t)} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := start(t, `
model_list:
  - {model_name: m, litellm_params: {model: openai/mock, api_base: MOCK/v1, api_key: k, input_cost_per_token: 0.001, output_cost_per_token: 0.001}}
`, tt.env(t)...)
			post := func(path, body string) {
				t.Helper()
				if res, got := h.do("POST", path, master, body); res.StatusCode != 200 {
					t.Fatalf("POST %s: %d %s", path, res.StatusCode, got)
				}
			}
			const budget = `"max_budget":50,"budget_duration":"30d"`
			post("/organization/new", `{"organization_id":"o","organization_alias":"o","models":["m"],`+budget+`}`)
			post("/user/new", `{"user_id":"u","auto_create_key":false}`)
			post("/team/new", `{"team_id":"t","organization_id":"o","models":["m"],"team_member_budget":50,"team_member_budget_duration":"30d","members_with_roles":[{"role":"user","user_id":"u"}]}`)
			post("/project/new", `{"project_id":"p","team_id":"t","models":["m"],`+budget+`}`)
			post("/customer/new", `{"user_id":"c",`+budget+`}`)
			post("/tag/new", `{"name":"x",`+budget+`}`)
			post("/budget/new", `{"budget_id":"b",`+budget+`}`)
			post("/customer/new", `{"user_id":"c2","budget_id":"b"}`)
			key := h.key(`"team_id":"t","project_id":"p","user_id":"u","tags":["x"],"models":["m"]`)
			for _, customer := range []string{"c", "c2"} {
				if res, body := h.ask(key, `"model":"m","max_tokens":20,"user":"`+customer+`"`); res.StatusCode != 200 {
					t.Fatalf("%d %s", res.StatusCode, body)
				}
			}
			shown := func() map[string]float64 {
				t.Helper()
				out := map[string]float64{}
				for _, path := range []string{"/customer/info?end_user_id=c", "/customer/info?end_user_id=c2", "/organization/info?organization_id=o", "/project/info?project_id=p", "/team/t/members/me"} {
					token := master
					if path == "/team/t/members/me" {
						token = key
					}
					_, body := h.do("GET", path, token, "")
					var row struct {
						Spend *float64 `json:"spend"`
					}
					if err := json.Unmarshal([]byte(body), &row); err != nil || row.Spend == nil {
						t.Fatalf("%s: %v in %s", path, err, body)
					}
					out[path] = *row.Spend
				}
				_, body := h.do("POST", "/tag/info", master, `{"names":["x"]}`)
				var tags map[string]struct {
					Spend float64 `json:"spend"`
				}
				if err := json.Unmarshal([]byte(body), &tags); err != nil {
					t.Fatalf("%v in %s", err, body)
				}
				out["tag"] = tags["x"].Spend
				return out
			}
			before := shown()
			for path, spent := range before {
				if spent <= 0 {
					t.Errorf("before the restart %s shows a spend of %v, want some", path, spent)
				}
			}
			if err := h.stop(); err != nil {
				t.Fatal(err)
			}
			h.serve(filepath.Dir(h.config))
			for path, spent := range shown() {
				if spent != before[path] {
					t.Errorf("after the restart %s shows a spend of %v, want %v", path, spent, before[path])
				}
			}
		})
	}
}

// A provider's budget is shown with what was spent of it, before and after a
// restart.
func TestProviderBudgetsAreShown(t *testing.T) {
	h := start(t, `
model_list:
  - {model_name: m, litellm_params: {model: openai/mock, api_base: MOCK/v1, api_key: k, input_cost_per_token: 0.001, output_cost_per_token: 0.001}}
router_settings:
  provider_budget_config: {openai: {budget_limit: 100, time_period: 30d}, azure: {budget_limit: 5, time_period: 1d}}
`)
	key := h.key(`"models":["m"]`)
	if res, body := h.ask(key, `"model":"m","max_tokens":20`); res.StatusCode != 200 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	for _, when := range []string{"before", "after"} {
		_, body := h.do("GET", "/provider/budgets", master, "")
		var got struct {
			Providers map[string]struct {
				Limit float64 `json:"budget_limit"`
				Spend float64 `json:"spend"`
				Reset *string `json:"budget_reset_at"`
			} `json:"providers"`
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		if o, z := got.Providers["openai"], got.Providers["azure"]; o.Limit != 100 || o.Spend <= 0 || o.Reset == nil || z.Limit != 5 || z.Spend != 0 {
			t.Errorf("%s the restart: %s", when, body)
		}
		if when == "before" {
			if err := h.stop(); err != nil {
				t.Fatal(err)
			}
			h.serve(filepath.Dir(h.config))
		}
	}
}

// A store of shared counters that accepts connections and says nothing does not
// make anybody's spend seem less than the books have.
func TestWhatIsBookedIsShownThoughTheStoreIsSilent(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() }) // what waits in its queue is never read
	const budget = `"max_budget":50,"budget_duration":"30d"`
	h := start(t, `
model_list:
  - {model_name: m, litellm_params: {model: openai/mock, api_base: MOCK/v1, api_key: k, input_cost_per_token: 0.001, output_cost_per_token: 0.001}}
general_settings: {limit_store_timeout: 0.05}
`, "DATABASE_URL", storetest.PostgresURL(t), "REDIS_URL", "redis://"+silent.Addr().String())
	for _, made := range []struct{ path, body string }{
		{"/customer/new", `{"user_id":"c",` + budget + `}`},
		{"/team/new", `{"team_id":"t","models":["m"],` + budget + `}`},
	} {
		if res, got := h.do("POST", made.path, master, made.body); res.StatusCode != 200 {
			t.Fatalf("POST %s: %d %s", made.path, res.StatusCode, got)
		}
	}
	key := h.key(`"team_id":"t","models":["m"],` + budget)
	call := func() {
		t.Helper()
		if res, body := h.ask(key, `"model":"m","max_tokens":20,"user":"c"`); res.StatusCode != 200 {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
	}
	shown := func() map[string]float64 {
		t.Helper()
		type row struct {
			Spend float64 `json:"spend"`
		}
		out := map[string]float64{}
		for _, path := range []string{"/key/info?key=" + key, "/team/info?team_id=t", "/customer/info?end_user_id=c"} {
			_, body := h.do("GET", path, master, "")
			var all struct {
				row
				Info row `json:"info"`
				Team row `json:"team_info"`
			}
			if err := json.Unmarshal([]byte(body), &all); err != nil {
				t.Fatalf("%s: %v in %s", path, err, body)
			}
			out[path] = max(all.Spend, all.Info.Spend, all.Team.Spend)
		}
		return out
	}
	call()
	before := shown()
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	h.serve(filepath.Dir(h.config))
	call()
	for path, spent := range shown() {
		if before[path] <= 0 || spent <= before[path] {
			t.Errorf("%s shows a spend of %v after one call, and of %v after a restart and another one", path, before[path], spent)
		}
	}
}
