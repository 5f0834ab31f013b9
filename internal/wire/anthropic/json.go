package anthropic

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/canon"
	"penstock/internal/wire"
)

// lenient accepts what a client may send and a vendor may not mind: lone
// surrogates and members that stand twice.
func lenient(v []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// elements returns the values of a JSON array as they are written; nil if v is none.
func elements(v []byte) []canon.Raw {
	if len(v) == 0 || v[0] != '[' {
		return nil
	}
	d := lenient(v)
	if _, err := d.ReadToken(); err != nil {
		return nil
	}
	var out []canon.Raw
	for d.PeekKind() != ']' {
		e, err := d.ReadValue()
		if err != nil {
			return nil
		}
		out = append(out, slices.Clone(e))
	}
	return out
}

// given reports whether a raw value is there and not null.
func given(v []byte) bool { return len(v) > 0 && string(v) != "null" }

// object parses v if it is a JSON object.
func object(v []byte) (*wire.Object, bool) {
	if len(v) == 0 || v[0] != '{' {
		return nil, false
	}
	var o wire.Object
	if o.Parse(v) != nil {
		return nil, false
	}
	return &o, true
}

// isObject reports whether v is a valid JSON object, spaces around it allowed.
func isObject(v []byte) bool {
	t := bytes.TrimSpace(v)
	return len(t) > 0 && t[0] == '{' && wire.Valid(v)
}

// number returns the value of a JSON number.
func number(v []byte) (float64, bool) {
	if len(v) == 0 || v[0] == '"' {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(v), 64)
	return f, err == nil
}

// str returns the text of the member, "" if it is no string.
func str(o *wire.Object, name string) string {
	s, _ := o.String(name)
	return s
}

// appendMember appends a member to an object that is being written.
func appendMember(b []byte, name string, value []byte) []byte {
	return append(appendName(b, name), value...)
}

func appendName(b []byte, name string) []byte {
	if c := b[len(b)-1]; c != '{' {
		b = append(b, ',')
	}
	b = wire.AppendString(b, name)
	return append(b, ':')
}

// appendText appends a member whose value is a string.
func appendText(b []byte, name, value string) []byte {
	return wire.AppendString(appendName(b, name), value)
}

// appendInt appends a member whose value is a whole number.
func appendInt(b []byte, name string, value int64) []byte {
	return strconv.AppendInt(appendName(b, name), value, 10)
}

// lenientFormat is the option set of lenient for reformatting: nothing but
// white space may change.
func lenientFormat() jsontext.Options {
	return jsontext.AllowDuplicateNames(true)
}

func runes(s string) int { return utf8.RuneCountInString(s) }

// typeOf returns the "type" member of an event, a block or a delta.
func typeOf(o *wire.Object) string {
	v := o.Get("type")
	if len(v) > 2 && v[0] == '"' && bytes.IndexByte(v, '\\') < 0 {
		return word(v[1 : len(v)-1])
	}
	return str(o, "type")
}

// word returns b as a string, without allocating for the types that most
// events of a stream have.
func word(b []byte) string {
	switch string(b) {
	case "content_block_delta":
		return "content_block_delta"
	case "text_delta":
		return "text_delta"
	case "input_json_delta":
		return "input_json_delta"
	case "thinking_delta":
		return "thinking_delta"
	case "content_block_start":
		return "content_block_start"
	case "content_block_stop":
		return "content_block_stop"
	case "message_start":
		return "message_start"
	case "message_delta":
		return "message_delta"
	case "message_stop":
		return "message_stop"
	case "ping":
		return "ping"
	}
	return string(b)
}
