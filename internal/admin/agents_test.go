package admin_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

// Managers see which programs are used, by how many people and for how much, and
// users what their own programs did.
func TestWhoUsesWhichProgram(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.now = time.Date(2026, 1, 20, 8, 0, 0, 0, time.UTC)
		h.post("/user/new", `{"user_id":"ann","user_email":"ann@x.y","auto_create_key":false}`).ok()
		h.post("/user/new", `{"user_id":"bob","auto_create_key":false}`).ok()
		var rows []spend.Row
		for i, c := range []struct {
			user, agent, tag string
			month            time.Month
			day              int
			failed           bool
		}{
			{"ann", "coder/1.0 (x, cli)", "", 1, 20, false},
			{"bob", "coder/1.0 (x, cli)", "", 1, 20, true},
			{"bob", "coder/1.1", "nightly", 1, 19, false},
			{"ann", "curl/8", "cost:1", 1, 10, false},
			{"ann", "coder/0.9", "", 12, 5, false},
			{"", "curl/8", "", 1, 20, false},
		} {
			r := bill()
			r.CallID = r.CallID[:len(r.CallID)-1] + string(rune('a'+i))
			r.ResponseID, r.UserID, r.Agent, r.Failed, r.Tags = "", c.user, c.agent, c.failed, nil
			if c.tag != "" {
				r.Tags = []string{c.tag}
			}
			if c.failed {
				r.Kind = gateway.UpstreamFailed
			}
			year := 2026
			if c.month == 12 {
				year = 2025
			}
			r.Usage = gateway.Usage{Prompt: 10, Completion: 5}
			r.Start = time.Date(year, c.month, c.day, 7, i, 0, 0, time.UTC)
			r.End, r.FirstByte, r.Cost = r.Start.Add(time.Second), time.Time{}, gateway.NanoUSD(i+1)*1e6
			rows = append(rows, r)
		}
		if n, err := h.db.Book(t.Context(), rows); n != len(rows) || err != nil {
			t.Fatalf("booked %d rows, %v", n, err)
		}
		const (
			today  = `"date":"2026-01-20","period_start":null,"period_end":null}`
			coder  = `{"tag":"User-Agent: coder","active_users":`
			coder1 = `{"tag":"User-Agent: coder/1.0 (x, cli)","active_users":`
			week   = `"date":"Week 7 (Jan 14)","period_start":"2026-01-14","period_end":"2026-01-20"}`
			month  = `"date":"Dec 2025","period_start":"2025-12-22","period_end":"2026-01-20"}`
			before = `"date":"Nov 2025","period_start":"2025-11-22","period_end":"2025-12-21"}`
		)
		for _, tt := range []struct{ name, path, want string }{
			{"of one day", "/tag/dau?start_date=2026-01-20&end_date=2026-01-20", `{"results":[` + coder + `2,` + today + `,` + coder1 + `2,` + today + `]}`},
			{"of the last week", "/tag/dau?tag_filters=User-Agent:%20coder", `{"results":[` + coder + `2,` + today + `,{"tag":"User-Agent: coder","active_users":1,"date":"2026-01-19","period_start":null,"period_end":null}]}`},
			{"by weeks", "/tag/wau?tag_filters=User-Agent:%20coder&tag_filters=User-Agent:%20coder/1.0%20(x,%20cli)", `{"results":[{"tag":"User-Agent: coder","active_users":1,"date":"Week 1 (Dec 03)","period_start":"2025-12-03","period_end":"2025-12-09"},` + coder + `2,` + week + `,` + coder1 + `2,` + week + `]}`},
			{"by months", "/tag/mau?months=2&tag_filters=User-Agent:%20coder", `{"results":[` + coder + `1,` + before + `,` + coder + `2,` + month + `]}`},
			{"of a provider that nobody called", "/tag/dau?custom_llm_provider=azure", `{"results":[]}`},
			{"programs and plain tags", "/tag/distinct", `{"results":[{"tag":"User-Agent: coder"},{"tag":"User-Agent: coder/1.0 (x, cli)"},{"tag":"User-Agent: curl"},{"tag":"User-Agent: curl/8"},{"tag":"User-Agent: coder/0.9"},{"tag":"User-Agent: coder/1.1"},{"tag":"nightly"}]}`},
			{
				"what a program has used", "/tag/summary?start_date=2026-01-01&end_date=2026-01-31&tag_filters=User-Agent:%20coder",
				`{"results":[{"tag":"User-Agent: coder","unique_users":2,"total_requests":3,"successful_requests":2,"failed_requests":1,"total_tokens":45,"total_spend":0.006}]}`,
			},
			{
				"what curl has used, whoever it was", "/tag/summary?start_date=2026-01-01&end_date=2026-01-31&tag_filter=CURL/",
				`{"results":[{"tag":"User-Agent: curl/8","unique_users":1,"total_requests":2,"successful_requests":2,"failed_requests":0,"total_tokens":30,"total_spend":0.01}]}`,
			},
			{
				"what users have used", "/tag/user-agent/per-user-analytics",
				`{"results":[{"user_id":"ann","user_email":"ann@x.y","user_agent":"User-Agent: coder/1.0 (x, cli)","successful_requests":2,"failed_requests":0,"total_requests":2,"total_tokens":30,"spend":0.005},` +
					`{"user_id":"bob","user_email":null,"user_agent":"User-Agent: coder/1.0 (x, cli)","successful_requests":1,"failed_requests":1,"total_requests":2,"total_tokens":30,"spend":0.005}],"total_count":2,"page":1,"page_size":50,"total_pages":1}`,
			},
			{
				"users of a program, page by page", "/tag/user-agent/per-user-analytics?tag_filter=coder&page=2&page_size=1",
				`{"results":[{"user_id":"bob","user_email":null,"user_agent":"User-Agent: coder/1.0 (x, cli)","successful_requests":1,"failed_requests":1,"total_requests":2,"total_tokens":30,"spend":0.005}],"total_count":2,"page":2,"page_size":1,"total_pages":2}`,
			},
		} {
			if got := strings.TrimSpace(h.get(tt.path).ok().Body); got != tt.want {
				t.Errorf("%s: %s is\n%s, want\n%s", tt.name, tt.path, got, tt.want)
			}
		}
		h.get("/tag/summary?start_date=2026-01-01").refused(422, "validation_error", "end_date", "end_date is missing")
		h.get("/tag/dau?start_date=2020-01-01").refused(400, "bad_request_error", "start_date", "at most 366 days")
		h.get("/tag/mau?months=13").refused(422, "validation_error", "months", "whole number")

		bob := h.as("bob", gateway.InternalUser)
		bob.get("/tag/summary?start_date=2026-01-01&end_date=2026-01-31").ok().has("results.0.tag", `"User-Agent: coder"`, "results.0.total_requests", "2").lacks("curl")
		bob.get("/tag/user-agent/per-user-analytics").ok().has("total_count", "1", "results.0.user_id", `"bob"`).lacks("ann")
		bob.get("/tag/distinct").ok().has("results.0.tag", `"User-Agent: coder"`).lacks("curl")
		bob.get("/tag/dau").ok().has("results.0.active_users", "1")
	})
}
