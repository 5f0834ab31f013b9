package price

import (
	"cmp"
	"math"
	"slices"
	"time"

	"penstock/internal/gateway"
)

// Rate is what a model's tokens cost. It is immutable.
type Rate struct {
	terms  terms  // what it was built from
	text   string // the same as text
	id     string // a hash of the text
	off    *Rate  // off-peak, nil if it costs the same all day
	tiers  []tier // the first is the standard tier
	search amount // one web search
	free   bool
}

// terms are the published prices of a model and how to read them.
type terms struct {
	fields  []priced
	atLeast bool  // long-prompt prices begin at their threshold, not above it
	hours   hours // when the off-peak prices apply
}

// tier holds the prices of one service tier, by prompt size.
type tier struct {
	name   string
	levels []level // ascending; the first applies to every prompt
}

// level is a price for every part, for prompts of more than over tokens. It is
// for the whole call, not for the tokens beyond the threshold.
type level struct {
	over  int64
	price [billed]amount
	// The dearest price of any input and of any output token.
	in, out amount
}

// Free reports whether tokens cost nothing, and somebody said so: an explicit
// zero for input and output, and no other price above zero.
func (r *Rate) Free() bool { return r.free }

// Search returns what one web search costs.
func (r *Rate) Search() gateway.NanoUSD { return r.search.rounded() }

// tier returns the prices for the service tier a vendor calls name.
func (r *Rate) tier(name string) *tier {
	want := servedTier(name)
	for i := range r.tiers {
		if r.tiers[i].name == want {
			return &r.tiers[i]
		}
	}
	return &r.tiers[0]
}

// level returns the prices for a prompt of that many tokens.
func (t *tier) level(prompt int64) *level {
	l := &t.levels[0]
	for i := range t.levels[1:] {
		if prompt > t.levels[i+1].over {
			l = &t.levels[i+1]
		}
	}
	return l
}

// At returns the prices at that time of day and week: some vendors charge less
// off-peak. Reserve with r, which is never less, and bill with At(start).
func (r *Rate) At(start time.Time) *Rate {
	if r.off == nil || !r.terms.hours.include(start) {
		return r
	}
	return r.off
}

// AtTier returns r without the service tiers other than the standard one and
// the named one, for bounding a call whose tier is known beforehand. Some tiers
// cost six times as much as the standard one.
func (r *Rate) AtTier(name string) *Rate {
	if len(r.tiers) == 1 {
		return r
	}
	at := *r
	at.tiers = r.tiers[:1:1]
	if t := r.tier(name); t.name != "" {
		at.tiers = append(at.tiers, *t)
	}
	return &at
}

// Bound returns the most a call of that size can cost, whatever its tokens turn
// out to be, rounded up. Prompts smaller than input count as well: they may be
// on a dearer level. Web searches come on top.
func (r *Rate) Bound(input, output int64) gateway.NanoUSD {
	var most amount
	for i := range r.tiers {
		for j := range r.tiers[i].levels {
			l := &r.tiers[i].levels[j]
			if j > 0 && input <= l.over {
				break
			}
			if a := l.in.times(input).add(l.out.times(output)); most.less(a) {
				most = a
			}
		}
	}
	return most.roundedUp()
}

// AffordableOutput returns how many output tokens left pays for, each at the
// dearest price; math.MaxInt64 if output costs nothing.
func (r *Rate) AffordableOutput(left gateway.NanoUSD) int64 {
	return r.affordable(left, math.MaxInt64, 0)
}

// Affordable returns the most output tokens that a call with that input can
// have, so that its Bound is at most budget. It returns -1 if the input alone
// may cost more, and math.MaxInt64 if output costs nothing.
func (r *Rate) Affordable(budget gateway.NanoUSD, input int64) int64 {
	return r.affordable(budget, input, input)
}

// affordable looks at the levels that a prompt of reach tokens can be on, and
// pays for input tokens first.
func (r *Rate) affordable(budget gateway.NanoUSD, reach, input int64) int64 {
	if budget < 0 {
		return -1
	}
	tokens := int64(math.MaxInt64)
	for i := range r.tiers {
		for j := range r.tiers[i].levels {
			l := &r.tiers[i].levels[j]
			if j > 0 && reach <= l.over {
				break
			}
			have, used := fromNano(budget), l.in.times(input)
			if have.less(used) {
				return -1
			}
			if !l.out.zero() {
				tokens = min(tokens, have.sub(used).over(l.out))
			}
		}
	}
	return tokens
}

// newRate builds a rate. It reports false if no token has a price.
func newRate(t terms) (*Rate, bool) {
	r := &Rate{terms: t, free: true}
	tokens, in, out, off := false, false, false, false
	names := []string{""}
	for _, f := range t.fields {
		if f.part == search {
			r.search = f.price
		}
		if f.part < billed || f.part == search {
			r.free = r.free && f.price.zero()
		}
		switch {
		case f.part >= billed:
			continue
		case f.tier == offPeak:
			off = true
			continue
		case !slices.Contains(names, f.tier):
			names = append(names, f.tier)
		}
		tokens = true
		in = in || f.part == input
		out = out || f.part == output
	}
	if !tokens {
		return nil, false
	}
	r.free = r.free && in && out
	r.text, r.id = nameTerms(&t)
	for _, name := range names {
		r.tiers = append(r.tiers, newTier(t.fields, name, t.atLeast))
	}
	if off {
		r.off, _ = newRate(terms{fields: offPeakFields(t.fields), atLeast: t.atLeast})
	}
	return r, true
}

// draft is a level while it is being filled in.
type draft struct {
	price [billed]amount
	step  [billed]int // when the price was set, 0 for never
}

func (d *draft) set(p part, a amount, step int) { d.price[p], d.step[p] = a, step }

// newTier works out the prices of one service tier. A price that the tier does
// not have is the standard one, and a price that a level does not have is that
// of the level below, as LiteLLM does it.
func newTier(fields []priced, name string, atLeast bool) tier {
	var d draft
	step := 1
	fill := func(match func(field) bool) {
		for _, tier := range []string{"", name} {
			for _, f := range fields {
				if f.part < billed && f.tier == tier && match(f.field) {
					d.set(f.part, f.price, step)
				}
			}
			step++
		}
	}
	fill(func(f field) bool { return f.over == 0 && f.upTo == 0 })
	base := d
	t := tier{name: name, levels: []level{d.level(-1)}}
	for _, over := range distinct(fields, func(f field) int64 { return f.over }) {
		fill(func(f field) bool { return f.over == over })
		if atLeast {
			over--
		}
		t.levels = append(t.levels, d.level(over))
	}
	over := int64(-1)
	for i, upTo := range distinct(fields, func(f field) int64 { return f.upTo }) {
		// A range stands for itself: what it does not price follows its own
		// input price, except output.
		d = draft{}
		d.set(input, base.price[input], base.step[input])
		d.set(output, base.price[output], base.step[output])
		fill(func(f field) bool { return f.upTo == upTo })
		if i == 0 {
			t.levels = t.levels[:0]
		}
		t.levels = append(t.levels, d.level(over))
		over = upTo
	}
	return t
}

// distinct returns the values above zero that of gives for fields, ascending.
func distinct(fields []priced, of func(field) int64) []int64 {
	var ns []int64
	for _, f := range fields {
		if n := of(f.field); n > 0 && f.part < billed {
			ns = append(ns, n)
		}
	}
	slices.Sort(ns)
	return slices.Compact(ns)
}

// level completes d: parts without a price of their own cost what plain input
// or output costs.
func (d draft) level(over int64) level {
	if d.price[output].zero() && d.step[imageOut] > 0 {
		d.set(output, d.price[imageOut], d.step[imageOut])
	}
	// A reasoning price from an earlier step is for an earlier output price.
	if d.step[reasoning] < d.step[output] {
		d.step[reasoning] = 0
	}
	for _, fallback := range [...]struct{ part, to part }{
		{cacheRead, input},
		{cacheWrite, input},
		{cacheWrite1h, cacheWrite},
		{audioIn, input},
		{imageIn, input},
		{reasoning, output},
		{audioOut, output},
		{imageOut, output},
	} {
		if d.step[fallback.part] == 0 {
			d.price[fallback.part] = d.price[fallback.to]
		}
	}
	l := level{over: over, price: d.price}
	l.in = slices.MaxFunc(d.price[:output], amount.compare)
	l.out = slices.MaxFunc(d.price[output:], amount.compare)
	return l
}

func (a amount) compare(b amount) int {
	return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo))
}
