package app_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/store/storetest"
)

// A soft budget is told of once a window: not by each replica, though what one
// of them spends would not reach it, and not again after a restart.
func TestASoftBudgetIsToldOfOnce(t *testing.T) {
	const config = `
model_list:
  - {model_name: m, litellm_params: {model: openai/mock, api_base: MOCK/v1, api_key: k, input_cost_per_token: 0.001, output_cost_per_token: 0.001}}
`
	env := []string{"DATABASE_URL", storetest.PostgresURL(t)}
	one, two := start(t, config, env...), start(t, config, env...)
	key := one.key(`"soft_budget":0.2,"budget_duration":"30d","max_budget":100`)
	two.eventually("the other replica knows the key", func() bool {
		res, _ := two.ask(key, `"model":"m","max_tokens":5`)
		return res.StatusCode == http.StatusOK
	})
	told := func() int {
		n := 0
		for _, h := range []*house{one, two} {
			_, body := h.do("GET", "/metrics", master, "")
			n += strings.Count(body, `penstock_soft_budgets_reached_total{scope="api_key"} 1`)
		}
		return n
	}
	spend := func(calls int, hs ...*house) {
		t.Helper()
		for range calls {
			for _, h := range hs {
				if res, body := h.ask(key, `"model":"m","max_tokens":20`); res.StatusCode != http.StatusOK {
					t.Fatalf("%d %s", res.StatusCode, body)
				}
			}
		}
	}
	one.eventually("it is told of", func() bool { spend(1, one, two); return told() > 0 })
	spend(20, one, two)
	if n := told(); n != 1 {
		t.Errorf("told %d times", n)
	}
	if err := two.stop(); err != nil {
		t.Fatal(err)
	}
	two.serve(filepath.Dir(two.config))
	spend(20, two)
	if _, body := two.do("GET", "/metrics", master, ""); strings.Contains(body, `penstock_soft_budgets_reached_total{scope="api_key"}`) {
		t.Error("told again after a restart")
	}
}
