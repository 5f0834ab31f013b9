package price

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"penstock/internal/gateway"
)

// ParseUSD reads an amount of dollars: a decimal number with an optional minus
// and an optional exponent ("12.5", "-3", "2.85e-05"). Below a nano-dollar it
// rounds to the nearest, halves away from zero. NaN, infinities, signs other
// than one leading minus and amounts beyond nine billion dollars are errors.
func ParseUSD(text string) (gateway.NanoUSD, error) {
	digits, negative := strings.CutPrefix(text, "-")
	a, err := parseDecimal(digits, 9, halfUp)
	switch {
	case errors.Is(err, errTooLarge), err == nil && (a.hi != 0 || a.lo > math.MaxInt64):
		return 0, fmt.Errorf("amount %q is over nine billion dollars", text)
	case err != nil:
		return 0, fmt.Errorf("amount %q is not a decimal number", text)
	case negative:
		return -gateway.NanoUSD(a.lo), nil
	}
	return gateway.NanoUSD(a.lo), nil
}

// FormatUSD writes n in dollars as ParseUSD reads it, exactly and in the style of
// Python's float repr: "10.0", "0.0001", "2.85e-05".
func FormatUSD(n gateway.NanoUSD) string { return n.String() }
