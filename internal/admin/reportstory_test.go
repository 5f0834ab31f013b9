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
		if c.failed {
			r.Kind = gateway.UpstreamLimited
		}
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
		h.get("/end_user/daily/activity?api_key=x&"+january).ok().has("results", "[]")
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
		next := h.get("/spend/logs/v2?page_size=3&"+january).ok().has("total", "4", "page", "1", "data.2.spend", "0.002").text("next")
		h.get("/spend/logs/v2?page_size=3&after="+next+"&"+january).ok().has("total", "4", "data.0.spend", "0.001", "next", "null", "total_is_capped", "false")
		h.get("/spend/logs/v2?page=2&page_size=3&"+january).ok().has("data.0.spend", "0.001")
		h.get("/spend/logs/v2?error_code=upstream+rate+limited&"+january).ok().has("total", "1")
		h.get("/spend/logs/v2?error_code=nonsense&"+january).ok().has("total", "0")
		h.get("/spend/logs/v2?after=x&"+january).refused(400, "bad_request_error", "after", "next")
		h.get("/spend/logs/v2?sort_by=spend&after="+next+"&"+january).refused(400, "bad_request_error", "after", "sort_by")
		h.get("/spend/logs/ui/chatcmpl-1c").ok().is(`{"messages":{},"response":{},"proxy_server_request":{}}`)
		h.get("/spend/logs/ui/chatcmpl-9").refused(404, "not_found_error", "request_id", "chatcmpl-9")
		const span = "filter[startTime][gte]=2026-01-01T00:00:00Z&filter[startTime][lte]=2026-01-31T00:00:00Z"
		h.get("/management/v1/spend_logs/users?page_size=1&"+span).ok().has("data", `["ann"]`, "meta", `{"page":1,"page_size":1,"has_more":true}`, "links.prev", "null")
		h.get("/management/v1/spend_logs/users?page_size=1&page=2&"+span).ok().has("data", `["bob"]`, "meta.has_more", "false", "links.next", "null")
		h.get("/management/v1/spend_logs/end_users?q=C2&"+span).ok().has("data", `["c2"]`)
		h.get("/management/v1/spend_logs/end_users").refused(400, "bad_request_error", "filter[startTime][gte]", "Please provide")
		h.get("/team/spend/report?team_id=t1&"+january).ok().has("0.group_by_day", `"2026-01-15T00:00:00+00:00"`, "0.teams.0.team_name", `"Ops"`, "1.teams.0.total_spend", "0.005",
			"1.teams.0.metadata.0.model", `"gpt-4o"`)

		h.get("/global/spend/logs").ok().has("0", `{"date":"2026-01-15","spend":0.001}`, "1.spend", "0.009")
		h.get("/global/spend/logs?api_key="+annKey).ok().has("1.spend", "0.002")
		h.get("/global/spend/keys?limit=1").ok().has("0.total_spend", "0.003")
		h.get("/global/spend/teams").ok().has("daily_spend.1", `{"date":"2026-01-16","Ops":0.005,"t2":0.004}`, "teams", `["Ops","t2"]`, "total_spend_per_team.0", `{"team_id":"Ops","total_spend":0.006}`)
		h.post("/global/spend/end_users", `{"api_key":"`+bobKey+`"}`).ok().has("0", `{"end_user":"c2","total_count":1,"total_spend":0.003}`)
		h.post("/global/spend/end_users", `{"startTime":"2026-01-16"}`).ok().has("0", `{"end_user":"c2","total_count":1,"total_spend":0.003}`)
		h.get("/global/spend/models?limit=1").ok().has("0", `{"model":"gpt-4o","total_spend":0.008}`)
		h.get("/global/spend/provider?"+january).ok().has("0.spend", "0.01")
		h.get("/global/spend/tags?tags=blue&"+january).ok().has("spend_per_tag", `[{"name":"blue","spend":0.001,"log_count":1}]`)
		h.get("/global/spend/all_tag_names").ok().has("tag_names", `["blue","red"]`)
		h.get("/global/all_end_users").ok().has("0.end_user", `"c1"`)
		h.get("/global/spend/report?group_by=customer&"+january).ok().has("0.customers.0.customer", `"c1"`, "1.customers.1.total_spend", "0.003")
		h.get("/global/activity?"+january).ok().has("sum_api_requests", "4", "daily_data.0.date", `"Jan 15"`, "daily_data.1.api_requests", "3")
		h.get("/global/activity/model?"+january).ok().has("0.model", `"gpt"`, "0.sum_api_requests", "4", "0.daily_data.0.total_tokens", "15")
		h.get("/global/activity/cache_hits?"+january).ok().has("groups", `[{"call_type":"acompletion","api_requests":3,"cache_hits":0,"failed_requests":1,"cached_completion_tokens":0,"generated_completion_tokens":20}]`,
			"totals.cache_hit_ratio", "0", "filter_options", `{"key_aliases":["Unnamed Key","anns"],"models":["gpt-4o","gpt-4o-mini"]}`)
		h.get("/global/activity/cache_hits?key_aliases=anns&models=gpt-4o-mini&"+january).ok().has("totals.api_requests", "0", "totals.failed_requests", "1")
		h.get("/global/activity/exceptions?model_group=gpt&" + january).ok().is(`{"daily_data":[{"date":"Jan 16","num_rate_limit_exceptions":1}],"sum_num_rate_limit_exceptions":1}`)
		h.get("/global/activity/exceptions?model_group=other&"+january).ok().has("daily_data", "[]", "sum_num_rate_limit_exceptions", "0")
		h.get("/global/activity/exceptions?"+january).refused(422, "validation_error", "model_group", "model_group is missing")
		h.get("/global/activity/exceptions/deployment?model_group=gpt&" + january).ok().is(`[{"api_base":"d1","daily_data":[{"date":"Jan 16","num_rate_limit_exceptions":1}],"sum_num_rate_limit_exceptions":1}]`)
		h.post("/global/spend/refresh", "").ok().has("status", `"success"`)

		ann := h.as("ann", gateway.InternalUser)
		ann.get("/user/daily/activity?"+january).ok().has("metadata.total_spend", "0.003")
		ann.get("/user/daily/activity?user_id=bob&"+january).refused(403, "auth_error", "user_id", "Non-admin users can only view their own activity")
		ann.get("/team/daily/activity?"+january).ok().has("metadata.total_spend", "0.006")
		ann.get("/team/daily/activity?team_ids=t2&"+january).refused(403, "auth_error", "team_ids", "t2")
		ann.get("/customer/daily/activity?"+january).refused(401, "auth_error", "None", "Only proxy admin")
		ann.get("/tag/daily/activity?"+january).ok().has("results.0.breakdown.entities.red.metrics.spend", "0.002", "results.1.breakdown.entities.red.api_key_breakdown."+annKey+".metrics.spend", "0.001")
		ann.get("/organization/daily/activity?organization_ids=o1&"+january).refused(403, "auth_error", "organization_ids", "o1")
		ann.get("/spend/logs/v2?"+january).ok().has("total", "2", "data.0.user", `"ann"`)
		ann.get("/spend/logs/v2?user_id=bob&"+january).refused(403, "auth_error", "user_id", "your own calls")
		ann.get("/spend/logs/v2?team_id=t1&"+january).ok().has("total", "3")
		ann.get("/spend/logs/v2?api_key="+bobKey+"&"+january).ok().has("total", "0")
		h.as("bob", gateway.InternalUser).get("/management/v1/spend_logs/end_users?"+span).ok().has("data", `["c2"]`)
		ann = h.as("ann", gateway.InternalUser)
		ann.get("/management/v1/spend_logs/end_users?"+span).ok().has("data", `["c1","c2"]`)
		ann.get("/spend/logs/ui/chatcmpl-1c").ok() // she administers the team
		h.as("bob", gateway.InternalUser).get("/spend/logs/ui/chatcmpl-1a").refused(404, "not_found_error", "request_id", "chatcmpl-1a")
		ann = h.as("ann", gateway.InternalUser)
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
		bob.get("/team/daily/activity?team_ids=t1&"+january).ok().has("metadata.total_spend", "0.003", "results.0.breakdown.entities.t1.metrics.spend", "0.003")
		bob.get("/team/daily/activity/aggregated/keys?team_ids=t1&"+january).ok().has("total_api_keys", "1", "api_keys.0.api_key", `"`+bobKey+`"`)
		bob.get("/tag/daily/activity?"+january).ok().has("results", "[]")
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

// Every report tells spend apart by everything there is, for every kind of owner.
func TestActivityIsToldApart(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		annKey, bobKey := spent(t, h)
		for _, tt := range []struct{ noun, who, entity, entitySpend string }{
			{"user", "user_id=ann", "ann", "0.002"},
			{"team", "team_ids=t1", "t1", "0.005"},
			{"organization", "organization_ids=o1", "o1", "0.005"},
			{"tag", "tags=red", "red", "0.002"},
			{"customer", "end_user_ids=c1", "c1", "0.002"},
			{"end_user", "end_user_ids=c1", "c1", "0.002"},
			{"user", "", "ann", "0.002"},
			{"gateway", "", "", ""},
		} {
			base := "/" + tt.noun + "/daily/activity"
			query := "?" + tt.who + "&" + january
			day := "results.0."
			for _, path := range []string{base, base + "/aggregated"} {
				a := h.get(path + query).ok()
				for _, by := range []string{"models.gpt-4o-mini", "model_groups.gpt", "providers.openai", "endpoints./v1/chat/completions"} {
					a.has(day+"breakdown."+by+".api_key_breakdown."+annKey+".metrics.spend", "0.002", day+"breakdown."+by+".api_key_breakdown."+annKey+".metrics.failed_requests", "1")
				}
				a.has(day+"breakdown.api_keys."+annKey+".metrics.total_response_time_ms", "1000", day+"breakdown.api_keys."+annKey+".metrics.timed_requests", "1")
				if tt.entity != "" {
					a.has(day+"breakdown.entities."+tt.entity+".metrics.spend", tt.entitySpend, day+"breakdown.entities."+tt.entity+".api_key_breakdown."+annKey+".metrics.spend", "0.002")
				}
			}
			h.get(base+"/aggregated/keys"+query+"&limit=1").ok().has("limit", "1", "offset", "0", "api_keys.0.metrics.spend", map[bool]string{true: "0.004", false: "0.003"}[tt.entity == "" || tt.who == ""])
			h.get(base+"/aggregated/search"+query+"&search=ANN").ok().has("api_keys.0.api_key", `"`+annKey+`"`, "api_keys.0.metrics.spend", "0.003", "api_keys.0.metadata.key_alias", `"anns"`)
			h.get(base+"/aggregated/search"+query+"&search=nobody").ok().has("api_keys", "[]")
			h.get(base+"/aggregated/model_top_keys"+query+"&model_group=gpt").ok().has("model", `"gpt"`, "by_model_group", "true")
			h.get(base+"/aggregated/model_top_keys"+query+"&model_group=gpt-4o-mini&by_model_group=false").ok().has("api_keys.0.api_key", `"`+annKey+`"`, "api_keys.0.metrics.spend", "0.002").lacks(bobKey)
			h.get(base+"/aggregated/search"+query).refused(422, "validation_error", "search", "search is missing")
			h.get(base+"/aggregated/model_top_keys"+query).refused(422, "validation_error", "model_group", "model_group is missing")
			h.get(base+"/aggregated/keys?start_date=2026-01-01").refused(400, "bad_request_error", "start_date", "Please provide start_date and end_date")
		}
		h.get("/gateway/daily/activity/aggregated?api_key_limit=1&"+january).ok().has("metadata.total_spend", "0.01", "metadata.total_api_keys", "3", "metadata.api_key_limit", "1",
			"results.0.breakdown.models.gpt-4o.metrics.spend", "0.007").lacks(annKey)
		h.get("/user/daily/activity/aggregated?api_key=litellm_proxy_master_key&"+january).ok().has("metadata.total_spend", "0.004", "results.0.breakdown.api_keys.litellm_proxy_master_key.metrics.spend", "0.004")
		h.get("/user/daily/activity/aggregated/users?limit=2&"+january).ok().has("total_users", "3", "users.0.user_id", `""`, "users.0.spend", "0.004", "users.1.user_id", `"ann"`)
		h.get("/team/spend/by_user?team_ids=t1,t2&"+january).ok().has("start_date", `"2026-01-01"`, "results.0.team_id", `"t2"`, "results.2", `{"team_id":"t1","team_alias":"Ops","user_id":"bob","user_email":null,"user_alias":null,"spend":0.003,"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"api_requests":1,"successful_requests":1,"failed_requests":0}`)
		h.get("/team/spend/by_user?"+january).refused(400, "bad_request_error", "team_ids", "Please provide team_ids")
		h.as("bob", gateway.InternalUser).get("/team/spend/by_user?team_ids=t1&"+january).ok().has("results.0.user_id", `"bob"`).lacks("ann")
		h.as("bob", gateway.InternalUser).get("/team/spend/by_user?team_ids=t2&"+january).refused(403, "auth_error", "team_ids", "t2")

		h.asAdmin()
		csv := h.get("/team/daily/activity/export?export_type=daily_with_keys&" + january).ok()
		want := "2026-01-15,t1,Ops," + annKey + ",anns,ann,ann@x.y,,0.001,0.0,"
		if !strings.HasPrefix(csv.Body, "date,entity_id,") || !strings.Contains(csv.Body, "\r\n"+want) || strings.Count(csv.Body, "\r\n") != 5 {
			t.Errorf("the export is\n%s\nwant a line for each key, team and day, such as %s", csv.Body, want)
		}
		h.get("/tag/daily/activity/export?export_type=daily_with_models&format=json&"+january).ok().has("0.date", `"2026-01-15"`, "0.entity_id", `"blue"`, "0.model", `"gpt-4o"`, "0.spend", "0.001", "1.entity_id", `"red"`)
		h.get("/customer/daily/activity/export?export_type=daily_with_users&format=json&"+january).ok().has("2.user_id", `"bob"`, "2.entity_id", `"c2"`)
		h.get("/gateway/daily/activity/export?format=json&start_date=2027-01-01&end_date=2027-01-02").ok().lacks("{")
		h.get("/user/daily/activity/export?export_type=weekly&"+january).refused(422, "validation_error", "export_type", "daily_with_keys")
		ann := h.as("ann", gateway.InternalUser)
		if got := ann.get("/user/daily/activity/export?export_type=daily_with_keys&" + january).ok().lacks(bobKey).Body; !strings.Contains(got, annKey) {
			t.Errorf("a user's own export is %s", got)
		}
	})
}

// Whoever is west of Greenwich sees in the evening what is spent then, though it
// is on the next day of UTC.
func TestAReportOnTodayEndsNow(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		spent(t, h)
		for _, tt := range []struct {
			name, now, query, want string // want is the days, the newest first
		}{
			{"days are UTC's", "2026-01-16T03:00:00Z", "start_date=2026-01-14&end_date=2026-01-15&timezone=480", "2026-01-15"},
			{"today goes on until now", "2026-01-16T03:00:00Z", "start_date=2026-01-14&end_date=2026-01-15&timezone=480&include_current_utc_day=true", "2026-01-16 2026-01-15"},
			{"and later days too", "2026-01-16T03:00:00Z", "start_date=2026-01-15&end_date=2026-01-15&timezone=300&include_current_utc_day=true", "2026-01-16 2026-01-15"},
			{"a day that is over does not", "2026-01-16T09:00:00Z", "start_date=2026-01-14&end_date=2026-01-15&timezone=480&include_current_utc_day=true", "2026-01-15"},
			{"nor one before today", "2026-01-16T03:00:00Z", "start_date=2026-01-13&end_date=2026-01-14&timezone=480&include_current_utc_day=true", ""},
			{"east of Greenwich nothing is added", "2026-01-15T20:00:00Z", "start_date=2026-01-15&end_date=2026-01-15&timezone=-540&include_current_utc_day=true", "2026-01-15"},
			{"without a time zone nothing is added", "2026-01-16T03:00:00Z", "start_date=2026-01-15&end_date=2026-01-15&include_current_utc_day=true", "2026-01-15"},
		} {
			now, err := time.Parse(time.RFC3339, tt.now)
			if err != nil {
				t.Fatal(err)
			}
			h.now = now
			for _, path := range []string{"/user/daily/activity?", "/user/daily/activity/aggregated?"} {
				var got []string
				for _, part := range strings.Split(h.get(path+tt.query).ok().Body, `"date":"`)[1:] {
					got = append(got, part[:len("2026-01-16")])
				}
				if got := strings.Join(got, " "); got != tt.want {
					t.Errorf("%s: %s shows %q, want %q", tt.name, path, got, tt.want)
				}
			}
		}
		h.get("/user/daily/activity?start_date=2026-01-15&end_date=2026-01-15&timezone=berlin").refused(422, "validation_error", "timezone", "whole number")
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
