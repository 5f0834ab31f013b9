package admin_test

import (
	"strings"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

// A shop gives its customers budgets, sees what they spend, and turns one away.
func TestTheLifeOfACustomer(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		row := bill()
		row.EndUser = "c1"
		if n, err := h.db.Book(t.Context(), []spend.Row{row}); n != 1 || err != nil {
			t.Fatalf("booked %d rows, %v", n, err)
		}
		h.post("/customer/new", `{"user_id":"c1","alias":"Ann","max_budget":0.0002,"models":["m1"],"allowed_model_region":"eu"}`).ok().
			has("user_id", `"c1"`, "alias", `"Ann"`, "blocked", "false", "total_spend", "2.85e-05", "allowed_model_region", `"eu"`, "default_model", "null",
				"models", `["m1"]`, "budget_id", "null", "litellm_budget_table.max_budget", "0.0002", "litellm_budget_table.rpm_limit", "null")
		h.post("/end_user/new", `{"user_id":"c1"}`).refused(400, "bad_request", "user_id", "Customer already exists, passed user_id=c1. Please pass a new user_id.")
		h.get("/customer/info?end_user_id=c1").ok().has("spend", "2.85e-05")
		h.get("/end_user/info?end_user_id=c9").refused(404, "not_found", "end_user_id", "End User Id=c9 does not exist in db")

		h.post("/budget/new", `{"budget_id":"free","max_budget":1,"rpm_limit":5,"budget_duration":"30d"}`).ok()
		h.post("/customer/new", `{"user_id":"c2","budget_id":"free"}`).ok().
			has("budget_id", `"free"`, "litellm_budget_table.budget_id", `"free"`, "litellm_budget_table.rpm_limit", "5", "spend", "0.0")
		h.post("/customer/new", `{"user_id":"c3","budget_id":"free","max_budget":2}`).refused(400, "bad_request_error", "budget_id", "not both")
		h.post("/customer/new", `{"user_id":"c3","budget_id":"none"}`).refused(400, "bad_request_error", "budget_id", "Budget with id 'none' does not exist")
		h.post("/budget/update", `{"budget_id":"free","rpm_limit":7}`).ok()
		h.get("/customer/info?end_user_id=c2").ok().has("litellm_budget_table.rpm_limit", "7", "litellm_budget_table.max_budget", "1.0")

		h.post("/customer/update", `{"user_id":"c1","alias":null,"max_budget":3,"spend":1}`).ok().
			has("alias", "null", "spend", "1.0", "litellm_budget_table.max_budget", "3.0", "models", `["m1"]`)
		h.post("/customer/update", `{"user_id":"c9","alias":"x"}`).refused(404, "not_found", "user_id", "c9 does not exist")
		h.post("/customer/block", `{"user_ids":["c1","stranger"]}`).ok().
			has("blocked_users.0.user_id", `"c1"`, "blocked_users.0.blocked", "true", "blocked_users.1.user_id", `"stranger"`, "blocked_users.1.blocked", "true")
		if !h.directory.EndUser("stranger", "").Blocked {
			t.Error("a customer that was blocked before it was known is not blocked")
		}
		h.post("/customer/unblock", `{"user_ids":["c1","c9"]}`).refused(404, "not_found", "user_ids", "c9")
		h.get("/customer/info?end_user_id=c1").ok().has("blocked", "true")
		h.post("/customer/unblock", `{"user_ids":["c1"]}`).ok().has("blocked_users.0.blocked", "false")
		h.get("/customer/list").ok().has("0.user_id", `"c1"`, "1.user_id", `"c2"`, "2.user_id", `"stranger"`)
		if a := h.get("/customer/list?page_size=1&page=2").ok().has("0.user_id", `"c2"`); a.Header.Get("x-penstock-truncated") != "1 of 3" {
			t.Errorf("truncated is %q, want 1 of 3", a.Header.Get("x-penstock-truncated"))
		}
		h.post("/customer/delete", `{"user_ids":["c1","c9"]}`).refused(404, "not_found", "user_ids", "c9")
		h.post("/customer/delete", `{"user_ids":["c1"]}`).ok().
			has("deleted_customers", "1", "message", `"Successfully deleted customers with ids: ['c1']"`)
		h.get("/customer/info?end_user_id=c1").refused(404, "not_found", "end_user_id", "c1")
		h.audited("c1", "deleted by default_user_id", "unblocked by default_user_id", "blocked by default_user_id", "updated by default_user_id", "created by default_user_id")

		h.post("/user/new", `{"user_id":"u1","auto_create_key":false}`).ok()
		h.as("u1", gateway.InternalUser).get("/customer/list").refused(401, "auth_error", "None", "Only proxy admin")
	})
}

func TestCustomersThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		typ, param string
		message    string
	}{
		{"no id", `{"alias":"x"}`, 422, "validation_error", "user_id", "user_id is missing"},
		{"a NUL", `{"user_id":"a\u0000"}`, 400, "bad_request_error", "user_id", "NUL"},
		{"a long id", `{"user_id":"` + strings.Repeat("x", 300) + `"}`, 400, "bad_request_error", "user_id", "300 bytes"},
		{"a negative budget", `{"user_id":"c","max_budget":-1}`, 422, "validation_error", "max_budget", "-1"},
		{"a window of words", `{"user_id":"c","budget_duration":"soon"}`, 400, "bad_request_error", "budget_duration", "soon"},
		{"a region far away", `{"user_id":"c","allowed_model_region":"mars"}`, 422, "validation_error", "allowed_model_region", "mars"},
		{"models of another type", `{"user_id":"c","models":"m"}`, 422, "validation_error", "models", "a list of strings"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := openHouse(t, sqlite(t))
			h.post("/customer/new", tt.body).refused(tt.status, tt.typ, tt.param, tt.message)
			if a := h.get("/customer/list").ok(); a.Body != "[]" {
				t.Errorf("something is stored: %s", a.Body)
			}
		})
	}
}

func TestTheLifeOfABudget(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/budget/new", `{"budget_id":"b1","max_budget":10,"soft_budget":8,"tpm_limit":100,"budget_duration":"1d","model_max_budget":{"gpt-4o":{"budget_limit":2,"time_period":"1d"}}}`).ok().
			has("budget_id", `"b1"`, "max_budget", "10.0", "soft_budget", "8.0", "tpm_limit", "100", "rpm_limit", "null", "budget_duration", `"1d"`,
				"budget_reset_at", `"2026-01-18T00:00:00Z"`, "model_max_budget.gpt-4o.budget_limit", "2.0", "created_by", `"default_user_id"`)
		h.post("/budget/new", `{"budget_id":"b1"}`).refused(400, "bad_request_error", "budget_id", "Budget with id 'b1' already exists.")
		if id := h.post("/budget/new", `{}`).ok().text("budget_id"); len(id) != 36 {
			t.Errorf("budget_id is %q, want a UUID", id)
		}
		h.post("/budget/update", `{"budget_id":"b1","soft_budget":null,"rpm_limit":3}`).ok().has("soft_budget", "null", "rpm_limit", "3", "max_budget", "10.0")
		h.post("/budget/update", `{"max_budget":1}`).refused(400, "bad_request_error", "budget_id", "budget_id is required")
		h.post("/budget/update", `{"budget_id":"b9"}`).refused(404, "not_found_error", "budget_id", "b9")
		h.post("/budget/update", `{"budget_id":"b1","rpm_limit":-3}`).refused(422, "validation_error", "rpm_limit", "-3")
		h.post("/budget/info", `{"budgets":["b1","b9"]}`).ok().has("0.budget_id", `"b1"`)
		h.post("/budget/info", `{"budgets":[]}`).refused(400, "bad_request_error", "budgets", "Specify list of budget id's to query")
		if found := h.get("/budget/list?search=b1").ok().Body; !strings.Contains(found, `"budget_id":"b1"`) { // a random id may have it in it too
			t.Errorf("b1 is not among the budgets found: %s", found)
		}
		h.get("/budget/settings?budget_id=b1").ok().has("5.field_name", `"max_budget"`, "5.field_value", "10.0", "5.stored_in_db", "true", "6.field_value", "null")
		if a := h.post("/budget/update", `{"budget_id":"b1","spend":4,"colour":"red"}`).ok(); a.Header.Get("x-penstock-unknown-fields") != "colour, spend" {
			t.Errorf("unknown fields are %q", a.Header.Get("x-penstock-unknown-fields"))
		}
		h.post("/budget/delete", `{"id":"b1"}`).ok().has("budget_id", `"b1"`)
		h.post("/budget/delete", `{"id":"b1"}`).refused(404, "not_found_error", "id", "b1")
		h.audited("b1", "deleted by default_user_id", "updated by default_user_id", "updated by default_user_id", "created by default_user_id")
	})
}
