package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
)

// newTown is a gate whose options can be set.
func newTown(p *provider, set func(*auth.TokenOptions, *config.Claims)) *gate {
	g := &gate{d: town()}
	g.clock.Store(&now)
	g.d.PutTeam(&gateway.Team{ID: "chat", Alias: "Chat team", Models: []string{"a"}})
	g.d.PutTeam(&gateway.Team{ID: "code", Models: []string{"b"}})
	g.d.PutTeam(&gateway.Team{ID: "old"})
	g.d.PutUser(&gateway.User{ID: "ann", Email: "ann@example.com", Role: gateway.InternalUser, Teams: []string{"old"}})
	o := auth.TokenOptions{
		JWT: config.JWT{Enabled: true, Leeway: time.Minute, KeysTTL: 10 * time.Minute, StaleTTL: time.Hour, Issuers: []config.Issuer{{
			Name: p.URL, Audience: []string{"gateway"}, KeysURLs: []string{p.URL + "/keys"},
			Claims: config.Claims{AdminScope: "litellm_proxy_admin", AdminRoutes: []string{"management_routes"}, UserID: "sub", UserEmail: "email", TeamIDs: "groups"},
		}}},
		Directory: g.d, Client: p.Client(), Now: func() time.Time { return *g.clock.Load() },
	}
	set(&o, &o.JWT.Issuers[0].Claims)
	g.Authenticator = &auth.Authenticator{Directory: g.d, Now: o.Now, Tokens: fixed(o)}
	return g
}

func (g *gate) pass(d time.Duration) {
	later := g.clock.Load().Add(d)
	g.clock.Store(&later)
}

func TestRolesAndTeamsAreStored(t *testing.T) {
	p := newProvider(t)
	var down bool
	var stored []string
	var g *gate
	g = newTown(p, func(o *auth.TokenOptions, c *config.Claims) {
		c.Sync, c.Roles, c.RoleMap = true, "roles", []config.RoleMapping{{Theirs: "AI_READ_*", Ours: "internal_user_viewer"}, {Theirs: "ADMIN", Ours: "proxy_admin"}}
		o.Sync = func(_ context.Context, id string, role gateway.Role, join, leave []string) error {
			stored = append(stored, fmt.Sprint(id, " ", role, " +", join, " -", leave))
			if down {
				return errors.New("no database")
			}
			u := *g.d.User(id)
			if role != "" {
				u.Role = role
			}
			u.Teams = slices.DeleteFunc(append(slices.Clone(u.Teams), join...), func(t string) bool { return slices.Contains(leave, t) })
			g.d.PutUser(&u)
			return nil
		}
	})
	call := func(claims jwt.MapClaims, path string) gateway.Principal {
		t.Helper()
		who, err := g.as(p.token(t, "rsa", claims), "path", path)
		if err != nil {
			t.Fatal(err)
		}
		return who
	}
	did := func(want ...string) {
		t.Helper()
		if !slices.Equal(stored, want) {
			t.Errorf("stored %q, want %q", stored, want)
		}
		stored = nil
	}
	const chat = "/v1/chat/completions"
	reader := jwt.MapClaims{"roles": []string{"AI_READ_ALL"}, "groups": []string{"chat", "code", "none"}}
	if who := call(reader, chat); who.Role != gateway.InternalUserViewer || who.User.Role != gateway.InternalUserViewer || who.TeamID() != "chat" {
		t.Errorf("she is %s in %s", who.Role, who.TeamID())
	}
	did("ann internal_user_viewer +[chat code] -[old]")
	call(reader, chat)
	call(jwt.MapClaims{"roles": []string{"AI_READ_ALL"}}, chat) // it says nothing about teams
	did()

	call(jwt.MapClaims{"roles": []string{"ADMIN"}, "groups": []string{}}, "/key/generate")
	did("ann proxy_admin +[] -[chat code]")

	// With the database away, the call goes on with what the token says, and not every
	// call tries.
	down = true
	back := p.token(t, "rsa", jwt.MapClaims{"roles": []string{"AI_READ_ALL"}, "groups": []string{"chat"}})
	for range 5 {
		if who, err := g.as(back); err != nil || who.Role != gateway.InternalUserViewer {
			t.Fatalf("%+v, %v", who.Role, err)
		}
	}
	did("ann internal_user_viewer +[chat] -[]")
	down = false
	g.pass(11 * time.Second)
	if _, err := g.as(back); err != nil {
		t.Fatal(err)
	}
	did("ann internal_user_viewer +[chat] -[]")
}

func TestTeamsOfTokens(t *testing.T) {
	p := newProvider(t)
	for _, tt := range []struct {
		name   string
		set    func(*config.Claims)
		groups []string
		header string
		team   string
		want   string // part of the refusal
	}{
		{name: "of several, one by its alias", groups: []string{"code", "chat"}, header: "Chat team", team: "chat"},
		{name: "an alias of a team that is not the token's", groups: []string{"code"}, header: "Chat team", want: "not for team Chat team"},
		{name: "none that there is", groups: []string{"x"}, team: ""},
		{name: "none that there is, and her only one instead", set: func(c *config.Claims) { c.OnlyTeam = true }, groups: []string{"x"}, team: "old"},
		{name: "one that there is goes before her only one", set: func(c *config.Claims) { c.OnlyTeam = true }, groups: []string{"x", "code"}, team: "code"},
		{name: "none at all", team: ""},
		{name: "none at all, and hers instead", set: func(c *config.Claims) { c.OwnTeams = true }, team: "old"},
		{name: "hers, by header", set: func(c *config.Claims) { c.OwnTeams = true }, header: "old", team: "old"},
		{name: "another than hers, by header", set: func(c *config.Claims) { c.OwnTeams = true }, header: "chat", want: "not for team chat"},
		{name: "those of the token go before hers", set: func(c *config.Claims) { c.OwnTeams = true }, groups: []string{"chat"}, team: "chat"},
		{name: "a name with a dot in it", set: func(c *config.Claims) { c.TeamIDs, c.TeamAlias = "", `kubernetes\.io.namespace` }, team: "chat"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newTown(p, func(_ *auth.TokenOptions, c *config.Claims) {
				if tt.set != nil {
					tt.set(c)
				}
			})
			claims := jwt.MapClaims{"kubernetes.io": map[string]any{"namespace": "Chat team"}}
			if tt.groups != nil {
				claims["groups"] = tt.groups
			}
			var header []string
			if tt.header != "" {
				header = []string{"X-Litellm-Team-Id", tt.header}
			}
			who, err := g.as(p.token(t, "rsa", claims), header...)
			switch {
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			case tt.want == "" && (err != nil || who.TeamID() != tt.team):
				t.Errorf("got team %q, %v; want %q", who.TeamID(), err, tt.team)
			}
		})
	}
}

func TestUserInfo(t *testing.T) {
	p := newProvider(t)
	var asked atomic.Int32
	var down atomic.Bool
	says := `{"sub":"ann","roles":["AI_READ"],"groups":["code"]}`
	info := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch bearer := r.Header.Get("Authorization"); {
		case down.Load():
			w.WriteHeader(http.StatusBadGateway)
		case strings.HasPrefix(bearer, "Bearer ey") || bearer == "Bearer opaque":
			_, _ = fmt.Fprint(w, says)
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(info.Close)
	settings := config.UserInfo{Enabled: true, URL: info.URL, TTL: 5 * time.Minute}
	g := newTown(p, func(o *auth.TokenOptions, c *config.Claims) {
		o.JWT.UserInfo = settings
		c.Roles, c.RoleMap = "roles", []config.RoleMapping{{Theirs: "AI_READ", Ours: "internal_user_viewer"}}
		g := &gateway.User{ID: "ann", Email: "ann@example.com"}
		o.Directory.PutUser(g)
	})
	token := p.token(t, "rsa", jwt.MapClaims{"groups": []string{"chat"}})
	for range 5 {
		who, err := g.as(token)
		if err != nil || who.Role != gateway.InternalUserViewer || who.TeamID() != "code" {
			t.Fatalf("%s of %s, %v: want what the provider says, not the token", who.Role, who.TeamID(), err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
	down.Store(true)
	if _, err := g.as(token); err != nil {
		t.Errorf("the provider is down, and a token known before: %v", err)
	}
	g.pass(6 * time.Minute)
	if _, err := g.as(token); gateway.AsError(err).Status != 503 {
		t.Errorf("the provider is down: %v", err)
	}
	down.Store(false)
	for name, forged := range map[string]string{
		"a bad signature": token[:len(token)-8] + "AAAAAAAA", "another audience": p.token(t, "rsa", jwt.MapClaims{"aud": "wiki"}), "no token": "opaque", "somebody else's": p.token(t, "rsa", jwt.MapClaims{"sub": "eve"}),
	} {
		before := asked.Load()
		if _, err := g.as(forged); err == nil || gateway.AsError(err).Kind != gateway.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
		if name != "somebody else's" && asked.Load() != before {
			t.Errorf("%s: the provider was asked about it", name)
		}
	}

	// Without keys of an issuer, whoever is asked verifies: opaque tokens are taken too.
	g = newTown(p, func(o *auth.TokenOptions, c *config.Claims) {
		settings.Claims = *c
		o.JWT.UserInfo, o.JWT.Issuers = settings, []config.Issuer{{}}
		o.JWT.Issuers = o.JWT.Issuers[:1]
	})
	g.Authenticator.Tokens = fixed(auth.TokenOptions{JWT: config.JWT{Enabled: true, UserInfo: settings}, Directory: g.d, Client: info.Client(), Now: time.Now})
	for _, token := range []string{"opaque", token} {
		if who, err := g.as(token); err != nil || who.User.ID != "ann" || who.TeamID() != "code" {
			t.Errorf("%s of %s, %v", who.UserID(), who.TeamID(), err)
		}
	}
	if _, err := g.as("unknown"); err == nil {
		t.Error("a token that the provider does not know was taken")
	}
}

func TestMachinesTokensAreAskedAbout(t *testing.T) {
	p := newProvider(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"active":true,"sub":"robot","team_id":"code"}`)
	}))
	t.Cleanup(server.Close)
	g := newTown(p, func(o *auth.TokenOptions, _ *config.Claims) {
		o.Directory.PutUser(&gateway.User{ID: "robot"})
		o.JWT.Opaque = config.Opaque{URL: server.URL, Issuer: config.Issuer{Claims: config.Claims{UserID: "sub", TeamID: "team_id"}}}
		o.JWT.Overrides = []config.Override{
			{Issuer: []string{"https://other"}},
			{Issuer: []string{"http://127.0.0.1:*", "x"}, ClientID: []string{"*MID_LITELL?"}, Scope: []string{"App:LiteLLM"}, Audience: []string{"gateway"}},
		}
	})
	for _, tt := range []struct {
		name   string
		claims jwt.MapClaims
		who    string
	}{
		{"all that the rule asks for", jwt.MapClaims{"client_id": "AMID_LITELLM", "scope": "openid App:LiteLLM"}, "robot"},
		{"another client", jwt.MapClaims{"client_id": "MID_LITELL", "scope": "openid App:LiteLLM"}, "ann"},
		{"another scope", jwt.MapClaims{"client_id": "MID_LITELLM", "scope": "App:LiteLLMs"}, "ann"},
		{"no client", jwt.MapClaims{"scope": "App:LiteLLM"}, "ann"},
	} {
		if who, err := g.as(p.token(t, "rsa", tt.claims)); err != nil || who.UserID() != tt.who {
			t.Errorf("%s: %s, %v; want %s", tt.name, who.UserID(), err, tt.who)
		}
	}
}

func TestTokensGetKeys(t *testing.T) {
	p := newProvider(t)
	var made []*gateway.Key
	var off bool
	var g *gate
	g = newTown(p, func(o *auth.TokenOptions, c *config.Claims) {
		c.KeyClaim, c.MakeKey = "sub", true
		o.NewKey = func(_ context.Context, k *gateway.Key, m *gateway.JWTMapping) error {
			made = append(made, k)
			if !off {
				g.d.PutKey(k)
				g.d.PutJWTMapping(m)
			}
			return nil
		}
	})
	for range 3 {
		who, err := g.as(p.token(t, "rsa", jwt.MapClaims{"groups": []string{"chat"}}))
		if err != nil || who.Key == nil || who.UserID() != "ann" || who.TeamID() != "chat" {
			t.Fatalf("%+v, %v", who, err)
		}
	}
	if len(made) != 1 || made[0].UserID != "ann" || made[0].TeamID != "chat" {
		t.Errorf("made %d keys: %+v", len(made), made)
	}
	if who, err := g.as(p.token(t, "rsa", jwt.MapClaims{"sub": "boss", "scope": "litellm_proxy_admin"}), "path", "/key/generate"); err != nil || who.Key != nil {
		t.Errorf("an admin got a key: %+v, %v", who.Key, err)
	}
	// A claim that was switched off stays so, and not every call tries.
	off, made = true, nil
	g.d.PutUser(&gateway.User{ID: "bob"})
	token := p.token(t, "rsa", jwt.MapClaims{"sub": "bob"})
	for range 3 {
		if _, err := g.as(token); err == nil || !strings.Contains(err.Error(), "stands for no virtual key") {
			t.Errorf("got %v", err)
		}
	}
	if len(made) != 1 {
		t.Errorf("tried %d times, want once", len(made))
	}
}

// Keys that could not be fetched again for long are no longer believed, and those of
// the configuration before are kept by the next.
func TestOldKeys(t *testing.T) {
	p := newProvider(t)
	g := newTown(p, func(*auth.TokenOptions, *config.Claims) {})
	if _, err := g.as(p.token(t, "rsa", nil)); err != nil {
		t.Fatal(err)
	}
	p.down.Store(true)
	before := g.Tokens()
	next := newTown(p, func(o *auth.TokenOptions, _ *config.Claims) { o.Before = before })
	if _, err := next.as(p.token(t, "rsa", jwt.MapClaims{"jti": "1"})); err != nil {
		t.Errorf("after a reload with the provider down: %v", err)
	}
	next.pass(69 * time.Minute)
	late := jwt.MapClaims{"exp": now.Add(5 * time.Hour).Unix()}
	if _, err := next.as(p.token(t, "rsa", late)); err != nil {
		t.Errorf("an hour after the keys were due: %v", err)
	}
	next.pass(2 * time.Minute)
	if _, err := next.as(p.token(t, "rsa", jwt.MapClaims{"exp": now.Add(5 * time.Hour).Unix(), "jti": "2"})); gateway.AsError(err).Status != 503 {
		t.Errorf("more than an hour after the keys were due: %v", err)
	}
}
