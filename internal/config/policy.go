package config

import "penstock/internal/gateway"

// Policy is a count by class of failure. The keys are LiteLLM's class names
// without the ending ("RateLimitError"), because they are finer than our kinds:
// 500, 502 and 503 are one kind here.
type Policy map[string]int

// For returns the count for a failure of kind k with the vendor's status (0 if
// there was none), and whether the policy says anything about it.
func (p Policy) For(k gateway.Kind, status int) (int, bool) {
	if len(p) == 0 {
		return 0, false
	}
	if n, ok := p[failureClass(k, status)]; ok {
		return n, true
	}
	n, ok := p["Default"]
	return n, ok
}

func failureClass(k gateway.Kind, status int) string {
	switch k {
	case gateway.UpstreamNotFound, gateway.NotFound:
		return "NotFoundError"
	case gateway.UpstreamAuth, gateway.Unauthenticated, gateway.Forbidden:
		return "AuthenticationError"
	case gateway.UpstreamTimeout:
		return "TimeoutError"
	case gateway.UpstreamLimited, gateway.Exceeded:
		return "RateLimitError"
	case gateway.ContentPolicy, gateway.Blocked:
		return "ContentPolicyViolationError"
	case gateway.Invalid, gateway.UpstreamRefused, gateway.ContextWindow, gateway.TooLarge:
		return "BadRequestError"
	case gateway.Unavailable:
		return "ServiceUnavailableError"
	}
	switch status {
	case 502:
		return "BadGatewayError"
	case 503:
		return "ServiceUnavailableError"
	}
	return "InternalServerError"
}
