package admin_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

// spent books calls of two users, in two teams of which one is of an
// organization, for two customers.
func spent(t *testing.T, h *house) (ann, bob string) {
	t.Helper()
	h.post("/organization/new", `{"organization_id":"o1","organization_alias":"Works"}`).ok()
	h.post("/user/new", `{"user_id":"ann","user_email":"ann@x.y","auto_create_key":false}`).ok()
	h.post("/user/new", `{"user_id":"bob","auto_create_key":false}`).ok()
	h.post("/user/new", `{"user_id":"boss","auto_create_key":false}`).ok()
	h.post("/organization/member_add", `{"organization_id":"o1","member":{"role":"org_admin","user_id":"boss"}}`).ok()
	h.post("/team/new", `{"team_id":"t1","team_alias":"Ops","organization_id":"o1","members_with_roles":[{"user_id":"ann","role":"admin"},{"user_id":"bob","role":"user"}]}`).ok()
	h.post("/team/new", `{"team_id":"t2"}`).ok()
	_, ann = h.key(`{"user_id":"ann","team_id":"t1","key_alias":"anns"}`)
	_, bob = h.key(`{"user_id":"bob","team_id":"t1","tags":["red"]}`)
	var rows []spend.Row
	for i, c := range []struct {
		user, key, team, org, customer, model string
		tags                                  []string
		day                                   int
		failed                                bool
	}{
		{"ann", ann, "t1", "o1", "c1", "gpt-4o", []string{"red", "blue"}, 15, false},
		{"ann", ann, "t1", "o1", "c1", "gpt-4o-mini", []string{"red"}, 16, true},
		{"bob", bob, "t1", "o1", "c2", "gpt-4o", nil, 16, false},
		{"", "", "t2", "", "", "gpt-4o", nil, 16, false},
	} {
		r := bill()
		r.CallID = r.CallID[:len(r.CallID)-1] + string(rune('a'+i))
		r.ResponseID += string(rune('a' + i))
		r.UserID, r.KeyHash, r.TeamID, r.OrgID, r.EndUser, r.Model, r.Tags, r.Failed = c.user, c.key, c.team, c.org, c.customer, c.model, c.tags, c.failed
		r.Session = "s1"
		r.Start = time.Date(2026, 1, c.day, 10, i, 0, 0, time.UTC)
		r.End, r.FirstByte, r.Cost = r.Start.Add(time.Second), time.Time{}, gateway.NanoUSD(i+1)*1e6
		rows = append(rows, r)
	}
	if n, err := h.db.Book(t.Context(), rows); n != len(rows) || err != nil {
		t.Fatalf("booked %d rows, %v", n, err)
	}
	return ann, bob
}

const january = "start_date=2026-01-01&end_date=2026-01-31"

// Managers read what was spent, each as much as is theirs to know.
func TestReportsOfSpend(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		annKey, bobKey := spent(t, h)

		h.get("/user/daily/activity").refused(400, "bad_request_error", "start_date", "Please provide start_date and end_date")
		h.get("/user/daily/activity?start_date=2026-1-1&end_date=2026-01-31").refused(400, "bad_request_error", "start_date", "2026-1-1")
		h.get("/user/daily/activity?"+january).ok().has("metadata.total_spend", "0.01", "metadata.total_api_requests", "4", "metadata.total_failed_requests", "1",
			"metadata.total_successful_requests", "3", "results.0.date", `"2026-01-16"`, "results.1.date", `"2026-01-15"`, "results.1.metrics.spend", "0.001",
			"results.0.breakdown.models.gpt-4o.metrics.spend", "0.007", "results.0.breakdown.providers.openai.metrics.api_requests", "3",
			"results.1.breakdown.api_keys."+annKey+".metadata", `{"key_alias":"anns","team_id":"t1","user_id":"ann","user_email":"ann@x.y","key_exists":true}`,
			"results.0.breakdown.models.gpt-4o.api_key_breakdown."+bobKey+".metrics.spend", "0.003")
		h.get("/user/daily/activity/aggregated?user_id=ann&"+january).ok().has("metadata.total_spend", "0.003", "results.0.breakdown.entities.ann.metrics.failed_requests", "1",
			"results.0.breakdown.entities.ann.metadata.user_email", `"ann@x.y"`)
		h.get("/user/daily/activity?page_size=1&page=2&"+january).ok().has("metadata.page", "2", "metadata.total_pages", "2", "metadata.has_more", "false", "results.0.date", `"2026-01-15"`, "metadata.total_spend", "0.001")
		h.get("/user/daily/activity?model=gpt-4o-mini&"+january).ok().has("metadata.total_spend", "0.002")
		h.get("/team/daily/activity?"+january).ok().has("metadata.total_spend", "0.01", "results.0.breakdown.entities.t2.metrics.spend", "0.004",
			"results.0.breakdown.entities.t1.metadata.team_alias", `"Ops"`, "results.0.breakdown.entities.t1.api_key_breakdown."+bobKey+".metrics.spend", "0.003")
		h.get("/team/daily/activity?exclude_team_ids=t1&"+january).ok().has("metadata.total_spend", "0.004")
		h.get("/team/daily/activity?team_ids=t1,t2&api_key="+annKey+"&"+january).ok().has("metadata.total_spend", "0.003")
		h.get("/tag/daily/activity?tags=red&"+january).ok().has("metadata.total_spend", "0.003", "results.1.breakdown.entities.red.metrics.spend", "0.001")
		h.get("/customer/daily/activity?end_user_ids=c1&end_user_ids=c2&"+january).ok().has("metadata.total_spend", "0.006", "results.0.breakdown.entities.c2.metrics.spend", "0.003")
		h.get("/end_user/daily/activity?api_key=x&"+january).refused(400, "bad_request_error", "api_key", "/spend/logs/v2")
		h.get("/organization/daily/activity?"+january).ok().has("metadata.total_spend", "0.006", "results.0.breakdown.entities.o1.metadata.alias", `"Works"`)
		h.get("/gateway/daily/activity?"+january).ok().has("metadata.total_spend", "0.01")

		h.get("/spend/tags?"+january).ok().has("0", `{"individual_request_tag":"red","log_count":2,"total_spend":0.003}`)
		h.get("/spend/users").ok().has("0.user_id", `"bob"`, "0.total_spend", "0.003", "1.user_id", `"ann"`)
		h.get("/spend/logs/v2").refused(400, "bad_request_error", "start_date", "required")
		h.get("/spend/logs/v2?page_size=2&sort_by=spend&"+january).ok().has("total", "4", "total_pages", "2", "total_is_capped", "false", "data.0.spend", "0.004", "data.1.user", `"bob"`)
		h.get("/spend/logs/ui?status_filter=failure&min_spend=0.001&max_spend=0.5&"+january).ok().has("total", "1", "data.0.model", `"gpt-4o-mini"`)
		h.get("/spend/logs/ui?key_alias=anns&end_user=c1&"+january).ok().has("total", "2")
		h.get("/spend/logs/ui?key_alias=nobodys&"+january).ok().has("total", "0", "data", "[]")
		h.get("/spend/logs/session/ui?session_id=s1").ok().has("total", "4", "page_size", "50")
		h.get("/spend/logs/v2?min_spend=lots&"+january).refused(422, "validation_error", "min_spend", "lots")
		h.get("/team/spend/report?team_id=t1&"+january).ok().has("0.group_by_day", `"2026-01-15T00:00:00+00:00"`, "0.teams.0.team_name", `"Ops"`, "1.teams.0.total_spend", "0.005",
			"1.teams.0.metadata.0.model", `"gpt-4o"`)

		h.get("/global/spend/logs").ok().has("0", `{"date":"2026-01-15","spend":0.001}`, "1.spend", "0.009")
		h.get("/global/spend/logs?api_key="+annKey).ok().has("1.spend", "0.002")
		h.get("/global/spend/keys?limit=1").ok().has("0.total_spend", "0.003")
		h.get("/global/spend/teams").ok().has("daily_spend.1", `{"date":"2026-01-16","Ops":0.005,"t2":0.004}`, "teams", `["Ops","t2"]`, "total_spend_per_team.0", `{"team_id":"Ops","total_spend":0.006}`)
		h.post("/global/spend/end_users", `{"startTime":"2026-01-16"}`).ok().has("0", `{"end_user":"c2","total_count":1,"total_spend":0.003}`)
		h.get("/global/spend/models?limit=1").ok().has("0", `{"model":"gpt-4o","total_spend":0.008}`)
		h.get("/global/spend/provider?"+january).ok().has("0.spend", "0.01")
		h.get("/global/spend/tags?tags=blue&"+january).ok().has("spend_per_tag", `[{"name":"blue","spend":0.001,"log_count":1}]`)
		h.get("/global/spend/all_tag_names").ok().has("tag_names", `["blue","red"]`)
		h.get("/global/all_end_users").ok().has("0.end_user", `"c1"`)
		h.get("/global/spend/report?group_by=customer&"+january).ok().has("0.customers.0.customer", `"c1"`, "1.customers.1.total_spend", "0.003")
		h.get("/global/activity?"+january).ok().has("sum_api_requests", "4", "daily_data.0.date", `"Jan 15"`, "daily_data.1.api_requests", "3")
		h.get("/global/activity/model?"+january).ok().has("0.model", `"gpt-4o"`, "0.sum_api_requests", "3")
		h.post("/global/spend/refresh", "").ok().has("status", `"success"`)

		ann := h.as("ann", gateway.InternalUser)
		ann.get("/user/daily/activity?"+january).ok().has("metadata.total_spend", "0.003")
		ann.get("/user/daily/activity?user_id=bob&"+january).refused(403, "auth_error", "user_id", "Non-admin users can only view their own activity")
		ann.get("/team/daily/activity?"+january).ok().has("metadata.total_spend", "0.006")
		ann.get("/team/daily/activity?team_ids=t2&"+january).refused(403, "auth_error", "team_ids", "t2")
		ann.get("/customer/daily/activity?"+january).refused(401, "auth_error", "None", "Only proxy admin")
		ann.get("/tag/daily/activity?"+january).refused(403, "auth_error", "", "Only proxy admins")
		ann.get("/organization/daily/activity?organization_ids=o1&"+january).refused(403, "auth_error", "organization_ids", "o1")
		ann.get("/spend/logs/v2?"+january).ok().has("total", "2", "data.0.user", `"ann"`)
		ann.get("/spend/logs/v2?user_id=bob&"+january).refused(403, "auth_error", "user_id", "your own calls")
		ann.get("/spend/logs/v2?team_id=t1&"+january).ok().has("total", "3")
		ann.get("/spend/logs/v2?api_key="+bobKey+"&"+january).ok().has("total", "0")
		ann.get("/spend/logs").ok().has("1.user", `"ann"`)
		ann.get("/spend/logs?request_id=" + "chatcmpl-1c").ok().has()
		ann.get("/spend/users").ok().has("0.user_id", `"ann"`)
		ann.get("/spend/users?user_id=bob").refused(403, "auth_error", "user_id", "yourself")
		ann.get("/team/spend/report?team_id=t1&"+january).ok().has("0.teams.0.team_name", `"Ops"`)
		ann.get("/key/spend/report?api_key=" + bobKey + "&" + january).ok()
		ann.get("/team/spend/report?"+january).refused(403, "auth_error", "", "Only proxy admins")
		ann.get("/global/spend/keys").refused(401, "auth_error", "None", "Only proxy admin")
		ann.get("/global/activity?"+january).ok().has("sum_api_requests", "2")

		bob := h.as("bob", gateway.InternalUser)
		bob.get("/team/daily/activity?team_ids=t1&"+january).ok().has("metadata.total_spend", "0.003", "results.0.breakdown.entities", "{}")
		bob.get("/spend/logs/v2?team_id=t1&"+january).ok().has("total", "1")
		bob.get("/key/spend/report?api_key=" + annKey + "&" + january).ok()
		boss := h.as("boss", gateway.InternalUser)
		boss.get("/organization/daily/activity?"+january).ok().has("metadata.total_spend", "0.006")
		boss.get("/team/daily/activity?team_ids=t1&"+january).ok().has("metadata.total_spend", "0.006")

		h.asAdmin().post("/global/spend/reset", "").ok().has("status", `"success"`)
		h.get("/key/info?key="+annKey).ok().has("info.spend", "0.0")
		h.get("/team/info?team_id=t1").ok().has("team_info.spend", "0.0")
		h.get("/global/spend/models").ok().has("0.total_spend", "0.008")
		h.audited("t1", "updated by default_user_id")
	})
}

func TestTheLifeOfATag(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		spent(t, h)
		h.post("/tag/new", `{"name":"red","description":"alarm","models":["m1"],"max_budget":5,"budget_duration":"30d"}`).ok().
			has("message", `"Tag red created successfully"`, "tag.name", `"red"`, "tag.models", `["m1"]`, "tag.litellm_budget_table.max_budget", "5.0", "tag.total_spend", "0.003", "tag.created_by", `"default_user_id"`)
		h.post("/tag/new", `{"name":"red"}`).refused(400, "bad_request_error", "name", "Tag red already exists")
		h.post("/tag/new", `{"description":"x"}`).refused(422, "validation_error", "name", "name is missing")
		h.post("/tag/new", `{"name":"x","budget_duration":"soon"}`).refused(400, "bad_request_error", "budget_duration", "soon")
		h.post("/tag/update", `{"name":"red","description":null,"rpm_limit":4,"model_info":{}}`).ok().has("tag.description", "null", "tag.litellm_budget_table.rpm_limit", "4", "tag.models", `["m1"]`)
		h.post("/tag/update", `{"name":"green"}`).refused(404, "not_found_error", "name", "green")
		h.post("/tag/info", `{"names":["red"]}`).ok().has("red.name", `"red"`)
		h.post("/tag/info", `{"names":["red","green"]}`).refused(404, "not_found_error", "names", "green")
		h.get("/tag/list").ok().has("0.name", `"red"`, "1.name", `"blue"`, "1.models", "null", "1.created_at", `"2026-01-15T00:00:00Z"`)
		if a := h.as("bob", gateway.InternalUser).get("/tag/list").ok().has("0.name", `"red"`); strings.Contains(a.Body, "spend\"") || strings.Contains(a.Body, "blue") {
			t.Errorf("a user sees what others spend: %s", a.Body)
		}
		h.asAdmin().post("/tag/delete", `{"name":"red"}`).ok().has("message", `"Tag red deleted successfully"`)
		h.post("/tag/delete", `{"name":"red"}`).refused(404, "not_found_error", "name", "red")
		h.audited("red", "deleted by default_user_id", "updated by default_user_id", "created by default_user_id")
	})
}

func TestTheAuditLogCanBeRead(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		key, hash := h.key(`{"key_alias":"k1"}`)
		h.post("/key/update", `{"key":"`+key+`","max_budget":3}`).ok()
		h.post("/tag/new", `{"name":"red"}`).ok()
		a := h.get("/audit?object_id="+hash+"&table_name=LiteLLM_VerificationToken").ok().has("total", "2", "page", "1", "page_size", "10", "total_pages", "1",
			"audit_logs.0.action", `"updated"`, "audit_logs.0.before_value.max_budget", "null", "audit_logs.0.updated_values.max_budget", "3.0", "audit_logs.0.changed_by", `"default_user_id"`,
			"audit_logs.1.action", `"created"`, "audit_logs.1.before_value", "null")
		if strings.Contains(a.Body, key) {
			t.Errorf("the audit log shows the key: %s", a.Body)
		}
		h.get("/audit/"+a.text("audit_logs.0.id")).ok().has("action", `"updated"`)
		h.get("/audit/none").refused(404, "not_found_error", "id", "not found")
		h.get("/audit?action=created&sort_order=asc&page_size=1&page=2").ok().has("total", "2", "audit_logs.0.object_id", `"red"`)
		h.get("/audit?object_key_hash="+key).ok().has("total", "2")
		h.get("/audit?search=RED&table_name=LiteLLM_TagTable").ok().has("total", "1")
		h.get("/audit?start_date=2026-01-18").ok().has("total", "0", "audit_logs", "[]")
		h.get("/audit?page_size=1000").refused(422, "validation_error", "page_size", "1 to 100")
		h.post("/user/new", `{"user_id":"u1","auto_create_key":false}`).ok()
		h.as("u1", gateway.InternalUser).get("/audit").refused(401, "auth_error", "None", "Only proxy admin")
	})
}
