package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind is the class of a failure. Programs act on the kind, people read the
// message. The kind decides the HTTP status (package api) and whether another
// deployment is worth trying (package router); both tables live in one place.
// Kinds are written to the ledger: never reorder them, add at the end.
type Kind uint8

// The kinds there are.
const (
	Internal         Kind = iota // a bug or a broken dependency of ours
	Invalid                      // the request cannot be served as written
	Unauthenticated              // no such key
	Forbidden                    // the key may not do this
	NotFound                     // no such model, key, team, …
	TooLarge                     // the request is over a size limit of ours
	Exceeded                     // a rate limit of ours is used up
	BudgetExceeded               // a budget of ours is used up
	Blocked                      // a guardrail refused the content
	Unavailable                  // nothing can serve the call right now
	UpstreamLimited              // the provider said 429
	UpstreamFailed               // the provider said 5xx, or the connection broke
	UpstreamTimeout              // the provider did not answer in time
	UpstreamAuth                 // the provider refused our credentials
	UpstreamNotFound             // the provider does not know the model
	UpstreamRefused              // the provider said 4xx and will say so again
	ContextWindow                // the prompt is longer than the model takes
	ContentPolicy                // the provider refused the content
	UpstreamCut                  // the provider's stream ended before its end
	Canceled                     // the client went away
)

var kindNames = [...]string{
	"internal", "invalid request", "unauthenticated", "forbidden", "not found",
	"too large", "rate limit exceeded", "budget exceeded", "blocked", "unavailable",
	"upstream rate limited", "upstream failed", "upstream timeout",
	"upstream refused our credentials", "upstream does not know the model",
	"upstream refused", "context window exceeded", "content policy",
	"upstream cut the stream", "canceled",
}

// String returns the kind in words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Upstream reports whether the failure was the provider's.
func (k Kind) Upstream() bool { return k >= UpstreamLimited && k <= UpstreamCut }

// Error is the only error that reaches a client. Message is shown to the
// client; Err is not, and is logged once, where the call ends.
type Error struct {
	Kind    Kind
	Message string // for the client: what, which and what to do; no secrets
	Param   string // request field at fault, if one is
	Type    string // error.type the client sees; "" for the kind's own
	Code    string // error.code the client sees; "" for the HTTP status
	Status  int    // HTTP status; 0 for the kind's own (set to keep a vendor's)
	// RetryAfter is when trying again makes sense; zero if that is not known.
	RetryAfter time.Duration
	// Headers go to the client as well, e.g. rate_limit_type.
	Headers map[string]string
	Err     error // cause, for our own logs
}

// Error implements error. It includes the cause, so it is for logs only.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Kind, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Kind, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// AsError returns err as an *Error. Errors of other types become Internal with
// a message that says nothing about the cause; a nil err stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return &Error{Kind: Canceled, Message: "client closed the request", Err: err}
	}
	return &Error{Kind: Internal, Message: "internal error", Err: err}
}

// Invalidf returns an Invalid error about the request field param.
func Invalidf(param, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Param: param, Message: fmt.Sprintf(format, args...)}
}
