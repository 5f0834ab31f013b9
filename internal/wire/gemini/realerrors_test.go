package gemini

import (
	"net/http"
	"testing"
	"time"

	"penstock/internal/gateway"
)

// What the API has really answered, and what kind of failure each of it is.
func TestRealErrorsHaveTheirKind(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		status     int
		kind       gateway.Kind
		code       string
		retry      time.Duration
	}{
		{
			"the free tier's rate, with when to come back",
			`{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaMetric":"generativelanguage.googleapis.com/generate_content_free_tier_input_token_count","quotaId":"GenerateContentInputTokensPerModelPerMinute-FreeTier","quotaDimensions":{"location":"global","model":"gemini-2.5-flash"},"quotaValue":"250000"}]},{"@type":"type.googleapis.com/google.rpc.Help","links":[{"description":"Learn more about Gemini API quotas","url":"https://ai.google.dev/gemini-api/docs/rate-limits"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"26s"}]}}`,
			429, gateway.UpstreamLimited, "", 26 * time.Second,
		},
		{"a quota without when to come back", `{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}`, 429, gateway.UpstreamLimited, "", 0},
		{"Vertex's shared quota, in an array", `[{"error":{"code":429,"message":"Resource exhausted. Please try again later. Please refer to https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.","errors":[{"message":"Resource exhausted.","domain":"global","reason":"rateLimitExceeded"}],"status":"RESOURCE_EXHAUSTED"}}]`, 429, gateway.UpstreamLimited, "", 0},
		{"a wrong key", `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com"}}]}}`, 400, gateway.UpstreamAuth, "", 0},
		{"a key without a right to the API", `{"error":{"code":403,"message":"Generative Language API has not been used in project 1 before or it is disabled.","status":"PERMISSION_DENIED"}}`, 403, gateway.UpstreamAuth, "", 0},
		{"a model nobody knows", `{"error":{"code":404,"message":"models/gemini-9 is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods.","status":"NOT_FOUND"}}`, 404, gateway.UpstreamNotFound, "", 0},
		{"an overloaded model", `{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}`, 503, gateway.UpstreamFailed, "", 0},
		{"a failure of theirs", `{"error":{"code":500,"message":"An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting","status":"INTERNAL"}}`, 500, gateway.UpstreamFailed, "", 0},
		{"a deadline of theirs", `{"error":{"code":504,"message":"The request timed out. Please try again.","status":"DEADLINE_EXCEEDED"}}`, 504, gateway.UpstreamTimeout, "", 0},
		{"a prompt that is too long", `{"error":{"code":400,"message":"The input token count (1200011) exceeds the maximum number of tokens allowed (1048575).","status":"INVALID_ARGUMENT"}}`, 400, gateway.ContextWindow, "context_length_exceeded", 0},
		{"a bad request", `{"error":{"code":400,"message":"Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32), \"x\"","status":"INVALID_ARGUMENT"}}`, 400, gateway.UpstreamRefused, "", 0},
		{"a place they do not serve", `{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}`, 400, gateway.UpstreamRefused, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := ParseError(tt.status, http.Header{}, []byte(tt.body))
			if e.Kind != tt.kind || e.Code != tt.code || e.RetryAfter != tt.retry {
				t.Errorf("%d %s\n got %s, code %q, retry after %s\nwant %s, code %q, retry after %s", tt.status, tt.body, e.Kind, e.Code, e.RetryAfter, tt.kind, tt.code, tt.retry)
			}
		})
	}
}
