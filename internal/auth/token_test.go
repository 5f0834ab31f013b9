package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
)

// provider is an identity provider with a real server for its keys.
type provider struct {
	*httptest.Server
	mu      sync.Mutex
	keys    map[string]crypto.Signer // by id; guarded by mu
	down    atomic.Bool
	fetched atomic.Int32
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	p := &provider{keys: map[string]crypto.Signer{}}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.keys["rsa"], p.keys["ec"], p.keys["ed"] = rsaKey, ec, ed
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", p.serve)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, p.URL, p.URL+"/keys")
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) serve(w http.ResponseWriter, _ *http.Request) {
	p.fetched.Add(1)
	if p.down.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b64 := base64.RawURLEncoding.EncodeToString
	rows := []string{`{"kty":"oct","kid":"secret","k":"AAAA"}`, `{"kty":"RSA","kid":"sealing","use":"enc","n":"AQAB","e":"AQAB"}`, `{"kty":"RSA","kid":"weak","n":"AQAB","e":"AQAB"}`}
	for id, k := range p.keys {
		switch pub := k.Public().(type) {
		case *rsa.PublicKey:
			rows = append(rows, fmt.Sprintf(`{"kty":"RSA","kid":%q,"use":"sig","n":%q,"e":%q}`, id, b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes())))
		case *ecdsa.PublicKey:
			point, _ := pub.Bytes() // no error for a key that was just made
			rows = append(rows, fmt.Sprintf(`{"kty":"EC","kid":%q,"crv":"P-256","alg":"ES256","x":%q,"y":%q}`, id, b64(point[1:33]), b64(point[33:])))
		case ed25519.PublicKey:
			rows = append(rows, fmt.Sprintf(`{"kty":"OKP","kid":%q,"crv":"Ed25519","x":%q}`, id, b64(pub)))
		}
	}
	_, _ = fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(rows, ","))
}

// token signs claims over those of an ordinary token.
func (p *provider) token(t testing.TB, key string, claims jwt.MapClaims) string {
	t.Helper()
	p.mu.Lock()
	signer := p.keys[key]
	p.mu.Unlock()
	var method jwt.SigningMethod = jwt.SigningMethodRS256
	switch signer.(type) {
	case *ecdsa.PrivateKey:
		method = jwt.SigningMethodES256
	case ed25519.PrivateKey:
		method = jwt.SigningMethodEdDSA
	}
	all := jwt.MapClaims{"iss": p.URL, "aud": "gateway", "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "sub": "ann"}
	for k, v := range claims {
		if v == nil {
			delete(all, k)
			continue
		}
		all[k] = v
	}
	tok := jwt.NewWithClaims(method, all)
	tok.Header["kid"] = key
	s, err := tok.SignedString(signer)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// gate is an authenticator that takes p's tokens.
type gate struct {
	*auth.Authenticator
	d     *auth.Directory
	clock atomic.Pointer[time.Time]
	made  []string
}

// fixed are tokens whose settings do not change.
func fixed(o auth.TokenOptions) func() *auth.Tokens {
	t := auth.NewTokens(o)
	return func() *auth.Tokens { return t }
}

func newGate(p *provider, set func(*config.JWT, *config.Claims)) *gate {
	g := &gate{d: town()}
	g.clock.Store(&now)
	g.d.PutTeam(&gateway.Team{ID: "chat", Models: []string{"a"}})
	g.d.PutTeam(&gateway.Team{ID: "code", Models: []string{"b"}, OrganizationID: "org"})
	g.d.PutUser(&gateway.User{ID: "ann", Email: "ann@example.com", SSOID: "subject-1"})
	j := config.JWT{Enabled: true, Leeway: time.Minute, KeysTTL: 10 * time.Minute, Issuers: []config.Issuer{{
		Name: p.URL, Audience: []string{"other", "gateway"}, KeysURLs: []string{p.URL + "/keys"},
		Claims: config.Claims{AdminScope: "litellm_proxy_admin", AdminRoutes: []string{"management_routes"}, TeamRoutes: []string{"openai_routes"}, UserID: "sub", UserEmail: "email"},
	}}}
	if set != nil {
		set(&j, &j.Issuers[0].Claims)
	}
	g.Authenticator = &auth.Authenticator{Directory: g.d, Now: time.Now, Tokens: fixed(auth.TokenOptions{
		JWT: j, Directory: g.d, Client: p.Client(), Now: func() time.Time { return *g.clock.Load() },
		NewUser: func(_ context.Context, u *gateway.User) error {
			g.made = append(g.made, "user "+u.ID)
			g.d.PutUser(u)
			return nil
		},
		NewTeam: func(_ context.Context, t *gateway.Team) error {
			g.made = append(g.made, "team "+t.ID)
			g.d.PutTeam(t)
			return nil
		},
	})}
	return g
}

func (g *gate) as(token string, header ...string) (gateway.Principal, error) {
	r := from(http.Header{"Authorization": {"Bearer " + token}}).WithContext(context.Background())
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "path" {
			r.URL.Path = header[i+1]
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	return g.Admit(r, auth.DoorOf("POST", r.URL.Path), &auth.Policy{})
}

// forged are tokens that nobody may come in with.
func TestForgedTokens(t *testing.T) {
	p, stranger := newProvider(t), newProvider(t)
	good := p.token(t, "rsa", nil)
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	_ = head
	none := b64([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + payload + "."
	// The public key as the secret of a symmetric signature: the classic.
	public := p.keys["rsa"].Public().(*rsa.PublicKey).N.Bytes()
	hs := b64([]byte(`{"alg":"HS256","kid":"rsa"}`)) + "." + payload
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(hs))
	hs += "." + b64(mac.Sum(nil))
	stranger.keys["rsa2"] = stranger.keys["rsa"]
	for _, tt := range []struct{ name, token, text string }{
		{"no signature", none, "signed in a way that is not taken here"},
		{"the public key as a secret", hs, "signed in a way that is not taken here"},
		{"another's signature under the same key id", strings.Replace(stranger.token(t, "rsa", jwt.MapClaims{"iss": p.URL}), "", "", 1), "signature that is not right"},
		{"another's key", stranger.token(t, "rsa2", jwt.MapClaims{"iss": p.URL}), "key that its issuer does not have"},
		{"changed claims", strings.Replace(good, payload, b64([]byte(fmt.Sprintf(`{"iss":%q,"aud":"gateway","exp":%d,"sub":"root"}`, p.URL, now.Add(time.Hour).Unix()))), 1), "signature that is not right"},
		{"a cut signature", strings.TrimSuffix(good, signature[4:]), "signature that is not right"},
		{"another issuer", p.token(t, "rsa", jwt.MapClaims{"iss": "https://elsewhere"}), "issuer that is not trusted"},
		{"no issuer", p.token(t, "rsa", jwt.MapClaims{"iss": nil}), "issuer that is not trusted"},
		{"another audience", p.token(t, "rsa", jwt.MapClaims{"aud": []string{"x", "y"}}), "another audience"},
		{"no audience", p.token(t, "rsa", jwt.MapClaims{"aud": nil}), "another audience"},
		{"expired, and not only by a clock", p.token(t, "rsa", jwt.MapClaims{"exp": now.Add(-2 * time.Minute).Unix()}), "expired at 2026-03-18T10:18:30Z"},
		{"never expires", p.token(t, "rsa", jwt.MapClaims{"exp": nil}), "does not say when it expires"},
		{"not valid yet", p.token(t, "rsa", jwt.MapClaims{"nbf": now.Add(2 * time.Minute).Unix()}), "not valid yet"},
		{"from the future", p.token(t, "rsa", jwt.MapClaims{"iat": now.Add(2 * time.Minute).Unix()}), "from the future"},
		{"no JSON", "eyJ.e30.x", "cannot be read"},
		{"too long", p.token(t, "rsa", jwt.MapClaims{"x": strings.Repeat("x", 20000)}), "bytes long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newGate(p, nil).as(tt.token)
			want{gateway.Unauthenticated, "auth_error", "None", tt.text}.check(t, err)
			if err != nil && len(tt.token) > 20 && strings.Contains(err.Error(), tt.token[len(tt.token)-20:]) {
				t.Errorf("the error shows the token: %v", err)
			}
		})
	}
	for _, key := range []string{"rsa", "ec", "ed"} {
		if _, err := newGate(p, nil).as(p.token(t, key, jwt.MapClaims{"exp": now.Add(-30 * time.Second).Unix(), "nbf": now.Add(30 * time.Second).Unix()})); err != nil {
			t.Errorf("%s, off by half a minute: %v", key, err)
		}
	}
}

func TestWhoATokenIs(t *testing.T) {
	p := newProvider(t)
	for _, tt := range []struct {
		name   string
		set    func(*config.JWT, *config.Claims)
		claims jwt.MapClaims
		header []string
		who    string // role/user/team/organization/member
		want   want
	}{
		{name: "a user by id", who: "internal_user/ann///"},
		{name: "a user by subject", claims: jwt.MapClaims{"sub": "subject-1"}, who: "internal_user/ann///"},
		{name: "a user by email", claims: jwt.MapClaims{"sub": "x", "email": "Ann@example.com"}, who: "internal_user/ann///"},
		{
			name: "an email that nobody has checked", claims: jwt.MapClaims{"sub": "x", "email": "ann@example.com", "email_verified": false},
			want: want{gateway.Unauthenticated, "auth_error", "None", "User doesn't exist in db. 'user_id'=x"},
		},
		{name: "a user who is not known", claims: jwt.MapClaims{"sub": "bob"}, want: want{gateway.Unauthenticated, "auth_error", "None", "Create user via `/user/new` call."}},
		{name: "a user who is made", set: func(_ *config.JWT, c *config.Claims) { c.UserUpsert = true }, claims: jwt.MapClaims{"sub": "bob"}, who: "internal_user/bob///"},
		{
			name: "a user who is made, of our domain", set: func(_ *config.JWT, c *config.Claims) { c.UserUpsert, c.EmailDomain = true, "example.com" },
			claims: jwt.MapClaims{"sub": "bob", "email": "bob@Example.com"}, who: "internal_user/bob///",
		},
		{
			name: "a user of another domain", set: func(_ *config.JWT, c *config.Claims) { c.UserUpsert, c.EmailDomain = true, "example.com" },
			claims: jwt.MapClaims{"sub": "bob", "email": "bob@example.com.evil"}, want: want{gateway.Unauthenticated, "auth_error", "None", "User doesn't exist"},
		},
		{name: "a role of ours that the user has", claims: jwt.MapClaims{"sub": "reader"}, who: "internal_user_viewer/reader///"},
		{name: "an admin by scope, at the routes of admins", claims: jwt.MapClaims{"scope": "openid litellm_proxy_admin"}, header: []string{"path", "/key/generate"}, who: "proxy_admin/ann///"},
		{name: "an admin by scope, elsewhere", claims: jwt.MapClaims{"scope": "openid litellm_proxy_admin"}, want: want{gateway.Forbidden, "auth_error", "", "Admin not allowed to access this route."}},
		{name: "part of a scope is none", claims: jwt.MapClaims{"scope": "litellm_proxy_admins"}, header: []string{"path", "/key/generate"}, who: "internal_user/ann///"},
		{name: "a team", set: func(_ *config.JWT, c *config.Claims) { c.UserID, c.TeamID = "", "client_id" }, claims: jwt.MapClaims{"client_id": "code"}, who: "team//code/org/"},
		{
			name: "a team, at a route that is not for teams", set: func(_ *config.JWT, c *config.Claims) { c.UserID, c.TeamID = "", "client_id" }, claims: jwt.MapClaims{"client_id": "code"},
			header: []string{"path", "/key/generate"}, want: want{gateway.Forbidden, "auth_error", "", "Team not allowed to access this route. Route=/key/generate"},
		},
		{
			name: "a team that is not there", set: func(_ *config.JWT, c *config.Claims) { c.UserID, c.TeamID = "", "client_id" }, claims: jwt.MapClaims{"client_id": "none"},
			want: want{gateway.Unauthenticated, "auth_error", "None", "Team doesn't exist in db. Team=none"},
		},
		{name: "a team that is made", set: func(_ *config.JWT, c *config.Claims) { c.UserID, c.TeamID, c.TeamUpsert = "", "client_id", true }, claims: jwt.MapClaims{"client_id": "new"}, who: "team//new//"},
		{
			name: "a member of a team", set: func(_ *config.JWT, c *config.Claims) { c.TeamIDs = "realm.groups" },
			claims: jwt.MapClaims{"sub": "clerk", "realm": map[string]any{"groups": []string{"none", "team"}}}, who: "internal_user/clerk/team/org/clerk",
		},
		{
			name: "the team that the client wants", set: func(_ *config.JWT, c *config.Claims) { c.TeamIDs = "groups" },
			claims: jwt.MapClaims{"groups": []string{"chat", "code"}}, header: []string{"X-Litellm-Team-Id", "code"}, who: "internal_user/ann/code/org/",
		},
		{
			name: "a team that the token is not for", set: func(_ *config.JWT, c *config.Claims) { c.TeamIDs = "groups" },
			claims: jwt.MapClaims{"groups": []string{"chat"}}, header: []string{"X-Litellm-Team-Id", "code"}, want: want{gateway.Forbidden, "auth_error", "", "The token is not for team code"},
		},
		{name: "the default team", set: func(_ *config.JWT, c *config.Claims) { c.DefaultTeam = "chat" }, who: "internal_user/ann/chat//"},
		{name: "an organization", set: func(_ *config.JWT, c *config.Claims) { c.OrgID = "org" }, claims: jwt.MapClaims{"org": "org"}, who: "internal_user/ann//org/"},
		{name: "a team by its alias", set: func(_ *config.JWT, c *config.Claims) { c.TeamAlias = "team" }, claims: jwt.MapClaims{"team": "The Coders"}, who: "internal_user/ann/code/org/"},
		{
			name: "an alias that two teams have", set: func(_ *config.JWT, c *config.Claims) { c.UserID, c.TeamAlias = "", "team" }, claims: jwt.MapClaims{"team": []string{"Twins"}},
			want: want{gateway.Unauthenticated, "auth_error", "None", "Team doesn't exist in db. Team alias=Twins"},
		},
		{name: "an organization by its alias", set: func(_ *config.JWT, c *config.Claims) { c.OrgAlias = "o" }, claims: jwt.MapClaims{"o": "The Firm"}, who: "internal_user/ann//firm/"},
		{name: "a customer", set: func(_ *config.JWT, c *config.Claims) { c.UserID, c.EndUserID = "", "sub" }, who: "customer////"},
		{name: "nobody", set: func(_ *config.JWT, c *config.Claims) { c.UserID = "" }, want: want{gateway.Forbidden, "auth_error", "", "names no user and no team"}},
		{name: "a role of theirs", set: func(_ *config.JWT, c *config.Claims) {
			c.Roles, c.RoleMap, c.NeedRole = "roles", []config.RoleMapping{{Theirs: "staff", Ours: "internal_user_viewer"}}, true
		}, claims: jwt.MapClaims{"roles": []string{"x", "staff"}}, who: "internal_user_viewer/ann///"},
		{name: "no role that is known", set: func(_ *config.JWT, c *config.Claims) {
			c.Roles, c.RoleMap, c.NeedRole = "roles", []config.RoleMapping{{Theirs: "staff", Ours: "internal_user"}}, true
		}, claims: jwt.MapClaims{"roles": []string{"x"}}, want: want{gateway.Forbidden, "auth_error", "", "enforce_rbac"}},
		{name: "an object whose role is a team's", set: func(_ *config.JWT, c *config.Claims) {
			c.UserID, c.ObjectID, c.Roles, c.RoleMap = "", "oid", "roles", []config.RoleMapping{{Theirs: "app", Ours: "team"}}
		}, claims: jwt.MapClaims{"oid": "chat", "roles": "app"}, who: "team//chat//"},
		{
			name: "a role that may not come in", set: func(_ *config.JWT, c *config.Claims) { c.UserRoles, c.UserAllowedRoles = "roles", []string{"staff"} },
			claims: jwt.MapClaims{"roles": []string{"guest"}}, want: want{gateway.Forbidden, "auth_error", "", "user_allowed_roles"},
		},
		{name: "a scope that is needed", set: func(_ *config.JWT, c *config.Claims) {
			c.NeedScope, c.Scopes = true, []config.Permission{{Name: "chat", Models: []string{"a"}}}
		}, claims: jwt.MapClaims{"scope": "mail"}, want: want{gateway.Forbidden, "auth_error", "", "enforce_scope_based_access"}},
		{name: "a scope for other routes", set: func(_ *config.JWT, c *config.Claims) {
			c.NeedScope, c.Scopes = true, []config.Permission{{Name: "embed", Routes: []string{"/v1/embeddings"}}}
		}, claims: jwt.MapClaims{"scope": "embed"}, want: want{gateway.Forbidden, "auth_error", "", "may not call this route"}},
		{name: "a virtual key", set: func(_ *config.JWT, c *config.Claims) { c.KeyClaim = "azp" }, claims: jwt.MapClaims{"azp": "cli"}, who: "internal_user/clerk/team/org/clerk"},
		{
			name: "no virtual key where one is needed", set: func(_ *config.JWT, c *config.Claims) { c.KeyClaim, c.NeedKey = "azp", true }, claims: jwt.MapClaims{"azp": "other"},
			want: want{gateway.Unauthenticated, "auth_error", "None", "stands for no virtual key"},
		},
		{name: "a blocked user", set: func(_ *config.JWT, c *config.Claims) {}, claims: jwt.MapClaims{"sub": "blocked"}, want: want{gateway.Unauthenticated, "auth_error", "None", "User=blocked is deactivated"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(p, tt.set)
			g.d.PutUser(&gateway.User{ID: "blocked", Blocked: true})
			g.d.PutTeam(&gateway.Team{ID: "code", Alias: "The Coders", Models: []string{"b"}, OrganizationID: "org"})
			g.d.PutTeam(&gateway.Team{ID: "twin1", Alias: "Twins"})
			g.d.PutTeam(&gateway.Team{ID: "twin2", Alias: "Twins"})
			g.d.PutOrganization(&gateway.Organization{ID: "firm", Alias: "The Firm"})
			g.d.PutKey(&gateway.Key{Hash: auth.Hash("sk-mapped"), UserID: "clerk", TeamID: "team"})
			g.d.PutJWTMapping(&gateway.JWTMapping{ID: "m", Claim: "azp", Value: "cli", KeyHash: auth.Hash("sk-mapped"), Active: true})
			who, err := g.as(p.token(t, "rsa", tt.claims), tt.header...)
			tt.want.check(t, err)
			if tt.want != (want{}) || err != nil {
				return
			}
			got := string(who.Role) + "/"
			if who.User != nil {
				got += who.User.ID
			}
			got += "/" + who.TeamID() + "/" + who.OrganizationID() + "/"
			if who.Member != nil {
				got += who.Member.UserID
			}
			if got != tt.who {
				t.Errorf("got %s, want %s", got, tt.who)
			}
		})
	}
}

// A token for several teams is charged to the first that may use the model.
func TestTheTeamFollowsTheModel(t *testing.T) {
	p := newProvider(t)
	g := newGate(p, func(_ *config.JWT, c *config.Claims) { c.TeamIDs, c.NeedTeam = "groups", true })
	who, err := g.as(p.token(t, "rsa", jwt.MapClaims{"groups": []string{"chat", "code"}}))
	if err != nil {
		t.Fatal(err)
	}
	for model, team := range map[string]string{"a": "chat", "b": "code"} {
		one := who
		if err := g.d.ChooseTeam(&one, model, groups{}); err != nil || one.TeamID() != team {
			t.Errorf("model %s: got team %s, %v; want %s", model, one.TeamID(), err, team)
		}
	}
	for model, want := range map[string]bool{"a": true, "b": true, "c": false} {
		if got := g.d.Usable(&who, model, groups{}); got != want {
			t.Errorf("model %s is usable: %t, want %t", model, got, want)
		}
	}
	one := who
	if err := g.d.ChooseTeam(&one, "c", groups{}); err != nil || g.d.Allowed(&one, "c", groups{}) == nil {
		t.Errorf("a model that no team may use: %v", err)
	}
	if who, err = g.as(p.token(t, "rsa", nil)); err != nil {
		t.Fatal(err)
	}
	want{gateway.Forbidden, "auth_error", "", "enforce_team_based_model_access"}.check(t, g.d.ChooseTeam(&who, "a", groups{}))
}

func TestModelsOfAScope(t *testing.T) {
	p := newProvider(t)
	g := newGate(p, func(_ *config.JWT, c *config.Claims) {
		c.NeedScope, c.Scopes = true, []config.Permission{{Name: "chat", Models: []string{"a"}}, {Name: "code", Models: []string{"b"}}}
	})
	who, err := g.as(p.token(t, "rsa", jwt.MapClaims{"scope": "code"}))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.d.Allowed(&who, "b", groups{}); err != nil {
		t.Errorf("its model: %v", err)
	}
	want{gateway.Forbidden, "key_model_access_denied", "model", "the role or scope of this token may use b"}.check(t, g.d.Allowed(&who, "a", groups{}))
}

// Keys are fetched when they are needed and not more often, whatever key ids
// strangers invent; a new key works at once, a provider that is down breaks
// nothing that was verified.
func TestKeysAreFetchedSeldom(t *testing.T) {
	p := newProvider(t)
	g := newGate(p, nil)
	p.down.Store(true)
	_, err := g.as(p.token(t, "rsa", nil))
	e := gateway.AsError(err)
	if e == nil || e.Type != "auth_provider_unavailable" || e.Status != 503 || strings.Contains(e.Message, p.URL) {
		t.Fatalf("no keys yet: got %+v, want 503", e)
	}
	p.down.Store(false)
	later := now.Add(11 * time.Second)
	g.clock.Store(&later)
	token := p.token(t, "rsa", nil)
	for range 50 {
		if _, err := g.as(token); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.fetched.Load(); n != 2 {
		t.Errorf("fetched %d times, want once more than in vain", n)
	}
	// A key that was added since is not looked for within ten seconds of the last time.
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.keys["new"] = k
	p.mu.Unlock()
	for range 50 {
		if _, err := g.as(p.token(t, "new", nil)); err == nil {
			t.Fatal("a key was taken that nobody has fetched")
		}
	}
	if n := p.fetched.Load(); n != 2 {
		t.Errorf("unknown key ids had the keys fetched: %d times", n)
	}
	later = later.Add(11 * time.Second)
	g.clock.Store(&later)
	if _, err := g.as(p.token(t, "new", nil)); err != nil {
		t.Errorf("a new key: %v", err)
	}
	p.down.Store(true)
	if _, err := g.as(token); err != nil {
		t.Errorf("the provider is down, and a token known before: %v", err)
	}
	end := now.Add(2 * time.Hour)
	g.clock.Store(&end)
	if _, err := g.as(token); err == nil {
		t.Error("a token was taken after its end, because it was known")
	}
}

func TestDiscovery(t *testing.T) {
	p := newProvider(t)
	g := newGate(p, func(j *config.JWT, _ *config.Claims) { j.Issuers[0].KeysURLs = nil })
	if _, err := g.as(p.token(t, "ec", nil)); err != nil {
		t.Errorf("keys of an issuer that says where they are: %v", err)
	}
}

func TestRunFetchesKeysBefore(t *testing.T) {
	p := newProvider(t)
	g := newGate(p, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { g.Tokens().Run(ctx); close(done) }()
	deadline := time.Now().Add(5 * time.Second)
	for p.fetched.Load() == 0 && time.Now().Before(deadline) {
		select {
		case <-time.After(time.Millisecond):
		case <-t.Context().Done():
		}
	}
	cancel()
	<-done
	if p.fetched.Load() != 1 {
		t.Errorf("fetched %d times, want once", p.fetched.Load())
	}
}

func BenchmarkToken(b *testing.B) {
	p := newProvider(b)
	g := newGate(p, func(_ *config.JWT, c *config.Claims) { c.TeamIDs = "groups" })
	token := p.token(b, "rsa", jwt.MapClaims{"groups": []string{"chat", "code"}})
	r := from(http.Header{"Authorization": {"Bearer " + token}}).WithContext(context.Background())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Admit(r, auth.Door{}, &auth.Policy{}); err != nil {
			b.Fatal(errors.Join(err))
		}
	}
}
