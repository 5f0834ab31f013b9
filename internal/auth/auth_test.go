package auth_test

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
)

var now = time.Date(2026, 3, 18, 10, 20, 30, 0, time.UTC)

const good = "sk-0123456789abcdef0001"

func directory() *auth.Directory {
	d := auth.NewDirectory()
	d.PutTeam(&gateway.Team{ID: "open"})
	d.PutTeam(&gateway.Team{ID: "shut", Blocked: true})
	d.PutUser(&gateway.User{ID: "viewer", Role: gateway.InternalUserViewer})
	for key, k := range map[string]gateway.Key{
		good:                      {UserID: "viewer", TeamID: "open"},
		"sk-0123456789abcdef0002": {Blocked: true},
		"sk-0123456789abcdef0003": {Expires: now, Name: "sk-...0003"},
		"sk-0123456789abcdef0004": {Expires: now.Add(1)},
		"sk-0123456789abcdef0005": {TeamID: "shut"},
	} {
		k.Hash = auth.Hash(key)
		d.PutKey(&k)
	}
	return d
}

// from is a request with these headers.
func from(h http.Header) *http.Request {
	return &http.Request{Method: "POST", URL: &url.URL{Path: "/v1/chat/completions"}, Header: h, RemoteAddr: "192.0.2.7:4711"}
}

func TestAuthenticate(t *testing.T) {
	d := directory()
	for _, tt := range []struct {
		name   string
		header string
		value  string
		typ    string // "": admitted
		param  string
		text   string
	}{
		{"bearer", "Authorization", "Bearer " + good, "", "", ""},
		{"lower-case bearer", "Authorization", "bearer " + good, "", "", ""},
		{"LiteLLM's header", "x-litellm-api-key", good, "", "", ""},
		{"LiteLLM's header with Bearer", "x-litellm-api-key", "Bearer " + good, "", "", ""},
		{"Azure's header", "api-key", good, "", "", ""},
		{"Anthropic's header", "x-api-key", good, "", "", ""},
		{"Google's header", "x-goog-api-key", good, "", "", ""},
		{"APIM's header", "Ocp-Apim-Subscription-Key", good, "", "", ""},
		{"not expired for another nanosecond", "Authorization", "Bearer sk-0123456789abcdef0004", "", "", ""},
		{"nothing", "X-Other", "x", "auth_error", "None", "Authentication Error, No api key passed in."},
		{"no scheme", "Authorization", good, "auth_error", "None", "Malformed API Key"},
		{"not a key of ours", "Authorization", "Bearer abc", "auth_error", "None", "expected to start with 'sk-'"},
		{"unknown", "Authorization", "Bearer sk-9999999999999999zzzz", "token_not_found_in_db", "key", "Received API Key = sk-...zzzz, Key Hash (Token) =" + auth.Hash("sk-9999999999999999zzzz")},
		{"a hash is no key", "Authorization", "Bearer " + auth.Hash(good), "auth_error", "None", "expected to start with"},
		{"blocked", "Authorization", "Bearer sk-0123456789abcdef0002", "auth_error", "None", "Key is blocked"},
		{"expired this instant", "Authorization", "Bearer sk-0123456789abcdef0003", "expired_key", "sk-...0003", "Expired Key"},
		{"team blocked", "Authorization", "Bearer sk-0123456789abcdef0005", "auth_error", "None", "Team=shut is blocked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &auth.Authenticator{Directory: d, Master: sha256.Sum256([]byte("sk-master")), Now: func() time.Time { return now }}
			h := http.Header{}
			h.Set(tt.header, tt.value)
			p, err := a.Admit(from(h), auth.Door{}, &auth.Policy{})
			if tt.typ == "" {
				if err != nil || p.Key == nil || p.Master {
					t.Fatalf("got %+v, %v; want a key admitted", p, err)
				}
				return
			}
			e := gateway.AsError(err)
			if e == nil || e.Kind != gateway.Unauthenticated || e.Type != tt.typ || e.Param != tt.param || !strings.Contains(e.Message, tt.text) {
				t.Errorf("got %+v, want type %s, param %s, text %q", e, tt.typ, tt.param, tt.text)
			}
			if strings.Contains(e.Message, "sk-9999999999999999") {
				t.Errorf("the message shows the key: %s", e.Message)
			}
		})
	}
}

func TestMasterKey(t *testing.T) {
	a := &auth.Authenticator{Directory: directory(), Master: sha256.Sum256([]byte("any master")), Now: time.Now}
	p, err := a.Authenticate(from(http.Header{"Authorization": {"Bearer any master"}}))
	if err != nil || !p.Master || p.Role != gateway.ProxyAdmin {
		t.Errorf("got %+v, %v; want the master", p, err)
	}
	p, err = a.Authenticate(from(http.Header{"Authorization": {"Bearer " + good}}))
	if err != nil || p.Role != gateway.InternalUserViewer || p.User == nil || p.Team == nil {
		t.Errorf("got %+v, %v; want the key with its user's role", p, err)
	}
	a.Header = "X-My-Key"
	if _, err = a.Authenticate(from(http.Header{"Authorization": {"Bearer " + good}})); err == nil {
		t.Error("a configured key header must be the only source")
	}
	if _, err = a.Authenticate(from(http.Header{"X-My-Key": {"Bearer " + good}})); err != nil {
		t.Errorf("configured header refused: %v", err)
	}
}

func TestDeletedKeyIsDead(t *testing.T) {
	d := directory()
	a := &auth.Authenticator{Directory: d, Now: func() time.Time { return now }}
	h := http.Header{"Authorization": {"Bearer " + good}}
	if _, err := a.Admit(from(h), auth.Door{}, &auth.Policy{}); err != nil {
		t.Fatal(err)
	}
	d.DeleteKey(auth.Hash(good))
	if _, err := a.Admit(from(h), auth.Door{}, &auth.Policy{}); err == nil {
		t.Error("a deleted key was admitted")
	}
}

type groups struct{}

func (groups) AccessGroups(model string) []string {
	if model == "gpt-4o" {
		return []string{"prod"}
	}
	return nil
}

func (groups) Group(model string) string {
	if model == "everybodys" {
		return "gpt-4o"
	}
	return model
}

func (groups) Qualified(model string) string {
	if strings.HasPrefix(model, "gpt-") {
		return "openai/" + model
	}
	return model
}

func TestAllowed(t *testing.T) {
	key := func(models ...string) gateway.Principal { return gateway.Principal{Key: &gateway.Key{Models: models}} }
	team := func(p gateway.Principal, models ...string) gateway.Principal {
		p.Team = &gateway.Team{ID: "t", Models: models, ModelAliases: map[string]string{"fast": "gpt-4o-mini"}}
		return p
	}
	user := func(p gateway.Principal, models ...string) gateway.Principal {
		p.User = &gateway.User{ID: "u", Models: models}
		return p
	}
	aliased := key("gpt-4o")
	aliased.Key.Aliases = map[string]string{"best": "gpt-4o"}
	for _, tt := range []struct {
		name  string
		p     gateway.Principal
		model string
		typ   string // "": allowed
	}{
		{"no list", key(), "x", ""},
		{"listed", key("a", "b"), "b", ""},
		{"not listed", key("a", "b"), "c", "key_model_access_denied"},
		{"star", key("*"), "c", ""},
		{"all proxy models", key("all-proxy-models"), "c", ""},
		{"wildcard admits a bare name", key("openai/*"), "gpt-4o", ""},
		{"wildcard of another provider", key("anthropic/*"), "gpt-4o", "key_model_access_denied"},
		{"wildcard does not match a longer namespace", key("openai/*"), "foo/bar", "key_model_access_denied"},
		{"wildcard is anchored at the end", key("gpt-*-mini"), "gpt-4o-mini-x", "key_model_access_denied"},
		{"access group", key("prod"), "gpt-4o", ""},
		{"alias of the key", aliased, "best", ""},
		{"key and team", team(key("a"), "a"), "a", ""},
		{"key but not team", team(key("a"), "b"), "a", "team_model_access_denied"},
		{"team but not key", team(key("a"), "b"), "b", "key_model_access_denied"},
		{"all team models", team(key("all-team-models"), "b"), "b", ""},
		{"all team models, not in the team", team(key("all-team-models"), "b"), "c", "team_model_access_denied"},
		{"alias of the team", team(key(), "b"), "fast", ""},
		{"user's list on a personal key", user(key(), "a"), "b", "user_model_access_denied"},
		{"user's list does not bind a team key", user(team(key()), "a"), "b", ""},
		{"no default models", user(key(), "no-default-models"), "a", "key_model_access_denied"},
		{"master", gateway.Principal{Master: true}, "anything", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := auth.NewDirectory().Allowed(&tt.p, tt.model, groups{})
			got := ""
			if err != nil {
				got = gateway.AsError(err).Type
			}
			if got != tt.typ {
				t.Errorf("got %q, want %q", got, tt.typ)
			}
		})
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	d := directory()
	a := &auth.Authenticator{Directory: d, Now: time.Now}
	h := http.Header{"Authorization": {"Bearer " + good}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Admit(from(h), auth.Door{}, &auth.Policy{}); err != nil {
			b.Fatal(err)
		}
	}
}
