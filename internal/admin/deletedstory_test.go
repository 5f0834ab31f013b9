package admin_test

import (
	"testing"

	"penstock/internal/gateway"
)

// Keys and teams that are deleted, one by one or with what they belong to, stay
// to be looked at, with who did it, and are nothing else any more.
func TestDeletedKeysAndTeamsAreKept(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/organization/new", `{"organization_id":"o","organization_alias":"o"}`).ok()
		for _, user := range []string{"ann", "bob", "eve"} {
			h.post("/user/new", `{"user_id":"`+user+`","user_role":"internal_user","auto_create_key":false}`).ok()
		}
		h.post("/organization/member_add", `{"organization_id":"o","member":{"role":"org_admin","user_id":"eve"}}`).ok()
		for _, team := range []string{`"t1"`, `"t2","organization_id":"o"`, `"t3"`} {
			h.post("/team/new", `{"team_id":`+team+`,"team_alias":"lab","max_budget":9,"members_with_roles":[{"role":"user","user_id":"ann"}]}`).ok()
		}
		h.reload(t)
		_, hash := h.key(`{"key":"sk-chosen-by-a-person","key_alias":"mine","user_id":"ann","max_budget":5,"budget_duration":"30d"}`)
		h.post("/key/update", `{"key":"`+hash+`","spend":2.5}`).ok()
		h.post("/key/delete", `{"keys":["`+hash+`"]}`).ok()
		h.get("/key/info?key="+hash).ok().has("key", `"`+hash+`"`, "info.status", `"deleted"`, "info.key_alias", `"mine"`, "info.spend", "2.5", "info.budget_reset_at", "null",
			"info.deleted_at", `"2026-01-17T12:00:00Z"`, "info.deleted_by", `"default_user_id"`).lacks(`"token"`)
		h.get("/key/list").ok().has("total_count", "0")
		h.get("/key/list?status=deleted").ok().has("keys", `["`+hash+`"]`, "total_count", "1", "total_pages", "1")
		h.get("/key/list?status=deleted&return_full_object=true").ok().has(
			"keys.0.token", `"`+hash+`"`, "keys.0.status", `"deleted"`, "keys.0.key_alias", `"mine"`, "keys.0.max_budget", "5.0", "keys.0.spend", "2.5",
			"keys.0.deleted_at", `"2026-01-17T12:00:00Z"`, "keys.0.deleted_by", `"default_user_id"`, "keys.0.deleted_by_api_key", "null", "keys.0.litellm_changed_by", "null")

		// The same key again is another one, with another record.
		h.post("/key/generate", `{"key":"sk-chosen-by-a-person","user_id":"ann"}`).ok().has("spend", "0.0")
		h.get("/key/info?key="+hash).ok().has("info.status", `"active"`, "info.spend", "0.0").lacks("deleted_at")
		h.now = noon.AddDate(0, 0, 1)
		h.as("ann", gateway.InternalUser)
		h.post("/key/delete", `{"keys":["`+hash+`"]}`).ok()
		h.get("/key/list?status=deleted&return_full_object=true&sort_by=max_budget&sort_order=asc").ok().has("total_count", "2", "keys.0.spend", "2.5", "keys.1.spend", "0.0",
			"keys.1.deleted_by", `"ann"`, "keys.1.deleted_by_api_key", `"`+h.who.Key.Hash+`"`)
		// Of two with one value the last is shown, to whom it was when it lived.
		h.get("/key/info?key=sk-chosen-by-a-person").ok().has("info.status", `"deleted"`, "info.spend", "0.0", "info.deleted_by", `"ann"`)
		h.post("/v2/key/info", `{"keys":["`+hash+`","sk-there-is-no-such-key"]}`).ok().has("info.0.status", `"deleted"`, "info.0.deleted_by", `"ann"`).lacks(`"token"`)
		h.as("bob", gateway.InternalUser)
		h.get("/key/info?key="+hash).refused(403, "auth_error", "key", "not allowed to access this key's info")
		h.post("/v2/key/info", `{"keys":["`+hash+`"]}`).ok().has("info", "[]")
		h.get("/key/list?status=deleted").ok().has("total_count", "0")
		h.asAdmin()
		h.get("/key/list?status=deleted&search=min").ok().has("total_count", "1")
		h.get("/key/list?status=deleted&user_id=bob").ok().has("total_count", "0")
		h.get("/key/list?status=deleted&size=1&expand=user").ok().has("total_pages", "2", "keys.0.user.user_id", `"ann"`)

		// Keys go with their team, member, user and organization.
		for _, tt := range []struct{ key, method, path, body string }{
			{`{"team_id":"t1"}`, "POST", "/team/delete", `{"team_ids":["t1"]}`},
			{`{"team_id":"t3","user_id":"ann"}`, "POST", "/team/member_delete", `{"team_id":"t3","user_id":"ann"}`},
			{`{"user_id":"bob"}`, "POST", "/user/delete", `{"user_ids":["bob"]}`},
			{`{"team_id":"t2"}`, "DELETE", "/organization/delete", `{"organization_ids":["o"]}`},
		} {
			h.reload(t)
			_, hash := h.key(tt.key)
			if tt.method == "DELETE" { // who administers the organization sees what is gone of it
				_, other := h.key(`{"team_id":"t2"}`)
				h.post("/key/delete", `{"keys":["`+other+`"]}`).ok()
				h.as("eve", gateway.InternalUser)
				h.get("/key/list?status=deleted&team_id=t2").ok().has("keys", `["`+other+`"]`)
				h.asAdmin()
			}
			h.do(tt.method, tt.path, tt.body).ok()
			h.get("/key/list?status=deleted&key_hash="+hash).ok().has("keys", `["`+hash+`"]`)
		}
		h.reload(t)
		h.get("/v2/team/list").ok().has("total", "1", "teams.0.team_id", `"t3"`)
		h.get("/v2/team/list?status=deleted&sort_by=team_id").ok().has(
			"total", "2", "total_pages", "1", "teams.0.team_id", `"t1"`, "teams.0.max_budget", "9.0", "teams.0.members_count", "2",
			"teams.0.deleted_by", `"default_user_id"`, "teams.1.team_id", `"t2"`, "teams.1.organization_id", `"o"`)
		h.get("/v2/team/list?status=deleted&team_id=t2").ok().has("total", "1")
		h.as("ann", gateway.InternalUser)
		h.get("/v2/team/list?status=deleted").ok().has("total", "0")
	})
}
