package app_test

import (
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/ledger"
	"penstock/internal/store"
)

// Everybody who has a model through a group shares what may be spent through it;
// who has the model otherwise does not.
func TestABudgetOfAnAccessGroup(t *testing.T) {
	const config = `
model_list:
  - model_name: m
    litellm_params: {model: "openai/mock-tokens=5", api_base: MOCK/v1, api_key: up-key, input_cost_per_token: 0, output_cost_per_token: 0.001}
    model_info: {access_groups: [premium]}
  - model_name: other
    litellm_params: {model: "openai/mock-tokens=5", api_base: MOCK/v1, api_key: up-key, input_cost_per_token: 0, output_cost_per_token: 0.001}
`
	h := start(t, config)
	must := func(method, path, body string, status int, want ...string) string {
		t.Helper()
		res, got := h.do(method, path, master, body)
		if res.StatusCode != status {
			t.Fatalf("%s %s: %d %s, want %d", method, path, res.StatusCode, got, status)
		}
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s %s: %s lacks %s", method, path, got, w)
			}
		}
		return got
	}
	ask := func(what, key, model string, status int, want string) {
		t.Helper()
		if res, body := h.ask(key, `"max_tokens":5,"model":"`+model+`"`); res.StatusCode != status || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want %d with %q", what, res.StatusCode, body, status, want)
		}
	}
	must("PUT", "/access_group/premium/budget", `{"max_budget":0.01,"budget_duration":"30d"}`, 200, `"max_budget":0.01`, `"spend":0.0`)
	one, two, free := h.key(`"models":["premium"]`), h.key(`"models":["premium","other"]`), h.key(`"models":["m"]`)
	ask("a first call", one, "m", 200, "")
	ask("a second one, of another key", two, "m", 200, "")
	ask("a third one", one, "m", 422, "Budget has been exceeded! Model access group=premium Current cost: 0.01, Max budget: 0.01")
	ask("of the other key", two, "m", 422, "Model access group=premium")
	ask("of a model that is not in the group", two, "other", 200, "")
	ask("of a key that has the model itself", free, "m", 200, "")
	must("GET", "/access_group/premium/budget", "", 200, `"spend":0.01`)
	must("GET", "/access_group/premium/info", "", 200, `"spend":0.01`, `"deployment_count":1`)

	// It stays spent when the process starts again, and when the budget is set anew.
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(h.config)
	h.serve(dir)
	ask("after a restart", one, "m", 422, "Model access group=premium")
	must("PUT", "/access_group/premium/budget", `{"max_budget":0.015}`, 200, `"max_budget":0.015`, `"spend":0.01`)
	ask("with more to spend", one, "m", 200, "")
	ask("and no more than that", one, "m", 422, "Current cost: 0.015")
	must("DELETE", "/access_group/premium/budget", "", 200, `"budget_deleted":true`)
	must("GET", "/access_group/premium/budget", "", 200, `"spend":0.0`, `"budget":null`)
	ask("without a budget", one, "m", 200, "")

	// A stored group has its budget by the same name.
	must("POST", "/v1/access_group", `{"access_group_name":"stored","access_model_names":["oth*"]}`, 201)
	must("PUT", "/access_group/stored/budget", `{"max_budget":0.005}`, 200)
	third := h.key(`"models":["stored"]`)
	ask("through a stored group", third, "other", 200, "")
	ask("whose budget is spent", third, "other", 422, "Model access group=stored")

	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "data", "penstock.db"), store.Options{Keep: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := ledger.Verify(t.Context(), db, false, func(int64, int64) {})
	if err != nil || r.Problems > 0 || r.Calls == 0 {
		t.Errorf("the ledger of %d calls: %v, %q", r.Calls, err, r.Findings)
	}
	spent, err := db.Total(t.Context(), store.AccessGroup, "premium")
	if err != nil || spent.Total != 15_000_000 {
		t.Errorf("the books have %d nano-dollars spent through the group (%v), want 15,000,000", spent.Total, err)
	}
}
