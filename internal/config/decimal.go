package config

import (
	"math"
	"strconv"
	"strings"
)

// decimal is digits × 10^exp, exactly as written. Prices and budgets never
// pass through a float, which has no 0.1.
type decimal struct {
	neg    bool
	digits string // without leading zeros; "" is zero
	exp    int
}

// maxExponent is far beyond any price. It bounds how long a plain notation can
// get: 1e999999999 is ten bytes of YAML.
const maxExponent = 40

// parseDecimal reads 12, 0.5, .5, 1., 1_000, 1e-7 and 1.5E+3.
func parseDecimal(s string) (decimal, bool) {
	var d decimal
	if s != "" && (s[0] == '-' || s[0] == '+') {
		d.neg, s = s[0] == '-', s[1:]
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e > maxExponent || e < -maxExponent {
			return decimal{}, false
		}
		d.exp, s = e, s[:i]
	}
	intPart, frac, _ := strings.Cut(s, ".")
	if strings.HasPrefix(intPart, "_") {
		return decimal{}, false
	}
	digits := strings.ReplaceAll(intPart, "_", "") + frac
	if digits == "" || len(digits) > 2*maxExponent || strings.Trim(digits, "0123456789") != "" {
		return decimal{}, false
	}
	d.exp -= len(frac)
	d.digits = strings.TrimLeft(digits, "0")
	for strings.HasSuffix(d.digits, "0") {
		d.digits, d.exp = d.digits[:len(d.digits)-1], d.exp+1
	}
	if d.digits == "" {
		return decimal{}, true
	}
	return d, true
}

// scaled returns d × 10^places rounded half up, and whether nothing was lost.
// ok is false if it does not fit. The sign is left to the caller.
func (d decimal) scaled(places int) (v int64, exact, ok bool) {
	if d.digits == "" {
		return 0, true, true
	}
	exp, digits := d.exp+places, d.digits
	if exp >= 0 {
		if len(digits)+exp > 19 {
			return 0, false, false
		}
		v, err := strconv.ParseInt(digits+strings.Repeat("0", exp), 10, 64)
		return v, true, err == nil
	}
	keep := len(digits) + exp
	if keep < 0 {
		return 0, false, true
	}
	if keep > 0 {
		var err error
		if v, err = strconv.ParseInt(digits[:keep], 10, 64); err != nil {
			return 0, false, false
		}
	}
	if digits[keep] >= '5' {
		if v == math.MaxInt64 {
			return 0, false, false
		}
		v++
	}
	return v, false, true
}

// String returns the plain notation: no exponent.
func (d decimal) String() string {
	var s string
	switch point := len(d.digits) + d.exp; {
	case d.digits == "":
		s = "0"
	case d.exp >= 0:
		s = d.digits + strings.Repeat("0", d.exp)
	case point > 0:
		s = d.digits[:point] + "." + d.digits[point:]
	default:
		s = "0." + strings.Repeat("0", -point) + d.digits
	}
	if d.neg {
		return "-" + s
	}
	return s
}
