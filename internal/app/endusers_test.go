package app_test

import (
	"path/filepath"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// End users that nobody has made have the budget of max_end_user_budget_id, one
// each, and what they have spent of it outlives the process.
func TestUnknownEndUsersKeepToTheDefaultBudget(t *testing.T) {
	for _, duration := range []string{"", "30d"} {
		t.Run("for "+duration, func(t *testing.T) {
			h := start(t, model("mock-tokens=5")+"\nlitellm_settings: {max_end_user_budget_id: default}\n")
			dir := filepath.Dir(h.config)
			stop := func() {
				t.Helper()
				if err := h.stop(); err != nil {
					t.Fatal(err)
				}
			}
			stop()
			db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(dir, "data", "penstock.db"), store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			err = db.CreateBudget(t.Context(), &gateway.Budget{ID: "default", Limits: gateway.Limits{Budget: new(gateway.NanoUSD(12_000_000)), BudgetDuration: duration}})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			h.serve(dir)
			key := h.key("")
			ask := func(who string, want int) {
				t.Helper()
				if res, body := h.ask(key, `"model":"m","max_tokens":5,"user":"`+who+`"`); res.StatusCode != want {
					t.Errorf("%s: %d %s, want %d", who, res.StatusCode, body, want)
				}
			}
			ask("one", 200)
			ask("one", 200)
			ask("one", 422)
			ask("two", 200)
			stop()
			h.serve(dir)
			ask("one", 422)
			ask("two", 200)
			ask("two", 422)
		})
	}
}
