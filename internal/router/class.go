package router

import (
	"net/http"

	"penstock/internal/gateway"
)

// class is what a failure means for routing. Providers' adapters turn their
// errors into kinds; classes says what follows.
type class uint8

const (
	ours       class = iota // neither a deployment's nor worth another try
	rateLimit               //
	timeout                 // nothing came in time
	authFailed              // our credentials were refused
	payment                 // the account is out of money
	notFound                // the provider does not know the model
	window                  // the prompt is too long
	content                 // the content was refused
	badRequest              // and will be again
	conflict                // may pass if tried again
	server                  // 500 and what has no class of its own
	badGateway              //
	overloaded              // 503
	connection              // no answer at all
	cut                     // the answer stopped before its end
	noRoom                  // a limit of ours on the deployment
	classCount              // how many there are
)

// retry is when another try may cure a failure.
type retry uint8

const (
	never     retry = iota
	elsewhere       // another deployment of the group may do better
	anywhere        // the same one too
)

// cool is what a failure does to the deployment.
type cool uint8

const (
	keep    cool = iota // nothing: it says nothing about the deployment
	byRatio             // rests when most calls fail
	atOnce              // rests
	// unlessAlone rests at once if another deployment can stand in, else byRatio.
	unlessAlone
)

// classes is the one place that knows what a failure leads to. The names are
// those of LiteLLM's policies, where it has one.
var classes = [classCount]struct {
	policy string
	retry  retry
	cool   cool
}{
	ours:       {"", never, keep},
	rateLimit:  {"RateLimitError", anywhere, unlessAlone},
	timeout:    {"TimeoutError", anywhere, byRatio},
	authFailed: {"AuthenticationError", elsewhere, atOnce},
	payment:    {"BadRequestError", elsewhere, unlessAlone},
	notFound:   {"NotFoundError", never, atOnce},
	window:     {"BadRequestError", never, keep},
	content:    {"ContentPolicyViolationError", never, keep},
	badRequest: {"BadRequestError", never, keep},
	conflict:   {"BadRequestError", anywhere, keep},
	server:     {"InternalServerError", anywhere, byRatio},
	badGateway: {"BadGatewayError", anywhere, byRatio},
	overloaded: {"ServiceUnavailableError", anywhere, byRatio},
	connection: {"InternalServerError", anywhere, byRatio},
	cut:        {"InternalServerError", anywhere, byRatio},
	noRoom:     {"", elsewhere, keep},
}

// classify returns the class of a failed attempt.
func classify(e *gateway.Error) class {
	switch e.Kind {
	case gateway.UpstreamLimited:
		return rateLimit
	case gateway.UpstreamTimeout:
		return timeout
	case gateway.UpstreamAuth:
		if e.Status == http.StatusPaymentRequired {
			return payment
		}
		return authFailed
	case gateway.UpstreamNotFound:
		return notFound
	case gateway.ContextWindow:
		return window
	case gateway.ContentPolicy:
		return content
	case gateway.UpstreamCut:
		return cut
	case gateway.Exceeded, gateway.BudgetExceeded:
		return noRoom
	case gateway.Invalid:
		return badRequest
	case gateway.UpstreamRefused:
		switch e.Status {
		case http.StatusPaymentRequired:
			return payment
		case http.StatusConflict, http.StatusTooEarly:
			return conflict
		}
		return badRequest
	case gateway.UpstreamFailed:
		switch e.Status {
		case 0:
			return connection
		case http.StatusBadGateway:
			return badGateway
		case http.StatusServiceUnavailable, 529: // 529 is Anthropic's "overloaded"
			return overloaded
		}
		return server
	}
	return ours
}

// policy is a count by class; -1 where it says nothing.
type policy [classCount]int

// newPolicy reads counts by LiteLLM's names of errors ("RateLimitError"), and
// "Default" for those not named.
func newPolicy(counts map[string]int) *policy {
	if len(counts) == 0 {
		return nil
	}
	p := new(policy)
	for c := range p {
		p[c] = -1
		if classes[c].policy == "" {
			continue
		}
		if n, ok := counts[classes[c].policy]; ok {
			p[c] = n
		} else if n, ok := counts["Default"]; ok {
			p[c] = n
		}
	}
	return p
}

// of returns the count for the class, and false if p says nothing about it.
func (p *policy) of(c class) (int, bool) {
	if p == nil || p[c] < 0 {
		return 0, false
	}
	return p[c], true
}
