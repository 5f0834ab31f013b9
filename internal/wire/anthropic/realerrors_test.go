package anthropic_test

import (
	"net/http"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/wire/anthropic"
)

// What the API has really answered, and what kind of failure each of it is.
func TestRealErrorsHaveTheirKind(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		retryAfter string
		kind       gateway.Kind
		code       string
		retry      time.Duration
	}{
		{"overloaded", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_011CZAau32QzxDkriovTaFCB"}`, 529, "", gateway.UpstreamFailed, "", 0},
		{"overloaded behind a 500", `{"type":"error","error":{"type":"api_error","message":"Overloaded"}}`, 500, "5", gateway.UpstreamFailed, "", 5 * time.Second},
		{"overloaded in a stream", `{"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"}}`, 200, "", gateway.UpstreamFailed, "", 0},
		{"a failure of theirs", `{"type":"error","error":{"type":"api_error","message":"Internal server error"},"request_id":"req_1"}`, 500, "", gateway.UpstreamFailed, "", 0},
		{"the account's rate", `{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your account's rate limit. Please try again later."}}`, 429, "31", gateway.UpstreamLimited, "", 31 * time.Second},
		{"no money left", `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."},"request_id":"req_1"}`, 400, "", gateway.UpstreamAuth, "insufficient_quota", 0},
		{"a wrong key", `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`, 401, "", gateway.UpstreamAuth, "", 0},
		{"credentials that ran out", `{"type":"error","error":{"type":"authentication_error","message":"Invalid authentication credentials"},"request_id":"req_1"}`, 401, "", gateway.UpstreamAuth, "", 0},
		{"a prompt that is too long", `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 208310 tokens > 200000 maximum"}}`, 400, "", gateway.ContextWindow, "context_length_exceeded", 0},
		{"prompt and answer together are too long", "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease input length or `max_tokens` and try again\"}}", 400, "", gateway.ContextWindow, "context_length_exceeded", 0},
		{"their content filter", `{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}`, 400, "", gateway.ContentPolicy, "content_policy_violation", 0},
		{"a model nobody knows", `{"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}`, 404, "", gateway.UpstreamNotFound, "", 0},
		{"a bad request", `{"type":"error","error":{"type":"invalid_request_error","message":"messages.1: all messages must have non-empty content except for the optional final assistant message"}}`, 400, "", gateway.UpstreamRefused, "", 0},
		{"their edge is away", `<html><head><title>502 Bad Gateway</title></head></html>`, 502, "", gateway.UpstreamFailed, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			if tt.retryAfter != "" {
				h.Set("Retry-After", tt.retryAfter)
			}
			e := anthropic.ParseError(tt.status, h, []byte(tt.body))
			if e.Kind != tt.kind || e.Code != tt.code || e.RetryAfter != tt.retry {
				t.Errorf("%d %s\n got %s, code %q, retry after %s\nwant %s, code %q, retry after %s", tt.status, tt.body, e.Kind, e.Code, e.RetryAfter, tt.kind, tt.code, tt.retry)
			}
		})
	}
}
