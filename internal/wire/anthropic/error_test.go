package anthropic_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/wire"
	"penstock/internal/wire/anthropic"
)

func TestParseError(t *testing.T) {
	say := func(kind, message string) string {
		return `{"type":"error","error":{"type":"` + kind + `","message":"` + message + `"},"request_id":"req_1"}`
	}
	tests := []struct {
		about   string
		status  int
		body    string
		kind    gateway.Kind
		want    int // status
		code    string
		message string
	}{
		{"a bad request", 400, say("invalid_request_error", "bad"), gateway.UpstreamRefused, 400, "", "bad"},
		{"a long prompt", 400, say("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), gateway.ContextWindow, 400, "context_length_exceeded", "prompt is too long: 9 tokens > 8 maximum"},
		{"prompt and answer together", 400, say("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"), gateway.ContextWindow, 400, "context_length_exceeded", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"},
		{"the content filter", 400, say("invalid_request_error", "Output blocked by content filtering policy"), gateway.ContentPolicy, 400, "content_policy_violation", "Output blocked by content filtering policy"},
		{"words about rates in a bad request change nothing", 400, say("invalid_request_error", "rate limit must be a number"), gateway.UpstreamRefused, 400, "", "rate limit must be a number"},
		{"a bad key", 401, say("authentication_error", "invalid x-api-key"), gateway.UpstreamAuth, 401, "", "invalid x-api-key"},
		{"an empty account", 400, say("invalid_request_error", "Your credit balance is too low"), gateway.UpstreamAuth, 402, "insufficient_quota", "Your credit balance is too low"},
		{"a bill", 402, say("billing_error", "pay"), gateway.UpstreamAuth, 402, "insufficient_quota", "pay"},
		{"no permission", 403, say("permission_error", "no"), gateway.UpstreamAuth, 403, "", "no"},
		{"no such model", 404, say("not_found_error", "model: x"), gateway.UpstreamNotFound, 404, "", "model: x"},
		{"too large", 413, say("request_too_large", "big"), gateway.UpstreamRefused, 413, "", "big"},
		{"too many", 429, say("rate_limit_error", "slow"), gateway.UpstreamLimited, 429, "", "slow"},
		{"a failure", 500, say("api_error", "x"), gateway.UpstreamFailed, 500, "", "x"},
		{"a timeout", 504, say("timeout_error", "x"), gateway.UpstreamTimeout, 504, "", "x"},
		{"an overload", 529, say("overloaded_error", "x"), gateway.UpstreamFailed, 529, "", "x"},
		{"an overload in a stream", 200, say("overloaded_error", "x"), gateway.UpstreamFailed, 529, "", "x"},
		{"an unknown error in a stream", 200, say("new_error", "x"), gateway.UpstreamFailed, 500, "", "x"},
		{"a page", 502, "<html>x</html>", gateway.UpstreamFailed, 502, "", "the provider answered with status 502 and no message"},
		{"text", 503, " busy ", gateway.UpstreamFailed, 503, "", "busy"},
		{"an error that is a string", 400, `{"error":"bad"}`, gateway.UpstreamRefused, 400, "", "bad"},
		{"a detail", 422, `{"detail":"bad"}`, gateway.UpstreamRefused, 422, "", "bad"},
		{"a key in the text", 401, say("authentication_error", "bad key sk-ant-api03-abcdefghijkl, Bearer abcdefghijkl"), gateway.UpstreamAuth, 401, "", "bad key sk-ant-****, Bearer ****"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			e := anthropic.ParseError(tt.status, http.Header{}, []byte(tt.body))
			if e.Kind != tt.kind || e.Status != tt.want || e.Code != tt.code || e.Message != tt.message {
				t.Errorf("%d %s\n got %v, status %d, code %q, message %q\nwant %v, status %d, code %q, message %q",
					tt.status, tt.body, e.Kind, e.Status, e.Code, e.Message, tt.kind, tt.want, tt.code, tt.message)
			}
		})
	}
}

func TestParseErrorHeaders(t *testing.T) {
	h := http.Header{"Retry-After": {"7"}, "Request-Id": {"req_h"}}
	e := anthropic.ParseError(429, h, []byte(`{"error":{"type":"rate_limit_error","message":"`+strings.Repeat("x", 10_000)+`"}}`))
	if e.RetryAfter != 7*time.Second {
		t.Errorf("RetryAfter = %v, want 7s", e.RetryAfter)
	}
	if got := e.Headers["request-id"]; got != "req_h" {
		t.Errorf("request id %q, want req_h", got)
	}
	if len(e.Message) > 2100 {
		t.Errorf("message of %d bytes, want at most about 2 KB", len(e.Message))
	}
}

func TestAppendError(t *testing.T) {
	tests := []struct {
		about  string
		e      gateway.Error
		status int
		want   string
	}{
		{"the vendor's own type stays", gateway.Error{Type: "overloaded_error", Message: "x"}, 503, `{"type":"error","error":{"type":"overloaded_error","message":"x"}}`},
		{"another dialect's type does not", gateway.Error{Type: "budget_exceeded", Message: `a"b`}, 429, `{"type":"error","error":{"type":"rate_limit_error","message":"a\"b"}}`},
		{"a bad request", gateway.Error{Message: "x"}, 422, `{"type":"error","error":{"type":"invalid_request_error","message":"x"}}`},
		{"a failure", gateway.Error{Message: "x"}, 502, `{"type":"error","error":{"type":"api_error","message":"x"}}`},
		{"nobody there", gateway.Error{Message: "x"}, 503, `{"type":"error","error":{"type":"overloaded_error","message":"x"}}`},
		{"with the vendor's request id", gateway.Error{Message: "x", Headers: map[string]string{"request-id": "r"}}, 404, `{"type":"error","error":{"type":"not_found_error","message":"x"},"request_id":"r"}`},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			if got := string(anthropic.AppendError(nil, &tt.e, tt.status)); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
			if got, want := string(anthropic.AppendErrorEvent(nil, &tt.e, tt.status)), "event: error\ndata: "+tt.want+"\n\n"; got != want {
				t.Errorf("event\n got %q\nwant %q", got, want)
			}
		})
	}
}

func TestInspect(t *testing.T) {
	tests := []struct {
		about, body string
		want        anthropic.Asked
		param       string // of the error
	}{
		{"a good body", `{"model":"m","max_tokens":5,"stream":true,"messages":[{}]}`, anthropic.Asked{Model: "m", MaxTokens: 5, Stream: true}, ""},
		{"null is no stream", `{"model":"m","max_tokens":5,"stream":null,"messages":[{}]}`, anthropic.Asked{Model: "m", MaxTokens: 5}, ""},
		{"no model", `{"max_tokens":5,"messages":[{}]}`, anthropic.Asked{}, "model"},
		{"a model that is no string", `{"model":1,"max_tokens":5,"messages":[{}]}`, anthropic.Asked{}, "model"},
		{"no max_tokens", `{"model":"m","messages":[{}]}`, anthropic.Asked{}, "max_tokens"},
		{"no tokens", `{"model":"m","max_tokens":0,"messages":[{}]}`, anthropic.Asked{}, "max_tokens"},
		{"max_tokens as text", `{"model":"m","max_tokens":"5","messages":[{}]}`, anthropic.Asked{}, "max_tokens"},
		{"no messages", `{"model":"m","max_tokens":5}`, anthropic.Asked{}, "messages"},
		{"empty messages", `{"model":"m","max_tokens":5,"messages":[ ]}`, anthropic.Asked{}, "messages"},
		{"messages as text", `{"model":"m","max_tokens":5,"messages":"hi"}`, anthropic.Asked{}, "messages"},
		{"stream as text", `{"model":"m","max_tokens":5,"messages":[{}],"stream":"yes"}`, anthropic.Asked{}, "stream"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			var o wire.Object
			if err := o.Parse([]byte(tt.body)); err != nil {
				t.Fatal(err)
			}
			got, err := anthropic.Inspect(&o)
			if tt.param == "" {
				if err != nil || got != tt.want {
					t.Errorf("Inspect(%s) = %+v, %v; want %+v", tt.body, got, err, tt.want)
				}
				return
			}
			if e := gateway.AsError(err); e == nil || e.Kind != gateway.Invalid || e.Param != tt.param {
				t.Errorf("Inspect(%s): error %v, want Invalid about %s", tt.body, err, tt.param)
			}
		})
	}
}

func TestBetas(t *testing.T) {
	tests := []struct{ about, body, want string }{
		{"plain", `{"tools":[{"name":"f"}],"messages":[]}`, ""},
		{"computer use and memory", `{"tools":[{"type":"computer_20250124"},{"type":"memory_20250818"}]}`, "computer-use-2025-01-24 context-management-2025-06-27"},
		{"files", `{"messages":[{"content":[{"source":{"type":"file","file_id":"f"}}]}]}`, "files-api-2025-04-14"},
		{"MCP", `{"mcp_servers":[{}],"tools":[{"type":"mcp_toolset"}]}`, "mcp-client-2025-11-20"},
		{"MCP of old", `{"mcp_servers":[{"tool_configuration":{}}]}`, "mcp-client-2025-04-04"},
		{"compaction", `{"context_management":{"edits":[{"type":"compact_20260112"}]}}`, "context-management-2025-06-27 compact-2026-01-12"},
		{"null asks for nothing", `{"context_management":null,"speed":null}`, ""},
	}
	for _, tt := range tests {
		var o wire.Object
		if err := o.Parse([]byte(tt.body)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(anthropic.Betas(&o), " "); got != tt.want {
			t.Errorf("%s: Betas(%s) = %q, want %q", tt.about, tt.body, got, tt.want)
		}
	}
}
