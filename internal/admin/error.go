package admin

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"penstock/internal/gateway"
)

// errorBody is how LiteLLM shows a failure. The code is the HTTP status as a
// string; clients parse it.
type errorBody struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	} `json:"error"`
	Detail any `json:"detail,omitzero"` // *errorDetail, or the message
}

// errorDetail is where LiteLLM's clients look for the message of some routes.
type errorDetail struct {
	Error string `json:"error"`
}

// detailed are the routes whose failures LiteLLM shows so.
var detailed = [...]string{"/team/", "/v2/team/", "/organization/", "/v2/organization/", "/budget/", "/access_group/", "/customer/", "/end_user/", "/user/delete", "/model/info", "/v1/model/info"}

// status returns the HTTP status and the error type of e.
func status(e *gateway.Error) (code int, typ string) {
	switch e.Kind {
	case gateway.Invalid:
		code, typ = http.StatusBadRequest, "bad_request_error"
	case gateway.Unauthenticated:
		code, typ = http.StatusUnauthorized, "auth_error"
	case gateway.Forbidden:
		code, typ = http.StatusForbidden, "auth_error"
	case gateway.NotFound:
		code, typ = http.StatusNotFound, "not_found_error"
	case gateway.TooLarge:
		code, typ = http.StatusRequestEntityTooLarge, "bad_request_error"
	case gateway.Unavailable:
		code, typ = http.StatusServiceUnavailable, "no_db_connection"
	case gateway.Canceled:
		code, typ = 499, "bad_request_error"
	default:
		code, typ = http.StatusInternalServerError, "internal_server_error"
	}
	if e.Status != 0 {
		code = e.Status
	}
	if e.Type != "" {
		typ = e.Type
	}
	return code, typ
}

func (a *API) writeError(w http.ResponseWriter, r *http.Request, err error) {
	e := gateway.AsError(err)
	var body errorBody
	var code int
	code, body.Error.Type = status(e)
	if code >= 500 {
		a.o.Log.ErrorContext(r.Context(), "management call failed", slog.String("route", r.URL.Path), slog.Any("error", err))
	}
	body.Error.Message = e.Message
	body.Error.Param = text(e.Param)
	body.Error.Code = strconv.Itoa(code)
	if slices.ContainsFunc(detailed[:], func(route string) bool { return strings.HasPrefix(r.URL.Path, route) }) {
		body.Detail = &errorDetail{e.Message}
	}
	if strings.HasPrefix(r.URL.Path, "/v1/access_group") || strings.HasPrefix(r.URL.Path, "/v1/unified_access_group") {
		body.Detail = e.Message
	}
	a.write(w, r, code, &body)
}

func (a *API) write(w http.ResponseWriter, r *http.Request, code int, v any) {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		// Only a bug of ours can get here: every answer is a type of this package.
		a.o.Log.ErrorContext(r.Context(), "encode answer", slog.String("route", r.URL.Path), slog.Any("error", err))
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(code)
	// A client that has left needs no answer.
	_, _ = w.Write(b)
}

// invalid returns a 400 about a field.
func invalid(field, format string, args ...any) *gateway.Error {
	return gateway.Invalidf(field, format, args...)
}

// malformed returns a 422, which is what LiteLLM says to a field of the wrong
// type, and to one that is missing.
func malformed(field, format string, args ...any) *gateway.Error {
	e := gateway.Invalidf(field, format, args...)
	e.Status, e.Type = http.StatusUnprocessableEntity, "validation_error"
	return e
}
