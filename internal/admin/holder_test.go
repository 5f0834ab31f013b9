package admin_test

import (
	"testing"

	"penstock/internal/gateway"
)

// An admin gives Ann keys with limits. She may rename and replace them, and not
// give herself more.
func TestAHolderDoesNotLoosenWhatOthersDecided(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/user/new", `{"user_id":"ann","auto_create_key":false}`).ok()
		h.post("/user/new", `{"user_id":"cap","auto_create_key":false}`).ok()
		h.post("/budget/new", `{"budget_id":"b1","max_budget":100}`).ok()
		h.post("/team/new", `{"team_id":"t1","members_with_roles":[{"role":"user","user_id":"ann"},{"role":"admin","user_id":"cap"}],"team_member_permissions":["/key/update","/key/regenerate","/key/generate"]}`).ok()
		_, given := h.key(`{"user_id":"ann","max_budget":1,"rpm_limit":5,"models":["m1"],"duration":"30d","metadata":{"guardrails":["pii"]}}`)
		_, teams := h.key(`{"team_id":"t1","max_budget":1,"budget_limits":[{"budget_duration":"1d","max_budget":1}],"rpm_limit":5}`)
		h.as("ann", gateway.InternalUser)
		_, own := h.key(`{"max_budget":1}`)

		loosens := []string{
			`"max_budget":null`, `"max_budget":2`, `"rpm_limit":null`, `"models":[]`, `"duration":"-1"`, `"metadata":{}`, `"budget_limits":[{"budget_duration":"1d","max_budget":50}]`,
			`"budget_duration":"1s"`, `"enforce":false`, `"temp_budget_increase":50,"temp_budget_expiry":"2030-01-01T00:00:00Z"`, `"model_max_budget":{"m1":5}`, `"budget_id":"b1"`,
			`"tags":["x"]`, `"aliases":{"a":"b"}`,
		}
		for _, field := range loosens {
			h.post("/key/update", `{"key":"`+given+`",`+field+`}`).refused(403, "auth_error", "key", "somebody else has made for you")
			h.post("/key/regenerate", `{"key":"`+given+`",`+field+`}`).refused(403, "auth_error", "key", "somebody else has made for you")
		}
		h.get("/key/info?key="+given).ok().has("info.max_budget", "1.0", "info.rpm_limit", "5", "info.models", `["m1"]`)
		h.post("/key/update", `{"key":"`+given+`","key_alias":"mine","rpm_limit":5,"max_budget":1}`).ok().has("key_alias", `"mine"`)
		given = h.post("/key/regenerate", `{"key":"`+given+`"}`).ok().text("token_id")
		h.get("/key/info?key="+given).ok().has("info.max_budget", "1.0", "info.rpm_limit", "5", "info.key_alias", `"mine"`)

		for _, field := range []string{`"max_budget":null`, `"max_budget":2`, `"budget_limits":[]`, `"budget_id":"b1"`, `"enforce":false`} {
			h.post("/key/update", `{"key":"`+teams+`",`+field+`}`).refused(403, "auth_error", "key", "the budgets of this key")
		}
		h.post("/key/update", `{"key":"`+teams+`","metadata":{"x":1}}`).ok() // the team has said that members may

		h.post("/key/update", `{"key":"`+own+`","max_budget":2}`).ok()
		h.asAdmin().post("/key/update", `{"key":"`+own+`","max_budget":0.5}`).ok()
		h.as("ann", gateway.InternalUser).post("/key/update", `{"key":"`+own+`","max_budget":2}`).refused(403, "auth_error", "key", "the budgets of this key")
		h.post("/key/update", `{"key":"`+own+`","metadata":{"x":1}}`).ok()

		h.as("cap", gateway.InternalUser).post("/key/update", `{"key":"`+teams+`","max_budget":null}`).ok().has("max_budget", "null")
		h.asAdmin().post("/key/update", `{"key":"`+given+`","max_budget":null}`).ok().has("max_budget", "null")
	})
}

// An access group's models reach beyond those of the key's team.
func TestMembersDoNotGiveTheirTeamsKeysAccessGroups(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/user/new", `{"user_id":"ann","auto_create_key":false}`).ok()
		h.post("/team/new", `{"team_id":"t1","access_group_ids":["g-team"],"members_with_roles":[{"role":"user","user_id":"ann"}],"team_member_permissions":["/key/update","/key/generate"]}`).ok()
		h.as("ann", gateway.InternalUser)
		_, key := h.key(`{"team_id":"t1","access_group_ids":["g-team"]}`)
		refused := func(path, body string) {
			h.post(path, body).refused(401, "team_member_permission_error", "", "Team member does not have permissions for endpoint: /key/access_group_assignment")
		}
		refused("/key/generate", `{"team_id":"t1","access_group_ids":["g-other"]}`)
		refused("/key/update", `{"key":"`+key+`","access_group_ids":["g-team","g-other"]}`)
		h.asAdmin().post("/team/permissions_update", `{"team_id":"t1","team_member_permissions":["/key/update","/key/access_group_assignment"]}`).ok()
		h.as("ann", gateway.InternalUser).post("/key/update", `{"key":"`+key+`","access_group_ids":["g-other"]}`).ok().has("access_group_ids", `["g-other"]`)
	})
}

// Cap administers a team of an organization, and has no more to give than the
// team has.
func TestATeamsAdminDoesNotRaiseIt(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/user/new", `{"user_id":"cap","auto_create_key":false}`).ok()
		h.post("/team/new", `{"team_id":"t1","models":["m1"],"max_budget":5,"rpm_limit":50,"members_with_roles":[{"role":"admin","user_id":"cap"}]}`).ok()
		h.as("cap", gateway.InternalUser)
		for name, value := range map[string]string{
			"max_budget": "null", "rpm_limit": "51", "models": "[]", "enforce": "false", "access_group_ids": `["g1"]`, "spend": "0",
		} {
			h.post("/team/update", `{"team_id":"t1","`+name+`":`+value+`}`).refused(403, "auth_error", name, "can raise or move this: "+name)
		}
		h.post("/team/update", `{"team_id":"t1","team_alias":"ours","max_budget":4,"models":["m1"]}`).ok().has("data.max_budget", "4.0", "data.models", `["m1"]`, "data.access_group_ids", "[]")
	})
}

// What an organization has holds for its teams from the start, with models or
// without.
func TestATeamMayNotBeMadeWithMoreThanItsOrganizationHas(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/organization/new", `{"organization_id":"o1","organization_alias":"O","models":["m1"],"max_budget":10,"rpm_limit":100}`).ok()
		for _, models := range []string{``, `,"models":["m1"]`} {
			h.post("/team/new", `{"team_id":"t1","organization_id":"o1","max_budget":100`+models+`}`).refused(400, "bad_request_error", "max_budget", "exceeds organization's max_budget (10.0)")
			h.post("/team/new", `{"team_id":"t1","organization_id":"o1","rpm_limit":1000`+models+`}`).refused(400, "bad_request_error", "rpm_limit", "exceeds organization's rpm_limit (100)")
		}
		h.post("/team/new", `{"team_id":"t1","organization_id":"o1","models":["m2"]}`).refused(400, "bad_request_error", "models", "Model 'm2' not allowed")
		h.post("/team/new", `{"team_id":"t1","organization_id":"o1","max_budget":10}`).ok()
	})
}

func TestAKeyGivesNoLargerBudgetThanItHas(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/user/new", `{"user_id":"ann","auto_create_key":false}`).ok()
		h.as("ann", gateway.InternalUser)
		two := gateway.NanoUSD(2_000_000_000)
		h.who.Key.Limits.Budget = &two
		h.post("/key/generate", `{"max_budget":3}`).refused(400, "bad_request_error", "max_budget", "max_budget (3.0) cannot exceed the caller's own max_budget (2.0).")
		h.post("/key/generate", `{"budget_limits":[{"budget_duration":"1d","max_budget":3}]}`).refused(400, "bad_request_error", "budget_limits", "(3.0) cannot exceed")
		_, key := h.key(`{"max_budget":2,"budget_limits":[{"budget_duration":"1d","max_budget":1}]}`)
		h.post("/key/update", `{"key":"`+key+`","max_budget":3}`).refused(400, "bad_request_error", "max_budget", "cannot exceed")
		h.post("/key/update", `{"key":"`+key+`","max_budget":1}`).ok().has("max_budget", "1.0")
	})
}
