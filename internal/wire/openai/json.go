package openai

import (
	"bytes"
	"iter"
	"strconv"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// object is a JSON object with its place in the request, for error messages.
type object struct {
	wire.Object
	path string // "" for the request itself
}

// at returns the path of the member name.
func (o *object) at(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// parseObject reads v, which stands at path.
func parseObject(v []byte, path string) (*object, error) {
	o := &object{path: path}
	if len(v) == 0 || v[0] != '{' {
		return nil, gateway.Invalidf(path, "%s must be an object, got %s", path, kindOf(v))
	}
	if err := o.Parse(v); err != nil {
		return nil, gateway.Invalidf(path, "%s: %v", path, err)
	}
	return o, nil
}

// raw returns the member's value, nil if it is absent or null.
func (o *object) raw(name string) canon.Raw {
	v := o.Get(name)
	if v == nil || v[0] == 'n' {
		return nil
	}
	return v
}

func (o *object) str(name string) (string, error) {
	v := o.raw(name)
	if v == nil {
		return "", nil
	}
	s, ok := wire.Unquote(v)
	if !ok {
		return "", o.wrong(name, "a string", v)
	}
	return s, nil
}

func (o *object) boolean(name string) (*bool, error) {
	v := o.raw(name)
	switch string(v) {
	case "":
		return nil, nil
	case "true":
		return new(true), nil
	case "false":
		return new(false), nil
	}
	return nil, o.wrong(name, "true or false", v)
}

// positive returns a whole number of at least 1, 0 if it is absent.
func (o *object) positive(name string) (int64, error) {
	v := o.raw(name)
	if v == nil {
		return 0, nil
	}
	n, ok := wire.ParseInt(v)
	if !ok || n < 1 {
		return 0, o.wrong(name, "a whole number of at least 1", v)
	}
	return n, nil
}

func (o *object) number(name string) (canon.Raw, error) {
	v := o.raw(name)
	if v != nil && v[0] != '-' && (v[0] < '0' || v[0] > '9') {
		return nil, o.wrong(name, "a number", v)
	}
	return v, nil
}

func (o *object) obj(name string) (*object, error) {
	v := o.raw(name)
	if v == nil {
		return nil, nil
	}
	return parseObject(v, o.at(name))
}

// need is obj for a member that must be there.
func (o *object) need(name string) (*object, error) {
	if v := o.raw(name); v != nil {
		return parseObject(v, o.at(name))
	}
	return nil, gateway.Invalidf(o.at(name), "%s is missing", o.at(name))
}

// array returns the member's value if it is an array, nil if it is absent.
func (o *object) array(name string) (canon.Raw, error) {
	v := o.raw(name)
	if v != nil && v[0] != '[' {
		return nil, o.wrong(name, "an array", v)
	}
	return v, nil
}

func (o *object) wrong(name, want string, v []byte) error {
	return gateway.Invalidf(o.at(name), "%s must be %s, got %s", o.at(name), want, kindOf(v))
}

// kindOf says what v is, without repeating a whole prompt.
func kindOf(v []byte) string {
	if len(v) == 0 {
		return "nothing"
	}
	switch v[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	}
	if len(v) > 32 {
		v = v[:32]
	}
	return string(v)
}

// elements walks over the values of a JSON array that is known to be valid.
func elements(v []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		l := itemsOf(v)
		for n := 0; l.next(); n++ {
			if !yield(n, l.val) {
				return
			}
		}
	}
}

// items walks over the values of a JSON array that is known to be valid. It
// does not allocate.
type items struct {
	b   []byte
	i   int
	at  int // offset of val in the array
	val []byte
}

func itemsOf(v []byte) items {
	if len(v) == 0 || v[0] != '[' {
		return items{}
	}
	return items{b: v, i: blank(v, 1)}
}

func (l *items) next() bool {
	b := l.b
	if l.i >= len(b) || b[l.i] == ']' {
		return false
	}
	end := valueEnd(b, l.i)
	l.at, l.val = l.i, b[l.i:end]
	l.i = after(b, end)
	return true
}

// fields walks over the members of a JSON object that is known to be valid.
// It does not allocate; names come as they are written, escapes and all, for
// the names we look for are never written with any.
type fields struct {
	b    []byte
	i    int // offset of the next member, or of the closing brace
	key  int // offset of the name's opening quote in the object
	at   int // offset of val in the object
	name []byte
	val  []byte
}

func fieldsOf(v []byte) fields {
	if len(v) == 0 || v[0] != '{' {
		return fields{}
	}
	return fields{b: v, i: blank(v, 1)}
}

func (f *fields) next() bool {
	b := f.b
	if f.i >= len(b) || b[f.i] != '"' {
		return false
	}
	f.key = f.i
	end := stringEnd(b, f.i)
	f.name = b[f.i+1 : end-1]
	f.at = blank(b, blank(b, end)+1) // after the colon
	end = valueEnd(b, f.at)
	f.val = b[f.at:end]
	f.i = after(b, end)
	return true
}

// after returns the offset of what follows the value that ends at i.
func after(b []byte, i int) int {
	i = blank(b, i)
	if i < len(b) && b[i] == ',' {
		i = blank(b, i+1)
	}
	return i
}

func blank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// stringEnd returns the offset after the string that starts at b[i].
func stringEnd(b []byte, i int) int {
	i++
	for from := i; i < len(b); {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		i += n + 1
		// The quote ends the string unless an odd number of backslashes stands
		// before it.
		k := i - 1
		for k > from && b[k-1] == '\\' {
			k--
		}
		if (i-1-k)%2 == 0 {
			return i
		}
	}
	return len(b)
}

// valueEnd returns the offset after the value that starts at b[i].
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return len(b)
	}
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				i = stringEnd(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
				if depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return len(b)
	}
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			return i
		}
		i++
	}
	return len(b)
}
