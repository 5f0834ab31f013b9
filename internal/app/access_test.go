package app_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestWhoMayCall is what general_settings say about callers, over HTTP.
func TestWhoMayCall(t *testing.T) {
	h := start(t, model("mock")+`
general_settings:
  use_x_forwarded_for: true
  allowed_ips: [127.0.0.1, 203.0.113.0/24]
  public_routes: [/v1/models]
  admin_only_routes: [/v1/embeddings]
  enforced_params: [metadata.app]
  max_request_size_mb: 0.001
  max_response_size_mb: 0.0002
`)
	key := h.key(`"allowed_ips":["127.0.0.0/8"]`)
	free := h.key(`"user_id":"u"`)
	ok := `{"model":"m","metadata":{"app":"x"},"stream":true,"messages":[{"role":"user","content":"Hello"}]}`
	for _, tt := range []struct {
		name, method, path, key, body string
		from                          string
		status                        int
		text                          string
	}{
		{"from here", "POST", "/v1/chat/completions", key, ok, "", 200, "data: "},
		{"from where nobody may call", "POST", "/v1/chat/completions", key, ok, "198.51.100.1", 403, "Access forbidden: IP address 198.51.100.1 not allowed."},
		{"from where the key may not be used", "POST", "/v1/chat/completions", key, ok, "203.0.113.9", 403, "not allowed by the allowed_ips of this key"},
		{"another key from there", "POST", "/v1/chat/completions", free, ok, "203.0.113.9", 200, "data: "},
		{"an address made up by the client", "POST", "/v1/chat/completions", key, ok, "127.0.0.1, 198.51.100.1", 403, "IP address 198.51.100.1"},
		{"a public route without a key", "GET", "/v1/models", "", "", "", 200, `"id":"m"`},
		{"which is not public to all addresses", "GET", "/v1/models", "", "", "198.51.100.1", 403, "not allowed"},
		{"another without one", "GET", "/models", "", "", "", 401, "No api key passed in"},
		{"a route for admins", "POST", "/v1/embeddings", free, `{}`, "", 403, "admin only route"},
		{"which the master key may call", "POST", "/v1/embeddings", master, `{"model":"m","input":"x"}`, "", 400, "[metadata][app]"},
		{"a parameter is missing", "POST", "/v1/chat/completions", free, `{"model":"m","messages":[]}`, "", 400, "[metadata][app]"},
		{"a request that is too large", "POST", "/v1/chat/completions", free, strings.Replace(ok, "Hello", strings.Repeat("x", 2000), 1), "", 400, "Request size is too large. Request size is 0.00"},
		{"an answer that is too large", "POST", "/v1/chat/completions", free, strings.Replace(ok, `"stream":true`, `"max_tokens":50`, 1), "", 400, "Response size is too large."},
		{"a price in the metadata", "POST", "/v1/chat/completions", free, strings.Replace(ok, `"app"`, `"input_cost_per_token":0,"app"`, 1), "", 401, "Rejected Request: metadata.input_cost_per_token is not allowed in request body."},
	} {
		var header []string
		if tt.from != "" {
			header = []string{"X-Forwarded-For", tt.from}
		}
		res, body := h.do(tt.method, tt.path, tt.key, tt.body, header...)
		if res.StatusCode != tt.status || !strings.Contains(body, tt.text) {
			t.Errorf("%s: %d %s, want %d and %q", tt.name, res.StatusCode, body, tt.status, tt.text)
		}
	}
	rows := h.rows(free)
	if len(rows) != 2 {
		t.Errorf("%d calls are booked, want the one that was answered and the one whose answer was too large", len(rows))
	}
}

// An old key works while its grace lasts, and as the new one: blocked when that is.
func TestAReplacedKeyInItsGrace(t *testing.T) {
	h := start(t, model("mock"))
	old := h.key(`"models":["m"]`)
	res, body := h.do("POST", "/key/"+old+"/regenerate", master, `{"grace_period":"1h"}`)
	fresh, ok := member(body, "key")
	if res.StatusCode != http.StatusOK || !ok || fresh == old {
		t.Fatalf("regenerate: %d %s", res.StatusCode, body)
	}
	for _, key := range []string{old, fresh} {
		if res, body := h.ask(key, `"model":"m"`); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s", key, res.StatusCode, body)
		}
	}
	if res, body := h.do("POST", "/key/block", master, `{"key":"`+fresh+`"}`); res.StatusCode != http.StatusOK {
		t.Fatalf("block: %d %s", res.StatusCode, body)
	}
	for _, key := range []string{old, fresh} {
		if res, body := h.ask(key, `"model":"m"`); res.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "Key is blocked") {
			t.Errorf("%s is not blocked: %d %s", key, res.StatusCode, body)
		}
	}
}

// member returns a text member of a JSON object.
func member(body, name string) (string, bool) {
	_, rest, ok := strings.Cut(body, `"`+name+`":"`)
	value, _, closed := strings.Cut(rest, `"`)
	return value, ok && closed
}
