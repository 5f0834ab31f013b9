package openai_test

import (
	"net/http"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/wire/openai"
)

// What vendors that speak this format have really answered, and what kind of
// failure each of it is: retries, cooldowns and fallbacks follow from the kind.
func TestRealErrorsHaveTheirKind(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		header     [2]string
		kind       gateway.Kind
		code       string
		retry      time.Duration
	}{
		{
			"OpenAI: too many tokens a minute, told in milliseconds",
			`{"error":{"message":"Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29500, Requested 1200. Please try again in 1.4s. Visit https://platform.openai.com/account/rate-limits to learn more.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`,
			429,
			[2]string{"Retry-After-Ms", "1400"},
			gateway.UpstreamLimited, "rate_limit_exceeded", 1400 * time.Millisecond,
		},
		{
			"OpenAI: the account has no money left",
			`{"error":{"message":"You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`,
			429,
			[2]string{},
			gateway.UpstreamLimited, "insufficient_quota", 0,
		},
		{
			"OpenAI: a prompt that is too long",
			`{"error":{"message":"This model's maximum context length is 16385 tokens. However, your messages resulted in 33625 tokens. Please reduce the length of the messages.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`,
			400,
			[2]string{},
			gateway.ContextWindow, "context_length_exceeded", 0,
		},
		{
			"OpenAI: a wrong key",
			`{"error":{"message":"Incorrect API key provided: sk-abc***************xyz. You can find your API key at https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`,
			401,
			[2]string{},
			gateway.UpstreamAuth, "invalid_api_key", 0,
		},
		{
			"OpenAI: a model nobody knows",
			`{"error":{"message":"The model ` + "`gpt-9`" + ` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}`,
			404,
			[2]string{},
			gateway.UpstreamNotFound, "model_not_found", 0,
		},
		{
			"OpenAI: its server had an error",
			`{"error":{"message":"The server had an error while processing your request. Sorry about that!","type":"server_error","param":null,"code":null}}`,
			500,
			[2]string{},
			gateway.UpstreamFailed, "", 0,
		},
		{
			"OpenAI: overloaded, with a date to come back",
			`{"error":{"message":"The engine is currently overloaded, please try again later","type":"server_error","param":null,"code":null}}`,
			503,
			[2]string{"Retry-After", "Fri, 31 Dec 2999 23:59:59 GMT"},
			gateway.UpstreamFailed, "", time.Hour,
		},
		{
			"OpenAI: a prompt its policy refuses",
			`{"error":{"message":"Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please try again with a different prompt.","type":"invalid_request_error","param":null,"code":"invalid_prompt"}}`,
			400,
			[2]string{},
			gateway.ContentPolicy, "invalid_prompt", 0,
		},
		{
			"OpenAI: an unsupported parameter",
			`{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}`,
			400,
			[2]string{},
			gateway.UpstreamRefused, "unsupported_parameter", 0,
		},
		{
			"Azure: the content filter",
			`{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}}`,
			400,
			[2]string{},
			gateway.ContentPolicy, "content_filter", 0,
		},
		{
			"Azure: no such deployment",
			`{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}`,
			404,
			[2]string{},
			gateway.UpstreamNotFound, "DeploymentNotFound", 0,
		},
		{
			"Azure: too many requests, in seconds",
			`{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-02-01 have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 26 seconds."}}`,
			429,
			[2]string{"Retry-After", "26"},
			gateway.UpstreamLimited, "429", 26 * time.Second,
		},
		{
			"Cerebras: a prompt that is too long",
			`{"message":"Please reduce the length of the messages or completion. Current length is 69553 while limit is 65536","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}`,
			400,
			[2]string{},
			gateway.ContextWindow, "context_length_exceeded", 0,
		},
		{
			"vLLM: a prompt that is too long",
			`{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4900 in the messages, 100 in the completion). Please reduce the length of the messages or completion.","type":"BadRequestError","param":null,"code":400}`,
			400,
			[2]string{},
			gateway.ContextWindow, "context_length_exceeded", 0,
		},
		{
			"llama.cpp: a prompt that is too long",
			`{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}}`,
			400,
			[2]string{},
			gateway.ContextWindow, "context_length_exceeded", 0,
		},
		{
			"a small server: a prompt that is too long, told by the type",
			`{"error":{"message":"Prompt tokens (9000) exceeds context size (4096)","type":"context_exceeded","n_prompt_tokens":9000,"n_ctx":4096}}`,
			400,
			[2]string{},
			gateway.ContextWindow, "context_length_exceeded", 0,
		},
		{
			"Groq: capacity",
			`{"error":{"message":"llama-3.3-70b-versatile is currently over capacity. Please try again and back off exponentially.","type":"internal_server_error"}}`,
			503,
			[2]string{"Retry-After", "2"},
			gateway.UpstreamFailed, "", 2 * time.Second,
		},
		{
			"DeepSeek: no money left",
			`{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}`,
			402,
			[2]string{},
			gateway.UpstreamAuth, "invalid_request_error", 0,
		},
		{
			"OpenRouter: a vendor's failure in a stream that had begun",
			`{"id":"gen-1","object":"chat.completion.chunk","error":{"code":502,"message":"Provider returned error"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`,
			200,
			[2]string{},
			gateway.UpstreamFailed, "", 0,
		},
		{"nginx: the vendor's server is away", "<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body></body></html>", 504, [2]string{}, gateway.UpstreamTimeout, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			if tt.header[0] != "" {
				h.Set(tt.header[0], tt.header[1])
			}
			e := openai.ParseError(tt.status, h, []byte(tt.body))
			if e.Kind != tt.kind || e.Code != tt.code || e.RetryAfter != tt.retry {
				t.Errorf("%d %s\n got %s, code %q, retry after %s\nwant %s, code %q, retry after %s", tt.status, tt.body, e.Kind, e.Code, e.RetryAfter, tt.kind, tt.code, tt.retry)
			}
		})
	}
}
