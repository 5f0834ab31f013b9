package app_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"penstock/internal/app"
	"penstock/internal/store/storetest"
)

// issuer is an identity provider: its keys have a real server, and it signs what
// tests want to have been said.
type issuer struct {
	t       *testing.T
	url     string // of its keys
	private ed25519.PrivateKey
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":%q}]}`, base64.RawURLEncoding.EncodeToString(public))
	}))
	t.Cleanup(keys.Close)
	return &issuer{t, keys.URL, private}
}

// settings are those of a gateway that takes its tokens.
func (i *issuer) settings() string {
	return `
  enable_jwt_auth: true
  litellm_jwtauth:
    user_id_jwt_field: sub
    user_email_jwt_field: email
    user_id_upsert: true
    team_ids_jwt_field: groups
    end_user_id_jwt_field: customer
    issuers:
    - {issuer: "https://id.example.com", audience: gateway, jwks_url: "` + i.url + `"}
`
}

// token is Ann's, with other claims.
func (i *issuer) token(claims jwt.MapClaims) string {
	i.t.Helper()
	all := jwt.MapClaims{"iss": "https://id.example.com", "aud": "gateway", "exp": time.Now().Add(time.Hour).Unix(), "sub": "ann", "email": "ann@example.com", "groups": []string{"sales", "eng"}}
	maps.Copy(all, claims)
	tok := jwt.NewWithClaims(jwt.SigningMethodEdDSA, all)
	tok.Header["kid"] = "1"
	s, err := tok.SignedString(i.private)
	if err != nil {
		i.t.Fatal(err)
	}
	return s
}

// Somebody's first calls come to two replicas at once: both make the same user.
func TestAFirstCallAtTwoReplicas(t *testing.T) {
	id := newIssuer(t)
	config := model("mock") + "\ngeneral_settings:\n  database_url: \"" + storetest.PostgresURL(t) + "\"" + id.settings()
	replicas := []*house{start(t, config), start(t, config)}
	var wg sync.WaitGroup
	for i := range 20 {
		token := id.token(jwt.MapClaims{"sub": fmt.Sprint("new", i/4), "email": fmt.Sprintf("new%d@example.com", i/4), "groups": []string{}})
		wg.Go(func() {
			if res, body := replicas[i%2].ask(token, `"model":"m"`); res.StatusCode != 200 {
				t.Errorf("call %d: %d %s", i, res.StatusCode, body)
			}
		})
	}
	wg.Wait()
}

// TestTokensOfAnIdentityProvider follows Ann, who has no key: her company's
// identity provider says who she is and which team pays.
func TestTokensOfAnIdentityProvider(t *testing.T) {
	id := newIssuer(t)
	token := id.token
	h := start(t, model("mock")+"\ngeneral_settings:"+id.settings())
	for _, team := range []string{`{"team_id":"sales","models":["other"]}`, `{"team_id":"eng","models":["m"]}`} {
		if res, body := h.do("POST", "/team/new", master, team); res.StatusCode != 200 {
			t.Fatalf("/team/new: %d %s", res.StatusCode, body)
		}
	}
	ann := token(nil)
	if res, body := h.ask(ann, `"model":"m"`); res.StatusCode != 200 {
		t.Fatalf("Ann's call: %d %s", res.StatusCode, body)
	}
	bob := token(jwt.MapClaims{"sub": "bob", "email": "bob@example.com"})
	var wg sync.WaitGroup
	for range 10 { // all of them find that there is no Bob
		wg.Go(func() {
			if res, body := h.ask(bob, `"model":"m"`); res.StatusCode != 200 {
				t.Errorf("Bob's first calls: %d %s", res.StatusCode, body)
			}
		})
	}
	wg.Wait()
	for path, want := range map[string]string{
		"/user/info?user_id=ann": `"user_email":"ann@example.com"`, // made by her first call
	} {
		res, body := h.do("GET", path, master, "")
		if res.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want %s", path, res.StatusCode, body, want)
		}
	}
	if res, body := h.do("GET", "/team/info?team_id=eng", master, ""); strings.Contains(body, `"total_spend":0,`) {
		t.Errorf("the team has not paid: %d %s", res.StatusCode, body)
	}
	if _, body := h.do("GET", "/spend/logs?user_id=ann", master, ""); !strings.Contains(body, `"team_id":"eng"`) {
		t.Errorf("the ledger does not say who has called for which team: %s", body)
	}
	for _, tt := range []struct {
		name, token, method, path, body string
		status                          int
		text                            string
	}{
		{"a model of no team of hers", ann, "POST", "/v1/chat/completions", `{"model":"x","messages":[]}`, 403, "team_model_access_denied"},
		{"she is no admin", ann, "POST", "/team/new", `{}`, 401, "Only proxy admin can be used"},
		{"a token with the admin's scope is one", token(jwt.MapClaims{"scope": "litellm_proxy_admin"}), "POST", "/key/generate", `{}`, 200, `"key":"sk-`},
		{"which calls no models", token(jwt.MapClaims{"scope": "litellm_proxy_admin"}), "POST", "/v1/chat/completions", `{"model":"m","messages":[]}`, 403, "Admin not allowed to access this route"},
		{"expired", token(jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()}), "GET", "/v1/models", "", 401, "The token expired at"},
		{"for another audience", token(jwt.MapClaims{"aud": "wiki"}), "GET", "/v1/models", "", 401, "another audience"},
	} {
		res, body := h.do(tt.method, tt.path, tt.token, tt.body)
		if res.StatusCode != tt.status || !strings.Contains(body, tt.text) {
			t.Errorf("%s: %d %s, want %d and %s", tt.name, res.StatusCode, body, tt.status, tt.text)
		}
		if strings.Contains(body, tt.token) {
			t.Errorf("%s: the answer shows the token", tt.name)
		}
	}
	if _, body := h.do("GET", "/v1/models", ann, ""); !strings.Contains(body, `"data":[`) {
		t.Errorf("/v1/models: %s", body)
	}
}

// Who may come in with a token, and what its claims mean, changes with a reload. What
// the provider says of roles and teams is stored, on both engines.
func TestTokensAfterAReload(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) { tokensAfterAReload(t, "") })
	t.Run("postgres", func(t *testing.T) {
		tokensAfterAReload(t, "\n  database_url: \""+storetest.PostgresURL(t)+"\"")
	})
}

func tokensAfterAReload(t *testing.T, database string) {
	id := newIssuer(t)
	plain := model("mock") + "\ngeneral_settings:\n  store_model_in_db: true" + database
	h := start(t, plain)
	manage := func(path, body string) {
		t.Helper()
		if res, b := h.do("POST", path, master, body); res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", path, res.StatusCode, b)
		}
	}
	for _, team := range []string{"old", "eng"} {
		manage("/team/new", `{"team_id":"`+team+`"}`)
	}
	manage("/user/new", `{"user_id":"ann","user_role":"internal_user","teams":["old"],"auto_create_key":false}`)
	manage("/key/generate", `{"key":"sk-anns-in-old-000000","user_id":"ann","team_id":"old"}`)
	manage("/key/generate", `{"key":"sk-anns-own-00000000","user_id":"ann"}`)
	ann := id.token(jwt.MapClaims{"groups": []string{"eng"}, "roles": []string{"AI_READER"}})
	if res, body := h.ask(ann, `"model":"m"`); res.StatusCode != http.StatusUnauthorized {
		t.Fatalf("before tokens are taken: %d %s", res.StatusCode, body)
	}
	before, err := os.ReadFile(h.config)
	if err != nil {
		t.Fatal(err)
	}
	h.write(string(before) + id.settings() + `    sync_user_role_and_teams: true
    roles_jwt_field: roles
    jwt_litellm_role_map: [{jwt_role: "AI_READ*", litellm_role: internal_user_viewer}]
`)
	app.Eventually(t, "Ann's token is taken", func() bool {
		res, _ := h.ask(ann, `"model":"m"`)
		return res.StatusCode == http.StatusOK
	})
	_, body := h.do("GET", "/v2/user/info?user_id=ann", master, "")
	if !strings.Contains(body, `"user_role":"internal_user_viewer"`) || !strings.Contains(body, `"teams":["eng"]`) {
		t.Errorf("her role and teams are not stored: %s", body)
	}
	if _, body := h.do("GET", "/team/info?team_id=eng", master, ""); !strings.Contains(body, `"user_id":"ann"`) {
		t.Errorf("she is no member: %s", body)
	}
	if res, body := h.ask("sk-anns-in-old-000000", `"model":"m"`); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("her key of a team that she is not in: %d %s", res.StatusCode, body)
	}
	if res, body := h.ask("sk-anns-own-00000000", `"model":"m"`); res.StatusCode != http.StatusOK {
		t.Errorf("her own key: %d %s", res.StatusCode, body)
	}
	if _, body := h.do("GET", "/audit?object_id=old", master, ""); !strings.Contains(body, `"left_team":"old"`) || !strings.Contains(body, `"changed_by":"ann"`) {
		t.Errorf("the audit log does not say that she left: %s", body)
	}
	h.write(string(before))
	app.Eventually(t, "tokens are no longer taken", func() bool {
		res, _ := h.ask(ann, `"model":"m"`)
		return res.StatusCode == http.StatusUnauthorized
	})
}
