package price

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Terms returns the prices that r computes by, as text that ParseTerms reads:
// with it the cost of a call can be computed again for ever, whatever becomes
// of the table and the configuration.
func (r *Rate) Terms() string { return r.text }

// ID names r's terms: a hash of their text. Equal terms have equal names.
func (r *Rate) ID() string { return r.id }

// ParseTerms reads what Terms returned.
func ParseTerms(text string) (*Rate, error) {
	t, err := parseTerms(text)
	if err != nil {
		return nil, err
	}
	r, ok := newRate(t)
	if !ok {
		return nil, fmt.Errorf("price terms %q: no token has a price", text)
	}
	return r, nil
}

// atLeastTerm is the word for terms.atLeast.
const atLeastTerm = "at_least"

func (t *terms) String() string {
	words := make([]string, 0, len(t.fields)+2)
	for _, f := range t.fields {
		words = append(words, f.field.String()+"="+f.price.decimal())
	}
	if t.atLeast {
		words = append(words, atLeastTerm)
	}
	if len(t.hours.windows) > 0 {
		words = append(words, "off_hours="+t.hours.String())
	}
	return strings.Join(words, " ")
}

// parseTerms reads prices as the table and Terms spell them.
func parseTerms(text string) (terms, error) {
	var t terms
	var err error
	for item := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(item, "=")
		switch name {
		case atLeastTerm:
			t.atLeast = true
			continue
		case "off_hours":
			if t.hours, err = parseHours(value); err != nil {
				return t, err
			}
			continue
		}
		f, err := parseField(name)
		if err != nil {
			return t, err
		}
		price, err := parsePrice(value, exact)
		if err != nil {
			return t, fmt.Errorf("%s: %w", name, err)
		}
		t.fields = append(t.fields, priced{f, price})
	}
	return t, nil
}

// nameTerms is the text of t and its name.
func nameTerms(t *terms) (text, id string) {
	text = t.String()
	sum := sha256.Sum256([]byte(text))
	return text, hex.EncodeToString(sum[:8])
}

// decimal returns a in dollars, exactly: "1.5e-07", or "0".
func (a amount) decimal() string {
	if a.zero() {
		return "0"
	}
	n := new(big.Int).SetUint64(a.hi)
	digits := n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(a.lo)).String()
	exponent := len(digits) - 1 - places
	digits = strings.TrimRight(digits, "0")
	if len(digits) > 1 {
		digits = digits[:1] + "." + digits[1:]
	}
	return digits + "e" + strconv.Itoa(exponent)
}
