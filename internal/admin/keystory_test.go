package admin_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/admin"
	"penstock/internal/auth"
	"penstock/internal/gateway"
)

// A manager makes a key with everything on it, changes it, replaces it and takes
// it away.
func TestTheLifeOfAKey(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/team/new", `{"team_id":"t1"}`).ok()
		if err := h.db.CreateBudget(t.Context(), &gateway.Budget{ID: "b1", CreatedAt: noon}); err != nil {
			t.Fatal(err)
		}
		h.reload(t)
		made := h.post("/key/generate", `{
			"key_alias":"all","user_id":"u1","team_id":"t1","models":["gpt-4o"],"max_budget":10,"soft_budget":8,"budget_duration":"30d",
			"budget_limits":[{"budget_duration":"1d","max_budget":1},{"budget_duration":"7d","max_budget":5.5}],
			"model_max_budget":{"gpt-4o":{"budget_limit":2,"time_period":"1d"},"o1":{"max_budget":"3","budget_duration":"7d","rpm_limit":4},"o2":5},
			"model_rpm_limit":{"gpt-4o":60},"model_tpm_limit":{"gpt-4o":"9000"},"tag_rpm_limit":{"batch":5},
			"rpm_limit":100,"tpm_limit":10000,"tpd_limit":1000000,"max_parallel_requests":4,
			"temp_budget_increase":5,"temp_budget_expiry":"2026-02-01T00:00:00Z",
			"tags":["a"],"guardrails":["pii"],"enforced_params":["user"],"allowed_routes":["/v1/chat/completions"],"allowed_ips":["10.0.0.0/8"],
			"permissions":{"get_spend_routes":true},"aliases":{"fast":"gpt-4o"},"budget_fallbacks":{"gpt-4o":["gpt-4o-mini"]},
			"allowed_cache_controls":["no-cache"],"budget_id":"b1","end_user_budget_id":"b1","duration":"30d",
			"auto_rotate":true,"rotation_interval":"30d","access_group_ids":["g1"],"metadata":{"owner":"me"},"blocked":false}`).ok()
		if got := made.Header.Get(admin.UnusedHeader); got != "guardrails" {
			t.Errorf("unused fields are %q", got)
		}
		if got := made.Header.Get(admin.UnknownHeader); got != "" {
			t.Errorf("unknown fields are %q", got)
		}
		hash := made.text("token_id")
		everything := []string{
			"budget_limits", `[{"budget_duration":"1d","max_budget":1.0,"reset_at":"2026-01-18T00:00:00Z"},{"budget_duration":"7d","max_budget":5.5,"reset_at":"2026-01-19T00:00:00Z"}]`,
			"model_max_budget", `{"gpt-4o":{"budget_limit":2.0,"time_period":"1d"},"o1":{"budget_limit":3.0,"time_period":"7d"},"o2":{"budget_limit":5.0,"time_period":null}}`,
			"model_rpm_limit", `{"gpt-4o":60,"o1":4}`, "model_tpm_limit", `{"gpt-4o":9000}`, "tpd_limit", "1000000",
			"metadata.tag_rpm_limit", `{"batch":5}`, "metadata.temp_budget_increase", "5.0", "metadata.temp_budget_expiry", `"2026-02-01T00:00:00Z"`,
			"metadata.guardrails", `["pii"]`, "metadata.owner", `"me"`, "metadata.tags", `["a"]`, "metadata.end_user_budget_id", `"b1"`,
			"enforced_params", `["user"]`, "allowed_ips", `["10.0.0.0/8"]`, "budget_fallbacks", `{"gpt-4o":["gpt-4o-mini"]}`,
			"allowed_cache_controls", `["no-cache"]`, "budget_id", `"b1"`, "litellm_budget_table.budget_id", `"b1"`, "access_group_ids", `["g1"]`,
			"auto_rotate", "true", "rotation_interval", `"30d"`, "key_rotation_at", `"2026-02-16T12:00:00Z"`, "expires", `"2026-02-16T12:00:00Z"`,
		}
		made.has(everything...).has("guardrails", `["pii"]`, "policies", "null")
		info := h.get("/key/info?key=" + hash).ok()
		for i := 0; i < len(everything); i += 2 {
			info.has("info."+everything[i], everything[i+1])
		}

		// What was read and is sent back changes nothing.
		h.post("/key/update", `{"key":"`+hash+`","metadata":`+info.at("info.metadata")+`}`).ok().has(everything...)
		h.post("/key/update", `{"key":"`+hash+`","model_rpm_limit":null,"budget_limits":[],"temp_budget_increase":null,"guardrails":null}`).ok().has(
			"model_rpm_limit", "null", "model_max_budget", `{"gpt-4o":{"budget_limit":2.0,"time_period":"1d"},"o1":{"budget_limit":3.0,"time_period":"7d"},"o2":{"budget_limit":5.0,"time_period":null}}`,
			"budget_limits", "null", "metadata", `{"owner":"me","model_tpm_limit":{"gpt-4o":9000},"tag_rpm_limit":{"batch":5},"tags":["a"],"enforced_params":["user"],"end_user_budget_id":"b1"}`)
		h.post("/key/update", `{"key":"`+hash+`","budget_id":"nope"}`).refused(400, "bad_request_error", "budget_id", "does not exist")
		h.audited(hash, "updated by default_user_id", "updated by default_user_id", "created by default_user_id")

		// Spend is set back, but never to more.
		h.post("/key/update", `{"key":"`+hash+`","spend":3}`).ok().has("spend", "3.0")
		h.post("/key/"+hash+"/reset_spend", `{"reset_to":4}`).refused(400, "bad_request_error", "reset_to", "must be <= current spend (3.0)")
		h.post("/key/"+hash+"/reset_spend", `{}`).refused(422, "validation_error", "reset_to", "missing")
		h.post("/key/"+hash+"/reset_spend", `{"reset_to":-1}`).refused(422, "validation_error", "reset_to", "got -1")
		h.post("/key/"+hash+"/reset_spend", `{"reset_to":1}`).ok().has("spend", "1.0", "previous_spend", "3.0", "max_budget", "10.0", "key_hash", `"`+hash+`"`)

		// The new key goes on where the old one was, which works for another day.
		again := h.post("/key/"+hash+"/regenerate", `{"grace_period":"24h","max_budget":20}`).ok()
		again.has("max_budget", "20.0", "spend", "1.0", "rotation_count", "1", "key_alias", `"all"`)
		next := again.text("token_id")
		if again.text("key") == made.text("key") || next == hash {
			t.Error("the new key is the old one")
		}
		old, err := h.db.DeprecatedKey(t.Context(), hash)
		if err != nil || old.Active != next || !old.Until.Equal(noon.Add(24*time.Hour)) {
			t.Errorf("the old key is %+v, %v", old, err)
		}
		h.get("/key/info?key="+hash).refused(404, "not_found_error", "key", "Key not found in database")
		h.post("/key/regenerate", `{"key":"`+next+`","new_key":"sk-chosen-by-the-caller"}`).ok().has("key", `"sk-chosen-by-the-caller"`)
		h.post("/key/regenerate", `{"key":"sk-chosen-by-the-caller","grace_period":"soon"}`).refused(400, "bad_request_error", "grace_period", "soon")
		last := auth.Hash("sk-chosen-by-the-caller")
		if old, err := h.db.DeprecatedKey(t.Context(), hash); err != nil || old.Active != last {
			t.Errorf("the first key stands for %+v, %v", old, err)
		}

		h.get("/key/list?team_id=t1&return_full_object=true").ok().has("keys.0.token", `"`+last+`"`, "total_count", "1")
		h.get("/key/list?access_group_id=g1").ok().has("total_count", "1")
		h.get("/key/list?access_group_id=g").ok().has("total_count", "0")
		h.get("/key/aliases?search=AL").ok().has("aliases", `["all"]`, "total_count", "1", "size", "50")
		h.post("/v2/key/info", `{"keys":["`+last+`","sk-unknown"]}`).ok().has("info.0.key_alias", `"all"`)
		h.post("/key/block", `{"key":"`+last+`"}`).ok().has("blocked", "true", "status", `"revoked"`)
		h.audited(last, "blocked by default_user_id")
		h.post("/key/delete", `{"key_aliases":["all"]}`).ok()
		h.audited(last, "deleted by default_user_id", "blocked by default_user_id")
	})
}

func TestWhatNoKeyCanBeIsRefusedAndNotStored(t *testing.T) {
	h := openHouse(t, sqlite(t))
	for _, tt := range []struct {
		name, body     string
		status         int
		param, message string
	}{
		{"a negative budget", `{"max_budget":-1}`, 422, "max_budget", "got -1"},
		{"a negative budget in a window", `{"budget_limits":[{"budget_duration":"1d","max_budget":-1}]}`, 422, "budget_limits.0.max_budget", "got -1"},
		{"a window without a budget", `{"budget_limits":[{"budget_duration":"1d"}]}`, 400, "budget_limits.0.max_budget", "missing"},
		{"a window that is none", `{"budget_limits":[{"budget_duration":"soon","max_budget":1}]}`, 400, "budget_limits.0.budget_duration", "'soon'"},
		{"a window twice", `{"budget_limits":[{"budget_duration":"1d","max_budget":1},{"budget_duration":"1d","max_budget":2}]}`, 400, "budget_limits.1.budget_duration", "another budget"},
		{"a model's budget that is no number", `{"model_max_budget":{"m":{"budget_limit":"much"}}}`, 422, "model_max_budget.m.budget_limit", `got "much"`},
		{"a model's budget that is neither dollars nor an object", `{"model_max_budget":{"m":[1]}}`, 422, "model_max_budget", "want an object"},
		{"a model's window that is none", `{"model_max_budget":{"m":{"budget_limit":1,"time_period":"soon"}}}`, 400, "model_max_budget.m", "'soon'"},
		{"a model's rate below zero", `{"model_rpm_limit":{"m":-1}}`, 422, "model_rpm_limit.m", "got -1"},
		{"a rate in the metadata that is none", `{"metadata":{"model_tpm_limit":{"m":"x"}}}`, 422, "metadata.model_tpm_limit.m", `got "x"`},
		{"a duration that is none", `{"duration":"soon"}`, 400, "duration", "'soon'"},
		{"an increase for ever", `{"temp_budget_increase":1}`, 400, "temp_budget_expiry", "missing"},
		{"an increase until nobody knows when", `{"temp_budget_increase":1,"temp_budget_expiry":"soon"}`, 400, "temp_budget_expiry", "'soon'"},
		{"rotation without an interval", `{"auto_rotate":true}`, 400, "rotation_interval", "missing"},
		{"an interval that is none", `{"auto_rotate":true,"rotation_interval":"often"}`, 400, "rotation_interval", "'often'"},
		{"an address that is none", `{"allowed_ips":["10.0.0.0/99"]}`, 400, "allowed_ips", "'10.0.0.0/99'"},
		{"a budget that is not there", `{"budget_id":"b"}`, 400, "budget_id", "does not exist"},
		{"a team that is not there", `{"team_id":"t"}`, 404, "team_id", "Team=t"},
		{"a project that is not there", `{"project_id":"p"}`, 404, "project_id", "project_id=p"},
		{"an organization that is not there", `{"organization_id":"o"}`, 404, "organization_id", "organization_id=o"},
		{"guardrails that are no list", `{"guardrails":"pii"}`, 422, "guardrails", `got "pii"`},
		{"a type that there is not", `{"key_type":"big"}`, 400, "key_type", "'big'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := h.post("/key/generate", tt.body)
			if a.Status != tt.status || a.text("error.param") != tt.param || !strings.Contains(a.text("error.message"), tt.message) {
				t.Errorf("got %d %s, want %d for %s with %q", a.Status, a.Body, tt.status, tt.param, tt.message)
			}
			h.get("/key/list").ok().has("total_count", "0")
		})
	}
	h.post("/key/service-account/generate", `{}`).refused(400, "bad_request_error", "team_id", "missing")
}

// Two users, a team admin and a plain member, and what each may do with keys.
func TestWhoMayDoWhatToKeys(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		h.post("/user/new", `{"user_id":"ann","max_budget":5,"models":["m1"],"auto_create_key":false,"user_role":"internal_user"}`).ok()
		h.post("/user/new", `{"user_id":"bob","auto_create_key":false,"user_role":"internal_user"}`).ok()
		h.post("/user/new", `{"user_id":"eve","auto_create_key":false,"user_role":"internal_user"}`).ok()
		h.post("/team/new", `{"team_id":"t1","members_with_roles":[{"user_id":"bob","role":"admin"},{"user_id":"ann","role":"user"}]}`).ok()
		secret, boss := h.key(`{"key_alias":"boss"}`)

		h.as("ann", gateway.InternalUser)
		h.post("/key/generate", `{"user_id":"bob"}`).refused(403, "auth_error", "", "User can only create keys for themselves")
		h.post("/key/generate", `{"max_budget":6}`).refused(400, "bad_request_error", "max_budget", "higher than the user's")
		h.post("/key/generate", `{"models":["m2"]}`).refused(403, "auth_error", "models", "may not use model m2")
		h.post("/key/generate", `{"allowed_routes":["/team/new"]}`).refused(403, "auth_error", "allowed_routes", "Only proxy admins")
		h.post("/key/generate", `{"permissions":{"get_spend_routes":true}}`).refused(403, "auth_error", "permissions", "Only proxy admins")
		h.post("/key/generate", `{"metadata":{"allow_litellm_changed_by_header":true}}`).refused(403, "auth_error", "metadata.allow_litellm_changed_by_header", "Only proxy admins")
		h.post("/key/generate", `{"team_id":"t1"}`).refused(401, "team_member_permission_error", "", "/key/generate")
		h.post("/key/generate", `{"team_id":"nope"}`).refused(401, "team_member_permission_error", "", "does not belong to team nope")
		own := h.post("/key/generate", `{"max_budget":5,"key_type":"llm_api"}`).ok()
		own.has("user_id", `"ann"`, "created_by", `"ann"`, "allowed_routes", `["llm_api_routes"]`)
		key := own.text("token_id")
		h.post("/key/update", `{"key":"`+key+`","allowed_routes":[]}`).refused(403, "auth_error", "allowed_routes", "Only proxy admins")
		h.post("/key/update", `{"key":"`+key+`","spend":0}`).refused(403, "auth_error", "spend", "Only proxy admins")
		h.post("/key/update", `{"key":"`+key+`","user_id":"bob"}`).refused(403, "auth_error", "key", "no such key of yours")
		h.post("/key/update", `{"key":"`+key+`","max_budget":1}`).ok().has("max_budget", "1.0", "updated_by", `"ann"`)
		h.audited(key, "updated by ann", "created by ann")
		h.get("/key/list").ok().has("keys", `["`+key+`"]`, "total_count", "1")
		h.get("/key/list?user_id=bob").ok().has("total_count", "0")
		h.post("/key/"+key+"/reset_spend", `{"reset_to":0}`).refused(403, "auth_error", "key", "Only proxy admins")
		for _, other := range []string{secret, boss, "sk-there-is-no-such-key"} {
			h.get("/key/info?key="+other).refused(403, "auth_error", "key", "not allowed to access this key's info")
			h.post("/key/update", `{"key":"`+other+`","max_budget":1}`).refused(403, "auth_error", "key", "no such key of yours")
			h.post("/key/delete", `{"keys":["`+other+`"]}`).refused(403, "auth_error", "key", "no such key of yours")
			h.post("/key/"+other+"/regenerate", `{}`).refused(403, "auth_error", "key", "no such key of yours")
			h.post("/v2/key/info", `{"keys":["`+other+`"]}`).ok().has("info", "[]")
		}
		h.post("/key/update", `{"key_alias":"boss","max_budget":1}`).refused(403, "auth_error", "key", "no such key of yours")
		h.post("/key/update", `{"key_alias":"nobody","max_budget":1}`).refused(403, "auth_error", "key", "no such key of yours")

		// An admin has blocked it: its owner does not open it again.
		h.asAdmin().post("/key/block", `{"key":"`+key+`"}`).ok()
		h.as("ann", gateway.InternalUser)
		h.post("/key/unblock", `{"key":"`+key+`"}`).refused(403, "auth_error", "key", "Only proxy admins can unblock")
		h.post("/key/update", `{"key":"`+key+`","blocked":false}`).refused(403, "auth_error", "key", "Only proxy admins can unblock")

		h.as("bob", gateway.InternalUser)
		team := h.post("/key/service-account/generate", `{"team_id":"t1","key_alias":"ci"}`).ok()
		team.has("user_id", "null", "metadata", `{"service_account_id":"ci"}`)
		bots := team.text("token_id")
		h.post("/key/block", `{"key":"`+bots+`"}`).ok()
		h.post("/key/unblock", `{"key":"`+bots+`"}`).ok()
		h.post("/team/key/bulk_update", `{"team_id":"t1","all_keys_in_team":true,"update_fields":{"rpm_limit":7}}`).ok().has(
			"total_requested", "1", "successful_updates.0.key_info.rpm_limit", "7", "failed_updates", "[]")
		h.get("/key/list?include_team_keys=true").ok().has("keys", `["`+bots+`"]`)

		h.as("ann", gateway.InternalUser)
		h.get("/key/info?key="+bots).ok().has("info.key_alias", `"ci"`)
		h.post("/key/update", `{"key":"`+bots+`","rpm_limit":1}`).refused(401, "team_member_permission_error", "", "/key/update")
		h.as("eve", gateway.InternalUser)
		h.get("/key/info?key="+bots).refused(403, "auth_error", "key", "not allowed")
		h.get("/key/list?team_id=t1").ok().has("total_count", "0")
		h.post("/team/key/bulk_update", `{"team_id":"t1","all_keys_in_team":true,"update_fields":{"rpm_limit":1}}`).refused(403, "auth_error", "", "team_id=t1")
	})
}

func TestManyKeysAreChangedAtOnce(t *testing.T) {
	h := openHouse(t, sqlite(t))
	one, hash := h.key(`{}`)
	a := h.post("/key/bulk_update", `{"keys":[{"key":"`+one+`","max_budget":2,"tags":["x"],"wrong":1},{"key":"sk-unknown","max_budget":1},{"key":"`+hash+`","budget_duration":"soon"}]}`).ok()
	a.has("total_requested", "3", "successful_updates.0.key_info.max_budget", "2.0", "failed_updates.0.key", `"sk-unknown"`, "failed_updates.0.key_info", "null")
	if reason := a.text("failed_updates.1.failed_reason"); !strings.Contains(reason, "'soon'") {
		t.Errorf("the reason is %q", reason)
	}
	if got := a.Header.Get(admin.UnknownHeader); got != "keys.wrong" {
		t.Errorf("unknown fields are %q", got)
	}
	h.get("/key/info?key="+hash).ok().has("info.tags", `["x"]`, "info.budget_duration", "null")
}

func TestPagesOfKeysFollowEachOther(t *testing.T) {
	onEngines(t, func(t *testing.T, h *house) {
		for _, alias := range []string{"a", "b", "c", "d", "e"} {
			h.key(`{"key_alias":"` + alias + `"}`)
		}
		var seen []string
		after := ""
		for range 3 {
			a := h.get("/key/list?size=2&sort_by=key_alias&sort_order=asc&return_full_object=true&after="+after).ok().has("total_count", "5", "total_pages", "3")
			seen = append(seen, a.text("keys.0.key_alias"))
			if a.at("next") == "null" {
				break
			}
			after = a.text("next")
		}
		if got := strings.Join(seen, ""); got != "ace" {
			t.Errorf("pages begin with %q, want ace", got)
		}
		h.get("/key/list?after=rubbish").refused(400, "bad_request_error", "after", "no place in a list")
	})
}

func TestSecretsAreMaskedInTheAuditLog(t *testing.T) {
	h := openHouse(t, sqlite(t), storesModels(t))
	_, hash := h.key(`{"metadata":{"logging":[{"callback_name":"x","callback_vars":{"x_secret_key":"hunter2-hunter2"}}],"deep":["sk-abcdefghijklmnop"],"password":"hunter2-hunter2","n":12345678901234567890}}`)
	entries, n, err := h.db.ListAudit(t.Context(), auditOf(hash), pageOne)
	if err != nil || n != 1 {
		t.Fatalf("%d entries, %v", n, err)
	}
	after := string(entries[0].After)
	for _, secret := range []string{"hunter2-hunter2", "sk-abcdefghijklmnop"} {
		if strings.Contains(after, secret) {
			t.Errorf("%s stands in %s", secret, after)
		}
	}
	if !strings.Contains(after, "12345678901234567890") {
		t.Errorf("the number is gone from %s", after)
	}
	if e := entries[0]; e.RequestURL != "/key/generate" || e.KeyHash != hash || e.Table != "LiteLLM_VerificationToken" || e.ClientIP == "" {
		t.Errorf("the entry is %+v", e)
	}
}

func TestWhoReallyMadeAChangeIsNamedIfThatIsAllowed(t *testing.T) {
	h := openHouse(t, sqlite(t))
	_, hash := h.key(`{}`)
	h.who = gateway.Principal{Role: gateway.ProxyAdmin, Key: &gateway.Key{Hash: auth.Hash("sk-bot"), UserID: "bot"}}
	h.header = map[string]string{"litellm-changed-by": "alice"}
	h.post("/key/update", `{"key":"`+hash+`","rpm_limit":1}`).ok()
	h.audited(hash, "updated by bot")
	h.who.Key.Metadata = []byte(`{"allow_litellm_changed_by_header":true}`)
	h.post("/key/update", `{"key":"`+hash+`","rpm_limit":2}`).ok()
	h.audited(hash, "updated by alice")
}
