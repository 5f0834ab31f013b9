package anthropic

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// maxMessage bounds a vendor's error text: some send whole web pages.
const maxMessage = 2 << 10

// secrets finds what looks like a credential: vendors repeat bad keys in errors.
var secrets = regexp.MustCompile(`\b(sk-[A-Za-z0-9]{1,8}-?)[A-Za-z0-9_\-]{6,}|(?i:\b(bearer\s+))[A-Za-z0-9_\-.]{6,}`)

func mask(s string) string { return secrets.ReplaceAllString(s, "$1$2****") }

// ParseError reads an error answer. An error inside an answer with a good
// status (a stream, mostly) gets the status that its type stands for.
func ParseError(status int, h http.Header, body []byte) *gateway.Error {
	e := &gateway.Error{Status: status}
	var requestID string
	if o, ok := object(body); ok {
		requestID = str(o, "request_id")
		if inner, ok := object(o.Get("error")); ok {
			e.Type, e.Message = str(inner, "type"), str(inner, "message")
		} else if s := str(o, "error"); s != "" {
			e.Message = s
		}
		for _, name := range []string{"message", "detail"} {
			if e.Message == "" {
				e.Message = str(o, name)
			}
		}
	} else if text := strings.TrimSpace(string(body)); text != "" && text[0] != '<' {
		e.Message = text
	}
	if e.Status < 400 {
		e.Status = statusOf(e.Type)
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("the provider answered with status %d and no message", e.Status)
	}
	e.Message = clip(mask(strings.ToValidUTF8(e.Message, "\ufffd")), maxMessage)
	if requestID == "" {
		requestID = h.Get("request-id")
	}
	if requestID != "" {
		e.Headers = map[string]string{"request-id": clip(requestID, 128)}
	}
	classify(e)
	if e.Kind == gateway.UpstreamLimited || e.Status >= 500 {
		e.RetryAfter = openai.RetryAfter(h, time.Now())
	}
	return e
}

// errorTypes are the API's error types with their statuses.
// https://docs.anthropic.com/en/api/errors
var errorTypes = []struct {
	name   string
	status int
}{
	{"invalid_request_error", http.StatusBadRequest},
	{"authentication_error", http.StatusUnauthorized},
	{"billing_error", http.StatusPaymentRequired},
	{"permission_error", http.StatusForbidden},
	{"not_found_error", http.StatusNotFound},
	{"request_too_large", http.StatusRequestEntityTooLarge},
	{"rate_limit_error", http.StatusTooManyRequests},
	{"api_error", http.StatusInternalServerError},
	{"timeout_error", http.StatusGatewayTimeout},
	{"overloaded_error", statusOverloaded},
}

// statusOverloaded is Anthropic's own status for a service that is too busy.
const statusOverloaded = 529

func statusOf(kind string) int {
	for _, t := range errorTypes {
		if t.name == kind {
			return t.status
		}
	}
	return http.StatusInternalServerError
}

// errorType is the way back. Statuses the API does not use get the nearest type.
func errorType(status int) string {
	for _, t := range errorTypes {
		if t.status == status {
			return t.name
		}
	}
	switch {
	case status == http.StatusServiceUnavailable:
		return "overloaded_error"
	case status >= 500:
		return "api_error"
	}
	return "invalid_request_error"
}

// classify finds the kind of e from its status and, for the few cases that
// share a status, its text.
func classify(e *gateway.Error) {
	text := strings.ToLower(e.Message)
	has := func(phrases ...string) bool {
		for _, p := range phrases {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	switch s := e.Status; {
	case s == http.StatusTooManyRequests:
		e.Kind = gateway.UpstreamLimited
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		e.Kind = gateway.UpstreamAuth
	case s == http.StatusPaymentRequired, s == http.StatusBadRequest && has("credit balance is too low"):
		// Our account is empty: another deployment may still serve the call.
		e.Kind, e.Status, e.Code = gateway.UpstreamAuth, http.StatusPaymentRequired, "insufficient_quota"
	case s == http.StatusNotFound:
		e.Kind = gateway.UpstreamNotFound
	case s == http.StatusRequestTimeout, s == http.StatusGatewayTimeout:
		e.Kind = gateway.UpstreamTimeout
	case s >= 500:
		e.Kind = gateway.UpstreamFailed
	case has("prompt is too long", "prompt: length", "exceed context limit", "exceeds the context window"):
		e.Kind, e.Code = gateway.ContextWindow, "context_length_exceeded"
	case has("content filtering policy"):
		e.Kind, e.Code = gateway.ContentPolicy, "content_policy_violation"
	default:
		e.Kind = gateway.UpstreamRefused
	}
}

// AppendError appends e as the API's error body, for clients that speak this
// dialect. status is what the client's answer has.
func AppendError(dst []byte, e *gateway.Error, status int) []byte {
	kind := errorType(status)
	for _, t := range errorTypes {
		if t.name == e.Type {
			kind = e.Type
		}
	}
	dst = append(dst, `{"type":"error","error":{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","message":`...)
	dst = append(wire.AppendString(dst, e.Message), '}')
	if id := e.Headers["request-id"]; id != "" {
		dst = appendText(dst, "request_id", id)
	}
	return append(dst, '}')
}

// AppendErrorEvent appends e as the event that ends a stream.
func AppendErrorEvent(dst []byte, e *gateway.Error, status int) []byte {
	dst = append(dst, "event: error\ndata: "...)
	return append(AppendError(dst, e, status), "\n\n"...)
}
