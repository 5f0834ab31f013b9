package config

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"penstock/internal/gateway"
)

// JWT says how bearer tokens of identity providers are taken, beside keys.
type JWT struct {
	Enabled bool // enable_jwt_auth
	// Issuers are who may have made a token, at least one if Enabled.
	Issuers []Issuer
	KeysTTL time.Duration // how long fetched keys are believed; 10 min unless set
	// StaleTTL is how much longer they are while the issuer cannot be reached;
	// an hour unless set.
	StaleTTL time.Duration
	Leeway   time.Duration // by how much clocks may differ; a minute unless set
	Opaque   Opaque
	UserInfo UserInfo
	// Overrides are tokens that are asked about instead of being verified here, although
	// they could be.
	Overrides []Override
}

// UserInfo says where it is asked who a token is from (oidc_userinfo_enabled).
type UserInfo struct {
	Enabled bool
	URL     string        // oidc_userinfo_endpoint
	TTL     time.Duration // how long an answer is believed; 5 min unless set
	// Claims are what the answer's members mean if no issuer is configured, whose keys
	// could verify the token.
	Claims Claims
}

// Override is a rule about tokens by what they say of themselves. Lists hold
// patterns with * and ?, one of which must fit; an empty list fits everything.
type Override struct{ Issuer, ClientID, Scope, Audience []string }

// Opaque says where to ask about tokens that only their server can read.
type Opaque struct {
	Enabled bool   // enable_oauth2_auth
	URL     string // OAUTH_TOKEN_INFO_ENDPOINT
	// ClientID and ClientSecret are our name there. Without, the token itself is
	// the credential.
	ClientID     string
	ClientSecret gateway.Secret
	Issuer       // only its Claims are of use
}

// Issuer is one identity provider.
type Issuer struct {
	Name     string   // the token's iss, exactly; "" is not checked
	Audience []string // one of them must be in the token's aud; empty is not checked
	KeysURLs []string // of its JSON Web Key Sets; empty: found from Name by OpenID Connect discovery
	Claims   Claims
}

// Claims says what an issuer's claims mean. Names of claims may lead into
// objects: "resource_access.gateway.roles". An empty name is no claim.
type Claims struct {
	AdminScope  string   // makes a proxy admin; "litellm_proxy_admin" unless set
	AdminRoutes []string // what such a token may call
	TeamRoutes  []string // what a token that stands for a team and no user may call

	UserID, UserEmail string
	UserUpsert        bool   // users not known yet are made
	EmailDomain       string // only for addresses in it; "" is any
	TeamID, TeamIDs   string
	TeamUpsert        bool
	DefaultTeam       string // of tokens that name none
	OrgID, EndUserID  string
	// TeamAlias and OrgAlias are claims with aliases instead of ids.
	TeamAlias, OrgAlias string

	// Roles is the claim with roles, RoleMap what they mean here, the first that
	// fits. ObjectID is the claim with the id of the user or the team,
	// whichever the role is for. NeedRole refuses tokens without any of them.
	Roles    string
	RoleMap  []RoleMapping
	ObjectID string
	NeedRole bool // enforce_rbac
	// UserRoles is a claim in which one of UserAllowedRoles must stand.
	UserRoles        string
	UserAllowedRoles []string
	RolePermissions  []Permission // by role here

	NeedScope bool         // enforce_scope_based_access
	Scopes    []Permission // what each scope allows
	NeedTeam  bool         // enforce_team_based_model_access

	// Sync stores the role and the teams that tokens say (sync_user_role_and_teams);
	// Join only puts users into the teams (upsert_sso_user_to_team).
	Sync, Join bool
	// OnlyTeam takes the only team of a user whose token names none that there is
	// (team_claim_fallback); OwnTeams those that it is in if the token names none at
	// all (fallback_to_db_teams).
	OnlyTeam, OwnTeams bool
	KeyClaim           string // stands for a virtual key (virtual_key_claim_field)
	NeedKey            bool   // tokens that stand for none are refused (unregistered_jwt_client_behavior: reject)
	MakeKey            bool   // or get one (auto_register)
}

// RoleMapping says what a provider's role is here.
type RoleMapping struct{ Theirs, Ours string }

// Permission is what a role or a scope allows. Empty lists allow everything.
type Permission struct {
	Name           string
	Models, Routes []string
}

// opaqueClaims are what LiteLLM takes from the answer about a token.
func opaqueClaims() Claims {
	c := Claims{UserID: "sub", Roles: "role", TeamID: "team_id", UserUpsert: true, TeamRoutes: defaultClaims().TeamRoutes}
	for _, role := range []string{"proxy_admin", "proxy_admin_viewer", "internal_user", "internal_user_viewer", "team", "customer"} {
		c.RoleMap = append(c.RoleMap, RoleMapping{role, role})
	}
	return c
}

func defaultClaims() Claims {
	return Claims{
		AdminScope:  "litellm_proxy_admin",
		AdminRoutes: []string{"management_routes", "spend_tracking_routes", "global_spend_tracking_routes", "info_routes"},
		TeamRoutes:  []string{"llm_api_routes", "info_routes"},
	}
}

// jwtKeys are those of general_settings about bearer tokens.
func (l *loader) jwtKeys() []key {
	j := &l.cfg.Server.JWT
	return []key{
		bind("enable_jwt_auth", boolean(), &j.Enabled),
		bind("enable_oauth2_auth", boolean(), &j.Opaque.Enabled),
		custom("role_permissions", "a list of {role, models, routes}", func(l *loader, n *node) {
			l.roles = l.permissions(n, "role")
		}),
		custom("litellm_jwtauth", "a mapping of claims to what they mean", jwtAuth),
	}
}

// jwtEnvironment are LiteLLM's variables about bearer tokens.
func (l *loader) jwtEnvironment() []key {
	return []key{
		use("JWT_PUBLIC_KEY_URL", text(), func(l *loader, s string) { l.jwt.KeysURLs = commas(s) }),
		use("JWT_AUDIENCE", text(), func(l *loader, s string) { l.jwt.Audience = commas(s) }),
		bind("OAUTH_TOKEN_INFO_ENDPOINT", text(), &l.cfg.Server.JWT.Opaque.URL),
		bind("OAUTH_CLIENT_ID", text(), &l.cfg.Server.JWT.Opaque.ClientID),
		bind("OAUTH_CLIENT_SECRET", secret(), &l.cfg.Server.JWT.Opaque.ClientSecret),
		bind("OAUTH_USER_ID_FIELD_NAME", text(), &l.cfg.Server.JWT.Opaque.Claims.UserID),
		bind("OAUTH_USER_ROLE_FIELD_NAME", text(), &l.cfg.Server.JWT.Opaque.Claims.Roles),
		bind("OAUTH_USER_TEAM_ID_FIELD_NAME", text(), &l.cfg.Server.JWT.Opaque.Claims.TeamID),
		use("JWT_ISSUER", text(), func(l *loader, s string) { l.jwt.Name = s }),
	}
}

func commas(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// jwtAuth reads litellm_jwtauth. What stands at its top is the default of each
// of its issuers.
func jwtAuth(l *loader, n *node) {
	j := &l.cfg.Server.JWT
	top := append(l.issuerKeys(&l.jwt),
		bind("public_key_ttl", seconds(), &j.KeysTTL),
		bind("public_key_stale_ttl", seconds(), &j.StaleTTL),
		bind("leeway", seconds(), &j.Leeway),
		bind("oidc_userinfo_enabled", boolean(), &j.UserInfo.Enabled),
		bind("oidc_userinfo_endpoint", text(), &j.UserInfo.URL),
		bind("oidc_userinfo_cache_ttl", seconds(), &j.UserInfo.TTL),
		custom("routing_overrides", "a list of {iss, client_id, scope, aud, path: oauth2}", overrides),
		custom("issuers", "a list of {issuer, audience, jwks_url, …}", func(*loader, *node) {}),
	)
	top = append(top, later(python, "custom_validate")...)
	top = append(top, later(notHere, "public_allowed_routes", "agent_id_jwt_field")...)
	top = append(top, later("not needed: claims that stand for keys are in memory, and a change of them counts at once", "virtual_key_mapping_cache_ttl")...)
	top = append(top, later(notYet, "customer_org_alias_jwt_field", "customer_member_id_jwt_field", "customer_team_id_jwt_field")...)
	l.apply(n, top)
	issuers := n.get("issuers")
	if issuers == nil || issuers.shape == null {
		return
	}
	for _, item := range l.items(issuers) {
		// Its own copy: a list that is set for one issuer is not for the next.
		i := Issuer{Claims: l.jwt.Claims}
		anyAudience := false
		l.apply(item, append(l.issuerKeys(&i), bind("disable_audience_validation", boolean(), &anyAudience)))
		switch {
		case i.Name == "":
			l.want(item, "an issuer: the token's iss, exactly")
		case len(i.Audience) == 0 && !anyAudience:
			l.want(item, "an audience, or disable_audience_validation: true")
		case anyAudience:
			i.Audience = nil
		}
		j.Issuers = append(j.Issuers, i)
	}
}

func (l *loader) issuerKeys(i *Issuer) []key {
	c := &i.Claims
	return []key{
		bind("issuer", text(), &i.Name),
		bind("audience", words(), &i.Audience),
		bind("jwks_url", words(), &i.KeysURLs),
		bind("admin_jwt_scope", text(), &c.AdminScope),
		bind("admin_allowed_routes", words(), &c.AdminRoutes),
		bind("team_allowed_routes", words(), &c.TeamRoutes),
		bind("user_id_jwt_field", text(), &c.UserID),
		bind("user_email_jwt_field", text(), &c.UserEmail),
		bind("user_id_upsert", boolean(), &c.UserUpsert),
		bind("user_allowed_email_domain", text(), &c.EmailDomain),
		bind("team_id_jwt_field", text(), &c.TeamID),
		bind("team_ids_jwt_field", text(), &c.TeamIDs),
		bind("team_id_upsert", boolean(), &c.TeamUpsert),
		bind("team_id_default", text(), &c.DefaultTeam),
		bind("team_alias_jwt_field", text(), &c.TeamAlias),
		bind("org_id_jwt_field", text(), &c.OrgID),
		bind("org_alias_jwt_field", text(), &c.OrgAlias),
		bind("end_user_id_jwt_field", text(), &c.EndUserID),
		bind("roles_jwt_field", text(), &c.Roles),
		bind("object_id_jwt_field", text(), &c.ObjectID),
		bind("enforce_rbac", boolean(), &c.NeedRole),
		bind("user_roles_jwt_field", text(), &c.UserRoles),
		bind("user_allowed_roles", words(), &c.UserAllowedRoles),
		bind("enforce_scope_based_access", boolean(), &c.NeedScope),
		bind("enforce_team_based_model_access", boolean(), &c.NeedTeam),
		bind("virtual_key_claim_field", text(), &c.KeyClaim),
		bind("jwt_client_id_field", text(), &c.KeyClaim),
		use("unregistered_jwt_client_behavior", choice("fallback_team_mapping", "reject", "auto_register"), func(_ *loader, s string) {
			c.NeedKey, c.MakeKey = s == "reject", s == "auto_register"
		}),
		bind("sync_user_role_and_teams", boolean(), &c.Sync),
		bind("upsert_sso_user_to_team", boolean(), &c.Join),
		bind("team_claim_fallback", boolean(), &c.OnlyTeam),
		bind("fallback_to_db_teams", boolean(), &c.OwnTeams),
		custom("role_mappings", "a list of {role, internal_role}", func(l *loader, n *node) {
			c.RoleMap = append(slices.Clip(c.RoleMap), l.roleMap(n, "role", "internal_role")...)
		}),
		custom("jwt_litellm_role_map", "a list of {jwt_role, litellm_role}", func(l *loader, n *node) {
			c.RoleMap = append(slices.Clip(c.RoleMap), l.roleMap(n, "jwt_role", "litellm_role")...)
		}),
		custom("scope_mappings", "a list of {scope, models, routes}", func(l *loader, n *node) { c.Scopes = l.permissions(n, "scope") }),
	}
}

// overrides reads routing_overrides.
func overrides(l *loader, n *node) {
	j := &l.cfg.Server.JWT
	for _, item := range l.items(n) {
		var o Override
		var to string
		l.apply(item, []key{
			bind("iss", words(), &o.Issuer), bind("client_id", words(), &o.ClientID), bind("scope", words(), &o.Scope), bind("aud", words(), &o.Audience),
			bind("path", choice("oauth2"), &to),
		})
		if len(o.Issuer) == 0 || to == "" {
			l.want(item, "iss, and path: oauth2")
			continue
		}
		j.Overrides = append(j.Overrides, o)
	}
}

// items are those of a list.
func (l *loader) items(n *node) []*node {
	if n.shape != list {
		l.want(n, "a list")
	}
	return n.items
}

func (l *loader) roleMap(n *node, theirs, ours string) []RoleMapping {
	var out []RoleMapping
	for _, item := range l.items(n) {
		var m RoleMapping
		l.apply(item, []key{
			bind(theirs, text(), &m.Theirs),
			bind(ours, choice("proxy_admin", "proxy_admin_viewer", "internal_user", "internal_user_viewer", "team", "customer"), &m.Ours),
		})
		if m.Theirs == "" || m.Ours == "" {
			l.want(item, theirs+" and "+ours)
			continue
		}
		out = append(out, m)
	}
	return out
}

func (l *loader) permissions(n *node, name string) []Permission {
	var out []Permission
	for _, item := range l.items(n) {
		var p Permission
		l.apply(item, []key{bind(name, text(), &p.Name), bind("models", words(), &p.Models), bind("routes", words(), &p.Routes)})
		out = append(out, p)
	}
	return out
}

// finishJWT puts together who may have made a token.
func (l *loader) finishJWT(general *node) {
	j := &l.cfg.Server.JWT
	asked := "enable_oauth2_auth"
	if j.Enabled && len(j.Overrides) > 0 && !j.Opaque.Enabled {
		asked = "litellm_jwtauth"
	}
	if (j.Opaque.Enabled || asked == "litellm_jwtauth") && !isAddress(j.Opaque.URL) {
		l.bad(general.get(asked), "set OAUTH_TOKEN_INFO_ENDPOINT to the address, with https://, where tokens are asked about")
	}
	if !j.Enabled {
		return
	}
	at := general.get("enable_jwt_auth")
	l.jwt.Claims.RolePermissions = l.roles
	j.UserInfo.Claims = l.jwt.Claims
	if j.UserInfo.Enabled && !isAddress(j.UserInfo.URL) {
		l.bad(general.get("litellm_jwtauth"), "oidc_userinfo_enabled needs oidc_userinfo_endpoint: the address, with https://, where it is asked who a token is from")
	}
	if len(j.Issuers) == 0 && j.UserInfo.Enabled && l.jwt.Name == "" && len(l.jwt.KeysURLs) == 0 {
		return // whoever is asked verifies tokens, too
	}
	if len(j.Issuers) == 0 {
		j.Issuers = []Issuer{l.jwt}
	}
	for i := range j.Issuers {
		s := &j.Issuers[i]
		s.Claims.RolePermissions = l.roles
		addresses := s.KeysURLs
		switch {
		case len(addresses) > 0:
		case s.Name != "":
			addresses = []string{s.Name} // where discovery begins
		default:
			l.bad(at, "set JWT_PUBLIC_KEY_URL, or issuers in litellm_jwtauth: nothing says whose tokens to take")
		}
		for _, address := range addresses {
			if !isAddress(address) {
				l.bad(at, "the keys of tokens are fetched from an address that begins with https://, not from %q", address)
			}
		}
		if s.Name == "" && len(s.Audience) == 0 {
			l.warn(at, "neither JWT_AUDIENCE nor JWT_ISSUER is set: every token of the identity provider is taken, also one that was made for another service")
		}
	}
}

// isAddress reports whether s is where something can be asked.
func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http")
}
