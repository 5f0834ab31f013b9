package anthropic

import (
	"encoding/base64"
	"strings"
)

// Names of the tools that stand in for response_format where the model has no
// structured output of its own. A client's tool of that name is escaped, so in
// an answer they can only be ours. The second one wraps a schema that is not
// an object in {"values": …}.
const (
	jsonTool       = "json_tool_call"
	jsonToolValues = "json_tool_call_values"
)

const (
	maxName    = 128
	escPrefix  = "esc__"
	denseStart = "esc64__"
)

// shortChars are the characters that real tool names have and the API
// refuses, and shortLetters what stands for each: no hexadecimal digits.
const (
	shortChars   = "./: @_"
	shortLetters = "pskwt_"
)

// EscapeName returns the name to send for a tool. The API takes names of up to
// 128 letters, digits, - and _ only. Names that fit stay as they are. Others
// become "esc__" and the name with _p for a dot, _s for a slash, _k for a
// colon, _w for a space, _t for an at sign, __ for an underscore, and _ with
// two hexadecimal digits for any other byte; if that is too long, "esc64__" and
// the name in URL-safe base64. Names that look escaped are escaped themselves,
// so UnescapeName gives every name back without a table kept for the call.
// It reports false if the name is empty or too long for either form.
func EscapeName(name string) (string, bool) {
	if name == "" {
		return "", false
	}
	if len(name) <= maxName && plainName(name) {
		return name, true
	}
	if s := escape(name); len(s) <= maxName {
		return s, true
	}
	s := denseStart + base64.RawURLEncoding.EncodeToString([]byte(name))
	return s, len(s) <= maxName
}

// UnescapeName returns the tool name that EscapeName made sent from. A name
// that EscapeName cannot have made is returned as it is.
func UnescapeName(sent string) string {
	var name string
	var ok bool
	switch {
	case strings.HasPrefix(sent, denseStart):
		b, err := base64.RawURLEncoding.DecodeString(sent[len(denseStart):])
		name, ok = string(b), err == nil
	case strings.HasPrefix(sent, escPrefix):
		name, ok = unescape(sent[len(escPrefix):])
	}
	if !ok {
		return sent
	}
	if again, fits := EscapeName(name); !fits || again != sent {
		return sent // the model made it up
	}
	return name
}

// plainName reports whether the API takes the name and no reader could mistake it
// for an escaped one or for ours.
func plainName(name string) bool {
	if name == jsonTool || name == jsonToolValues ||
		strings.HasPrefix(name, escPrefix) || strings.HasPrefix(name, denseStart) {
		return false
	}
	return plainID(name)
}

// plainID reports whether s is one or more letters, digits, - and _.
func plainID(s string) bool {
	for i := range len(s) {
		if !letter(s[i]) && s[i] != '_' {
			return false
		}
	}
	return s != ""
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-'
}

func escape(name string) string {
	const hex = "0123456789abcdef"
	b := append(make([]byte, 0, 2*len(name)+len(escPrefix)), escPrefix...)
	for i := range len(name) {
		c := name[i]
		if letter(c) {
			b = append(b, c)
		} else if k := strings.IndexByte(shortChars, c); k >= 0 {
			b = append(b, '_', shortLetters[k])
		} else {
			b = append(b, '_', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

func unescape(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '_' {
			b = append(b, s[i])
			continue
		}
		if i+1 == len(s) {
			return "", false
		}
		i++
		if k := strings.IndexByte(shortLetters, s[i]); k >= 0 {
			b = append(b, shortChars[k])
			continue
		}
		if i+1 == len(s) {
			return "", false
		}
		hi, lo := hexDigit(s[i]), hexDigit(s[i+1])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b = append(b, byte(hi<<4|lo))
		i++
	}
	return string(b), true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
