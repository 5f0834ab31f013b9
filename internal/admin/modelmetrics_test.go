package admin_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/admin"
	"penstock/internal/gateway"
	"penstock/internal/price"
	"penstock/internal/spend"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

// served are two deployments of one model, at two places.
func served() []admin.Model {
	return []admin.Model{
		{Deployment: &gateway.Deployment{ID: "west", Group: "gpt", Provider: "azure", Upstream: "gpt-4o", BaseURL: "https://west.example/openai/deployments/x"}},
		{Deployment: &gateway.Deployment{ID: "lab", Group: "gpt", Provider: "openai", Upstream: "llama", BaseURL: "http://lab.internal/v1"}},
	}
}

// called books calls of both: quick and slow, streamed, failed.
func called(t *testing.T, db *store.DB) {
	t.Helper()
	var rows []spend.Row
	for i, c := range []struct {
		deployment, model, group, customer string
		key                                string
		day                                int
		took, first                        time.Duration
		tokens                             int64
		kind                               gateway.Kind
		failed                             bool
	}{
		{"west", "gpt-4o", "gpt", "acme", strings.Repeat("k", 64), 15, 10 * time.Second, time.Second, 100, 0, false},
		{"west", "gpt-4o", "gpt", "acme", strings.Repeat("k", 64), 15, 300 * time.Second, 3 * time.Second, 100, 0, false},
		{"lab", "llama", "gpt", "", strings.Repeat("l", 64), 15, 5 * time.Second, 500 * time.Millisecond, 50, 0, false},
		{"west", "gpt-4o", "gpt", "", strings.Repeat("l", 64), 16, 4 * time.Second, 2 * time.Second, 10, 0, false},
		{"west", "gpt-4o", "gpt", "", strings.Repeat("l", 64), 16, time.Second, 0, 0, gateway.UpstreamLimited, true},
		{"west", "gpt-4o", "gpt", "", strings.Repeat("l", 64), 16, time.Second, 0, 0, gateway.UpstreamLimited, true},
		{"west", "gpt-4o", "gpt", "acme", strings.Repeat("k", 64), 16, time.Second, 0, 0, gateway.UpstreamTimeout, true},
		{"lab", "llama", "other", "", strings.Repeat("l", 64), 16, 400 * time.Second, time.Second, 10, 0, false},
	} {
		r := bill()
		r.CallID = r.CallID[:len(r.CallID)-1] + string(rune('a'+i))
		r.ResponseID = ""
		r.Deployment, r.Model, r.Group, r.EndUser, r.KeyHash, r.Kind, r.Failed, r.Stream = c.deployment, c.model, c.group, c.customer, c.key, c.kind, c.failed, true
		r.Usage = gateway.Usage{Prompt: 10, Completion: c.tokens}
		r.Start = time.Date(2026, 1, c.day, 10, i, 0, 0, time.UTC)
		r.End, r.FirstByte = r.Start.Add(c.took), time.Time{}
		if c.first > 0 {
			r.FirstByte = r.Start.Add(c.first)
		}
		rows = append(rows, r)
	}
	if n, err := db.Book(t.Context(), rows); n != len(rows) || err != nil {
		t.Fatalf("booked %d rows, %v", n, err)
	}
}

func onEnginesWith(t *testing.T, tune func(*admin.Options), story func(*testing.T, *house)) {
	t.Run("sqlite", func(t *testing.T) { story(t, openHouse(t, storetest.SQLite(t), tune)) })
	t.Run("postgres", func(t *testing.T) { story(t, openHouse(t, storetest.Postgres(t), tune)) })
}

// Managers see how quick their deployments are, and how they fail.
func TestHowModelsDo(t *testing.T) {
	onEnginesWith(t, func(o *admin.Options) { o.Models = served }, func(t *testing.T, h *house) {
		called(t, h.db)
		h.post("/user/new", `{"user_id":"ann","auto_create_key":false}`).ok()
		for _, tt := range []struct{ name, path, want string }{
			{
				"seconds a token, by day and place", "/model/metrics?_selected_model_group=gpt&startTime=2026-01-15T00:00:00.000Z&endTime=2026-01-16T23:00:00.000Z",
				`{"data":[{"date":"2026-01-15","https://west.example":1.55,"llama":0.1},{"date":"2026-01-16","https://west.example":0.4}],"all_api_bases":["https://west.example","llama"]}`,
			},
			{
				"those of a key", "/model/metrics?_selected_model_group=gpt&startTime=2026-01-15&endTime=2026-01-16&customer=undefined&api_key=" + strings.Repeat("l", 64),
				`{"data":[{"date":"2026-01-15","llama":0.1},{"date":"2026-01-16","https://west.example":0.4}],"all_api_bases":["llama","https://west.example"]}`,
			},
			{
				"those of a customer", "/model/metrics?_selected_model_group=gpt&startTime=2026-01-15&endTime=2026-01-16&customer=acme",
				`{"data":[{"date":"2026-01-15","https://west.example":1.55}],"all_api_bases":["https://west.example"]}`,
			},
			{"a model without calls", "/model/metrics?_selected_model_group=none&startTime=2026-01-15&endTime=2026-01-16", `{"data":[],"all_api_bases":[]}`},
			{
				"answers of five minutes", "/model/metrics/slow_responses?_selected_model_group=gpt&startTime=2026-01-15&endTime=2026-01-16",
				`[{"api_base":"https://west.example","total_count":6,"slow_count":1},{"api_base":"http://lab.internal/v1","total_count":1,"slow_count":0}]`,
			},
			{
				"answers of every model", "/model/metrics/slow_responses?startTime=2026-01-16&endTime=2026-01-16",
				`[{"api_base":"http://lab.internal/v1","total_count":1,"slow_count":1},{"api_base":"https://west.example","total_count":4,"slow_count":0}]`,
			},
			{
				"answers for a customer", "/model/metrics/slow_responses?customer=acme&startTime=2026-01-15&endTime=2026-01-16",
				`[{"api_base":"https://west.example","total_count":3,"slow_count":1}]`,
			},
			{
				"how streams begin, by day", "/model/streaming_metrics?_selected_model_group=gpt&startTime=2026-01-15&endTime=2026-01-16",
				`{"data":[{"date":"2026-01-15","https://west.example":2,"llama":0.5},{"date":"2026-01-16","https://west.example":2}],"all_api_bases":["llama","https://west.example"]}`,
			},
			{
				"how they fail", "/model/metrics/exceptions?_selected_model_group=gpt&startTime=2026-01-15&endTime=2026-01-16",
				`{"data":[{"model":"gpt-4o-https://west.example","total_exceptions":3,"RateLimitError":2,"Timeout":1}],"exception_types":["RateLimitError","Timeout"]}`,
			},
			{
				"how those of a key fail", "/model/metrics/exceptions?_selected_model_group=gpt&startTime=2026-01-15&endTime=2026-01-16&api_key=" + strings.Repeat("k", 64),
				`{"data":[{"model":"gpt-4o-https://west.example","total_exceptions":1,"Timeout":1}],"exception_types":["Timeout"]}`,
			},
		} {
			if got := h.get(tt.path).ok().Body; strings.TrimSpace(got) != tt.want {
				t.Errorf("%s: %s is\n%s, want\n%s", tt.name, tt.path, got, tt.want)
			}
		}
		// Of one day every stream is shown.
		day := h.get("/model/streaming_metrics?_selected_model_group=gpt&startTime=2026-01-15T00:00:00Z&endTime=2026-01-15T23:59:59Z").ok()
		first := bill().CallID
		day.has("data.0.llama", "0.5", "data.0.date", `"`+first[:len(first)-1]+`c"`, "data.2.date", `"`+first[:len(first)-1]+`a"`)

		h.get("/model/metrics?startTime=2020-01-01&endTime=2026-01-01").refused(400, "bad_request_error", "startTime", "at most 366 days")
		h.get("/model/metrics?startTime=2026-01-02&endTime=2026-01-01").refused(400, "bad_request_error", "endTime", "after startTime")
		h.get("/model/metrics?startTime=now").refused(400, "bad_request_error", "startTime", "Invalid date format")
		for _, path := range []string{"/model/metrics", "/model/metrics/slow_responses", "/model/metrics/exceptions", "/model/streaming_metrics"} {
			h.as("ann", gateway.ProxyAdminViewer).get(path).ok()
			h.as("ann", gateway.InternalUser).get(path).refused(401, "auth_error", "None", "Only proxy admin")
			h.asAdmin()
		}
	})
}

// What providers will stop serving is told, by the date of the model itself.
func TestModelsThatEnd(t *testing.T) {
	models := func() []admin.Model {
		return []admin.Model{
			{Deployment: &gateway.Deployment{ID: "1", Group: "old", Provider: "openai", Upstream: "gpt-old"}, Price: &price.Model{Key: "gpt-old", Ends: "2026-01-10"}},
			{Deployment: &gateway.Deployment{ID: "2", Group: "soon", Provider: "openai", Upstream: "gpt-soon"}, Price: &price.Model{Key: "openai/gpt-soon", Ends: "2026-02-10"}},
			{Deployment: &gateway.Deployment{ID: "3", Group: "soon", Provider: "openai", Upstream: "gpt-soon"}, Price: &price.Model{Key: "openai/gpt-soon", Ends: "2026-02-10"}},
			{Deployment: &gateway.Deployment{ID: "4", Group: "later", Provider: "azure", Upstream: "mine", BaseModel: "gpt-later"}, Price: &price.Model{Key: "azure/gpt-later", Ends: "2027-01-01"}},
			{Deployment: &gateway.Deployment{ID: "5", Group: "ours", Provider: "openai", Upstream: "gpt-old"}, Price: &price.Model{Key: "gpt-old", Ends: "2026-01-10"}, Info: []byte(`{"deprecation_date":"2026-01-15"}`)},
			{Deployment: &gateway.Deployment{ID: "6", Group: "edition", Provider: "openai", Upstream: "gpt-old-2026-01-01"}, Price: &price.Model{Key: "gpt-old", Ends: "2026-01-10"}},
			{Deployment: &gateway.Deployment{ID: "7", Group: "unknown", Provider: "openai", Upstream: "own"}},
		}
	}
	onEnginesWith(t, func(o *admin.Options) {
		o.Models, o.Allowed = models, func(_ *gateway.Principal, model string) bool { return model == "soon" }
	}, func(t *testing.T, h *house) {
		h.now = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)
		h.post("/user/new", `{"user_id":"ann","auto_create_key":false}`).ok()
		for _, path := range []string{"/model/deprecations", "/v1/model/deprecations"} {
			h.get(path).ok().has(
				"deprecated", `[{"model_name":"old","litellm_model":"openai/gpt-old","deprecation_date":"2026-01-10","days_until_deprecation":-5,"status":"deprecated","litellm_provider":"openai"}]`,
				"imminent.0.model_name", `"ours"`, "imminent.0.days_until_deprecation", "0", "imminent.1.model_name", `"soon"`, "imminent.1.days_until_deprecation", "26", "imminent.1.status", `"imminent"`,
				"upcoming.0.model_name", `"later"`, "upcoming.0.deprecation_date", `"2027-01-01"`, "warn_within_days", "30", "checked_at", `"2026-01-15T12:00:00Z"`,
			).lacks("edition").lacks("unknown")
		}
		h.get("/model/deprecations?warn_within_days=10").ok().has("imminent.0.model_name", `"ours"`, "upcoming.0.model_name", `"soon"`)
		h.get("/model/deprecations?warn_within_days=x").refused(422, "validation_error", "warn_within_days", "whole number")
		h.as("ann", gateway.InternalUser).get("/model/deprecations").ok().has("imminent.0.model_name", `"soon"`, "deprecated", "[]", "upcoming", "[]")
	})
}
