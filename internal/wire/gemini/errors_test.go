package gemini

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
)

func TestParseError(t *testing.T) {
	body := func(code, status, message string) string {
		return `{"error":{"code":` + code + `,"message":"` + message + `","status":"` + status + `"}}`
	}
	for _, tt := range []struct {
		name   string
		status int
		body   string
		kind   gateway.Kind
		want   int // status to show
		code   string
		retry  time.Duration
		says   string
	}{
		{"a wrong key is a 400 here", 400, body("400", "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."), gateway.UpstreamAuth, 401, "", 0, "API key not valid"},
		{"a wrong key by its reason", 400, `{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}`, gateway.UpstreamAuth, 401, "", 0, "m"},
		{"no permission", 403, body("403", "PERMISSION_DENIED", "no"), gateway.UpstreamAuth, 403, "", 0, "no"},
		{"a model nobody knows", 404, body("404", "NOT_FOUND", "models/x is not found"), gateway.UpstreamNotFound, 404, "", 0, "models/x"},
		{"a bad argument", 400, body("400", "INVALID_ARGUMENT", "bad temperature"), gateway.UpstreamRefused, 400, "", 0, "bad temperature"},
		{"a wrong country", 400, body("400", "FAILED_PRECONDITION", "User location is not supported"), gateway.UpstreamRefused, 400, "", 0, "location"},
		{"a quota with a wait", 429, `{"error":{"code":429,"message":"q","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"17.5s"}]}}`, gateway.UpstreamLimited, 429, "", 17500 * time.Millisecond, "q"},
		{"a wait of days is bounded", 429, `{"error":{"code":429,"message":"q","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"86400s"}]}}`, gateway.UpstreamLimited, 429, "", time.Hour, "q"},
		{"a wait that cannot be read leaves the header's", 429, `{"error":{"code":429,"message":"q","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":{"seconds":1}}]}}`, gateway.UpstreamLimited, 429, "", 4 * time.Second, "q"},
		{"a quota hidden in a 500", 500, body("429", "RESOURCE_EXHAUSTED", "q"), gateway.UpstreamLimited, 429, "", 4 * time.Second, "q"},
		{"a quota told only in words", 503, body("503", "UNAVAILABLE", "Resource has been exhausted (e.g. check quota)."), gateway.UpstreamLimited, 429, "", 4 * time.Second, "quota"},
		{"a quota behind another status", 403, `{"error":{"message":"q","status":"RESOURCE_EXHAUSTED"}}`, gateway.UpstreamLimited, 429, "", 0, "q"},
		{"an overloaded model", 503, body("503", "UNAVAILABLE", "The model is overloaded."), gateway.UpstreamFailed, 503, "", 4 * time.Second, "overloaded"},
		{"a deadline", 504, body("504", "DEADLINE_EXCEEDED", "late"), gateway.UpstreamTimeout, 504, "", 4 * time.Second, "late"},
		{"a call the vendor gave up", 499, body("499", "CANCELLED", "The operation was cancelled."), gateway.UpstreamFailed, 499, "", 4 * time.Second, "cancelled"},
		{"a prompt that is too long", 400, body("400", "INVALID_ARGUMENT", "The input token count (2) exceeds the maximum number of tokens allowed (1)."), gateway.ContextWindow, 400, "context_length_exceeded", 0, "input token count"},
		{"a body that is too large", 413, body("413", "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."), gateway.ContextWindow, 400, "context_length_exceeded", 0, "payload"},
		{"content the vendor filters", 400, body("400", "INVALID_ARGUMENT", "Output blocked by content filtering policy"), gateway.ContentPolicy, 400, "content_policy_violation", 0, "blocked"},
		{"the word quota in a bad request is a bad request", 400, body("400", "INVALID_ARGUMENT", "field quota exceeded is unknown"), gateway.UpstreamRefused, 400, "", 0, "field"},
		{"an array of one", 400, `[` + body("400", "INVALID_ARGUMENT", "bad") + `]`, gateway.UpstreamRefused, 400, "", 0, "bad"},
		{"an error inside a 200 without a code", 200, `{"error":{"message":"q","status":"RESOURCE_EXHAUSTED"}}`, gateway.UpstreamLimited, 429, "", 4 * time.Second, "q"},
		{"an error inside a stream that says nothing", 0, `{"error":{}}`, gateway.UpstreamFailed, 502, "", 4 * time.Second, "without a message"},
		{"a proxy's text", 502, `{"error":"upstream down"}`, gateway.UpstreamFailed, 502, "", 4 * time.Second, "upstream down"},
		{"a proxy's page", 502, `<html>bad gateway</html>`, gateway.UpstreamFailed, 502, "", 4 * time.Second, "502 Bad Gateway"},
		{"a code that is a word", 429, `{"error":{"message":"slow","code":"rate_limit"}}`, gateway.UpstreamLimited, 429, "", 4 * time.Second, "slow"},
		{"members of the wrong type", 401, `{"error":{"message":{"a":1},"code":[]}}`, gateway.UpstreamAuth, 401, "", 0, "401"},
		{"nothing", 404, ``, gateway.UpstreamNotFound, 404, "", 0, "404 Not Found"},
		{"a key in the message is masked", 400, body("400", "INVALID_ARGUMENT", "bad url https://x/?key=AIzaSyA1234567890123456789012345678901 and Bearer abcdefghijkl"), gateway.UpstreamRefused, 400, "", 0, "[redacted]"},
	} {
		h := http.Header{}
		if tt.retry == 4*time.Second {
			h.Set("Retry-After", "4")
		}
		e := ParseError(tt.status, h, []byte(tt.body))
		if e.Kind != tt.kind || e.Status != tt.want || e.Code != tt.code || e.RetryAfter != tt.retry || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%s: %d %s\n got %s, status %d, code %q, retry %s: %s\nwant %s, status %d, code %q, retry %s: …%s…", tt.name, tt.status, tt.body,
				e.Kind, e.Status, e.Code, e.RetryAfter, e.Message, tt.kind, tt.want, tt.code, tt.retry, tt.says)
		}
		if strings.Contains(e.Message, "AIza") || strings.Contains(e.Message, "abcdefghijkl") {
			t.Errorf("%s: message %q shows a credential", tt.name, e.Message)
		}
	}
}

func TestMessageIsBounded(t *testing.T) {
	e := ParseError(400, nil, []byte(`{"error":{"code":400,"message":"`+strings.Repeat("é", 4000)+`"}}`))
	if len(e.Message) > maxMessage || len(e.Message) < maxMessage-4 || strings.Trim(e.Message, "é") != "" {
		t.Errorf("message has %d bytes and ends with %q, want at most %d whole characters", len(e.Message), e.Message[len(e.Message)-3:], maxMessage)
	}
}
