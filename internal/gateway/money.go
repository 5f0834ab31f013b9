package gateway

import (
	"strconv"
	"strings"
)

// String returns the amount in dollars as Python writes floats: 10.0, 0.0001,
// 2.85e-05. LiteLLM's messages and headers have that form, and scripts compare
// it. It is exact: no float is involved.
func (n NanoUSD) String() string { return string(n.Append(nil)) }

// Append appends String to dst.
func (n NanoUSD) Append(dst []byte) []byte {
	u := uint64(n)
	if n < 0 {
		dst = append(dst, '-')
		u = -u
	}
	whole, frac := u/1e9, u%1e9
	if frac == 0 {
		return append(strconv.AppendUint(dst, whole, 10), ".0"...)
	}
	if whole == 0 && frac < 100_000 { // below 0.0001 Python switches to an exponent
		digits := strconv.FormatUint(frac, 10)
		exp := 9 - len(digits) + 1
		digits = strings.TrimRight(digits, "0")
		dst = append(dst, digits[0])
		if len(digits) > 1 {
			dst = append(append(dst, '.'), digits[1:]...)
		}
		dst = append(dst, 'e', '-')
		if exp < 10 {
			dst = append(dst, '0')
		}
		return strconv.AppendInt(dst, int64(exp), 10)
	}
	dst = append(strconv.AppendUint(dst, whole, 10), '.')
	digits := strconv.FormatUint(frac+1e9, 10)[1:]
	return append(dst, strings.TrimRight(digits, "0")...)
}
