package mock

import (
	"net/http"
	"strings"
)

type op uint8

const (
	opUnknown op = iota
	opChat
	opEmbed
	opCount // count tokens, answer nothing
	opModels
	opUsage
	opControl
)

// dialect is the wire format of a call.
type dialect uint8

const (
	openAI dialect = iota
	anthropic
	gemini
)

// target is what a path asks for.
type target struct {
	op      op
	dialect dialect
	model   string // of a Gemini path
	stream  bool   // of a Gemini path
	single  bool   // :embedContent
}

// route reads a path by its end, so that any base URL will do: a client of
// /openai/v1 or of /api/paas/v4 finds its endpoints too.
func route(method, path string) target {
	if strings.HasPrefix(path, "/mock/") {
		return target{op: opControl}
	}
	d := openAI
	if strings.HasPrefix(path, "/v1beta") || strings.HasPrefix(path, "/v1alpha") {
		d = gemini
	}
	if method == http.MethodGet {
		switch {
		case path == "/":
			return target{op: opUsage}
		case strings.HasSuffix(path, "/models"):
			return target{op: opModels, dialect: d}
		}
	}
	if method == http.MethodPost {
		switch {
		case strings.HasSuffix(path, "/chat/completions"):
			return target{op: opChat}
		case strings.HasSuffix(path, "/embeddings"):
			return target{op: opEmbed}
		case strings.HasSuffix(path, "/v1/messages"):
			return target{op: opChat, dialect: anthropic}
		case strings.HasSuffix(path, "/v1/messages/count_tokens"):
			return target{op: opCount, dialect: anthropic}
		}
		if t, ok := routeGemini(path); ok {
			return t
		}
	}
	return target{dialect: d}
}

func routeGemini(path string) (target, bool) {
	_, rest, ok := strings.Cut(path, "/models/")
	colon := strings.LastIndexByte(rest, ':')
	if !ok || colon < 1 {
		return target{}, false
	}
	t := target{dialect: gemini, model: rest[:colon]}
	switch rest[colon+1:] {
	case "generateContent":
		t.op = opChat
	case "streamGenerateContent":
		t.op, t.stream = opChat, true
	case "countTokens":
		t.op = opCount
	case "embedContent":
		t.op, t.single = opEmbed, true
	case "batchEmbedContents":
		t.op = opEmbed
	default:
		return target{}, false
	}
	return t, true
}
