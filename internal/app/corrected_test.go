package app_test

import (
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/store/storetest"
)

// What an administrator says a key has spent stays so after a restart, in every
// budget window.
func TestACorrectedSpendSurvivesARestart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		env  func(*testing.T) []string
	}{
		{"SQLite", func(*testing.T) []string { return nil }},
		{"PostgreSQL", func(t *testing.T) []string { return []string{"DATABASE_URL", storetest.PostgresURL(t)} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const config = `
model_list:
  - {model_name: m, litellm_params: {model: openai/mock, api_base: MOCK/v1, api_key: k, input_cost_per_token: 0.001, output_cost_per_token: 0.001}}
`
			h := start(t, config, tt.env(t)...)
			key := h.key(`"max_budget":0.5,"budget_duration":"30d"`)
			// spend makes calls until the budget of the window is used up. Replicas
			// that share a budget may refuse a call near its end for a second.
			spend := func() int {
				n := 0
				h.eventually("the budget is used up", func() bool {
					for range 100 {
						res, body := h.ask(key, `"model":"m","max_tokens":20`)
						switch {
						case res.StatusCode == 200:
							n++
						case !strings.Contains(body, "Budget has been exceeded"):
							t.Fatalf("%d %s", res.StatusCode, body)
						default:
							return strings.Contains(body, "The budget starts anew")
						}
					}
					t.Fatal("no budget")
					return false
				})
				return n
			}
			restart := func() {
				t.Helper()
				if err := h.stop(); err != nil {
					t.Fatal(err)
				}
				h.serve(filepath.Dir(h.config))
			}
			first := spend()
			if first == 0 {
				t.Fatal("nothing was admitted")
			}
			for range 2 {
				if res, body := h.do("POST", "/key/update", master, `{"key":"`+key+`","spend":0}`); res.StatusCode != 200 {
					t.Fatalf("%d %s", res.StatusCode, body)
				}
				restart()
				if got := spend(); got != first {
					t.Errorf("after a correction to nothing and a restart %d calls were admitted, want %d", got, first)
				}
				restart()
				if got := spend(); got != 0 {
					t.Errorf("after a restart of a used-up budget %d calls were admitted", got)
				}
			}
		})
	}
}
