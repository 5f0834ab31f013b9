package wire

import (
	"fmt"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a body. Real requests stay under a hundred;
// without a bound, a megabyte of '[' would make us recurse a million times.
const maxDepth = 512

// Member is one top-level member of an Object. Offsets point into the body.
type Member struct {
	Name     string
	KeyStart int // of the opening quote of the name
	Start    int // of the value
	End      int // one past the value
}

// Text is what a body contains, measured in the same scan: package token turns
// it into a number of tokens.
type Text struct {
	ASCII    int // bytes below 0x80 in strings, member names and data URLs left out
	NonASCII int // bytes from 0x80 up in strings
	Strings  int // strings counted
	Media    int // strings that are data URLs or long base64
	MediaLen int // bytes in those
}

// Object is a JSON object whose top-level members have been found in Body. The
// whole body has been checked to be valid JSON in valid UTF-8, with every
// top-level name at most once.
type Object struct {
	Body    []byte
	Members []Member
	Text    Text
	Open    int // offset of the opening brace
	inline  [16]Member
}

// SyntaxError says where a body stops being a JSON object.
type SyntaxError struct {
	Offset int
	Msg    string
}

// Error implements error.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Msg, e.Offset) }

// DuplicateError says that a top-level member stands twice. Servers disagree
// on which of the two counts, so a body with both could be checked as one
// request and served as another.
type DuplicateError struct{ Name string }

// Error implements error.
func (e *DuplicateError) Error() string { return fmt.Sprintf("member %q stands twice", e.Name) }

// Parse finds the top-level members of the JSON object in body, in one scan
// that also validates the body. o keeps body; neither may change afterwards.
//
// Lone surrogate escapes (\ud83d alone) pass: they are valid JSON grammar, and
// the vendor decides. Errors are *SyntaxError and *DuplicateError.
func (o *Object) Parse(body []byte) error {
	*o = Object{Body: body}
	o.Members = o.inline[:0]
	s := scanner{b: body, text: &o.Text}
	s.space()
	if s.i == len(body) {
		return &SyntaxError{s.i, "empty body, want a JSON object"}
	}
	if body[s.i] != '{' {
		return &SyntaxError{s.i, "want a JSON object"}
	}
	o.Open = s.i
	s.i++
	s.space()
	if s.peek() == '}' {
		s.i++
		return s.end()
	}
	for {
		m := Member{KeyStart: s.i}
		name, err := s.name()
		if err != nil {
			return err
		}
		m.Name = name
		for i := range o.Members {
			if o.Members[i].Name == name {
				return &DuplicateError{name}
			}
		}
		s.space()
		if s.peek() != ':' {
			return s.fail("want ':' after a member name")
		}
		s.i++
		s.space()
		m.Start = s.i
		if err := s.value(1); err != nil {
			return err
		}
		m.End = s.i
		o.Members = append(o.Members, m)
		s.space()
		switch s.peek() {
		case ',':
			s.i++
			s.space()
		case '}':
			s.i++
			return s.end()
		default:
			return s.fail("want ',' or '}' in an object")
		}
	}
}

// Get returns the raw value of the member, nil if there is none.
func (o *Object) Get(name string) []byte {
	if m := o.Find(name); m != nil {
		return o.Body[m.Start:m.End]
	}
	return nil
}

// Find returns the member, nil if there is none.
func (o *Object) Find(name string) *Member {
	for i := range o.Members {
		if o.Members[i].Name == name {
			return &o.Members[i]
		}
	}
	return nil
}

// Has reports whether the member is there and not null.
func (o *Object) Has(name string) bool {
	v := o.Get(name)
	return v != nil && string(v) != "null"
}

// String returns the member's value if it is a string.
func (o *Object) String(name string) (string, bool) {
	v := o.Get(name)
	if len(v) < 2 || v[0] != '"' {
		return "", false
	}
	return Unquote(v)
}

// Bool returns the member's value if it is true or false.
func (o *Object) Bool(name string) (value, ok bool) {
	switch string(o.Get(name)) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// Int returns the member's value if it is a whole number that fits an int64.
// Numbers like 1e3 and 12.0 are whole; they are rare, but JSON allows them.
func (o *Object) Int(name string) (int64, bool) { return ParseInt(o.Get(name)) }

// scanner walks a JSON text. It never allocates on text without escapes in
// member names.
type scanner struct {
	b    []byte
	i    int
	text *Text
}

func (s *scanner) fail(msg string) error {
	if s.i >= len(s.b) {
		return &SyntaxError{len(s.b), "unexpected end of JSON"}
	}
	return &SyntaxError{s.i, msg}
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) end() error {
	s.space()
	if s.i != len(s.b) {
		return &SyntaxError{s.i, "unexpected data after the JSON object"}
	}
	return nil
}

// name reads a member name.
func (s *scanner) name() (string, error) {
	if s.peek() != '"' {
		return "", s.fail("want a member name in double quotes")
	}
	start := s.i
	escaped, _, err := s.str()
	if err != nil {
		return "", err
	}
	raw := s.b[start:s.i]
	if !escaped {
		return knownName(raw[1 : len(raw)-1]), nil
	}
	name, ok := Unquote(raw)
	if !ok {
		return "", &SyntaxError{start, "bad member name"}
	}
	return name, nil
}

// value reads one value of any type.
func (s *scanner) value(depth int) error {
	if depth > maxDepth {
		return s.fail("nested too deeply")
	}
	switch c := s.peek(); c {
	case '"':
		start := s.i
		_, high, err := s.str()
		if err != nil {
			return err
		}
		s.count(s.b[start+1:s.i-1], high)
		return nil
	case '{':
		s.i++
		s.space()
		if s.peek() == '}' {
			s.i++
			return nil
		}
		for {
			if s.peek() != '"' {
				return s.fail("want a member name in double quotes")
			}
			if _, _, err := s.str(); err != nil {
				return err
			}
			s.space()
			if s.peek() != ':' {
				return s.fail("want ':' after a member name")
			}
			s.i++
			s.space()
			if err := s.value(depth + 1); err != nil {
				return err
			}
			s.space()
			switch s.peek() {
			case ',':
				s.i++
				s.space()
			case '}':
				s.i++
				return nil
			default:
				return s.fail("want ',' or '}' in an object")
			}
		}
	case '[':
		s.i++
		s.space()
		if s.peek() == ']' {
			s.i++
			return nil
		}
		s.numbers()
		s.space()
		for {
			if err := s.value(depth + 1); err != nil {
				return err
			}
			s.space()
			switch s.peek() {
			case ',':
				s.i++
				s.space()
			case ']':
				s.i++
				return nil
			default:
				return s.fail("want ',' or ']' in an array")
			}
		}
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return s.number()
		}
		return s.fail("want a JSON value")
	}
}

func (s *scanner) word(w string) error {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return s.fail("want a JSON value")
	}
	s.i += len(w)
	return nil
}

// numbers skips the numbers at the beginning of an array, each with its comma:
// vectors have thousands, and one loop takes a third of what value takes. It
// stops before whatever is not plainly a number, and before the last.
func (s *scanner) numbers() {
	b, i := s.b, s.i
	digits := func() bool {
		from := i
		for i < len(b) && b[i]-'0' < 10 {
			i++
		}
		return i > from
	}
	for i < len(b) {
		s.i = i
		if b[i] == '-' {
			i++
		}
		if i < len(b) && b[i] == '0' {
			i++
		} else if !digits() {
			return
		}
		if i < len(b) && b[i] == '.' {
			if i++; !digits() {
				return
			}
		}
		if i < len(b) && b[i]|0x20 == 'e' {
			if i++; i < len(b) && (b[i] == '-' || b[i] == '+') {
				i++
			}
			if !digits() {
				return
			}
		}
		if i >= len(b) || b[i] != ',' {
			return
		}
		if i++; i < len(b) && b[i] == ' ' {
			i++
		}
	}
}

func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

func (s *scanner) number() error {
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.peek() == '0' {
		s.i++
	} else if !s.digits() {
		return s.fail("bad number")
	}
	if s.peek() == '.' {
		s.i++
		if !s.digits() {
			return s.fail("bad number")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.i++
		if c := s.peek(); c == '+' || c == '-' {
			s.i++
		}
		if !s.digits() {
			return s.fail("bad number")
		}
	}
	return nil
}

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks, in the high bit of each byte of w, the bytes that end a run
// of plain string content: quotes, backslashes and control characters. Bytes
// from 0x80 up may be marked too; they are looked at one by one.
func special(w uint64) uint64 {
	quote := w ^ (lows * '"')
	slash := w ^ (lows * '\\')
	return ((w - lows*0x20) | (quote - lows) | (slash - lows) | w) & highs
}

// str reads a string, from its opening to its closing quote, and reports
// whether it has escapes and how many bytes of 0x80 and up.
func (s *scanner) str() (escaped bool, high int, err error) {
	b, start := s.b, s.i
	i := s.i + 1
	for {
		for i+8 <= len(b) {
			w := uint64(b[i]) | uint64(b[i+1])<<8 | uint64(b[i+2])<<16 | uint64(b[i+3])<<24 |
				uint64(b[i+4])<<32 | uint64(b[i+5])<<40 | uint64(b[i+6])<<48 | uint64(b[i+7])<<56
			if special(w) != 0 {
				break
			}
			i += 8
		}
		for n := 0; ; n++ {
			if i >= len(b) {
				s.i = len(b)
				return false, 0, s.fail("")
			}
			c := b[i]
			switch {
			case c == '"':
				if high > 0 && !utf8.Valid(b[start+1:i]) {
					s.i = start
					return false, 0, s.fail("invalid UTF-8 in a string")
				}
				s.i = i + 1
				return escaped, high, nil
			case c == '\\':
				escaped = true
				n := escape(b[i:])
				if n == 0 {
					s.i = i
					return false, 0, s.fail("bad escape in a string")
				}
				i += n
				continue
			case c < 0x20:
				s.i = i
				return false, 0, s.fail("raw control character in a string")
			case c >= 0x80:
				high++
			}
			i++
			if n >= 8 && c < 0x80 {
				break // back to eight at a time
			}
		}
	}
}

// escape returns the length of the escape at the start of b, 0 if it is bad.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return 0
			}
		}
		return 6
	}
	return 0
}

// count measures one string value.
func (s *scanner) count(v []byte, high int) {
	if len(v) > 64 && (string(v[:5]) == "data:" || len(v) > 2048 && base64ish(v)) {
		s.text.Media++
		s.text.MediaLen += len(v)
		return
	}
	s.text.Strings++
	s.text.NonASCII += high
	s.text.ASCII += len(v) - high
}

// base64ish reports whether v looks like base64 rather than text: no space in
// its first kilobyte and none of the characters that prose and code have.
func base64ish(v []byte) bool {
	for _, c := range v[:1024] {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '+' && c != '/' && c != '-' && c != '_' && c != '=' {
			return false
		}
	}
	return true
}

// knownName returns a string for b, without allocating for the names that
// nearly every request has.
func knownName(b []byte) string {
	switch string(b) {
	case "model":
		return "model"
	case "messages":
		return "messages"
	case "stream":
		return "stream"
	case "stream_options":
		return "stream_options"
	case "max_tokens":
		return "max_tokens"
	case "max_completion_tokens":
		return "max_completion_tokens"
	case "temperature":
		return "temperature"
	case "top_p":
		return "top_p"
	case "tools":
		return "tools"
	case "tool_choice":
		return "tool_choice"
	case "user":
		return "user"
	case "n":
		return "n"
	case "stop":
		return "stop"
	case "metadata":
		return "metadata"
	case "response_format":
		return "response_format"
	case "input":
		return "input"
	case "encoding_format":
		return "encoding_format"
	case "id":
		return "id"
	case "object":
		return "object"
	case "created":
		return "created"
	case "choices":
		return "choices"
	case "usage":
		return "usage"
	case "system_fingerprint":
		return "system_fingerprint"
	case "service_tier":
		return "service_tier"
	case "data":
		return "data"
	case "type":
		return "type"
	case "delta":
		return "delta"
	case "index":
		return "index"
	}
	return string(b)
}

// Valid reports whether v is one valid JSON value in valid UTF-8, and nothing else.
func Valid(v []byte) bool {
	var t Text
	s := scanner{b: v, text: &t}
	s.space()
	return s.value(0) == nil && s.end() == nil
}

// Element returns the first value of a list's inside ("1, 2" of [1, 2]) and
// what follows it; nil at the end. The list has been checked to be valid JSON.
func Element(inside []byte) (el, rest []byte, err error) {
	var t Text
	s := scanner{b: inside, text: &t}
	s.space()
	if s.i == len(inside) {
		return nil, nil, nil
	}
	start := s.i
	if err := s.value(1); err != nil {
		return nil, nil, err
	}
	el = inside[start:s.i]
	s.space()
	if s.peek() == ',' {
		s.i++
	}
	return el, inside[s.i:], nil
}
