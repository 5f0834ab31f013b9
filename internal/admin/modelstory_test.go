package admin_test

import (
	"strings"
	"testing"

	"penstock/internal/admin"
	"penstock/internal/secret"
)

// Both engines keep models and credentials; what can be called is tested with a
// whole gateway.
func TestModelsAndCredentialsAreKept(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		box, err := secret.New("sk-salt")
		if err != nil {
			t.Fatal(err)
		}
		d := open(t, h.db, func(o *admin.Options) {
			o.Directory, o.Secrets, o.StoreModels = h.directory, box, func() bool { return true }
		})
		d.post("/model/new", `{"model_name":"m","litellm_params":{"model":"openai/x","api_key":"sk-vendor"},"model_info":{"id":"m1","mode":"chat"},"colour":1}`).ok().
			has("model_id", `"m1"`, "model_name", `"m"`, "litellm_params", `{"model":"openai/x","api_key":"****"}`, "model_info", `{"id":"m1","mode":"chat"}`, "blocked", "false", "created_by", `"default_user_id"`)
		d.post("/model/new", `{"model_name":"m","litellm_params":{"model":"openai/x"},"model_info":{"id":"m1"}}`).refused(400, "bad_request_error", "model_info.id", "already exists")
		d.post("/model/new", `{"model_name":"m","litellm_params":{"model":"openai/x"},"model_info":{"id":7}}`).refused(422, "validation_error", "model_info.id", "want a string")
		d.post("/model/new", `{"model_name":"m","litellm_params":"x"}`).refused(422, "validation_error", "litellm_params", "want an object")
		d.post("/model/new", `{"model_name":"m","litellm_params":{"model":"openai/x"},"model_info":{"team_id":"t9"}}`).refused(404, "not_found_error", "team_id", "t9")
		h.post("/team/new", `{"team_id":"t1","models":["gpt-4o"]}`).ok()
		d.post("/model/new", `{"model_name":"ours","litellm_params":{"model":"openai/x"},"model_info":{"id":"m2","team_id":"t1"}}`).ok().
			has("team_id", `"t1"`, "model_info", `{"id":"m2","team_id":"t1","team_public_model_name":"ours"}`)
		d.get("/team/info?team_id=t1").ok().has("team_info.models", `["gpt-4o","ours"]`)
		d.post("/model/update", `{"model_info":{"id":"m1","mode":null},"litellm_params":{"rpm":5}}`).ok().
			has("litellm_params", `{"model":"openai/x","api_key":"****","rpm":5}`, "model_info", `{"id":"m1"}`)
		d.post("/model/block", `{"model_id":"m1"}`).ok().has("blocked", "true")
		d.do("PATCH", "/model/m1/update", `{"model_name":"n"}`).ok().has("blocked", "true", "model_name", `"n"`)
		d.do("PATCH", "/model/m9/update", `{"model_name":"n"}`).refused(404, "not_found_error", "model_id", "Model m9 not found on proxy.")
		d.post("/model/delete", `{"id":"m1"}`).ok().has("message", `"Model: m1 deleted successfully"`)
		d.post("/model/delete", `{"id":"m1"}`).refused(400, "bad_request_error", "id", "Model with id=m1 not found in db")
		h.audited("m1", "deleted by default_user_id", "updated by default_user_id", "blocked by default_user_id", "updated by default_user_id", "created by default_user_id")

		d.post("/credentials", `{"credential_name":"c'1; --","credential_values":{"api_key":"sk-vendor","n":1}}`).ok().has("success", "true")
		d.post("/credentials", `{"credential_name":"c'1; --","credential_values":{"api_key":"sk-vendor"}}`).refused(409, "bad_request_error", "credential_name", "already exists")
		d.post("/credentials", `{"credential_name":"c2"}`).refused(422, "validation_error", "credential_values", "missing")
		d.get("/credentials").ok().has("success", "true", "credentials.0.credential_values", `{"api_key":"****","n":1}`)
		d.do("PATCH", "/credentials/c'1;%20--", `{"credential_info":{"a":1},"credential_values":{"api_key":"****","b":"x"},"credential_values_to_delete":["n"]}`).ok()
		d.get("/credentials/by_name/c'1;%20--").ok().has("credential_values", `{"api_key":"****","b":"****"}`, "credential_info", `{"a":1}`)
		d.do("DELETE", "/credentials/c9", "").refused(404, "not_found_error", "credential_name", "c9")
		entries, _, err := h.db.ListAudit(t.Context(), auditOf("c'1; --"), pageOne)
		if err != nil || len(entries) != 2 {
			t.Fatalf("%d entries, %v, want 2", len(entries), err)
		}
		for _, e := range entries {
			if strings.Contains(string(e.Before)+string(e.After), "sk-vendor") {
				t.Errorf("the audit log has a secret: %s", e.After)
			}
		}
	})
}

func TestModelsAreNotKeptUnlessConfigured(t *testing.T) {
	h := openHouse(t, sqlite(t))
	h.post("/model/new", `{"model_name":"m","litellm_params":{"model":"openai/x"}}`).refused(500, "auth_error", "", "Set 'STORE_MODEL_IN_DB='True'' in your env to enable this feature.")
}
