package gemini

import (
	"bytes"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

const (
	maxMessage = 2 << 10   // bytes of a vendor's message shown to clients
	maxRetry   = time.Hour // a daily quota asks for more, but nobody waits that long
)

// rpcError is a google.rpc.Status.
type rpcError struct {
	Code    jsontext.Value `json:"code"`
	Message string         `json:"message"`
	Status  string         `json:"status"`
	Details []rpcDetail    `json:"details"`
}

type rpcDetail struct {
	Type       string         `json:"@type"`
	Reason     string         `json:"reason"`     // of ErrorInfo
	RetryDelay jsontext.Value `json:"retryDelay"` // of RetryInfo, e.g. "17s"
}

// ParseError returns what an answer of status means, or, with a status of 0 or
// 2xx, an error inside an answer. A code inside the body counts more than the
// HTTP status: the vendor hides 429 in 5xx at times. The body may be an array
// of one error, a page of a proxy, or nothing.
//
// Codes: https://cloud.google.com/apis/design/errors
func ParseError(status int, h http.Header, body []byte) *gateway.Error {
	s := readError(body)
	code := status
	if n, err := strconv.Atoi(string(bytes.Trim(s.Code, `"`))); err == nil && n >= 400 && n < 600 {
		code = n
	}
	if code/100 == 2 || code == 0 {
		code = http.StatusBadGateway
		if n := rpcCodes[s.Status]; n != 0 {
			code = n
		}
	}
	e := &gateway.Error{Message: clean(s.Message), Status: code, RetryAfter: openai.RetryAfter(h, time.Now())}
	e.Kind = s.kind(code)
	switch {
	case e.Kind == gateway.UpstreamAuth && code == http.StatusBadRequest:
		e.Status = http.StatusUnauthorized // a wrong key is a 400 here
	case e.Kind == gateway.UpstreamLimited:
		e.Status = http.StatusTooManyRequests
	case e.Kind == gateway.ContextWindow:
		e.Status, e.Code = http.StatusBadRequest, "context_length_exceeded"
	case e.Kind == gateway.ContentPolicy:
		e.Status, e.Code = http.StatusBadRequest, "content_policy_violation"
	}
	for _, d := range s.Details {
		if wait, ok := d.delay(); ok {
			e.RetryAfter = min(wait, maxRetry)
		}
	}
	if e.Message == "" {
		e.Message = "gemini answered " + strings.TrimSpace(strconv.Itoa(code)+" "+http.StatusText(code)) + " without a message"
	}
	return e
}

// readError reads what there is. What cannot be read keeps its zero value: the
// HTTP status decides then.
func readError(body []byte) *rpcError {
	e := &rpcError{}
	docs, err := documents(body)
	if err != nil || len(docs) == 0 {
		return e
	}
	var wrap struct {
		Error jsontext.Value `json:"error"`
	}
	if json.Unmarshal(docs[0], &wrap, lenient) != nil || len(wrap.Error) == 0 {
		return e
	}
	if wrap.Error.Kind() == '"' { // a proxy's
		e.Message, _ = wire.Unquote(wrap.Error)
		return e
	}
	if json.Unmarshal(wrap.Error, e, lenient) != nil {
		return &rpcError{Message: e.Message, Status: e.Status, Code: e.Code}
	}
	return e
}

// rpcCodes are the HTTP codes of the status names.
var rpcCodes = map[string]int{
	"INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "UNAUTHENTICATED": 401,
	"PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ABORTED": 409, "ALREADY_EXISTS": 409,
	"RESOURCE_EXHAUSTED": 429, "CANCELLED": 499, "UNKNOWN": 500, "INTERNAL": 500, "DATA_LOSS": 500,
	"UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504,
}

var (
	keyTexts     = []string{"api key not valid", "api key expired", "api_key_invalid", "invalid api key"}
	contextTexts = []string{
		"exceeds the maximum number of tokens", "maximum context length", "prompt is too long", "input is too long",
		"context_length_exceeded", "request payload size exceeds", "too many tokens",
	}
	policyTexts = []string{"content filtering policy", "the response was blocked", "content_policy_violation"}
	quotaTexts  = []string{"quota exceeded", "resource exhausted", "resource has been exhausted"}
)

func (e *rpcError) kind(code int) gateway.Kind {
	text := strings.ToLower(e.Message)
	says := func(phrases []string) bool {
		for _, p := range phrases {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	for _, d := range e.Details {
		if d.Reason == "API_KEY_INVALID" {
			return gateway.UpstreamAuth
		}
	}
	switch {
	case e.Status == "RESOURCE_EXHAUSTED":
		return gateway.UpstreamLimited
	case code == http.StatusBadRequest && says(keyTexts):
		return gateway.UpstreamAuth
	case (code == http.StatusBadRequest || code == http.StatusRequestEntityTooLarge) && says(contextTexts):
		return gateway.ContextWindow
	case code == http.StatusBadRequest && says(policyTexts):
		return gateway.ContentPolicy
	case code >= 500 && says(quotaTexts):
		return gateway.UpstreamLimited
	}
	switch e.Status {
	case "UNAUTHENTICATED", "PERMISSION_DENIED":
		return gateway.UpstreamAuth
	case "NOT_FOUND":
		return gateway.UpstreamNotFound
	case "DEADLINE_EXCEEDED":
		return gateway.UpstreamTimeout
	case "CANCELLED":
		return gateway.UpstreamFailed // the vendor gave up; the client is still there
	}
	switch {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return gateway.UpstreamAuth
	case code == http.StatusNotFound:
		return gateway.UpstreamNotFound
	case code == http.StatusRequestTimeout, code == http.StatusGatewayTimeout:
		return gateway.UpstreamTimeout
	case code == http.StatusTooManyRequests:
		return gateway.UpstreamLimited
	case code >= 400 && code < 500:
		return gateway.UpstreamRefused
	}
	return gateway.UpstreamFailed
}

// delay returns the wait that a RetryInfo asks for.
func (d *rpcDetail) delay() (time.Duration, bool) {
	if !strings.HasSuffix(d.Type, "google.rpc.RetryInfo") {
		return 0, false
	}
	wait, err := time.ParseDuration(string(bytes.Trim(d.RetryDelay, `"`)))
	return wait, err == nil && wait > 0
}

// secrets are credentials that a proxy's message may repeat.
var secrets = regexp.MustCompile(`AIza[0-9A-Za-z_-]{20,}|ya29\.[0-9A-Za-z._-]+|sk-[0-9A-Za-z_-]{8,}|(?i:bearer )[0-9A-Za-z._~+/=-]{8,}|\bkey=[^&\s"']+`)

// clean bounds a vendor's message and masks credentials in it.
func clean(s string) string {
	s = secrets.ReplaceAllString(strings.TrimSpace(strings.ToValidUTF8(s, "\ufffd")), "[redacted]")
	if len(s) > maxMessage {
		s = s[:maxMessage]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return s
}
