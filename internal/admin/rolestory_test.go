package admin_test

import (
	"testing"

	"penstock/internal/gateway"
)

// Admins of a team block it, and undo what they have done; what others have
// blocked stays blocked.
func TestAdminsOfATeamBlockIt(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		for _, user := range []string{"ann", "amy", "bob", "eve"} {
			h.post("/user/new", `{"user_id":"`+user+`","user_role":"internal_user","auto_create_key":false}`).ok()
		}
		h.post("/organization/new", `{"organization_id":"o","organization_alias":"o"}`).ok()
		h.post("/organization/member_add", `{"organization_id":"o","member":{"role":"org_admin","user_id":"eve"}}`).ok()
		h.post("/team/new", `{"team_id":"t","organization_id":"o","members_with_roles":[{"role":"admin","user_id":"ann"},{"role":"admin","user_id":"amy"},{"role":"user","user_id":"bob"}]}`).ok()
		h.reload(t)
		for _, tt := range []struct{ name, blocker, unblocker, how string }{
			{"the admin itself", "ann", "ann", "/team/block"},
			{"another admin of the team", "ann", "amy", "/team/block"},
			{"by an update", "amy", "ann", "/team/update"},
			{"an admin of the organization", "", "eve", "/team/block"},
		} {
			call := func(user string) *house {
				if user == "" {
					return h.asAdmin()
				}
				return h.as(user, gateway.InternalUser)
			}
			call(tt.blocker).post(tt.how, `{"team_id":"t","blocked":true}`).ok()
			call(tt.unblocker).post("/team/unblock", `{"team_id":"t"}`).ok().has("blocked", "false")
		}
		for _, how := range []string{"/team/block", "/team/update"} {
			h.as("ann", gateway.InternalUser).post("/team/block", `{"team_id":"t"}`).ok()
			h.post("/team/unblock", `{"team_id":"t"}`).ok()
			h.asAdmin().post(how, `{"team_id":"t","blocked":true}`).ok()
			h.as("ann", gateway.InternalUser).post("/team/unblock", `{"team_id":"t"}`).refused(403, "auth_error", "blocked", "Only proxy admins")
			h.post("/team/update", `{"team_id":"t","blocked":false}`).refused(403, "auth_error", "blocked", "Only proxy admins")
			h.asAdmin().post("/team/unblock", `{"team_id":"t"}`).ok()
		}
		h.as("bob", gateway.InternalUser).post("/team/block", `{"team_id":"t"}`).refused(403, "auth_error", "", "User not proxy admin OR team admin")
	})
}

// Who sees everything and does nothing may say what its address is.
func TestAViewerChangesItsAddressAlone(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		for _, user := range []string{"vic", "bob"} {
			h.post("/user/new", `{"user_id":"`+user+`","user_email":"`+user+`@old.example","user_role":"proxy_admin_viewer","auto_create_key":false}`).ok()
		}
		h.reload(t)
		h.as("vic", gateway.ProxyAdminViewer)
		h.post("/user/update", `{"user_email":"vic@new.example"}`).ok().has("user_id", `"vic"`, "data.user_email", `"vic@new.example"`)
		h.post("/user/update", `{"user_id":"vic","user_email":"vic@newer.example"}`).ok().has("data.user_email", `"vic@newer.example"`, "data.user_role", `"proxy_admin_viewer"`)
		h.audited("vic", "updated by vic", "updated by vic", "created by default_user_id")
		for _, tt := range []struct{ name, body, param string }{
			{"a role", `{"user_id":"vic","user_email":"x@y.example","user_role":"proxy_admin"}`, "user_role"},
			{"a budget", `{"max_budget":5,"user_email":"x@y.example"}`, "max_budget"},
			{"somebody else", `{"user_id":"bob","user_email":"x@y.example"}`, "user_id"},
			{"a field that is none", `{"nope":1,"user_email":"x@y.example"}`, "nope"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				h.post("/user/update", tt.body).refused(403, "auth_error", tt.param, "only user_email can be updated")
			})
		}
		h.post("/user/update", `{"user_email":"bob@old.example"}`).refused(409, "bad_request_error", "user_email", "already exists")
		h.post("/user/bulk_update", `{"users":[{"user_id":"vic","user_email":"x@y.example"}]}`).refused(403, "auth_error", "", "proxy_admin_viewer")
	})
}
