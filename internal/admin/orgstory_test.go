package admin_test

import (
	"strings"
	"testing"

	"penstock/internal/gateway"
)

// A company makes an organization, gives it to somebody to run, who gives it people.
func TestTheLifeOfAnOrganization(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/organization/new", `{"max_budget":1}`).refused(422, "validation_error", "organization_alias", "organization_alias is missing")
		h.post("/organization/new", `{"organization_id":"o1","organization_alias":"Works","models":["gpt-4o"],"max_budget":100,"budget_duration":"30d","rpm_limit":50,
			"metadata":{"cost_center":"7","tags":["x"]},"model_rpm_limit":{"gpt-4o":9}}`).ok().
			has("organization_id", `"o1"`, "organization_alias", `"Works"`, "models", `["gpt-4o"]`, "spend", "0.0", "litellm_budget_table.max_budget", "100.0",
				"litellm_budget_table.rpm_limit", "50", "metadata", `{"cost_center":"7","tags":["x"],"model_rpm_limit":{"gpt-4o":9}}`, "created_by", `"default_user_id"`)
		h.post("/organization/new", `{"organization_id":"o1","organization_alias":"Again"}`).refused(400, "bad_request_error", "organization_id", "already exists")
		h.post("/organization/new", `{"organization_id":"o2","organization_alias":"Other"}`).ok()
		h.post("/user/new", `{"user_id":"boss","user_email":"boss@x.y","auto_create_key":false}`).ok()
		h.post("/user/new", `{"user_id":"outside","auto_create_key":false}`).ok()

		h.post("/organization/member_add", `{"organization_id":"o1","member":{"role":"king","user_id":"boss"}}`).refused(422, "validation_error", "member.role", "king")
		h.post("/organization/member_add", `{"organization_id":"o1","member":{"role":"org_admin","user_id":"boss"},"max_budget_in_organization":5}`).ok().
			has("organization_id", `"o1"`, "updated_users.0.user_id", `"boss"`, "updated_users.0.organizations", `["o1"]`,
				"updated_organization_memberships.0.user_role", `"org_admin"`, "updated_organization_memberships.0.litellm_budget_table.max_budget", "5.0")
		h.post("/organization/member_add", `{"organization_id":"o1","member":{"role":"org_admin","user_id":"boss"}}`).refused(400, "bad_request_error", "member", "already in organization")

		boss := h.as("boss", gateway.InternalUser)
		boss.post("/organization/new", `{"organization_alias":"Mine"}`).refused(401, "auth_error", "None", "Only proxy admin")
		boss.post("/organization/member_add", `{"organization_id":"o1","member":[{"role":"internal_user","user_email":"new@x.y"},{"role":"internal_user","user_id":"u2"}]}`).ok().
			has("updated_users.1.user_id", `"u2"`)
		boss.post("/organization/member_add", `{"organization_id":"o1","member":{"role":"internal_user","user_id":"outside"}}`).
			refused(403, "auth_error", "member", "Only proxy admins can put users into an organization")
		boss.post("/organization/member_add", `{"organization_id":"o2","member":{"role":"org_admin","user_id":"boss"}}`).
			refused(401, "auth_error", "None", "You do not have a role within the selected organization")
		boss.post("/team/new", `{"team_id":"t1","organization_id":"o1","models":["gpt-4o"]}`).ok()
		boss.do("PATCH", "/organization/member_update", `{"organization_id":"o1","user_id":"u2","role":"internal_user_viewer"}`).ok().has("user_role", `"internal_user_viewer"`)
		boss.get("/organization/info?organization_id=o1").ok().has("members.0.user_id", `"boss"`, "members.0.user.user_email", `"boss@x.y"`, "members.2.user_id", `"u2"`, "teams.0.team_id", `"t1"`)
		boss.get("/organization/info?organization_id=o2").refused(401, "auth_error", "None", "You do not have a role")
		boss.get("/organization/info?organization_id=none").refused(401, "auth_error", "None", "You do not have a role")
		boss.get("/organization/list").ok().has("0.organization_id", `"o1"`)
		if a := h.as("u2", gateway.InternalUser).get("/organization/list").ok().has("0.members.0.user_id", `"u2"`, "0.teams", "[]"); strings.Contains(a.Body, "boss@x.y") {
			t.Errorf("a member sees the others: %s", a.Body)
		}
		h.as("outside", gateway.InternalUser).get("/organization/list").ok().has()

		h.asAdmin()
		h.do("PATCH", "/organization/update", `{"organization_id":"o1","models":[],"max_budget":null,"colour":1}`).ok().has("models", "[]", "litellm_budget_table.max_budget", "null", "organization_alias", `"Works"`)
		h.do("PATCH", "/v2/organization/o1", `{"colour":1}`).refused(422, "validation_error", "colour", "no such field")
		h.do("PATCH", "/v2/organization/o1", `{"tpm_limit":12}`).ok().has("tpm_limit", "12")
		h.do("PATCH", "/organization/update", `{"organization_id":"o9","models":[]}`).refused(404, "not_found_error", "organization_id", "o9")
		h.post("/organization/info", `{"organizations":["o1","o2"]}`).ok().has("1.organization_alias", `"Other"`)
		h.get("/organization/list?org_alias=Oth").ok().has("0.organization_id", `"o2"`)

		h.do("DELETE", "/organization/member_delete", `{"organization_id":"o1","user_email":"NEW@x.y"}`).ok().has("user_email", `"new@x.y"`)
		h.do("DELETE", "/organization/member_delete", `{"organization_id":"o1","user_id":"u9"}`).refused(404, "not_found_error", "user_id", "Member not found")
		_, hash := h.key(`{"team_id":"t1"}`)
		h.do("DELETE", "/organization/delete", `{"organization_ids":["o1"]}`).ok().has("0.organization_id", `"o1"`)
		h.get("/team/info?team_id=t1").refused(404, "not_found_error", "team_id", "t1")
		h.get("/key/info?key="+hash).ok().has("info.status", `"deleted"`)
		h.get("/user/info?user_id=boss").ok().has("user_info.organizations", "[]")
		h.audited("o1", "deleted by default_user_id", "updated by default_user_id")
		h.audited("t1", "deleted by default_user_id", "created by boss")
		h.audited(hash, "deleted by default_user_id")
	})
}
