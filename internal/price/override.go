package price

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Override returns base with a deployment's own prices laid over it. fields are
// decimal dollars by LiteLLM's names ("input_cost_per_token": "2.5e-06");
// base may be nil. A name that is not a token price, and a value that is not a
// decimal number of zero or more, is an error that names both.
//
// Zero for both input and output means that the model is free: nothing of base
// is left then, or the public price of, say, cached tokens would be charged for
// a model that costs nothing.
func Override(base *Rate, fields map[string]string) (*Rate, error) {
	var t terms
	if base != nil {
		t = base.terms
	}
	merged := slices.Clone(t.fields)
	var own []priced
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		f, ok := parseLiteLLM(name)
		if !ok {
			errs = append(errs, fmt.Errorf("%s: not the name of a token price, such as input_cost_per_token (value %q)", name, fields[name]))
			continue
		}
		// Rounding up keeps a price that is finer than ours from becoming free.
		price, err := parsePrice(fields[name], up)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		own = append(own, priced{f, price})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if zero(own, input) && zero(own, output) {
		merged = nil
	}
	for _, p := range own {
		merged = slices.DeleteFunc(merged, func(m priced) bool {
			// One's own price takes the place of a table by prompt size and of
			// one by time of day.
			return m.field == p.field || m.part == p.part && (m.upTo > 0 || m.tier == offPeak)
		})
		merged = append(merged, p)
	}
	slices.SortStableFunc(merged, func(a, b priced) int { return cmp.Compare(a.part, b.part) })
	t.fields = merged
	rate, ok := newRate(t)
	if !ok {
		return nil, errors.New("no price per token: set input_cost_per_token and output_cost_per_token")
	}
	return rate, nil
}

// TokenPrice reports whether name is one that Override takes. LiteLLM has other
// prices as well, per second, image or character, which a configuration may set
// beside those; they are not billed.
func TokenPrice(name string) bool {
	_, ok := parseLiteLLM(name)
	return ok
}

// zero reports whether fields say that part costs nothing.
func zero(fields []priced, p part) bool {
	return slices.ContainsFunc(fields, func(f priced) bool {
		return f.field == field{part: p} && f.price.zero()
	})
}
