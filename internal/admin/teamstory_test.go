package admin_test

import (
	"strings"
	"testing"

	"penstock/internal/admin"
	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// A manager makes a team, whose admin runs it, within what it was given.
func TestTheLifeOfATeam(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/user/new", `{"user_id":"ann","user_email":"ann@x.org","user_role":"internal_user","auto_create_key":false}`).ok()
		h.post("/user/new", `{"user_id":"eve","user_role":"internal_user","auto_create_key":false}`).ok()
		made := h.post("/team/new", `{"team_id":"t1","team_alias":"Search","models":["m1","m2"],"max_budget":100,"soft_budget":80,"budget_duration":"30d","rpm_limit":50,
			"budget_limits":[{"budget_duration":"1d","max_budget":10}],"model_rpm_limit":{"m1":5},"tags":["x"],"model_aliases":{"fast":"m1"},
			"team_member_permissions":["/key/generate"],"team_member_budget":7,"team_member_budget_duration":"30d","default_team_member_models":["m1"],
			"enforced_params":["user"],"team_member_key_duration":"1d","metadata":{"k":1},"members_with_roles":[{"user_id":"ann","role":"admin"}]}`).ok()
		made.has("metadata.k", "1", "metadata.tags", `["x"]`, "metadata.model_rpm_limit", `{"m1":5}`, "tags", `["x"]`, "team_member_permissions", `["/key/generate"]`,
			"members_with_roles.0.user_id", `"ann"`, "members_with_roles.1.user_id", `"default_user_id"`, "created_by", `"default_user_id"`,
			"litellm_model_table.model_aliases", `{"fast":"m1"}`, "budget_limits.0.max_budget", "10.0")
		budget := made.text("metadata.team_member_budget_id")
		h.audited("t1", "created by default_user_id")
		h.audited(budget, "created by default_user_id")
		h.post("/team/new", `{"team_id":"t1"}`).refused(400, "bad_request_error", "team_id", "Team id = t1 already exists")
		h.post("/team/new", `{"team_id":"t1"}`).has("detail.error", `"Team id = t1 already exists. Please use a different team id."`)
		h.post("/team/new", `{"team_member_key_duration":"soon"}`).refused(400, "bad_request_error", "team_member_key_duration", "'soon'")
		h.post("/team/new", `{"soft_budget":2,"max_budget":2}`).refused(400, "bad_request_error", "soft_budget", "strictly lower")
		h.post("/team/new", `{"organization_id":"o"}`).refused(404, "not_found_error", "organization_id", "organization_id=o")
		h.post("/team/new", `{"team_member_permissions":["/fly"]}`).refused(400, "bad_request_error", "team_member_permissions", "'/fly'")

		h.as("ann", gateway.InternalUser)
		h.post("/team/update", `{"team_id":"t1","team_alias":"Find","max_budget":90,"metadata":`+made.at("metadata")+`}`).ok().has(
			"data.team_alias", `"Find"`, "data.max_budget", "90.0", "data.metadata", made.at("metadata"), "data.model_rpm_limit", `{"m1":5}`)
		h.audited("t1", "updated by ann")
		for _, raise := range []string{
			`"max_budget":91`, `"max_budget":null`, `"rpm_limit":null`, `"models":[]`, `"models":["m1","m3"]`, `"spend":0`, `"organization_id":"o"`, `"budget_limits":null`,
			`"model_rpm_limit":null`, `"temp_budget_increase":1,"temp_budget_expiry":"1d"`, `"budget_duration":"1d"`,
		} {
			a := h.post("/team/update", `{"team_id":"t1",`+raise+`}`)
			if a.Status != 403 || !strings.Contains(a.Body, "Only proxy admins and admins of the team's organization") {
				t.Errorf("an admin of the team sends %s: %d %s, want 403", raise, a.Status, a.Body)
			}
		}
		h.post("/team/update", `{"team_id":"t1","team_member_budget":99,"max_budget":91}`).refused(403, "auth_error", "max_budget", "Only proxy admins")
		if b, err := h.db.Budget(t.Context(), budget); err != nil || *b.Limits.Budget != 7e9 {
			t.Errorf("a refused update has changed the budget of members to %v, %v", b, err)
		}
		h.post("/team/update", `{"team_id":"t1","team_member_rpm_limit":30}`).ok()
		h.audited(budget, "updated by ann")
		added := h.post("/team/member_add", `{"team_id":"t1","member":{"role":"user","user_email":"bob@x.org"},"max_budget_in_team":5,"budget_duration":"7d"}`).ok()
		bob := added.text("updated_users.0.user_id")
		added.has("updated_users.0.teams", `["t1"]`, "updated_team_memberships.0.litellm_budget_table.max_budget", "5.0", "updated_team_memberships.0.budget_source", `"member"`,
			"updated_team_memberships.0.litellm_budget_table.allowed_models", `["m1"]`)
		h.audited(bob, "created by ann")
		h.post("/team/member_add", `{"team_id":"t1","member":{"user_email":"BOB@x.org"}}`).refused(400, "team_member_already_in_team", "user_id", "User already in team. Member:")
		h.post("/team/member_add", `{"team_id":"t1","member":[{"user_id":"carl"},{"user_id":"dora","x":1}]}`).ok().has("members_with_roles.3.user_id", `"carl"`, "members_with_roles.4.role", `"user"`)
		h.post("/team/member_add", `{"team_id":"t1"}`).refused(422, "validation_error", "member", "missing")
		h.post("/team/member_add", `{"team_id":"t1","member":{"user_id":"x","role":"boss"}}`).refused(422, "validation_error", "member", "'boss'")
		h.post("/team/bulk_member_add", `{"team_id":"t1","members":[{"user_id":"fay"},{"user_id":"ann"}]}`).ok().has(
			"total_requested", "2", "successful_additions", "1", "failed_additions", "1", "results.0.success", "true", "results.1.user_id", `"ann"`)
		h.post("/team/member_update", `{"team_id":"t1","user_id":"carl","role":"admin","max_budget_in_team":3,"rpm_limit":4,"allowed_models":["m2"]}`).ok().has(
			"role", `"admin"`, "max_budget_in_team", "3.0", "rpm_limit", "4", "allowed_models", `["m2"]`, "budget_duration", "null")
		h.post("/team/member_update", `{"team_id":"t1","user_id":"carl","max_budget_in_team":-3}`).refused(422, "validation_error", "max_budget_in_team", "got -3")
		h.post("/team/member_update", `{"team_id":"t1","user_id":"zoe"}`).refused(400, "bad_request_error", "user_id", "User not found in team")
		h.post("/team/t1/member/carl/reset_budget", `{}`).ok().has("budget_source", `"team"`, "litellm_budget_table.max_budget", "7.0")
		info := h.get("/team/info?team_id=t1").ok().has("team_info.caller_edit_access", "true", "team_info.team_member_budget_table.max_budget", "7.0",
			"team_memberships.0.user_id", `"ann"`, "team_info.budget_reset_at", `"2026-02-01T00:00:00Z"`)
		info.has("team_info.team_member_budget_table.budget_id", `"`+budget+`"`)
		h.get("/team/t1/members/me").ok().has("user_id", `"ann"`, "litellm_budget_table.max_budget", "7.0", "budget_source", `"team"`, "role", `"admin"`, "team_alias", `"Find"`)

		// A member's key goes with the member.
		if err := h.db.SetTotal(t.Context(), store.Member, gateway.MemberID("t1", bob), gateway.Spend{Window: 2e9, WindowStart: noon, Total: 3e9}, "team", "t1"); err != nil {
			t.Fatal(err)
		}
		h.post("/team/t1/member/"+bob+"/reset_spend", `{"reset_to":1}`).ok().has("previous_spend", "2.0", "spend", "1.0", "max_budget", "5.0")
		h.post("/team/t1/member/"+bob+"/reset_spend", `{"reset_to":2}`).refused(400, "bad_request_error", "reset_to", "current spend (1.0)")
		h.as(bob, gateway.InternalUser)
		key := h.post("/key/generate", `{"team_id":"t1"}`).ok().has("expires", `"2026-01-18T12:00:00Z"`, "duration", `"1d"`).text("token_id")
		h.post("/team/update", `{"team_id":"t1","team_alias":"Mine"}`).refused(403, "auth_error", "", "team_id=t1")
		h.post("/team/member_add", `{"team_id":"t1","member":{"user_id":"x"}}`).refused(403, "auth_error", "", "team_id=t1")
		h.as("ann", gateway.InternalUser)
		h.post("/team/member_delete", `{"team_id":"t1","user_email":"bob@x.org"}`).ok()
		if _, err := h.db.Key(t.Context(), key); err == nil {
			t.Error("the key of a former member is still there")
		}
		h.audited(key, "deleted by ann")
		if u, err := h.db.User(t.Context(), bob); err != nil || len(u.Teams) > 0 {
			t.Errorf("the former member is in %v, %v", u.Teams, err)
		}

		h.get("/team/permissions_list?team_id=t1").ok().has("team_member_permissions", `["/key/generate"]`, "all_available_permissions.0", `"/key/generate"`)
		h.post("/team/permissions_update", `{"team_id":"t1","team_member_permissions":["/key/update"]}`).ok().has("team_member_permissions", `["/key/update"]`)
		h.post("/team/model/delete", `{"team_id":"t1","models":["m1","m2"]}`).ok().has("models", `["no-default-models"]`)
		h.post("/team/model/add", `{"team_id":"t1","models":["m2"]}`).refused(403, "auth_error", "models", "Only proxy admins")
		h.post("/team/update", `{"team_id":"t1","blocked":true}`).ok().has("data.blocked", "true")
		h.post("/team/update", `{"team_id":"t1","blocked":false}`).ok() // ann has blocked it
		h.post("/team/delete", `{"team_ids":["t1"]}`).refused(401, "auth_error", "None", "Only proxy admin")

		// Strangers learn nothing, not even whether it exists.
		h.as("eve", gateway.InternalUser)
		for _, id := range []string{"t1", "t-unknown"} {
			h.get("/team/info?team_id="+id).refused(403, "auth_error", "", "team_id="+id)
			h.post("/team/update", `{"team_id":"`+id+`"}`).refused(403, "auth_error", "", "team_id="+id)
			h.post("/team/model/add", `{"team_id":"`+id+`","models":["m"]}`).refused(403, "auth_error", "", "team_id="+id)
			h.post("/team/member_delete", `{"team_id":"`+id+`","user_id":"ann"}`).refused(403, "auth_error", "", "team_id="+id)
			h.get("/team/permissions_list?team_id="+id).refused(403, "auth_error", "", "team_id="+id)
		}
		h.get("/team/list?user_id=ann").refused(401, "auth_error", "user_id", "Only admin users")
		h.get("/team/list").ok()
		h.get("/v2/team/list").ok().has("teams", "[]", "total", "0")
		h.as("ann", gateway.InternalUser)
		h.get("/v2/team/list?search=fin").ok().has("teams.0.team_id", `"t1"`, "teams.0.members_count", "5", "teams.0.keys_count", "0", "total_pages", "1")

		h.asAdmin()
		h.post("/team/unblock", `{"team_id":"t1"}`).ok().has("blocked", "false")
		h.post("/team/block", `{"team_id":"t1"}`).ok().has("blocked", "true")
		h.audited("t1", "blocked by default_user_id", "unblocked by default_user_id", "updated by ann")
		h.post("/team/model/add", `{"team_id":"t1","models":["m2"]}`).ok().has("models", `["m2"]`)
		h.do("PATCH", "/team/t1", `{"max_budget":null,"soft_budget":null}`).ok().has("data.max_budget", "null")
		h.post("/team/permissions_bulk_update", `{"permissions":["/key/block"],"apply_to_all_teams":true}`).ok().has("teams_updated", "1")
		_, hash := h.key(`{"team_id":"t1"}`)
		h.post("/project/new", `{"team_id":"t1","project_id":"p1"}`).ok()
		h.get("/team/list?user_id=ann").ok().has("0.team_id", `"t1"`, "0.keys.0.token", `"`+hash+`"`, "0.team_memberships.0.user_id", `"ann"`)
		h.get("/team/filter/ui?team_alias=fin").ok().has("0.team_id", `"t1"`)
		h.get("/team/available").ok()
		h.post("/team/delete", `{"team_ids":["t1","t9"]}`).refused(404, "not_found_error", "team_id", "passed team_id=t9")
		h.post("/team/delete", `{"team_ids":["t1"]}`).ok().has("deleted_teams", `["t1"]`)
		h.audited("t1", "deleted by default_user_id")
		h.audited(hash, "deleted by default_user_id")
		h.audited("p1", "deleted by default_user_id")
		h.get("/key/list").ok().has("total_count", "0")
		h.get("/team/info?team_id=t1").refused(404, "not_found_error", "team_id", "Team not found")
		if u, err := h.db.User(t.Context(), "ann"); err != nil || len(u.Teams) > 0 {
			t.Errorf("a member of the deleted team is in %v, %v", u.Teams, err)
		}
	})
}

func TestTheLifeOfAUser(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		if err := h.db.CreateOrganization(t.Context(), &gateway.Organization{ID: "o1", CreatedAt: noon, Members: []gateway.Member{{UserID: "boss", Role: "org_admin"}}}); err != nil {
			t.Fatal(err)
		}
		h.post("/user/new", `{"user_id":"boss","organizations":["o1"],"auto_create_key":false}`).ok()
		h.post("/team/new", `{"team_id":"t1","organization_id":"o1"}`).ok()
		made := h.post("/user/new", `{"user_id":"ann","user_email":"ann@x.org","user_alias":"Ann","user_role":"internal_user","max_budget":10,"budget_duration":"30d",
			"models":["m1"],"model_max_budget":{"m1":{"budget_limit":1,"time_period":"1d"}},"teams":[{"team_id":"t1","user_role":"user","max_budget_in_team":4}],
			"organizations":["o1"],"sso_user_id":"sub-1","metadata":{"k":1},"key_alias":"anns"}`).ok()
		made.has("user_id", `"ann"`, "user_role", `"internal_user"`, "teams", `["t1"]`, "organizations", `["o1"]`, "max_budget", "10.0")
		key := made.text("token_id")
		h.audited("ann", "created by default_user_id")
		h.get("/team/info?team_id=t1").ok().has("team_memberships.1.litellm_budget_table.max_budget", "4.0")
		h.post("/user/new", `{"user_email":"ANN@x.org"}`).refused(409, "bad_request_error", "user_email", "already exists")
		h.post("/user/new", `{"user_id":"x","password":"secret"}`).refused(400, "bad_request_error", "password", "cannot be set")
		h.post("/user/new", `{"user_id":"x","organizations":["o9"]}`).refused(404, "not_found_error", "organizations", "o9")
		h.post("/user/new", `{"user_id":"x","user_role":"king"}`).refused(422, "validation_error", "user_role", "'king'")

		h.post("/user/update", `{"user_id":"ann","max_budget":20,"user_alias":null,"wrong":1}`).ok().has(
			"data.max_budget", "20.0", "data.user_alias", "null", "data.models", `["m1"]`, "data.model_max_budget", `{"m1":{"budget_limit":1.0,"time_period":"1d"}}`)
		// What is a key's field is a user's own business.
		h.post("/user/update", `{"user_id":"ann","metadata":{"tags":"mine","enforced_params":1,"model_rpm_limit":{"m1":3}}}`).ok().has(
			"data.metadata", `{"tags":"mine","enforced_params":1,"model_rpm_limit":{"m1":3}}`, "data.model_rpm_limit", `{"m1":3}`)
		h.post("/user/new", `{"user_id":"tagged","metadata":{"tags":["mine"],"end_user_budget_id":"b"}}`).ok().has("metadata", `{"tags":["mine"],"end_user_budget_id":"b"}`, "tags", "[]")
		h.post("/user/delete", `{"user_ids":["tagged"]}`).ok()
		h.post("/team/update", `{"team_id":"t1","metadata":{"end_user_budget_id":"mine"}}`).ok().has("data.metadata", `{"end_user_budget_id":"mine"}`)
		h.post("/user/update", `{"user_email":"ann@x.org","spend":5}`).ok().has("data.spend", "5.0")
		h.post("/user/update", `{"user_id":"ann","budget_duration":"soon"}`).refused(400, "bad_request_error", "budget_duration", "'soon'")
		h.post("/user/update", `{}`).refused(422, "validation_error", "user_id", "missing")
		h.audited("ann", "updated by default_user_id", "updated by default_user_id", "updated by default_user_id", "created by default_user_id")
		h.post("/user/update", `{"user_id":"new","max_budget":1}`).ok().has("data.user_id", `"new"`, "data.max_budget", "1.0")
		h.post("/user/bulk_update", `{"users":[{"user_id":"new","rpm_limit":3},{"user_id":"ann","tpm_limit":-1}]}`).refused(422, "validation_error", "users.1.tpm_limit", "got -1")
		h.post("/user/bulk_update", `{"users":[{"user_id":"new","rpm_limit":3},{"user_id":"ann","budget_duration":"soon"}]}`).ok().has(
			"successful_updates", "1", "failed_updates", "1", "results.0.updated_user.rpm_limit", "3", "results.1.success", "false")
		h.post("/user/bulk_update", `{"all_users":true,"user_updates":{"tpm_limit":9}}`).ok().has("total_requested", "3", "successful_updates", "3")

		h.get("/user/list?page_size=2&sort_by=user_id").ok().has("total", "3", "total_pages", "2", "users.0.user_id", `"ann"`, "users.0.key_count", "1", "users.1.key_count", "0")
		h.get("/user/list?user_email=ANN@").ok().has("total", "1")
		h.get("/user/list?user_ids=ann,new&role=internal_user").ok().has("total", "1")
		h.get("/user/list?sso_user_ids=sub-1").ok().has("users.0.user_id", `"ann"`)
		h.get("/user/list?team=t1").ok().has("total", "1")
		h.get("/user/list?organization_ids=o1").ok().has("total", "2")
		h.get("/user/filter/ui?user_email=ann").ok().has("0.user_id", `"ann"`)
		h.get("/v2/user/info?user_id=ann").ok().has("user_email", `"ann@x.org"`, "teams", `["t1"]`, "max_budget", "20.0")
		h.get("/user/info?user_id=ann").ok().has("keys.0.key_alias", `"anns"`, "teams.0.team_id", `"t1"`)
		h.get("/user/available_roles").ok().has("proxy_admin.ui_label", `"Admin (All Permissions)"`)

		h.as("ann", gateway.InternalUser)
		h.get("/user/info").ok().has("user_id", `"ann"`, "keys.0.key_alias", `"anns"`)
		h.get("/user/info?user_id=new").refused(403, "auth_error", "", "key not allowed to access this user's info")
		h.get("/user/info?user_id=nobody").refused(403, "auth_error", "", "key not allowed to access this user's info")
		h.get("/user/list").ok().has("total", "1")
		h.get("/user/filter/ui?user_email=boss").ok()
		h.post("/user/update", `{"user_id":"ann","max_budget":100}`).refused(401, "auth_error", "None", "Only proxy admin can be used")

		// The admin of an organization manages its people, and no others.
		h.as("boss", gateway.InternalUser)
		h.post("/user/update", `{"user_id":"ann","max_budget":7}`).ok()
		h.audited("ann", "updated by boss")
		h.post("/user/update", `{"user_id":"new","max_budget":7}`).refused(403, "auth_error", "", "user_id=new")
		h.post("/user/update", `{"user_id":"ann","user_role":"proxy_admin"}`).refused(403, "auth_error", "user_role", "Admin-only")
		h.post("/user/new", `{"user_id":"gus","organizations":["o1"]}`).ok().has("organization_id", `"o1"`)
		h.post("/user/new", `{"user_id":"hal"}`).refused(403, "auth_error", "", "user_id=hal")
		h.post("/user/delete", `{"user_ids":["new"]}`).refused(403, "auth_error", "", "user_id=new")
		h.get("/user/list?sort_by=user_id").ok().has("total", "3", "users.2.user_id", `"gus"`)

		h.asAdmin().post("/user/delete", `{"user_ids":["ann","nobody"]}`).refused(404, "not_found_error", "user_ids", "user_id=nobody")
		if got := h.post("/user/delete", `{"user_ids":["ann"]}`).ok().Body; got != "1" {
			t.Errorf("the answer is %s, want 1", got)
		}
		h.audited("ann", "deleted by default_user_id")
		h.audited(key, "deleted by default_user_id")
		h.get("/key/info?key="+key).ok().has("info.status", `"deleted"`)
		h.get("/team/info?team_id=t1").ok().has("team_info.members_with_roles.0.user_id", `"default_user_id"`)
	})
}

// LiteLLM keeps a project's own limits as a budget, which clients change there.
func TestAProjectsOwnLimitsHaveTheNameOfABudget(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/team/new", `{"team_id":"t1"}`).ok()
		h.post("/project/new", `{"team_id":"t1","project_id":"none"}`).ok().has("budget_id", "null", "litellm_budget_table.budget_id", "null")
		h.post("/project/new", `{"team_id":"t1","project_id":"p1","max_budget":5}`).ok().
			has("budget_id", `"project:p1"`, "litellm_budget_table.budget_id", `"project:p1"`, "litellm_budget_table.max_budget", "5.0")
		h.post("/budget/update", `{"budget_id":"project:p1","budget_duration":"1d","spend":3}`).ok().
			has("budget_id", `"project:p1"`, "budget_duration", `"1d"`, "budget_reset_at", `"2026-01-18T00:00:00Z"`, "max_budget", "5.0")
		h.post("/project/update", `{"project_id":"p1","budget_id":"project:p1","max_budget":6}`).ok().
			has("budget_id", `"project:p1"`, "budget_duration", `"1d"`, "max_budget", "6.0", "spend", "0.0")
		h.audited("p1", "updated by default_user_id", "updated by default_user_id", "created by default_user_id")
		h.post("/budget/update", `{"budget_id":"project:p9","max_budget":1}`).refused(404, "not_found_error", "project_id", "p9")
		h.post("/project/update", `{"project_id":"p1","budget_id":"project:p9"}`).refused(400, "bad_request_error", "budget_id", "'project:p9' does not exist")
		h.post("/budget/new", `{"budget_id":"b1","max_budget":1}`).ok()
		h.post("/project/update", `{"project_id":"p1","budget_id":"b1"}`).ok().has("budget_id", `"b1"`)
	})
}

func TestTheLifeOfAProject(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/user/new", `{"user_id":"ann","user_role":"internal_user","auto_create_key":false}`).ok()
		h.post("/user/new", `{"user_id":"eve","user_role":"internal_user","auto_create_key":false}`).ok()
		h.post("/team/new", `{"team_id":"t1","models":["m1"],"max_budget":10,"members_with_roles":[{"user_id":"ann","role":"admin"}]}`).ok()
		h.post("/project/new", `{}`).refused(422, "validation_error", "team_id", "missing")
		h.post("/project/new", `{"team_id":"t9"}`).refused(404, "not_found_error", "team_id", "t9")

		h.as("ann", gateway.InternalUser)
		made := h.post("/project/new", `{"project_alias":"Flights","description":"d","team_id":"t1","models":["m1"],"max_budget":5,"budget_duration":"30d",
			"model_rpm_limit":{"m1":3},"tags":["x"],"metadata":{"k":1}}`).ok()
		id := made.text("project_id")
		made.has("model_rpm_limit", `{"m1":3}`, "metadata", `{"k":1,"model_rpm_limit":{"m1":3},"tags":["x"]}`, "litellm_budget_table.max_budget", "5.0", "created_by", `"ann"`)
		h.audited(id, "created by ann")
		h.post("/project/new", `{"project_id":"`+id+`","team_id":"t1"}`).refused(400, "bad_request_error", "project_id", "already exists")
		h.post("/project/new", `{"team_id":"t1","max_budget":11}`).refused(400, "bad_request_error", "max_budget", "exceeds team's max_budget")
		h.post("/project/new", `{"team_id":"t1","models":["m2"]}`).refused(400, "bad_request_error", "models", "'m2'")
		h.post("/project/new", `{"team_id":"t1","budget_id":"b"}`).refused(400, "bad_request_error", "budget_id", "does not exist")
		h.post("/project/update", `{"project_id":"`+id+`","description":null,"max_budget":6,"blocked":true}`).ok().has("description", "null", "max_budget", "6.0", "blocked", "true", "models", `["m1"]`)
		h.post("/project/update", `{"project_id":"`+id+`","max_budget":-6}`).refused(422, "validation_error", "max_budget", "got -6")
		h.post("/project/update", `{"project_id":"`+id+`","team_id":null}`).refused(400, "bad_request_error", "team_id", "cannot have none")
		h.get("/project/info?project_id="+id).ok().has("project_alias", `"Flights"`)
		h.get("/project/list").ok().has("0.project_id", `"`+id+`"`)

		h.as("eve", gateway.InternalUser)
		for _, p := range []string{id, "p-unknown"} {
			h.get("/project/info?project_id="+p).refused(403, "auth_error", "", "project_id="+p)
			h.post("/project/update", `{"project_id":"`+p+`"}`).refused(403, "auth_error", "", "project_id="+p)
			h.post("/key/generate", `{"project_id":"`+p+`"}`).refused(403, "auth_error", "", "project_id="+p)
		}
		if got := h.get("/project/list").ok().Body; got != "[]" {
			t.Errorf("a stranger sees %s", got)
		}

		h.asAdmin()
		key, _ := h.key(`{"project_id":"` + id + `"}`)
		h.get("/key/list?return_full_object=true&project_id="+id).ok().has("keys.0.team_id", `"t1"`, "keys.0.project_id", `"`+id+`"`)
		h.do("DELETE", "/project/delete", `{"project_ids":["`+id+`"]}`).refused(400, "bad_request_error", "project_ids", "1 key(s) are associated")
		h.post("/key/update", `{"key":"`+key+`","project_id":null}`).ok().has("project_id", "null")
		h.do("DELETE", "/project/delete", `{"project_ids":["`+id+`"]}`).ok().has("0.project_id", `"`+id+`"`)
		h.audited(id, "deleted by default_user_id", "updated by ann", "created by ann")
		h.get("/project/info?project_id="+id).refused(404, "not_found_error", "project_id", "Project not found")
	})
}

// Whatever an id is, it is text, on every route that takes one.
func TestStrangeIDsAreHarmlessEverywhere(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/team/new", `{"team_id":"t1"}`).ok()
		for _, id := range []string{`'; DROP TABLE teams; --`, `a\u0000b`, `a\r\nSet-Cookie: x=1`, `%_\\`, `ключ`, strings.Repeat("x", 1<<20-200)} {
			for _, route := range []struct{ path, body string }{
				{"/key/update", `{"key":"ID"}`},
				{"/key/delete", `{"keys":["ID"]}`},
				{"/key/block", `{"key":"ID"}`},
				{"/key/regenerate", `{"key":"ID"}`},
				{"/v2/key/info", `{"keys":["ID"]}`},
				{"/key/generate", `{"team_id":"ID"}`},
				{"/key/generate", `{"project_id":"ID"}`},
				{"/key/generate", `{"budget_id":"ID"}`},
				{"/team/update", `{"team_id":"ID"}`},
				{"/team/delete", `{"team_ids":["ID"]}`},
				{"/team/block", `{"team_id":"ID"}`},
				{"/team/member_add", `{"team_id":"ID","member":{"user_id":"ID"}}`},
				{"/team/member_delete", `{"team_id":"t1","user_id":"ID"}`},
				{"/team/model/add", `{"team_id":"ID","models":["ID"]}`},
				{"/user/delete", `{"user_ids":["ID"]}`},
				{"/user/bulk_update", `{"users":[{"user_id":"ID","budget_duration":"ID"}]}`},
				{"/project/update", `{"project_id":"ID"}`},
			} {
				a := h.post(route.path, strings.ReplaceAll(route.body, "ID", id))
				if a.Status >= 500 {
					t.Errorf("%s with %.30q: %d %s", route.path, id, a.Status, a.Body)
				}
				if len(a.Header.Get(admin.UnknownHeader)) > 2000 || len(a.Header) > 4 {
					t.Errorf("%s with %.30q: headers are %v", route.path, id, a.Header)
				}
			}
		}
		for _, path := range []string{
			"/key/info?key=", "/key/list?user_id=", "/key/list?search=", "/key/list?after=", "/key/aliases?search=", "/team/info?team_id=", "/v2/team/list?search=",
			"/user/info?user_id=", "/user/list?user_ids=", "/user/list?user_email=", "/project/info?project_id=",
		} {
			for _, id := range []string{"%00", "%27%20OR%201=1%20--", "%0d%0aSet-Cookie:x", "%ff", strings.Repeat("x", 100_000)} {
				if a := h.get(path + id); a.Status >= 500 {
					t.Errorf("%s%.30s: %d %s", path, id, a.Status, a.Body)
				}
			}
		}
		h.get("/team/info?team_id=t1").ok()
	})
}

// A key whose owner has gone into the directory by hash only.
func TestAKeyOfNobodySeesOnlyItself(t *testing.T) {
	h := openHouse(t, sqlite(t))
	_, own := h.key(`{}`)
	_, other := h.key(`{}`)
	h.who = gateway.Principal{Role: gateway.InternalUser, Key: &gateway.Key{Hash: own, UserID: gateway.MasterUserID}}
	h.get("/key/info").ok().has("key", `"`+own+`"`)
	h.get("/key/info?key="+other).refused(403, "auth_error", "key", "not allowed")
	h.get("/key/list").ok().has("keys", `["`+own+`"]`)
	h.post("/key/generate", `{}`).refused(403, "auth_error", "key", "/key/generate")
	h.post("/key/health", `{}`).ok().has("key", `"healthy"`, "logging_callbacks", "null")
	if auth.Hash("sk-x") == own {
		t.Error("keys are not random")
	}
}
