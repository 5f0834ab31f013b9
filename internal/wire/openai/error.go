package openai

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// maxMessage bounds the message of a vendor, in bytes: it goes to clients and logs.
const maxMessage = 2 << 10

// vendorError is what an error body says.
type vendorError struct {
	message, kind, param, code string
	number                     int // error.code or error.status if it is an HTTP status
}

// ParseError returns the error that an answer of status with body stands for.
// It understands OpenAI's error object, the same object without its wrapper, an
// error that is a string, {"message"}, {"detail"}, pages of proxies and empty
// bodies. A 2xx status means that body holds an error all the same.
//
// The status decides the kind; where it says only "bad request", the vendor's
// code and type do, and at last a few texts that are always written alike.
func ParseError(status int, h http.Header, body []byte) *gateway.Error {
	v := readError(body)
	own := status
	// A status inside the body is the truer one when a proxy or a stream has
	// hidden the real one behind its own.
	if status/100 == 2 || status/100 == 5 || status == 0 {
		switch {
		case v.number != 0:
			own = v.number
		case status/100 == 2 || status == 0:
			own = statusOf(v.code, v.kind)
		}
	}
	e := &gateway.Error{
		Message: v.message, Type: v.kind, Param: v.param, Code: v.code, Status: own,
		RetryAfter: RetryAfter(h, time.Now()),
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("the provider answered %d without a message", status)
		if text := http.StatusText(status); text != "" {
			e.Message = fmt.Sprintf("the provider answered %d %s without a message", status, text)
		}
	}
	e.Kind = classify(own, v)
	switch {
	case e.Kind == gateway.ContextWindow && e.Code == "":
		e.Code = "context_length_exceeded"
	case e.Kind == gateway.ContentPolicy && e.Code == "":
		e.Code = "content_policy_violation"
	case v.kind == "insufficient_quota" || own == http.StatusPaymentRequired && e.Code == "":
		e.Code = "insufficient_quota"
	}
	return e
}

func classify(status int, v vendorError) gateway.Kind {
	switch {
	case status == 401, status == 402, status == 403:
		// 402 is an empty account: like a bad key, no request of anyone's will pass.
		return gateway.UpstreamAuth
	case status == 404:
		return gateway.UpstreamNotFound
	case status == 408, status == 504:
		return gateway.UpstreamTimeout
	case status == 429, status == 498: // 498: Groq's tier has no capacity left
		return gateway.UpstreamLimited
	case status >= 500, status < 400:
		return gateway.UpstreamFailed
	}
	switch v.code {
	case "context_length_exceeded":
		return gateway.ContextWindow
	case "content_policy_violation", "content_filter", "ResponsibleAIPolicyViolation", "moderation_blocked":
		return gateway.ContentPolicy
	case "model_not_found", "DeploymentNotFound":
		return gateway.UpstreamNotFound
	case "invalid_api_key":
		return gateway.UpstreamAuth
	case "string_above_max_length": // one field is too long, not the prompt
		return gateway.UpstreamRefused
	}
	text := strings.ToLower(v.message)
	for _, phrase := range contextWindowTexts {
		if strings.Contains(text, phrase) {
			return gateway.ContextWindow
		}
	}
	if strings.Contains(text, "current length is") && strings.Contains(text, "while limit is") {
		return gateway.ContextWindow
	}
	for _, phrase := range contentPolicyTexts {
		if strings.Contains(text, phrase) {
			return gateway.ContentPolicy
		}
	}
	return gateway.UpstreamRefused
}

// The texts by which vendors that have no code for it say that a prompt is too
// long, or that the content is refused. Lower case.
var (
	contextWindowTexts = []string{
		"maximum context length", "maximum context limit", "prompt is too long", "context_length_exceeded",
		"exceeds the maximum number of tokens allowed", "input is too long", "exceed context limit",
		"is longer than the model's context length", "input tokens exceed the configured limit",
		"tokens + `max_new_tokens`", "exceeds the available context size", "exceeds context size", "too many tokens",
	}
	contentPolicyTexts = []string{
		"content_policy_violation", "content management policy", "content filtering policy",
		"the response was filtered", "violating our usage policy",
		"request was rejected as a result of the safety system", "responsibleaipolicyviolation",
	}
)

// statusOf is the HTTP status that a code or type stands for, for errors that
// come inside a 200. Anything unknown is the vendor's failure: 502.
func statusOf(code, kind string) int {
	for _, word := range []string{code, kind} {
		switch word {
		case "invalid_request_error", "context_length_exceeded", "content_policy_violation", "content_filter",
			"invalid_prompt", "unsupported_parameter", "unsupported_value", "tool_use_failed":
			return http.StatusBadRequest
		case "invalid_api_key", "authentication_error":
			return http.StatusUnauthorized
		case "permission_error", "permission_denied":
			return http.StatusForbidden
		case "model_not_found", "not_found_error":
			return http.StatusNotFound
		case "rate_limit_exceeded", "rate_limit_error", "insufficient_quota", "requests", "tokens", "too_many_requests", "throttling_error":
			return http.StatusTooManyRequests
		case "overloaded_error", "overloaded", "service_unavailable":
			return http.StatusServiceUnavailable
		case "timeout_error", "timeout":
			return http.StatusGatewayTimeout
		}
	}
	return http.StatusBadGateway
}

// readError finds what body says in any of the forms we know.
func readError(body []byte) vendorError {
	var v vendorError
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '[' && wire.Valid(body) { // Google wraps errors in an array
		for _, e := range elements(body) {
			body = e
			break
		}
	}
	if len(body) == 0 || body[0] != '{' || !wire.Valid(body) {
		v.message = tidy(pageText(body))
		return v
	}
	v.read(body, 0)
	v.message, v.kind, v.code, v.param = tidy(v.message), tidy(v.kind), tidy(v.code), tidy(v.param)
	return v
}

// read takes what the object o says and v does not yet know.
func (v *vendorError) read(o []byte, depth int) {
	if depth > 3 {
		return
	}
	set := func(to *string, val []byte) {
		if s, ok := wire.Unquote(val); ok && *to == "" {
			*to = s
		}
	}
	f := fieldsOf(o)
	for f.next() {
		switch string(f.name) {
		case "error", "errors", "base_resp":
			v.nested(f.val, depth)
		case "message", "detail", "msg", "status_msg":
			if f.val[0] == '"' {
				set(&v.message, f.val)
			} else {
				v.nested(f.val, depth)
			}
		case "type", "error_type":
			set(&v.kind, f.val)
		case "param":
			set(&v.param, f.val)
		case "error_code":
			set(&v.code, f.val)
		case "code", "status_code", "status":
			if n, ok := wire.ParseInt(f.val); ok {
				if n >= 400 && n < 600 && v.number == 0 {
					v.number = int(n)
				}
			} else if string(f.name) == "code" {
				set(&v.code, f.val)
				if n, err := strconv.Atoi(v.code); err == nil && n >= 400 && n < 600 && v.number == 0 {
					v.number = n
				}
			}
		}
	}
}

// nested reads an error given as an object, a string, or a list of either.
func (v *vendorError) nested(val []byte, depth int) {
	switch val[0] {
	case '{':
		v.read(val, depth+1)
	case '"':
		if s, ok := wire.Unquote(val); ok && v.message == "" {
			v.message = s
		}
	case '[':
		for _, e := range elements(val) {
			v.nested(e, depth+1)
			return // the first says enough
		}
	}
}

var (
	titleTag = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	anyTag   = regexp.MustCompile(`(?s)<(script|style).*?</(script|style)>|<[^>]*>`)
	blanks   = regexp.MustCompile(`\s+`)
)

// pageText returns what a page or a plain text says: its title if it has one.
func pageText(body []byte) string {
	if len(body) > 64<<10 {
		body = body[:64<<10]
	}
	if len(body) > 0 && body[0] == '<' {
		if m := titleTag.FindSubmatch(body); m != nil {
			return string(bytes.TrimSpace(m[1]))
		}
		body = anyTag.ReplaceAll(body, []byte(" "))
	}
	return string(bytes.TrimSpace(blanks.ReplaceAll(body, []byte(" "))))
}

// keyLike is text that looks like a credential. Vendors repeat parts of keys in
// their messages, and those messages go to clients.
var keyLike = regexp.MustCompile(`\b(?:sk|pk|rk|gsk|xai|key|nvapi|fw|pplx|hf|r8|csk)[-_][A-Za-z0-9_*\-.]{8,}|AIza[A-Za-z0-9_\-]{20,}|(?i:bearer)\s+[^\s"',;]{8,}|\beyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-.]+`)

// tidy bounds s, makes it valid UTF-8 and masks what looks like a key.
func tidy(s string) string {
	s = keyLike.ReplaceAllString(strings.ToValidUTF8(s, "\ufffd"), "[redacted]")
	if len(s) <= maxMessage {
		return s
	}
	n := maxMessage
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// RetryAfter returns how long a vendor asks to wait: retry-after-ms, or
// Retry-After as seconds or as a date. It is 0 if h says nothing usable, and at
// most an hour: a vendor must not bar a deployment for days by a slip.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	wait := time.Duration(0)
	if ms, err := strconv.ParseFloat(strings.TrimSpace(h.Get("Retry-After-Ms")), 64); err == nil {
		wait = seconds(ms / 1000)
	} else if v := strings.TrimSpace(h.Get("Retry-After")); v != "" {
		if s, err := strconv.ParseFloat(v, 64); err == nil {
			wait = seconds(s)
		} else if at, err := http.ParseTime(v); err == nil {
			wait = at.Sub(now)
		}
	}
	return min(max(wait, 0), time.Hour)
}

func seconds(s float64) time.Duration {
	if !(s > 0) { // also what is no number at all
		return 0
	}
	return time.Duration(min(s, 3600) * float64(time.Second))
}
