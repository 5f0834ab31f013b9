package auth_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
)

// TestOpaqueTokens asks a real server about tokens that only it can read.
func TestOpaqueTokens(t *testing.T) {
	var asked atomic.Int32
	var down atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		user, password, _ := r.BasicAuth()
		switch token := r.PostFormValue("token"); {
		case down.Load():
			w.WriteHeader(http.StatusBadGateway)
		case r.URL.Path == "/info" && r.Header.Get("Authorization") == "Bearer anns":
			_, _ = fmt.Fprint(w, `{"sub":"ann"}`)
		case r.URL.Path != "/introspect" || user != "gw" || password != "a%3Ab": // form-encoded, as RFC 6749 has it
			w.WriteHeader(http.StatusUnauthorized)
		case token == "anns":
			_, _ = fmt.Fprintf(w, `{"active":true,"sub":"ann","role":"internal_user_viewer","team_id":"chat","exp":%d}`, now.Add(30*time.Second).Unix())
		case token == "roots":
			_, _ = fmt.Fprint(w, `{"active":true,"sub":"root","role":"proxy_admin"}`)
		case token == "late":
			_, _ = fmt.Fprintf(w, `{"active":true,"sub":"ann","exp":%d}`, now.Add(-time.Hour).Unix())
		default:
			_, _ = fmt.Fprint(w, `{"active":false}`)
		}
	}))
	t.Cleanup(server.Close)
	clock := now
	open := func(o config.Opaque) *gate {
		g := &gate{d: town()}
		g.d.PutTeam(&gateway.Team{ID: "chat"})
		o.Enabled, o.Claims = true, config.Claims{UserID: "sub", Roles: "role", TeamID: "team_id", UserUpsert: true, RoleMap: []config.RoleMapping{
			{Theirs: "proxy_admin", Ours: "proxy_admin"}, {Theirs: "internal_user_viewer", Ours: "internal_user_viewer"},
		}}
		g.Authenticator = &auth.Authenticator{Directory: g.d, Now: time.Now, Tokens: fixed(auth.TokenOptions{
			JWT: config.JWT{Opaque: o}, Directory: g.d, Client: server.Client(), Now: func() time.Time { return clock },
			NewUser: func(_ context.Context, u *gateway.User) error { g.d.PutUser(u); return nil },
		})}
		return g
	}
	g := open(config.Opaque{URL: server.URL + "/introspect", ClientID: "gw", ClientSecret: "a:b"})
	for range 10 {
		who, err := g.as("anns")
		if err != nil || who.Role != gateway.InternalUserViewer || who.User == nil || who.User.ID != "ann" || who.TeamID() != "chat" {
			t.Fatalf("Ann's token: %+v, %v", who, err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times about one token, want once", n)
	}
	if who, err := g.as("roots"); err != nil || who.Role != gateway.ProxyAdmin {
		t.Errorf("root's token: %+v, %v", who, err)
	}
	for _, tt := range []struct {
		token string
		want  want
	}{
		{"taken back", want{gateway.Unauthenticated, "auth_error", "None", "no longer valid"}},
		{"late", want{gateway.Unauthenticated, "auth_error", "None", "expired at"}},
		{"sk-0123456789abcdef", want{gateway.Unauthenticated, "token_not_found_in_db", "key", "Invalid proxy server token"}}, // is a key
	} {
		_, err := g.as(tt.token)
		tt.want.check(t, err)
	}
	down.Store(true)
	if _, err := g.as("anns"); err != nil {
		t.Errorf("a token that was asked about a moment ago, while the server is down: %v", err)
	}
	clock = clock.Add(40 * time.Second) // the token has expired
	_, err := g.as("anns")
	want{gateway.Unavailable, "auth_provider_unavailable", "", "Try again in a moment"}.check(t, err)
	down.Store(false)
	if _, err := open(config.Opaque{URL: server.URL + "/introspect", ClientID: "gw", ClientSecret: "wrong"}).as("anns"); err == nil {
		t.Error("a token was taken though the server would not speak with us")
	}
	info := open(config.Opaque{URL: server.URL + "/info"})
	if who, err := info.as("anns"); err != nil || who.User.ID != "ann" {
		t.Errorf("by user info: %+v, %v", who, err)
	}
	if _, err := info.as("somebody's"); err == nil {
		t.Error("a token was taken that the server does not know")
	}
}
