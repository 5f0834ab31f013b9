package config_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
)

func TestWhoMayCall(t *testing.T) {
	c, _ := load(t, `
general_settings:
  allowed_ips: [10.0.0.0/8, 192.0.2.7, "2001:db8::/32"]
  use_x_forwarded_for: true
  trusted_proxy_ranges: ["10.1.2.3/16"]
  allowed_routes: [llm_api_routes]
  admin_only_routes: [/spend/logs]
  public_routes: [/v1/models]
  enforced_params: [user, metadata.tags]
  service_account_settings: {enforced_params: [metadata.app]}
  max_response_size_mb: 0.5
  enforce_fallback_model_access: true
`, nil)
	want := config.Access{
		AllowedIPs:   []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32")},
		ForwardedFor: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, AllowedRoutes: []string{"llm_api_routes"},
		AdminOnlyRoutes: []string{"/spend/logs"}, PublicRoutes: []string{"/v1/models"}, EnforcedParams: []string{"user", "metadata.tags"},
		ServiceAccountParams: []string{"metadata.app"}, MaxResponseBytes: 512 << 10,
	}
	if diff := cmp.Diff(want, c.Server.Access, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("access (-want +got):\n%s", diff)
	}
	if !c.Router.EnforceFallbackAccess {
		t.Error("fallbacks are open to everybody")
	}
}

func TestWhoseTokensAreTaken(t *testing.T) {
	c, r := load(t, `
general_settings:
  enable_jwt_auth: true
  litellm_jwtauth:
    user_id_jwt_field: sub
    user_id_upsert: true
    team_ids_jwt_field: groups
    role_mappings: [{role: staff, internal_role: internal_user}]
    issuers:
    - {issuer: "https://a.example.com", audience: gw, user_id_jwt_field: oid, role_mappings: [{role: boss, internal_role: proxy_admin}]}
    - {issuer: "https://b.example.com/", disable_audience_validation: true, jwks_url: "https://b.example.com/keys", team_id_jwt_field: sub}
  role_permissions: [{role: internal_user, models: [small], routes: [openai_routes]}]
`, nil)
	if len(c.Server.JWT.Issuers) != 2 || len(r.Warnings) > 0 {
		t.Fatalf("got %d issuers and warnings %v", len(c.Server.JWT.Issuers), r.Warnings)
	}
	a, b := c.Server.JWT.Issuers[0], c.Server.JWT.Issuers[1]
	staff, boss := config.RoleMapping{Theirs: "staff", Ours: "internal_user"}, config.RoleMapping{Theirs: "boss", Ours: "proxy_admin"}
	small := []config.Permission{{Name: "internal_user", Models: []string{"small"}, Routes: []string{"openai_routes"}}}
	for _, x := range []struct {
		name      string
		got, want any
	}{
		{"the names", []string{a.Name, b.Name}, []string{"https://a.example.com", "https://b.example.com/"}},
		{"the audiences", [][]string{a.Audience, b.Audience}, [][]string{{"gw"}, nil}},
		{"where keys are", [][]string{a.KeysURLs, b.KeysURLs}, [][]string{nil, {"https://b.example.com/keys"}}},
		{"an issuer's own claim, and one for all", []string{a.Claims.UserID, b.Claims.UserID, a.Claims.TeamIDs, b.Claims.TeamID}, []string{"oid", "sub", "groups", "sub"}},
		{"what is on for all", []bool{a.Claims.UserUpsert, b.Claims.UserUpsert}, []bool{true, true}},
		{"roles of one issuer are not the other's", [][]config.RoleMapping{a.Claims.RoleMap, b.Claims.RoleMap}, [][]config.RoleMapping{{staff, boss}, {staff}}},
		{"what roles may do", [][]config.Permission{a.Claims.RolePermissions, b.Claims.RolePermissions}, [][]config.Permission{small, small}},
		{"the default scope of admins", a.Claims.AdminScope, "litellm_proxy_admin"},
	} {
		if diff := cmp.Diff(x.want, x.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", x.name, diff)
		}
	}

	c, r = load(t, "general_settings: {enable_jwt_auth: true}", env{"JWT_PUBLIC_KEY_URL": "https://a/keys, https://b/keys", "JWT_AUDIENCE": "gw,other", "JWT_ISSUER": "https://a"})
	want := config.Issuer{Name: "https://a", Audience: []string{"gw", "other"}, KeysURLs: []string{"https://a/keys", "https://b/keys"}, Claims: c.Server.JWT.Issuers[0].Claims}
	if diff := cmp.Diff([]config.Issuer{want}, c.Server.JWT.Issuers); diff != "" || len(r.Warnings) > 0 {
		t.Errorf("from the environment, %v (-want +got):\n%s", r.Warnings, diff)
	}
	if c.Server.JWT.KeysTTL != 10*time.Minute || c.Server.JWT.Leeway != time.Minute || c.Server.JWT.Opaque.Enabled {
		t.Errorf("defaults are %+v", c.Server.JWT)
	}
	c, _ = load(t, "general_settings: {enable_oauth2_auth: true}", env{
		"OAUTH_TOKEN_INFO_ENDPOINT": "https://a/info", "OAUTH_CLIENT_ID": "gw", "OAUTH_CLIENT_SECRET": "s", "OAUTH_USER_ID_FIELD_NAME": "uid", "OAUTH_USER_TEAM_ID_FIELD_NAME": "team",
	})
	if o := c.Server.JWT.Opaque; !o.Enabled || o.URL != "https://a/info" || o.ClientID != "gw" || o.ClientSecret != "s" || o.Claims.UserID != "uid" || o.Claims.TeamID != "team" || o.Claims.Roles != "role" {
		t.Errorf("opaque tokens: %+v", o)
	}
	if _, r = load(t, "general_settings: {enable_jwt_auth: true}", env{"JWT_PUBLIC_KEY_URL": "https://a/keys"}); len(r.Warnings) != 1 {
		t.Errorf("warnings are %v, want one: nothing says for whom tokens must be", r.Warnings)
	}
}

func TestWhatElseTokensDo(t *testing.T) {
	c, r := load(t, `
general_settings:
  enable_jwt_auth: true
  litellm_jwtauth:
    team_ids_jwt_field: groups
    sync_user_role_and_teams: true
    upsert_sso_user_to_team: true
    team_claim_fallback: true
    fallback_to_db_teams: true
    virtual_key_claim_field: email
    unregistered_jwt_client_behavior: auto_register
    public_key_stale_ttl: 30
    virtual_key_mapping_cache_ttl: 60
    oidc_userinfo_enabled: true
    oidc_userinfo_endpoint: https://a/me
    oidc_userinfo_cache_ttl: 20
    routing_overrides:
    - {iss: a, client_id: [b, c], scope: d, aud: e, path: oauth2}
`, env{"OAUTH_TOKEN_INFO_ENDPOINT": "https://a/info"})
	j := c.Server.JWT
	claims := j.UserInfo.Claims
	if !claims.Sync || !claims.Join || !claims.OnlyTeam || !claims.OwnTeams || !claims.MakeKey || claims.NeedKey || claims.TeamIDs != "groups" {
		t.Errorf("claims are %+v", claims)
	}
	if j.StaleTTL != 30*time.Second || !j.UserInfo.Enabled || j.UserInfo.URL != "https://a/me" || j.UserInfo.TTL != 20*time.Second || len(j.Issuers) != 0 {
		t.Errorf("user info is %+v, keys are believed %v longer, there are %d issuers", j.UserInfo, j.StaleTTL, len(j.Issuers))
	}
	if diff := cmp.Diff([]config.Override{{Issuer: []string{"a"}, ClientID: []string{"b", "c"}, Scope: []string{"d"}, Audience: []string{"e"}}}, j.Overrides); diff != "" {
		t.Errorf("overrides (-want +got):\n%s", diff)
	}
	if len(r.Ignored) != 1 || len(r.Warnings) != 0 { // the cache that is not needed
		t.Errorf("ignored %v, warnings %v", r.Ignored, r.Warnings)
	}
	c, _ = load(t, "general_settings: {enable_jwt_auth: true}", env{"JWT_PUBLIC_KEY_URL": "https://a/keys", "JWT_AUDIENCE": "gw"})
	if j := c.Server.JWT; j.StaleTTL != time.Hour || j.UserInfo.Enabled || j.UserInfo.TTL != 5*time.Minute {
		t.Errorf("defaults are %+v", j)
	}
}

func TestMistakesAboutWhoMayCall(t *testing.T) {
	for name, yaml := range map[string]string{
		"an address that is none": `{allowed_ips: [10.0.0.300]}`,
		"a range that is none":    `{allowed_ips: [10.0.0.0/33]}`,
		"a name is no address":    `{trusted_proxy_ranges: [localhost]}`,
		"nobody's tokens":         `{enable_jwt_auth: true}`,
		"nobody to ask":           `{enable_oauth2_auth: true}`,
		"no audience":             `{enable_jwt_auth: true, litellm_jwtauth: {issuers: [{issuer: "https://a"}]}}`,
		"no issuer":               `{enable_jwt_auth: true, litellm_jwtauth: {issuers: [{audience: a, jwks_url: "https://a"}]}}`,
		"keys in a file":          `{enable_jwt_auth: true, litellm_jwtauth: {issuers: [{issuer: a, audience: a, jwks_url: "file:///keys"}]}}`,
		"a role there is not":     `{litellm_jwtauth: {role_mappings: [{role: a, internal_role: king}]}}`,
		"user info of nobody":     `{enable_jwt_auth: true, litellm_jwtauth: {oidc_userinfo_enabled: true}}`,
		"user info of a file":     `{enable_jwt_auth: true, litellm_jwtauth: {oidc_userinfo_enabled: true, oidc_userinfo_endpoint: "file:///etc"}}`,
		"machines of nobody":      `{enable_jwt_auth: true, litellm_jwtauth: {issuers: [{issuer: "https://a", audience: a}], routing_overrides: [{iss: a, path: oauth2}]}}`,
		"machines elsewhere":      `{litellm_jwtauth: {routing_overrides: [{iss: a, path: ldap}]}}`,
		"all machines":            `{litellm_jwtauth: {routing_overrides: [{client_id: a, path: oauth2}]}}`,
		"issuers are no list":     `{enable_jwt_auth: true, litellm_jwtauth: {issuers: {issuer: a}}}`,
	} {
		if _, _, err := config.Load(options("general_settings: "+yaml, nil)); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}
