package price

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"penstock/internal/gateway"
)

// places is how many decimal places of a dollar a price keeps. Published
// prices carry the noise of somebody's binary fractions, such as
// 1.5000020000000002e-05; with 24 places every one of them is exact, so a bill
// can be recomputed by anybody from the published text.
const places = 24

// perNano is how many units of 10^-24 dollars make a nano-dollar.
const perNano = 1_000_000_000_000_000

// amount is an amount of money in units of 10^-24 dollars: 128 bits, enough for
// 340 trillion dollars. Sums and products stop at the largest amount.
type amount struct{ hi, lo uint64 }

var maxAmount = amount{math.MaxUint64, math.MaxUint64}

func (a amount) zero() bool { return a.hi == 0 && a.lo == 0 }

func (a amount) less(b amount) bool {
	return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo
}

func (a amount) add(b amount) amount {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	hi, carry := bits.Add64(a.hi, b.hi, carry)
	if carry != 0 {
		return maxAmount
	}
	return amount{hi, lo}
}

// sub returns a-b, or zero if b is larger.
func (a amount) sub(b amount) amount {
	if a.less(b) {
		return amount{}
	}
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, borrow)
	return amount{hi, lo}
}

// times returns a*n. A negative n counts as zero: a token count below zero is a
// vendor's mistake and must not become a refund.
func (a amount) times(n int64) amount {
	if n <= 0 {
		return amount{}
	}
	carry, lo := bits.Mul64(a.lo, uint64(n))
	over, hi := bits.Mul64(a.hi, uint64(n))
	hi, c := bits.Add64(hi, carry, 0)
	if over != 0 || c != 0 {
		return maxAmount
	}
	return amount{hi, lo}
}

// nano returns a in nano-dollars, rounded down after extra has been added.
func (a amount) nano(extra uint64) gateway.NanoUSD {
	a = a.add(amount{lo: extra})
	hi, rest := a.hi/perNano, a.hi%perNano
	lo, _ := bits.Div64(rest, a.lo, perNano)
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return gateway.NanoUSD(lo)
}

func (a amount) rounded() gateway.NanoUSD   { return a.nano(perNano / 2) }
func (a amount) roundedUp() gateway.NanoUSD { return a.nano(perNano - 1) }

// fromNano returns n nano-dollars, zero if n is negative.
func fromNano(n gateway.NanoUSD) amount {
	return amount{lo: perNano}.times(int64(n))
}

// over returns how many times unit fits into a; unit must not be zero.
func (a amount) over(unit amount) int64 {
	// Bit by bit: this runs only where a budget is nearly used up, and a
	// 128-bit division is not worth its lines.
	var n int64
	for bit := int64(1) << 62; bit > 0; bit >>= 1 {
		if next := unit.times(n | bit); next != maxAmount && !a.less(next) {
			n |= bit
		}
	}
	return n
}

// rounding says what happens to digits below the last place.
type rounding uint8

const (
	halfUp rounding = iota // away from zero from the half on
	up                     // away from zero
	exact                  // an error
)

var (
	errNotNumber = errors.New("not a decimal number")
	errTooLarge  = errors.New("too large")
	errTooFine   = errors.New("too fine")
)

// parseDecimal reads an unsigned decimal number, with an exponent or without,
// as a multiple of 10^-scale.
func parseDecimal(text string, scale int, mode rounding) (amount, error) {
	digits, exponent, err := splitDecimal(text)
	if err != nil {
		return amount{}, err
	}
	// The value is digits * 10^exponent.
	shift := exponent + scale
	if len(digits) == 0 {
		return amount{}, nil
	}
	if len(digits)+shift > 39 {
		return amount{}, errTooLarge
	}
	keep := len(digits)
	if shift < 0 {
		keep = max(0, keep+shift)
	}
	a := amount{}
	for i := range keep {
		a = a.times(10).add(amount{lo: uint64(digits[i] - '0')})
	}
	for range shift {
		a = a.times(10)
	}
	if a == maxAmount {
		return amount{}, errTooLarge
	}
	if keep == len(digits) {
		return a, nil
	}
	// digits holds no zeros at its end, so something not zero is cut off.
	switch mode {
	case exact:
		return amount{}, errTooFine
	case up:
		a = a.add(amount{lo: 1})
	case halfUp:
		// With no digit kept, the first one cut may lie below the tenth of a unit.
		if len(digits)+shift >= 0 && digits[keep] >= '5' {
			a = a.add(amount{lo: 1})
		}
	}
	return a, nil
}

// maxExponent bounds exponents before they are added up. Beyond it every
// number is either too large or as good as nothing.
const maxExponent = 10_000

// splitDecimal returns the significant digits of text and the power of ten they
// stand for. No digits means zero.
func splitDecimal(text string) (digits []byte, exponent int, err error) {
	i, seen, point := 0, false, false
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			seen = true
			if c != '0' || len(digits) > 0 {
				digits = append(digits, c)
			}
			if point {
				exponent--
			}
			continue
		case c == '.' && !point:
			point = true
			continue
		}
		break
	}
	if !seen || len(text) > maxExponent {
		return nil, 0, errNotNumber
	}
	if i < len(text) {
		e, err := parseExponent(text[i:])
		if err != nil {
			return nil, 0, err
		}
		exponent += e
	}
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
		exponent++
	}
	return digits, exponent, nil
}

func parseExponent(text string) (int, error) {
	if text[0] != 'e' && text[0] != 'E' {
		return 0, errNotNumber
	}
	text = text[1:]
	sign := 1
	if text != "" && (text[0] == '-' || text[0] == '+') {
		if text[0] == '-' {
			sign = -1
		}
		text = text[1:]
	}
	if text == "" {
		return 0, errNotNumber
	}
	e := 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, errNotNumber
		}
		e = min(e*10+int(c-'0'), 2*maxExponent)
	}
	return sign * e, nil
}

// parsePrice reads a price in dollars per token.
func parsePrice(text string, mode rounding) (amount, error) {
	a, err := parseDecimal(text, places, mode)
	switch {
	case err == nil:
		return a, nil
	case errors.Is(err, errTooFine):
		return a, fmt.Errorf("price %q has more than %d decimal places", text, places)
	case errors.Is(err, errTooLarge):
		return a, fmt.Errorf("price %q is too large", text)
	}
	return a, fmt.Errorf("price %q is not a decimal number of 0 or more", text)
}
