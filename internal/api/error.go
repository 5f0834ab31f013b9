package api

import (
	"cmp"
	"math"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"

	"penstock/internal/gateway"
	"penstock/internal/openapi"
	"penstock/internal/wire"
	"penstock/internal/wire/anthropic"
)

// statuses says how each kind looks to a client. No other place knows.
var statuses = map[gateway.Kind]struct {
	status int
	typ    string
	says   string // what it means, for /docs
}{
	gateway.Internal:         {500, "internal_server_error", "A bug here, or a part of the gateway that is broken. The log says more, by the id in x-litellm-call-id."},
	gateway.Invalid:          {400, "invalid_request_error", "The request cannot be served as written. param names the field."},
	gateway.Unauthenticated:  {401, "auth_error", "There is no such key, or it is blocked or over."},
	gateway.Forbidden:        {403, "permission_error", "The key may not do this: the message says whose rule it was."},
	gateway.NotFound:         {404, "not_found_error", "There is no such model, key, team or the like, or it is not the caller's."},
	gateway.TooLarge:         {413, "invalid_request_error", "The request is over a size limit of the gateway."},
	gateway.Exceeded:         {429, "throttling_error", "A rate limit of the gateway is used up. retry-after says when to come again."},
	gateway.BudgetExceeded:   {422, "budget_exceeded", "A budget is used up. It starts anew with its next window, or a manager raises it."},
	gateway.Blocked:          {400, "invalid_request_error", "A content rule refused it."},
	gateway.Unavailable:      {429, "rate_limit_error", "No deployment can serve the call now. retry-after says when to come again."},
	gateway.UpstreamLimited:  {429, "throttling_error", "The provider's rate limit is used up."},
	gateway.UpstreamFailed:   {502, "internal_server_error", "The provider failed, or the connection to it broke."},
	gateway.UpstreamTimeout:  {408, "timeout_error", "The provider did not answer in time."},
	gateway.UpstreamAuth:     {401, "authentication_error", "The provider refused the gateway's credentials: a manager has to look at the deployment."},
	gateway.UpstreamNotFound: {404, "not_found_error", "The provider does not know the model."},
	gateway.UpstreamRefused:  {400, "invalid_request_error", "The provider refused the request, and will again."},
	gateway.ContextWindow:    {400, "invalid_request_error", "The prompt is longer than the model takes."},
	gateway.ContentPolicy:    {400, "invalid_request_error", "The provider refused the content."},
	gateway.UpstreamCut:      {502, "internal_server_error", "The provider's stream ended before its end."},
	gateway.Canceled:         {499, "canceled", "The client went away."},
}

// Failures lists how calls can fail, by status, for the document of the API.
func Failures() []openapi.Failure {
	out := make([]openapi.Failure, 0, len(statuses))
	for _, s := range statuses {
		out = append(out, openapi.Failure{Status: s.status, Type: s.typ, Says: s.says})
	}
	slices.SortFunc(out, func(a, b openapi.Failure) int {
		return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Says, b.Says))
	})
	return out
}

// Status returns the HTTP status of an error. budget is the status of an
// exceeded budget, which can be configured; 0 is the default.
func Status(e *gateway.Error, budget int) int {
	switch {
	case e.Kind == gateway.BudgetExceeded && budget != 0:
		return budget
	case e.Kind == gateway.UpstreamAuth && e.Status == http.StatusForbidden:
		return e.Status // not 401: clients tell a wrong key from a forbidden model
	case e.Status >= 400 && e.Status < 600 && e.Kind != gateway.UpstreamAuth:
		return e.Status
	}
	return statuses[e.Kind].status
}

// WriteError answers with an OpenAI error object.
func WriteError(w http.ResponseWriter, err error, budget int) {
	e := gateway.AsError(err)
	status := Status(e, budget)
	headError(w.Header(), e)
	w.WriteHeader(status)
	_, _ = w.Write(appendError(nil, e, status)) // the client may be gone, and nobody is left to tell
}

func headError(h http.Header, e *gateway.Error) {
	if e.RetryAfter > 0 {
		set(h, "Retry-After", strconv.FormatFloat(math.Ceil(e.RetryAfter.Seconds()), 'f', 0, 64))
	}
	for name, v := range e.Headers {
		h[http.CanonicalHeaderKey(name)] = []string{v}
	}
	h["Content-Type"] = jsonType
	delete(h, "Content-Length")
}

// appendError appends {"error":{…}}. Code is a string, as LiteLLM's clients expect.
func appendError(dst []byte, e *gateway.Error, status int) []byte {
	typ, code := e.Type, e.Code
	if typ == "" {
		typ = statuses[e.Kind].typ
		if e.Kind == gateway.UpstreamAuth && status == http.StatusForbidden {
			typ = statuses[gateway.Forbidden].typ
		}
	}
	if code == "" {
		code = strconv.Itoa(status)
	}
	dst = append(dst, `{"error":{"message":`...)
	dst = wire.AppendString(dst, e.Message)
	dst = append(dst, `,"type":`...)
	dst = wire.AppendString(dst, typ)
	dst = append(dst, `,"param":`...)
	if e.Param == "" {
		dst = append(dst, "null"...)
	} else {
		dst = wire.AppendString(dst, e.Param)
	}
	dst = append(dst, `,"code":`...)
	dst = wire.AppendString(dst, code)
	return append(dst, "}}"...)
}

// fail answers q with the error, in the client's dialect.
func (a *API) fail(q *request, err error) {
	e := gateway.AsError(err)
	if e.Kind == gateway.Internal {
		a.Log.Error("request failed", "call", q.id, "path", q.r.URL.Path, "err", err)
	}
	set(q.w.Header(), "X-Litellm-Version", a.Version)
	set(q.w.Header(), "X-Litellm-Response-Cost", "0")
	if q.dialect != gateway.Anthropic {
		WriteError(q.w, e, q.s.BudgetExceededStatus)
		return
	}
	status := Status(e, q.s.BudgetExceededStatus)
	headError(q.w.Header(), e)
	q.w.WriteHeader(status)
	_, _ = q.w.Write(anthropic.AppendError(nil, e, status))
}

// failStream tells a client in the middle of its stream.
func (a *API) failStream(q *request, out *sink, err error) {
	e := gateway.AsError(err)
	status := Status(e, q.s.BudgetExceededStatus)
	var b []byte
	if q.dialect == gateway.Anthropic {
		b = anthropic.AppendErrorEvent(nil, e, status)
	} else {
		b = append(appendError([]byte("data: "), e, status), "\n\n"...)
	}
	if _, err := out.Write(b); err == nil {
		_ = out.Flush()
	}
}

func stack() string { return clip(string(debug.Stack()), 8<<10) }
