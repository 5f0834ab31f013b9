package gemini

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxSchemaDepth bounds the nesting of a schema, before and after references
// are replaced. Real ones stay under twenty.
const maxSchemaDepth = 128

// node is a JSON value of a schema, with members in their order.
type node struct {
	kind    jsontext.Kind
	raw     jsontext.Value // scalars only
	names   []string       // of an object
	members []*node        // of an object, or the elements of an array
}

// parseTree reads one JSON value.
func parseTree(v []byte) (*node, error) {
	d := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowInvalidUTF8(true))
	n, err := readNode(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); err == nil {
		return nil, errors.New("data after the schema")
	}
	return n, nil
}

func readNode(d *jsontext.Decoder, depth int) (*node, error) {
	if depth > maxSchemaDepth {
		return nil, errTooDeep
	}
	n := &node{kind: d.PeekKind()}
	switch n.kind {
	case '{', '[':
		if _, err := d.ReadToken(); err != nil {
			return nil, fmt.Errorf("not valid JSON: %w", err)
		}
		for k := d.PeekKind(); k != '}' && k != ']'; k = d.PeekKind() {
			if n.kind == '{' {
				name, err := d.ReadToken()
				if err != nil {
					return nil, fmt.Errorf("not valid JSON: %w", err)
				}
				n.names = append(n.names, name.String())
			}
			m, err := readNode(d, depth+1)
			if err != nil {
				return nil, err
			}
			n.members = append(n.members, m)
		}
		if _, err := d.ReadToken(); err != nil {
			return nil, fmt.Errorf("not valid JSON: %w", err)
		}
		return n, nil
	}
	v, err := d.ReadValue()
	if err != nil {
		return nil, fmt.Errorf("not valid JSON: %w", err)
	}
	n.raw = v.Clone()
	return n, nil
}

// get returns the member of an object, nil if there is none.
func (n *node) get(name string) *node {
	if n.kind != '{' {
		return nil
	}
	for i, s := range n.names {
		if s == name {
			return n.members[i]
		}
	}
	return nil
}

// text returns the value of a string, "" for anything else.
func (n *node) text() string {
	if n.kind != '"' {
		return ""
	}
	b, err := jsontext.AppendUnquote(nil, n.raw)
	if err != nil && len(b) == 0 {
		return ""
	}
	return string(b)
}

// append writes the value back, without white space.
func (n *node) append(w *writer) {
	switch n.kind {
	case '{':
		w.open('{')
		for i, m := range n.members {
			w.key(n.names[i])
			m.append(w)
		}
		w.close('}')
	case '[':
		w.open('[')
		for _, m := range n.members {
			m.append(w)
		}
		w.close(']')
	case '"':
		w.str(n.text()) // a lone surrogate becomes U+FFFD
	default:
		w.raw(n.raw)
	}
}

// resolve finds what a local reference ("#/$defs/Item") points to.
func (n *node) resolve(ref string) *node {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	if s, err := url.PathUnescape(pointer); err == nil {
		pointer = s
	}
	if pointer == "" {
		return n
	}
	if pointer[0] != '/' {
		return nil // an $anchor
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		if n.kind == '[' {
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(n.members) {
				return nil
			}
			n = n.members[i]
			continue
		}
		if n = n.get(token); n == nil {
			return nil
		}
	}
	return n
}
