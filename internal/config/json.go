package config

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// json appends n as JSON to b. Numbers keep their digits where JSON has the
// same notation; they never pass through a float.
func (l *loader) json(b []byte, n *node) ([]byte, bool) {
	n, ok := l.resolve(n)
	if !ok {
		return b, false
	}
	switch n.shape {
	case null:
		return append(b, "null"...), true
	case list:
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b, ok = l.json(b, item)
			if !ok {
				return b, false
			}
		}
		return append(b, ']'), true
	case mapping:
		b = append(b, '{')
		for i, f := range n.fields {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendQuoted(b, f.name)
			b = append(b, ':')
			b, ok = l.json(b, f.value)
			if !ok {
				return b, false
			}
		}
		return append(b, '}'), true
	}
	return l.scalarJSON(b, n)
}

func (l *loader) scalarJSON(b []byte, n *node) ([]byte, bool) {
	switch {
	case n.tag == "!!int" || n.tag == "!!float":
		v, ok := jsonNumber(n.text)
		if !ok {
			l.want(n, "a number that JSON can hold")
			return b, false
		}
		return append(b, v...), true
	case n.tag == "!!bool", n.tag == "!!str" && n.plain && yaml11Bool(n.text):
		v, _ := truth(n.text)
		return strconv.AppendBool(b, v), true
	}
	return appendQuoted(b, n.text), true
}

// yaml11Bool reports whether the reader of LiteLLM's files, which follows YAML
// 1.1, takes an unquoted s for a boolean.
func yaml11Bool(s string) bool {
	switch strings.ToLower(s) {
	case "yes", "no", "on", "off":
		return true
	}
	return false
}

func jsonNumber(s string) (string, bool) {
	if v := jsontext.Value(s); v.IsValid() && v.Kind() == '0' {
		return s, true
	}
	if v, err := strconv.ParseInt(s, 0, 64); err == nil { // 0x1F, 0o17, 017, 1_000, +5
		return strconv.FormatInt(v, 10), true
	}
	d, ok := parseDecimal(s) // .5, 1., +1.5
	return d.String(), ok
}

// appendQuoted replaces what is not UTF-8, as JSON requires.
func appendQuoted(b []byte, s string) []byte {
	q, err := jsontext.AppendQuote(b, strings.ToValidUTF8(s, "\ufffd"))
	if err != nil {
		return append(b, `""`...)
	}
	return q
}
