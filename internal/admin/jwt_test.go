package admin_test

import (
	"testing"

	"penstock/internal/gateway"
)

// A program's tokens are given a key's limits, another key's, and none.
func TestTheLifeOfAJWTMapping(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		_, one := h.key(`{"key_alias":"one"}`)
		secret, _ := h.key(`{"key_alias":"two"}`)
		made := h.post("/jwt/key/mapping/new", `{"jwt_claim_name":"azp","jwt_claim_value":"cli","key":"`+one+`","description":"the tool"}`).ok()
		made.has("jwt_issuer", "null", "jwt_claim_name", `"azp"`, "jwt_claim_value", `"cli"`, "description", `"the tool"`, "is_active", "true", "created_by", `"default_user_id"`)
		id := made.text("id")
		h.post("/jwt/key/mapping/new", `{"jwt_claim_name":"azp","jwt_claim_value":"cli","key":"`+one+`"}`).refused(409, "bad_request_error", "jwt_claim_value", "stands for a key already")
		h.post("/jwt/key/mapping/new", `{"jwt_claim_name":"azp","jwt_claim_value":"x","key":"sk-none-0123456789"}`).refused(400, "bad_request_error", "key", "Key not found in database")
		h.post("/jwt/key/mapping/new", `{"jwt_claim_name":"azp","key":"`+one+`"}`).refused(422, "validation_error", "jwt_claim_value", "jwt_claim_value is missing")
		h.post("/jwt/key/mapping/new", `{"jwt_claim_name":"azp","jwt_claim_value":"a\u0000","key":"`+one+`"}`).refused(400, "bad_request_error", "jwt_claim_value", "NUL")

		h.post("/jwt/key/mapping/update", `{"id":"`+id+`","key":"`+secret+`","jwt_issuer":"https://id","description":null}`).ok().
			has("jwt_issuer", `"https://id"`, "description", "null", "jwt_claim_value", `"cli"`)
		h.post("/jwt/key/mapping/update", `{"id":"`+id+`","jwt_claim_name":null}`).refused(422, "validation_error", "jwt_claim_name", "missing")
		h.post("/jwt/key/mapping/update", `{"id":"none","is_active":false}`).refused(404, "not_found_error", "id", "Mapping not found")
		h.get("/jwt/key/mapping/info?id="+id).ok().has("is_active", "true")
		h.get("/jwt/key/mapping/list").ok().has("total_count", "1", "current_page", "1", "total_pages", "1", "mappings.0.id", `"`+id+`"`)

		h.post("/user/new", `{"user_id":"u1","auto_create_key":false}`).ok()
		h.as("u1", gateway.InternalUser).get("/jwt/key/mapping/list").refused(401, "auth_error", "None", "Only proxy admin")
		h.asAdmin()

		h.post("/jwt/key/mapping/delete", `{"id":"`+id+`"}`).ok().has("status", `"success"`)
		h.post("/jwt/key/mapping/delete", `{"id":"`+id+`"}`).refused(404, "not_found_error", "id", "Mapping not found")
		h.audited(id, "deleted by default_user_id", "updated by default_user_id", "created by default_user_id")
	})
}
