package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/app"
)

// What the configuration says about new keys, users and teams, the budget of the
// gateway and when days begin holds without a restart.
func TestAReloadReachesWhatIsMadeFromThenOn(t *testing.T) {
	h := start(t, model("mock-tokens=5")+"\nlitellm_settings: {max_budget: 5}\n")
	old := h.key(`"max_budget":0.02,"budget_duration":"30d"`)
	if res, body := h.ask(old, `"model":"m","max_tokens":5`); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	resetOf := func(key string) string {
		_, body := h.do("GET", "/key/info?key="+key, master, "")
		at, _ := member(body, "budget_reset_at")
		return at
	}
	before := resetOf(old)
	b, err := os.ReadFile(h.config)
	if err != nil {
		t.Fatal(err)
	}
	h.write(strings.Replace(string(b), "{max_budget: 5}", `{max_budget: 7, timezone: Asia/Kolkata, budget_reset_time: "03:00", default_key_generate_params: {max_budget: 3, aliases: {quick: m}, allowed_cache_controls: no-cache, model_rpm_limit: {m: 5}, blocked: no}, upperbound_key_generate_params: {max_budget: 4},
  default_internal_user_params: {max_budget: 1}, default_team_params: {max_budget: 2}}`, 1))
	app.Eventually(t, "/global/spend shows the new budget", func() bool {
		_, body := h.do("GET", "/global/spend", master, "")
		return strings.Contains(body, `"max_budget":7.0`)
	})
	for _, tt := range []struct{ name, path, body, want string }{
		{"a new key has the default", "/key/generate", `{}`, `"max_budget":3.0`},
		{"a new key has the other defaults", "/key/generate", `{}`, `"aliases":{"quick":"m"}`},
		{"one name is a list of it", "/key/generate", `{}`, `"allowed_cache_controls":["no-cache"]`},
		{"a new key has the default limits of models", "/key/generate", `{}`, `"model_rpm_limit":{"m":5}`},
		{"a new key is bounded", "/key/generate", `{"max_budget":5}`, "max_budget is over max limit set in config - user_value=5.0; max_value=4.0"},
		{"a new user has the default", "/user/new", `{"auto_create_key":false}`, `"max_budget":1.0`},
		{"a new team has the default", "/team/new", `{}`, `"max_budget":2.0`},
	} {
		if _, body := h.do("POST", tt.path, master, tt.body); !strings.Contains(body, tt.want) {
			t.Errorf("%s: %s", tt.name, body)
		}
	}
	fresh := h.key(`"budget_duration":"30d"`)
	if at := resetOf(fresh); !strings.Contains(at, "T21:30:00") {
		t.Errorf("the month of a new key ends at %s, want three o'clock in Kolkata, which is 21:30 UTC", at)
	}
	if at := resetOf(old); at != before {
		t.Errorf("the open month of a key ended at %s and now ends at %s", before, at)
	}
	// What was spent this month is not forgotten.
	for range 3 {
		_, _ = h.ask(old, `"model":"m","max_tokens":5`)
	}
	for _, when := range []string{"after the reload", "after a restart"} {
		if spend := h.spend(old); spend != "0.02" {
			t.Errorf("%s the key has spent %s, want 0.02", when, spend)
		}
		if res, body := h.ask(old, `"model":"m","max_tokens":5`); res.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s the budget of this month is not used up: %d %s", when, res.StatusCode, body)
		}
		if when == "after the reload" {
			if err := h.stop(); err != nil {
				t.Fatal(err)
			}
			h.serve(filepath.Dir(h.config))
		}
	}
	if at := resetOf(old); at != before {
		t.Errorf("after a restart the open month of a key ends at %s, want %s", at, before)
	}
}
