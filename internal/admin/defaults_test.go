package admin_test

import (
	"testing"

	"penstock/internal/admin"
	"penstock/internal/config"
	"penstock/internal/gateway"
)

func dollars(n gateway.NanoUSD) *gateway.NanoUSD { n *= 1_000_000_000; return &n }

// keyRules are settings that say nothing but how keys are made.
func keyRules(r config.KeyRules) func() *admin.Settings {
	return func() *admin.Settings { return &admin.Settings{Rules: r} }
}

func TestNewUsersAndTeamsGetTheDefaults(t *testing.T) {
	h := openHouse(t, sqlite(t), func(o *admin.Options) {
		set := &admin.Settings{Users: config.UserRules{
			Role: "internal_user_viewer", Limits: gateway.Limits{Budget: dollars(2)}, Models: []string{"m"},
			Teams: []config.UserTeam{{ID: "t1", Role: "user", Budget: dollars(1)}}, OpenTeams: []string{"t2", "t9"},
			Internal: gateway.Limits{Budget: dollars(7), BudgetDuration: "30d"},
		}}
		set.Teams = config.TeamRules{Limits: gateway.Limits{Budget: dollars(9)}, MemberPermissions: []string{"/key/update"}}
		o.Settings = func() *admin.Settings { return set }
	})
	h.post("/team/new", `{"team_id":"t1"}`).ok().has("max_budget", "9.0", "team_member_permissions", `["/key/update"]`)
	h.post("/team/new", `{"team_id":"t2","max_budget":3,"team_member_permissions":[]}`).ok().has("max_budget", "3.0", "team_member_permissions", "[]")
	h.post("/user/new", `{"user_id":"ann","auto_create_key":false}`).ok().has("user_role", `"internal_user_viewer"`, "max_budget", "2.0", "models", `["m"]`, "teams", `["t1"]`)
	h.post("/user/new", `{"user_id":"bob","user_role":"internal_user","models":["x"],"teams":[],"auto_create_key":false}`).ok().has(
		"max_budget", "7.0", "budget_duration", `"30d"`, "models", `["x"]`, "teams", "[]")
	h.post("/user/new", `{"user_id":"boss","user_role":"proxy_admin","auto_create_key":false}`).ok().has("max_budget", "null", "teams", "[]")
	h.get("/team/info?team_id=t1").ok().has("team_memberships.1.user_id", `"ann"`, "team_memberships.1.litellm_budget_table.max_budget", "1.0")

	h.as("bob", gateway.InternalUser)
	h.get("/team/available").ok().has("0.team_id", `"t2"`)
	for _, more := range []string{`{"user_id":"bob","role":"admin"}`, `{"user_id":"ann"}`, `[{"user_id":"bob"},{"user_id":"ann"}]`} {
		h.post("/team/member_add", `{"team_id":"t2","member":`+more+`}`).refused(403, "auth_error", "", "team_id=t2")
	}
	h.post("/team/member_add", `{"team_id":"t2","member":{"user_id":"bob"},"max_budget_in_team":100}`).refused(403, "auth_error", "", "team_id=t2")
	h.post("/team/member_add", `{"team_id":"t2","member":{"user_id":"bob","role":"user"}}`).ok().has("members_with_roles.1.user_id", `"bob"`)
	h.audited("t2", "updated by bob")
	if got := h.get("/team/available").ok().Body; got != "[]" {
		t.Errorf("teams to join are %s, want none", got)
	}
}

func TestWhoMayMakeKeysIsConfigured(t *testing.T) {
	h := openHouse(t, sqlite(t), func(o *admin.Options) {
		o.Settings = keyRules(config.KeyRules{
			NoCustom: true, Personal: config.KeyMaking{Roles: []string{"proxy_admin"}, Required: []string{"metadata"}},
			Team: config.KeyMaking{Roles: []string{"admin"}, Required: []string{"tags"}},
		})
	})
	h.post("/user/new", `{"user_id":"ann","user_role":"internal_user","auto_create_key":false}`).ok()
	h.post("/user/new", `{"user_id":"bob","user_role":"internal_user","auto_create_key":false}`).ok()
	h.post("/user/new", `{"user_id":"x","key":"sk-chosen-by-the-caller"}`).refused(403, "auth_error", "key", "disabled by your administrator")
	h.post("/team/new", `{"team_id":"t1","team_member_permissions":["/key/generate"],"members_with_roles":[{"user_id":"ann","role":"user"},{"user_id":"bob","role":"admin"}]}`).ok()
	h.post("/key/generate", `{"key":"sk-chosen-by-the-caller"}`).refused(403, "auth_error", "key", "disabled by your administrator")
	h.post("/key/generate", `{}`).refused(400, "bad_request_error", "metadata", "Required param metadata not in data")
	h.post("/key/generate", `{"metadata":{}}`).ok()
	h.post("/key/generate", `{"team_id":"t1"}`).ok()
	h.as("ann", gateway.InternalUser)
	h.post("/key/generate", `{"metadata":{}}`).refused(400, "bad_request_error", "user_id", "Personal key creation has been restricted by admin. Allowed roles=[proxy_admin]. Your role=internal_user")
	h.post("/key/generate", `{"team_id":"t1","tags":["a"]}`).refused(400, "bad_request_error", "team_id", "Team member role user not in allowed_team_member_roles=[admin]")
	h.as("bob", gateway.InternalUser)
	h.post("/key/generate", `{"team_id":"t1"}`).refused(400, "bad_request_error", "tags", "Required param tags")
	key := h.post("/key/generate", `{"team_id":"t1","tags":["a"]}`).ok().text("token_id")
	h.post("/key/regenerate", `{"key":"`+key+`","new_key":"sk-chosen-by-the-caller"}`).refused(403, "auth_error", "new_key", "disabled by your administrator")
}

// A bound on new keys is not to be got round by changing them afterwards.
func TestUpperBoundsHoldForChangesToo(t *testing.T) {
	rpm := int64(10)
	h := openHouse(t, sqlite(t), func(o *admin.Options) {
		o.Settings = keyRules(config.KeyRules{Upper: config.KeyParams{Limits: gateway.Limits{Budget: dollars(5), RPM: &rpm, BudgetDuration: "30d"}, Duration: "30d"}})
	})
	_, hash := h.key(`{}`)
	for _, tt := range []struct{ name, field, body string }{
		{"more than the bound", "max_budget", `"max_budget":6`},
		{"no ceiling at all", "max_budget", `"max_budget":null`},
		{"an empty text, which is none", "rpm_limit", `"rpm_limit":""`},
		{"a longer life", "duration", `"duration":"31d"`},
		{"a life for ever", "duration", `"duration":"-1"`},
		{"a lifetime budget", "budget_duration", `"budget_duration":null`},
	} {
		for _, path := range []string{"/key/update", "/key/regenerate"} {
			if a := h.post(path, `{"key":"`+hash+`",`+tt.body+`}`); a.Status != 400 || a.text("error.param") != tt.field {
				t.Errorf("%s at %s: %d %s", tt.name, path, a.Status, a.Body)
			}
		}
	}
	h.post("/key/update", `{"key":"`+hash+`","max_budget":4,"duration":"1d"}`).ok().has("max_budget", "4.0", "rpm_limit", "10", "budget_duration", `"30d"`)
}

func TestPeopleOfOthersAreShownByNameOnly(t *testing.T) {
	h := openHouse(t, sqlite(t))
	h.post("/user/new", `{"user_id":"ann","user_role":"internal_user","auto_create_key":false}`).ok()
	h.post("/user/new", `{"user_id":"bob","user_email":"bob@x.org","max_budget":77,"teams":[],"auto_create_key":false}`).ok()
	h.post("/team/new", `{"team_id":"secret","members_with_roles":[{"user_id":"bob"}]}`).ok()
	h.post("/team/new", `{"team_id":"t1","members_with_roles":[{"user_id":"ann","role":"admin"}]}`).ok()
	h.as("ann", gateway.InternalUser)
	h.post("/team/member_add", `{"team_id":"t1","member":{"user_id":"bob"}}`).ok().has(
		"updated_users.0.user_email", `"bob@x.org"`, "updated_users.0.max_budget", "null", "updated_users.0.teams", `["t1"]`)
	h.asAdmin().key(`{"team_id":"t1","user_id":"bob"}`)
	h.as("ann", gateway.InternalUser)
	h.get("/key/list?team_id=t1&expand=user").ok().has("keys.0.user.user_id", `"bob"`, "keys.0.user.max_budget", "null", "keys.0.user.teams", "[]")
	h.asAdmin().get("/key/list?team_id=t1&expand=user").ok().has("keys.0.user.max_budget", "77.0")
}

// Every field of a new key can have a default, which is not taken for what the
// caller has asked for.
func TestNewKeysGetEveryDefault(t *testing.T) {
	d := config.KeyParams{More: []gateway.Param{
		{Name: "aliases", Value: []byte(`{"fast":"m"}`)},
		{Name: "permissions", Value: []byte(`{"get_spend_routes":true}`)},
		{Name: "allowed_routes", Value: []byte(`["/v1/embeddings"]`)},
		{Name: "model_max_budget", Value: []byte(`{"m":{"budget_limit":1,"time_period":"1d"}}`)},
		{Name: "model_rpm_limit", Value: []byte(`{"m":5}`)},
		{Name: "tpd_limit", Value: []byte(`7`)},
		{Name: "enforced_params", Value: []byte(`["user"]`)},
		{Name: "allowed_cache_controls", Value: []byte(`["no-cache"]`)},
		{Name: "guardrails", Value: []byte(`["pii"]`)},
		{Name: "auto_rotate", Value: []byte(`true`)},
		{Name: "rotation_interval", Value: []byte(`"30d"`)},
		{Name: "spend", Value: []byte(`0.5`)},
		{Name: "budget_id", Value: []byte(`"b"`)},
	}}
	if err := admin.CheckDefaults(&d, noon); err != nil {
		t.Fatal(err)
	}
	h := openHouse(t, sqlite(t), func(o *admin.Options) {
		o.Settings = keyRules(config.KeyRules{Default: d, Personal: config.KeyMaking{Required: []string{"key_alias"}}})
	})
	h.post("/budget/new", `{"budget_id":"b","max_budget":3}`).ok()
	h.post("/user/new", `{"user_id":"ann","user_role":"internal_user","auto_create_key":false}`).ok()
	h.reload(t)
	for _, who := range []func() *house{h.asAdmin, func() *house { return h.as("ann", gateway.InternalUser) }} {
		who().post("/key/generate", `{"key_alias":null}`).refused(400, "bad_request_error", "key_alias", "Required param key_alias not in data")
		h.post("/key/generate", `{"key_alias":"a-`+h.who.UserID()+`","tpd_limit":null}`).ok().has(
			"aliases", `{"fast":"m"}`, "permissions", `{"get_spend_routes":true}`, "allowed_routes", `["/v1/embeddings"]`, "model_max_budget", `{"m":{"budget_limit":1.0,"time_period":"1d"}}`,
			"model_rpm_limit", `{"m":5}`, "tpd_limit", "7", "enforced_params", `["user"]`, "allowed_cache_controls", `["no-cache"]`, "guardrails", `["pii"]`,
			"auto_rotate", "true", "rotation_interval", `"30d"`, "spend", "0.5", "budget_id", `"b"`)
		h.post("/key/generate", `{"key_alias":"b-`+h.who.UserID()+`","key_type":"llm_api","aliases":{"x":"y"},"auto_rotate":false}`).ok().has(
			"allowed_routes", `["llm_api_routes"]`, "aliases", `{"x":"y"}`, "auto_rotate", "false")
	}
	h.post("/key/generate", `{"key_alias":"c","permissions":{"pii":true}}`).refused(403, "auth_error", "permissions", "Only proxy admins")

	for _, tt := range []struct{ name, field, value string }{
		{"a model's budget that is none", "model_max_budget", `{"m":{"budget_limit":-1}}`},
		{"a window that is none", "budget_limits", `[{"budget_duration":"soon","max_budget":1}]`},
		{"rotation without an interval", "auto_rotate", "true"},
		{"router settings that are none", "router_settings", `{"num_retries":"many"}`},
	} {
		if err := admin.CheckDefaults(&config.KeyParams{More: []gateway.Param{{Name: tt.field, Value: []byte(tt.value)}}}, noon); err == nil {
			t.Errorf("%s is taken", tt.name)
		}
	}
}
