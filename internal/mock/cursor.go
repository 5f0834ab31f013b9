package mock

import (
	"bytes"
	"strconv"

	"penstock/internal/wire"
)

// The functions here walk JSON that has been checked to be valid: they look
// for the next interesting byte and nothing else, so a prompt of a megabyte
// costs no more than finding its quotes.

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipString returns the offset after the string that starts at b[i].
func skipString(b []byte, i int) int {
	for j := i + 1; ; {
		k := bytes.IndexByte(b[j:], '"')
		if k < 0 {
			return len(b)
		}
		end := j + k
		slashes := 0
		for b[end-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return end + 1
		}
		j = end + 1
	}
}

// skipValue returns the offset after the value that starts at b[i].
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		for depth := 0; i < len(b); {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return i
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' ' {
		i++
	}
	return i
}

// members calls f with each member of the object v; name has its quotes. It
// does nothing if v is no object.
func members(v []byte, f func(name, value []byte)) {
	if len(v) == 0 || v[0] != '{' {
		return
	}
	for i := skipSpace(v, 1); i < len(v) && v[i] == '"'; {
		end := skipString(v, i)
		name := v[i:end]
		i = skipSpace(v, skipSpace(v, end)+1) // after the colon
		end = skipValue(v, i)
		f(name, v[i:end])
		i = skipSpace(v, end)
		if v[i] == '}' {
			return
		}
		i = skipSpace(v, i+1)
	}
}

// items calls f with each item of the array v. It does nothing if v is no array.
func items(v []byte, f func(value []byte)) {
	if len(v) == 0 || v[0] != '[' {
		return
	}
	for i := skipSpace(v, 1); i < len(v) && v[i] != ']'; {
		end := skipValue(v, i)
		f(v[i:end])
		i = skipSpace(v, end)
		if v[i] == ']' {
			return
		}
		i = skipSpace(v, i+1)
	}
}

// member returns the value of one member of the object v, nil if there is none.
func member(v []byte, name string) []byte {
	var found []byte
	members(v, func(n, value []byte) {
		if string(unquoted(n)) == name {
			found = value
		}
	})
	return found
}

// unquoted returns the text of a JSON string: the bytes between the quotes
// when nothing in them is escaped.
func unquoted(v []byte) []byte {
	if len(v) < 2 || v[0] != '"' {
		return nil
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1]
	}
	s, _ := wire.Unquote(v)
	return []byte(s)
}

// textLen returns the length in bytes of the text that the JSON string v
// stands for, without building it.
func textLen(v []byte) int {
	v = v[1 : len(v)-1]
	n := 0
	for {
		i := bytes.IndexByte(v, '\\')
		if i < 0 {
			return n + len(v)
		}
		n += i
		if v[i+1] != 'u' {
			n++
			v = v[i+2:]
			continue
		}
		switch r, _ := strconv.ParseUint(string(v[i+2:i+6]), 16, 16); {
		case r < 0x80:
			n++
		case r < 0x800, r >= 0xd800 && r < 0xe000: // half of a pair of four bytes
			n += 2
		default:
			n += 3
		}
		v = v[i+6:]
	}
}
