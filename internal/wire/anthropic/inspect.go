package anthropic

import (
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// Asked is what the gateway needs to know of a native request.
type Asked struct {
	Model     string
	Stream    bool
	MaxTokens int64
}

// Inspect reads a native /v1/messages body, which otherwise passes through
// untouched. A body that lacks what the API insists on is an Invalid error.
func Inspect(o *wire.Object) (Asked, error) {
	var a Asked
	var ok bool
	if a.Model, ok = o.String("model"); !ok || a.Model == "" {
		return a, gateway.Invalidf("model", "model: a model name is required")
	}
	if !o.Has("max_tokens") {
		return a, gateway.Invalidf("max_tokens", "max_tokens: a whole number is required")
	}
	if a.MaxTokens, ok = o.Int("max_tokens"); !ok || a.MaxTokens < 1 {
		return a, gateway.Invalidf("max_tokens", "max_tokens: must be a whole number from 1")
	}
	m := o.Get("messages")
	if !given(m) {
		return a, gateway.Invalidf("messages", "messages: at least one message is required")
	}
	if m[0] != '[' {
		return a, gateway.Invalidf("messages", "messages: must be an array")
	}
	if empty(m) {
		return a, gateway.Invalidf("messages", "messages: at least one message is required")
	}
	if o.Has("stream") {
		if a.Stream, ok = o.Bool("stream"); !ok {
			return a, gateway.Invalidf("stream", "stream: must be true or false")
		}
	}
	return a, nil
}

// empty reports whether a valid JSON array has nothing in it.
func empty(array []byte) bool {
	for _, c := range array[1:] {
		switch c {
		case ' ', '\t', '\n', '\r':
		default:
			return c == ']'
		}
	}
	return true
}
