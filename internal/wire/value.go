package wire

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Unquote returns the text of a JSON string given with its quotes. A lone
// surrogate becomes U+FFFD. It reports false if v is no valid string.
func Unquote(v []byte) (string, bool) {
	if len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		return "", false
	}
	v = v[1 : len(v)-1]
	i := 0
	for i < len(v) && v[i] != '\\' {
		if v[i] < 0x20 || v[i] == '"' {
			return "", false
		}
		i++
	}
	if i == len(v) {
		return string(v), utf8.Valid(v)
	}
	out := append(make([]byte, 0, len(v)), v[:i]...)
	for i < len(v) {
		c := v[i]
		if c != '\\' {
			if c < 0x20 || c == '"' {
				return "", false
			}
			out = append(out, c)
			i++
			continue
		}
		n := escape(v[i:])
		switch {
		case n == 0:
			return "", false
		case n == 2:
			out = append(out, unescape[v[i+1]])
		default:
			r := hex4(v[i+2:])
			if utf16.IsSurrogate(r) {
				if escape(v[i+6:]) == 6 {
					if pair := utf16.DecodeRune(r, hex4(v[i+8:])); pair != utf8.RuneError {
						r, n = pair, 12
					} else {
						r = utf8.RuneError
					}
				} else {
					r = utf8.RuneError
				}
			}
			out = utf8.AppendRune(out, r)
		}
		i += n
	}
	return string(out), utf8.Valid(out)
}

var unescape = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		r <<= 4
		switch {
		case c >= 'a':
			r |= rune(c - 'a' + 10)
		case c >= 'A':
			r |= rune(c - 'A' + 10)
		default:
			r |= rune(c - '0')
		}
	}
	return r
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string with its quotes. Invalid UTF-8
// becomes U+FFFD. HTML characters are left alone, as OpenAI leaves them.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\ufffd"...)
			i++
			start = i
			continue
		}
		i += n
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// Quote returns s as a JSON string.
func Quote(s string) []byte { return AppendString(make([]byte, 0, len(s)+2), s) }

// ParseInt returns the whole number that v, a JSON number, stands for. Forms
// like 12.0 and 1e3 are whole. It reports false for anything else and for
// numbers an int64 cannot hold.
func ParseInt(v []byte) (int64, bool) {
	if len(v) == 0 || len(v) > 64 {
		return 0, false
	}
	// Plain numbers, which nearly all are, without strconv: its errors allocate.
	if digits := bytes.TrimPrefix(v, []byte("-")); len(digits) <= 18 {
		var n int64
		for i, c := range digits {
			if c < '0' || c > '9' {
				if i == 0 {
					return 0, false
				}
				break
			}
			n = 10*n + int64(c-'0')
			if i == len(digits)-1 {
				if len(digits) < len(v) {
					n = -n
				}
				return n, true
			}
		}
	} else if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f != float64(int64(f)) || f >= 1<<53 || f <= -(1<<53) {
		return 0, false
	}
	return int64(f), true
}
