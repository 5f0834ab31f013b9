package admin_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"penstock/internal/admin"
	"penstock/internal/gateway"
	"penstock/internal/secret"
	"penstock/internal/store/storetest"
)

const langfuseBody = `{"callback_name":"langfuse","callback_type":"success","callback_vars":{"langfuse_public_key":"pk-1","langfuse_secret_key":"hunter2","langfuse_host":"https://lf.example.com"}}`

// hidden wants a secret to be nowhere: in the answer, the rows and the audit log.
func (h *house) hidden(what string, a *answer, objects ...string) {
	h.t.Helper()
	if strings.Contains(a.Body, what) {
		h.t.Errorf("%s shows %s: %s", a.call, what, a.Body)
	}
	for _, o := range objects {
		entries, _, err := h.db.ListAudit(h.t.Context(), auditOf(o), pageOne)
		if err != nil || len(entries) == 0 {
			h.t.Fatalf("%d entries, %v", len(entries), err)
		}
		for _, e := range entries {
			if strings.Contains(string(e.Before)+string(e.After), what) {
				h.t.Errorf("the audit log shows %s: %s %s", what, e.Before, e.After)
			}
		}
	}
}

func onEnginesSealed(t *testing.T, story func(*testing.T, *house)) {
	t.Run("sqlite", func(t *testing.T) { story(t, openHouse(t, storetest.SQLite(t), storesModels(t))) })
	t.Run("postgres", func(t *testing.T) { story(t, openHouse(t, storetest.Postgres(t), storesModels(t))) })
}

func TestATeamsOwnLogging(t *testing.T) {
	onEnginesSealed(t, func(t *testing.T, h *house) {
		h.post("/team/new", `{"team_id":"t","members_with_roles":[{"user_id":"lead","role":"admin"},{"user_id":"plain","role":"user"}]}`).ok()
		h.get("/team/t/callback").ok().has("data.success_callbacks", "[]", "data.callback_vars", "{}")
		a := h.post("/team/t/callback", langfuseBody).ok().has("status", `"success"`, "data.team_id", `"t"`)
		h.hidden("hunter2", a, "t")
		a = h.get("/team/t/callback").ok().has("data.team_id", `"t"`, "data.success_callbacks", `["langfuse"]`, "data.failure_callbacks", "[]",
			"data.callback_vars", `{"langfuse_host":"https://lf.example.com","langfuse_public_key":"pk-1","langfuse_secret_key":"***REDACTED***"}`)
		h.hidden("hunter2", a, "t")
		h.post("/team/t/callback", langfuseBody).refused(400, "bad_request_error", "callback_name", "already exists")
		h.post("/team/t/callback", strings.Replace(langfuseBody, `"success"`, `"failure"`, 1)).ok()
		h.post("/team/t/callback", `{"callback_name":"webhook","callback_vars":{"endpoint":"https://hook.example.com","headers":"X-Key=hunter2"}}`).ok()
		a = h.get("/team/info?team_id=t").ok().has("team_info.metadata.logging.2.callback_name", `"webhook"`, "team_info.metadata.logging.2.callback_type", `"success_and_failure"`,
			"team_info.metadata.logging.2.callback_vars.headers", `"***REDACTED***"`)
		h.hidden("hunter2", a, "t")
		stored, err := h.db.Team(t.Context(), "t")
		if err != nil || len(stored.Logging.To) != 3 || !stored.Logging.To[0].Trusted || strings.Contains(string(stored.Logging.To[0].Vars), "hunter2") || strings.Contains(string(stored.Metadata), "logging") {
			t.Fatalf("stored %+v, %v", stored, err)
		}

		// What a client has read and sends back is what it was.
		meta := a.at("team_info.metadata")
		h.post("/team/update", `{"team_id":"t","metadata":`+meta+`}`).ok()
		if again := h.get("/team/info?team_id=t").ok().at("team_info.metadata"); again != meta {
			t.Errorf("the metadata was %s and is %s", meta, again)
		}
		box, err := secret.New("sk-salt")
		if err != nil {
			t.Fatal(err)
		}
		stored, err = h.db.Team(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		if vars, err := secret.OpenTexts(box, stored.Logging.To[0].Vars, secret.Logging("team", "t")); err != nil || vars["langfuse_secret_key"] != "hunter2" {
			t.Errorf("the secret is %v, %v", vars, err)
		}
		// But no secret goes elsewhere for having been sent back hidden.
		h.post("/team/update", `{"team_id":"t","metadata":`+strings.Replace(meta, "https://lf.example.com", "https://evil.example.com", 1)+`}`).
			refused(400, "bad_request_error", "callback_vars.langfuse_secret_key", "send it again")
		h.post("/team/update", `{"team_id":"t","metadata":{"a":1}}`).ok() // says nothing about it
		h.get("/team/t/callback").ok().has("data.success_callbacks", `["langfuse","webhook"]`, "data.failure_callbacks", `["langfuse","webhook"]`)

		h.do("DELETE", "/team/t/callback/langfuse", "").ok().has("message", `"Callback langfuse removed for team t"`, "data.success_callbacks", `["webhook"]`)
		h.do("DELETE", "/team/t/callback/langfuse", "").refused(404, "not_found_error", "callback_name", "is not registered for team_id = t")
		h.post("/team/t/disable_logging", "").ok().has("message", `"Logging disabled for team t"`, "data.success_callbacks", "[]")
		h.get("/team/info?team_id=t").ok().has("team_info.metadata.logging", "[]", "team_info.metadata.callback_settings.success_callback", "[]")
		if stored, err := h.db.Team(t.Context(), "t"); err != nil || !stored.Logging.Off {
			t.Errorf("logging is %+v, %v", stored.Logging, err)
		}
		h.post("/team/t/callback", langfuseBody).ok() // switches it on
		if stored, err := h.db.Team(t.Context(), "t"); err != nil || stored.Logging.Off {
			t.Errorf("logging is %+v, %v", stored.Logging, err)
		}
		h.audited("t", "updated by default_user_id")

		// Its admins may, its members and others may not.
		h.as("lead", gateway.InternalUser)
		h.post("/team/t/callback", `{"callback_name":"webhook","callback_vars":{"endpoint":"http://10.0.0.1/"}}`).ok()
		if stored, err := h.db.Team(t.Context(), "t"); err != nil || !stored.Logging.To[0].Trusted || stored.Logging.To[1].Trusted {
			t.Errorf("logging is %+v, %v: only what an admin has set may reach private networks", stored.Logging, err)
		}
		for _, who := range []string{"plain"} {
			h.as(who, gateway.InternalUser)
			for _, c := range [][2]string{{"GET", "/team/t/callback"}, {"POST", "/team/t/callback"}, {"DELETE", "/team/t/callback/webhook"}, {"POST", "/team/t/disable_logging"}} {
				if a := h.do(c[0], c[1], langfuseBody); a.Status != 403 || strings.Contains(a.Body, "pk-1") {
					t.Errorf("%s: %s: %d %s", who, a.call, a.Status, a.Body)
				}
			}
		}
	})
}

func TestLoggingThatCannotBeIsRefused(t *testing.T) {
	h := openHouse(t, sqlite(t), storesModels(t))
	h.post("/team/new", `{"team_id":"t"}`).ok()
	for _, tt := range []struct {
		name, body    string
		status        int
		typ, param    string
		says          string
		inMetadataToo bool
	}{
		{"a destination there is none of", `{"callback_name":"langsmith","callback_vars":{}}`, 400, "bad_request_error", "callback_name", "langfuse", false},
		{"nothing", `{}`, 400, "bad_request_error", "callback_name", "callback_name", false},
		{"a word for when that is none", `{"callback_name":"langfuse","callback_type":"always","callback_vars":{}}`, 422, "validation_error", "callback_type", "success_and_failure", true},
		{"Langfuse without its keys", `{"callback_name":"langfuse","callback_vars":{"langfuse_public_key":"a"}}`, 400, "bad_request_error", "callback_vars", "langfuse_secret_key", true},
		{"a webhook without an address", `{"callback_name":"webhook","callback_vars":{}}`, 400, "bad_request_error", "callback_vars", "endpoint", true},
		{"a secret of the gateway", `{"callback_name":"langfuse","callback_vars":{"langfuse_public_key":"a","langfuse_secret_key":"os.environ/OPENAI_API_KEY"}}`, 400, "bad_request_error", "callback_vars", "environment", true},
		{"a secret that was never set", `{"callback_name":"langfuse","callback_vars":{"langfuse_public_key":"a","langfuse_secret_key":"***REDACTED***"}}`, 400, "bad_request_error", "callback_vars.langfuse_secret_key", "send it again", true},
		{"variables that are no texts", `{"callback_name":"langfuse","callback_vars":{"langfuse_secret_key":["hunter2"]}}`, 422, "validation_error", "callback_vars", "an object of texts", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.post("/team/t/callback", tt.body).refused(tt.status, tt.typ, tt.param, tt.says)
			if tt.inMetadataToo {
				h.post("/key/generate", `{"metadata":{"logging":[`+tt.body+`]}}`).refused(tt.status, tt.typ, tt.param, tt.says)
			}
		})
	}
}

func TestAKeysOwnLogging(t *testing.T) {
	var tested []string
	down := errors.New("connection refused")
	h := openHouse(t, sqlite(t), storesModels(t), func(o *admin.Options) {
		o.TestLog = func(_ context.Context, owner gateway.LogOwner, to *gateway.LogTarget) error {
			tested = append(tested, owner.Kind+" "+owner.ID+" "+to.Name)
			if to.Name == "webhook" {
				return down
			}
			return nil
		}
	})
	key, hash := h.key(`{"metadata":{"logging":[` + langfuseBody + `]}}`)
	h.hidden("hunter2", h.get("/key/info?key="+key).ok().has("info.metadata.logging.0.callback_vars.langfuse_secret_key", `"***REDACTED***"`), hash)

	// LiteLLM's older form, and destinations that there are none of here.
	a := h.post("/key/generate", `{"metadata":{"callback_settings":{"success_callback":["langfuse"],"failure_callback":["langfuse","langsmith"],"callback_vars":{"langfuse_public_key":"a","langfuse_secret_key":"hunter2"}}}}`).ok()
	a.has("metadata.logging.0.callback_type", `"success_and_failure"`, "metadata.logging.1.callback_name", `"langsmith"`)
	if got := a.Header.Get(admin.UnusedHeader); got != "metadata.logging.langsmith" {
		t.Errorf("%s is %q", admin.UnusedHeader, got)
	}

	// A new key in the place of an old one logs as that did.
	next := h.post("/key/regenerate", `{"key":"`+key+`"}`).ok()
	hash = next.text("token_id")
	box, err := secret.New("sk-salt")
	if err != nil {
		t.Fatal(err)
	}
	stored, err := h.db.Key(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	if vars, err := secret.OpenTexts(box, stored.Logging.To[0].Vars, secret.Logging("key", hash)); err != nil || vars["langfuse_secret_key"] != "hunter2" {
		t.Errorf("the secret is %v, %v", vars, err)
	}

	h.who = gateway.Principal{Role: gateway.ProxyAdmin, Key: stored}
	h.post("/key/health", `{}`).ok().has("key", `"healthy"`, "logging_callbacks.callbacks", `["langfuse"]`, "logging_callbacks.status", `"healthy"`)
	if len(tested) != 1 || tested[0] != "key "+hash+" langfuse" {
		t.Errorf("tested %q", tested)
	}
	h.post("/key/update", `{"key":"`+hash+`","metadata":{"logging":[{"callback_name":"webhook","callback_vars":{"endpoint":"https://x.example.com"}}]}}`).ok()
	if h.who.Key, err = h.db.Key(t.Context(), hash); err != nil {
		t.Fatal(err)
	}
	h.post("/key/health", `{}`).ok().has("key", `"unhealthy"`, "logging_callbacks.status", `"unhealthy"`, "logging_callbacks.details", `"webhook: connection refused"`)
	h.post("/key/update", `{"key":"`+hash+`","metadata":{"logging":[]}}`).ok()
	if h.who.Key, err = h.db.Key(t.Context(), hash); err != nil || h.who.Key.Logging != nil {
		t.Fatalf("logging is %+v, %v", h.who.Key.Logging, err)
	}
	h.post("/key/health", `{}`).ok().has("key", `"healthy"`, "logging_callbacks", "null")
}
