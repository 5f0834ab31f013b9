package api

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
)

// The books and the audit log know the client behind a proxy that is believed,
// and otherwise the peer.
func TestTheClientBehindAProxy(t *testing.T) {
	for _, tt := range []struct {
		name    string
		believe bool
		want    string
	}{{"a proxy that is believed", true, "203.0.113.9"}, {"anybody's header", false, "192.0.2.7"}} {
		pol := &auth.Policy{Access: config.Access{ForwardedFor: tt.believe}}
		c, err := ask(t, gateway.Principal{}, func(s *Snapshot) { s.Policy = pol }, `{"model":"gpt"}`, "X-Forwarded-For", "10.0.0.1, 203.0.113.9")
		if err != nil || c.ClientIP != tt.want {
			t.Errorf("%s: the call is from %v (%v), want %s", tt.name, c, err, tt.want)
		}
		a := New(Options{
			Auth:     &auth.Authenticator{Directory: auth.NewDirectory(), Master: sha256.Sum256([]byte("sk-master")), Now: time.Now},
			Snapshot: func() *Snapshot { return &Snapshot{Policy: pol} },
		})
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/key/generate", nil)
		r.RemoteAddr = "192.0.2.7:4711"
		r.Header.Set("X-Forwarded-For", "10.0.0.1, 203.0.113.9")
		r.Header.Set("Authorization", "Bearer sk-master")
		got := ""
		a.Managed(func(_ http.ResponseWriter, r *http.Request, _ gateway.Principal) { got = r.RemoteAddr }).ServeHTTP(httptest.NewRecorder(), r)
		if want := map[bool]string{true: "203.0.113.9:0", false: "192.0.2.7:4711"}[tt.believe]; got != want {
			t.Errorf("%s: the manager is at %s, want %s", tt.name, got, want)
		}
	}
}
