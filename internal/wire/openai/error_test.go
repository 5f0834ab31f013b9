package openai_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"penstock/internal/gateway"
	"penstock/internal/wire/openai"
)

func TestParseError(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   gateway.Error
	}{
		{
			"OpenAI's error object", 400, `{"error":{"message":"bad","type":"invalid_request_error","param":"messages","code":"x"}}`,
			gateway.Error{Kind: gateway.UpstreamRefused, Status: 400, Message: "bad", Type: "invalid_request_error", Param: "messages", Code: "x"},
		},
		{
			"an error that is a string", 503, `{"error":"overloaded","error_type":"overloaded"}`,
			gateway.Error{Kind: gateway.UpstreamFailed, Status: 503, Message: "overloaded", Type: "overloaded"},
		},
		{"a message alone", 403, `{"message":"no"}`, gateway.Error{Kind: gateway.UpstreamAuth, Status: 403, Message: "no"}},
		{"a detail alone", 413, `{"detail":"too big"}`, gateway.Error{Kind: gateway.UpstreamRefused, Status: 413, Message: "too big"}},
		{
			"a list of details", 422, `{"detail":[{"loc":["body"],"msg":"field required","type":"missing"}]}`,
			gateway.Error{Kind: gateway.UpstreamRefused, Status: 422, Message: "field required", Type: "missing"},
		},
		{
			"Mistral's message that is an object", 422, `{"object":"error","message":{"detail":[{"msg":"bad role","type":"value_error"}]}}`,
			gateway.Error{Kind: gateway.UpstreamRefused, Status: 422, Message: "bad role", Type: "value_error"},
		},
		{
			"Cloudflare's list of errors", 400, `{"success":false,"errors":[{"code":5007,"message":"No such model"}]}`,
			gateway.Error{Kind: gateway.UpstreamRefused, Status: 400, Message: "No such model"},
		},
		{
			"Databricks' code", 400, `{"error_code":"BAD_REQUEST","message":"m"}`,
			gateway.Error{Kind: gateway.UpstreamRefused, Status: 400, Message: "m", Code: "BAD_REQUEST"},
		},
		{
			"a page with a title", 502, "<html><head><title>\n502 Bad Gateway</title></head><body>nginx</body></html>",
			gateway.Error{Kind: gateway.UpstreamFailed, Status: 502, Message: "502 Bad Gateway"},
		},
		{"a page without a title", 500, "<html><style>a{}</style><b>Oh\n no</b></html>", gateway.Error{Kind: gateway.UpstreamFailed, Status: 500, Message: "Oh no"}},
		{"nothing", 504, "", gateway.Error{Kind: gateway.UpstreamTimeout, Status: 504, Message: "the provider answered 504 Gateway Timeout without a message"}},
		{
			"a bad key", 401, `{"error":{"message":"Incorrect API key provided: sk-proj-abcdefgh12345.","code":"invalid_api_key"}}`,
			gateway.Error{Kind: gateway.UpstreamAuth, Status: 401, Message: "Incorrect API key provided: [redacted]", Code: "invalid_api_key"},
		},
		{"a token in a message", 401, `{"message":"got 'Bearer abc.def-123456'"}`, gateway.Error{Kind: gateway.UpstreamAuth, Status: 401, Message: "got '[redacted]'"}},
		{
			"an empty account", 402, `{"error":{"message":"Insufficient Balance"}}`,
			gateway.Error{Kind: gateway.UpstreamAuth, Status: 402, Message: "Insufficient Balance", Code: "insufficient_quota"},
		},
		{
			"no quota, told by the type", 429, `{"error":{"message":"m","type":"insufficient_quota","code":null}}`,
			gateway.Error{Kind: gateway.UpstreamLimited, Status: 429, Message: "m", Type: "insufficient_quota", Code: "insufficient_quota"},
		},
		{
			"too many requests", 429, `{"error":{"message":"m","type":"tokens","code":"rate_limit_exceeded"}}`,
			gateway.Error{Kind: gateway.UpstreamLimited, Status: 429, Message: "m", Type: "tokens", Code: "rate_limit_exceeded"},
		},
		{"no such model", 404, `{"error":{"message":"m","code":"model_not_found"}}`, gateway.Error{Kind: gateway.UpstreamNotFound, Status: 404, Message: "m", Code: "model_not_found"}},
		{"no such model, as a bad request", 400, `{"error":{"message":"m","code":"model_not_found"}}`, gateway.Error{Kind: gateway.UpstreamNotFound, Status: 400, Message: "m", Code: "model_not_found"}},
		{
			"a prompt that is too long, by code", 400, `{"error":{"message":"m","code":"context_length_exceeded"}}`,
			gateway.Error{Kind: gateway.ContextWindow, Status: 400, Message: "m", Code: "context_length_exceeded"},
		},
		{
			"a prompt that is too long, by text", 400, `{"object":"error","message":"This model's maximum context length is 8192 tokens","code":400}`,
			gateway.Error{Kind: gateway.ContextWindow, Status: 400, Message: "This model's maximum context length is 8192 tokens", Code: "context_length_exceeded"},
		},
		{
			"one field that is too long is not the prompt", 400, `{"error":{"message":"maximum context length","code":"string_above_max_length"}}`,
			gateway.Error{Kind: gateway.UpstreamRefused, Status: 400, Message: "maximum context length", Code: "string_above_max_length"},
		},
		{
			"refused content", 400, `{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy."}}`,
			gateway.Error{Kind: gateway.ContentPolicy, Status: 400, Message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", Code: "content_policy_violation"},
		},
		{
			"words about rates in a bad request do not make it a rate limit", 400, `{"error":{"message":"tool 'rate limit 429' is unknown, too many requests"}}`,
			gateway.Error{Kind: gateway.UpstreamRefused, Status: 400, Message: "tool 'rate limit 429' is unknown, too many requests"},
		},
		{
			"words about a context window in a 500 do not make it the client's fault", 500, `{"error":{"message":"maximum context length"}}`,
			gateway.Error{Kind: gateway.UpstreamFailed, Status: 500, Message: "maximum context length"},
		},
		{
			"a 429 hidden behind a 500", 500, `[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}]`,
			gateway.Error{Kind: gateway.UpstreamLimited, Status: 429, Message: "Quota exceeded"},
		},
		{"a code does not overrule a 4xx", 400, `{"error":{"message":"m","code":"500"}}`, gateway.Error{Kind: gateway.UpstreamRefused, Status: 400, Message: "m", Code: "500"}},
		{"Groq's tier is full", 498, `{"error":{"message":"capacity"}}`, gateway.Error{Kind: gateway.UpstreamLimited, Status: 498, Message: "capacity"}},
		{
			"an error inside a 200, known by its type", 200, `{"error":{"message":"m","type":"overloaded_error"}}`,
			gateway.Error{Kind: gateway.UpstreamFailed, Status: 503, Message: "m", Type: "overloaded_error"},
		},
		{"an error inside a 200, known by nothing", 200, `{"error":{"message":"m"}}`, gateway.Error{Kind: gateway.UpstreamFailed, Status: 502, Message: "m"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := openai.ParseError(tt.status, http.Header{}, []byte(tt.body))
			if got.Kind != tt.want.Kind || got.Status != tt.want.Status || got.Message != tt.want.Message ||
				got.Type != tt.want.Type || got.Param != tt.want.Param || got.Code != tt.want.Code {
				t.Errorf("%d %s\n got %#v\nwant %#v", tt.status, tt.body, *got, tt.want)
			}
		})
	}
}

func TestParseErrorBoundsTheMessage(t *testing.T) {
	got := openai.ParseError(400, nil, []byte(`{"error":"`+strings.Repeat("é", 3000)+`"}`)).Message
	if len(got) > 2<<10+len("…") || !utf8.ValidString(got) {
		t.Errorf("message has %d bytes (valid UTF-8: %t), want at most 2 KB", len(got), utf8.ValidString(got))
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name string
		h    map[string]string
		want time.Duration
	}{
		{"nothing", nil, 0},
		{"seconds", map[string]string{"Retry-After": "3"}, 3 * time.Second},
		{"parts of seconds", map[string]string{"Retry-After": " 0.5 "}, 500 * time.Millisecond},
		{"milliseconds are the finer word", map[string]string{"Retry-After": "1", "Retry-After-Ms": "250"}, 250 * time.Millisecond},
		{"a date", map[string]string{"Retry-After": "Fri, 02 Jan 2026 03:04:35 GMT"}, 30 * time.Second},
		{"a date in the past", map[string]string{"Retry-After": "Fri, 02 Jan 2026 03:00:00 GMT"}, 0},
		{"no more than an hour", map[string]string{"Retry-After": "1e300"}, time.Hour},
		{"no less than nothing", map[string]string{"Retry-After": "-5"}, 0},
		{"what is no number", map[string]string{"Retry-After": "NaN"}, 0},
		{"what is no date", map[string]string{"Retry-After": "soon"}, 0},
	} {
		h := http.Header{}
		for k, v := range tt.h {
			h.Set(k, v)
		}
		if got := openai.RetryAfter(h, now); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestReadUsage(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     gateway.Usage
		ok       bool
	}{
		{"null", `null`, gateway.Usage{}, false},
		{
			"all details", `{"prompt_tokens":10,"completion_tokens":8,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":1,"image_tokens":2,"cache_write_tokens":3},"completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":1,"image_tokens":2}}`,
			gateway.Usage{Prompt: 10, Completion: 8, CacheRead: 4, CacheWrite: 3, AudioIn: 1, ImageIn: 2, Reasoning: 5, AudioOut: 1, ImageOut: 2},
			true,
		},
		{"details that are null", `{"prompt_tokens":1,"completion_tokens":null,"prompt_tokens_details":null}`, gateway.Usage{Prompt: 1}, true},
		{"DeepSeek's cache", `{"prompt_tokens":10,"completion_tokens":1,"prompt_cache_hit_tokens":6,"prompt_cache_miss_tokens":4}`, gateway.Usage{Prompt: 10, Completion: 1, CacheRead: 6}, true},
		{"LiteLLM's members", `{"prompt_tokens":10,"completion_tokens":1,"cache_read_input_tokens":6,"cache_creation_input_tokens":2}`, gateway.Usage{Prompt: 10, Completion: 1, CacheRead: 6, CacheWrite: 2}, true},
		{
			"xAI counts reasoning beside the completion", `{"prompt_tokens":10,"completion_tokens":3,"total_tokens":20,"completion_tokens_details":{"reasoning_tokens":7}}`,
			gateway.Usage{Prompt: 10, Completion: 10, Reasoning: 7},
			true,
		},
		{"only a total", `{"total_tokens":9}`, gateway.Usage{Prompt: 9}, true},
		{"searches", `{"prompt_tokens":1,"completion_tokens":1,"num_search_queries":2}`, gateway.Usage{Prompt: 1, Completion: 1, WebSearches: 2}, true},
	} {
		if got, ok := openai.ReadUsage([]byte(tt.in)); got != tt.want || ok != tt.ok {
			t.Errorf("%s: got %+v %t, want %+v %t", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

// Whatever a vendor answers, the error has a message that is bounded and valid.
func FuzzParseError(f *testing.F) {
	f.Add(400, `{"error":{"message":"m","code":1}}`)
	f.Add(200, `[{"errors":["x"]}]`)
	f.Add(500, `<title>x`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		e := openai.ParseError(status, nil, []byte(body))
		if e.Message == "" || len(e.Message) > 2<<10+len("…") || !utf8.ValidString(e.Message) {
			t.Fatalf("%d %q: message %q", status, body, e.Message)
		}
		if status/100 != 2 && !e.Kind.Upstream() {
			t.Fatalf("%d %q: kind %s is not the provider's", status, body, e.Kind)
		}
	})
}
