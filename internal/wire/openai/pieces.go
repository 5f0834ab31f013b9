package openai

import (
	"strconv"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// appendCall appends the members of a tool call, from its id on, and the
// brace that ends it. A signature goes into the id as well, see signatureMark.
func appendCall(dst []byte, ev *canon.Event, args string) []byte {
	id := ev.ID
	if ev.Signature != "" {
		id += signatureMark + ev.Signature
	}
	dst = wire.AppendString(append(dst, `"id":`...), id)
	dst = wire.AppendString(append(dst, `,"type":"function","function":{"name":`...), ev.Name)
	dst = wire.AppendString(append(dst, `,"arguments":`...), args)
	dst = append(dst, '}')
	if ev.Signature != "" {
		dst = append(dst, `,"provider_specific_fields":{"thought_signature":`...)
		dst = append(wire.AppendString(dst, ev.Signature), '}')
	}
	return append(dst, '}')
}

func isAudio(m *canon.Media) bool {
	return strings.HasPrefix(m.MIME, "audio/") || m.MIME == "" && m.Format != ""
}

func appendAudio(dst []byte, ev *canon.Event) []byte {
	dst = wire.AppendString(append(dst, `{"id":`...), ev.ID)
	dst = wire.AppendString(append(dst, `,"data":`...), ev.Media.Data)
	if ev.Text != "" {
		dst = wire.AppendString(append(dst, `,"transcript":`...), ev.Text)
	}
	return append(dst, '}')
}

func appendImage(dst []byte, m *canon.Media, n int) []byte {
	dst = wire.AppendString(append(dst, `{"type":"image_url","image_url":{"url":`...), mediaURL(m))
	dst = strconv.AppendInt(append(dst, `},"index":`...), int64(n), 10)
	return append(dst, '}')
}

// mediaURL returns the URL of m, a data URL if m holds the bytes.
func mediaURL(m *canon.Media) string {
	if m.Data == "" {
		return m.URL
	}
	return "data:" + m.MIME + ";base64," + m.Data
}

// appendUsage appends a usage object. The Anthropic-style members at the top
// level are LiteLLM's, and only there if they say something.
func appendUsage(dst []byte, u *gateway.Usage) []byte {
	num := func(name string, n int64) {
		dst = strconv.AppendInt(append(dst, name...), n, 10)
	}
	num(`{"prompt_tokens":`, u.Prompt)
	num(`,"completion_tokens":`, u.Completion)
	num(`,"total_tokens":`, u.Total())
	num(`,"prompt_tokens_details":{"cached_tokens":`, u.CacheRead)
	writes := u.CacheWrite + u.CacheWrite1h
	if writes != 0 {
		num(`,"cache_creation_tokens":`, writes)
	}
	if u.AudioIn != 0 {
		num(`,"audio_tokens":`, u.AudioIn)
	}
	if u.ImageIn != 0 {
		num(`,"image_tokens":`, u.ImageIn)
	}
	num(`},"completion_tokens_details":{"reasoning_tokens":`, u.Reasoning)
	if u.AudioOut != 0 {
		num(`,"audio_tokens":`, u.AudioOut)
	}
	if u.ImageOut != 0 {
		num(`,"image_tokens":`, u.ImageOut)
	}
	dst = append(dst, '}')
	if writes != 0 {
		num(`,"cache_creation_input_tokens":`, writes)
	}
	if u.CacheRead != 0 {
		num(`,"cache_read_input_tokens":`, u.CacheRead)
	}
	if u.WebSearches != 0 {
		num(`,"server_tool_use":{"web_search_requests":`, u.WebSearches)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// AppendError appends the body that tells e to a client: an object with the
// member "error". Type and code are e's own; where e has none, the type is the
// kind's and the code is left out.
func AppendError(dst []byte, e *gateway.Error) []byte {
	if e == nil {
		e = &gateway.Error{Kind: gateway.UpstreamFailed, Message: "the provider gave up"}
	}
	kind := e.Type
	if kind == "" {
		kind = errorType(e.Kind)
	}
	dst = wire.AppendString(append(dst, `{"error":{"message":`...), e.Message)
	dst = wire.AppendString(append(dst, `,"type":`...), kind)
	dst = appendOrNull(append(dst, `,"param":`...), e.Param)
	code := e.Code
	if code == "" && e.Status != 0 {
		code = strconv.Itoa(e.Status)
	}
	dst = appendOrNull(append(dst, `,"code":`...), code)
	return append(dst, "}}"...)
}

func appendOrNull(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return wire.AppendString(dst, s)
}

// errorType is OpenAI's error.type for a kind.
func errorType(k gateway.Kind) string {
	switch k {
	case gateway.Invalid, gateway.TooLarge, gateway.Blocked, gateway.UpstreamRefused, gateway.ContextWindow, gateway.ContentPolicy:
		return "invalid_request_error"
	case gateway.Unauthenticated, gateway.UpstreamAuth:
		return "authentication_error"
	case gateway.Forbidden:
		return "permission_error"
	case gateway.NotFound, gateway.UpstreamNotFound:
		return "not_found_error"
	case gateway.Exceeded, gateway.UpstreamLimited:
		return "rate_limit_error"
	case gateway.BudgetExceeded:
		return "budget_exceeded"
	case gateway.UpstreamTimeout:
		return "timeout_error"
	}
	return "server_error"
}
