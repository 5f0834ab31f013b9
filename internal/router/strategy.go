package router

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"
)

// Strategy is the name of a way to choose among deployments that could all
// serve a call. The names are LiteLLM's.
type Strategy string

// The strategies there are.
const (
	SimpleShuffle  Strategy = "simple-shuffle"         // at random, by weight, rpm or tpm
	LeastBusy      Strategy = "least-busy"             // fewest calls in flight
	UsageBased     Strategy = "usage-based-routing"    // fewest tokens in the last minute
	UsageBasedV2   Strategy = "usage-based-routing-v2" // the same
	LatencyBased   Strategy = "latency-based-routing"  // quickest lately
	CostBased      Strategy = "cost-based-routing"     // cheapest
	providerBudget Strategy = "provider-budget-routing"
)

// strategies say how each chooses. A new strategy is a small type and a row.
var strategies = map[Strategy]chooser{
	SimpleShuffle:  shuffle{},
	LeastBusy:      least{func(_ *run, m *member) int64 { return m.inFlight.Load() }},
	UsageBased:     least{func(r *run, m *member) int64 { return m.tokens.sum(r.now) }},
	UsageBasedV2:   least{func(r *run, m *member) int64 { return m.tokens.sum(r.now) }},
	LatencyBased:   quickest{},
	CostBased:      cheapest{},
	providerBudget: shuffle{}, // an old name: budgets are filters
}

// Known reports whether there is such a strategy.
func (s Strategy) Known() bool { return strategies[s] != nil }

// limits reports whether the strategy takes rpm and tpm as limits.
func (s Strategy) limits() bool {
	switch s {
	case UsageBased, UsageBasedV2, LatencyBased, CostBased:
		return true
	}
	return false
}

// Args are LiteLLM's routing_strategy_args.
type Args struct {
	// Buffer is by what part of the lowest latency others may be slower and
	// still be chosen (lowest_latency_buffer).
	Buffer float64
	// TTL is how long a latency is believed, default 1 h.
	TTL time.Duration
	// Samples is of how many calls the mean is, default 10, at most 64
	// (max_latency_list_size).
	Samples int
	// Percentile, above 0 and up to 1, takes that of the times to the first
	// byte instead of their mean (ttft_percentile).
	Percentile float64
}

func (a Args) withDefaults() Args {
	a.TTL = cmp.Or(a.TTL, time.Hour)
	a.Samples = min(cmp.Or(max(a.Samples, 0), 10), maxSamples)
	return a
}

// chooser chooses among deployments that could all serve the call.
type chooser interface {
	// choose returns one of ms, which is never empty.
	choose(r *run, ms []*member) *member
}

// drawer is a chooser that can draw from a level without looking at each
// member. What it draws may not fit; it is asked again then.
type drawer interface {
	draw(r *run, l *level) *member
}

// ranker is a chooser whose order does not change with the time: a level's
// members stand in it.
type ranker interface {
	rank(a, b *member) int
}

// full is the size up to which a group is looked at whole. Of larger ones
// some are drawn, so that a pick costs the same for any size.
const (
	full   = 64
	sample = 32
	draws  = 8
)

// level is the members of a group with one order.
type level struct {
	order   int // 0 if they have none
	members []*member
	stride  int // from one to the next in a walk that meets all of them
	// Of levels larger than full: running sums of what basis returns, the
	// members as a ranker orders them with where the equals of each end, and
	// the members by what stands for their ID.
	sums    []float64
	ranked  []*member
	ends    []int
	byPrint map[uint16]*member
}

// levels sorts the members by order, those without one last.
func levels(ms []*member, c chooser) []level {
	var out []level
	for _, m := range ms {
		i := slices.IndexFunc(out, func(l level) bool { return l.order == m.Order })
		if i < 0 {
			i = len(out)
			out = append(out, level{order: m.Order})
		}
		out[i].members = append(out[i].members, m)
	}
	slices.SortStableFunc(out, func(a, b level) int {
		last := func(l level) int {
			if l.order == 0 {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(a.order, b.order))
	})
	for i := range out {
		out[i].prepare(c)
	}
	return out
}

// prepare works out what lets large levels be drawn from.
func (l *level) prepare(c chooser) {
	n := len(l.members)
	l.stride = 1
	if n <= full {
		return
	}
	for s := int(float64(n) * 0.618); s > 1; s-- {
		if gcd(s, n) == 1 {
			l.stride = s
			break
		}
	}
	l.byPrint = make(map[uint16]*member, n)
	for _, m := range l.members {
		l.byPrint[m.print] = m
	}
	if r, ok := c.(ranker); ok {
		l.ranked = slices.SortedStableFunc(slices.Values(l.members), r.rank)
		l.ends = make([]int, n)
		for i := n - 1; i >= 0; i-- {
			if l.ends[i] = i + 1; i+1 < n && r.rank(l.ranked[i], l.ranked[i+1]) == 0 {
				l.ends[i] = l.ends[i+1]
			}
		}
	}
	if by := basis(l.members); by != nil {
		l.sums = make([]float64, n)
		sum := 0.0
		for i, m := range l.members {
			sum += max(by(m), 0)
			l.sums[i] = sum
		}
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// shuffle chooses at random: in proportion to the weights, or else the rpm,
// or else the tpm, or else all alike.
type shuffle struct{}

// basis returns what the members are weighed by, nil if all are alike.
func basis(ms []*member) func(*member) float64 {
	for _, by := range [...]func(*member) float64{
		func(m *member) float64 { return m.Weight },
		func(m *member) float64 { return float64(m.RPM) },
		func(m *member) float64 { return float64(m.TPM) },
	} {
		for _, m := range ms {
			if by(m) > 0 {
				return by
			}
		}
	}
	return nil
}

func (shuffle) choose(r *run, ms []*member) *member {
	if len(ms) == 1 {
		return ms[0]
	}
	by := basis(ms)
	if len(r.weights) > 0 && slices.ContainsFunc(ms, func(m *member) bool { return r.weights[m.ID] > 0 }) {
		by = func(m *member) float64 { return max(r.weights[m.ID], 0) }
	}
	if by == nil {
		return ms[r.below(len(ms))]
	}
	sum := 0.0
	for _, m := range ms {
		sum += by(m)
	}
	at := r.chance() * sum
	var last *member
	for _, m := range ms {
		if w := by(m); w > 0 {
			last = m
			if at -= w; at < 0 {
				return m
			}
		}
	}
	return last
}

func (shuffle) draw(r *run, l *level) *member {
	if l.sums == nil {
		return l.members[r.below(len(l.members))]
	}
	at := r.chance() * l.sums[len(l.sums)-1]
	i := sort.Search(len(l.sums), func(i int) bool { return l.sums[i] > at })
	return l.members[min(i, len(l.members)-1)]
}

// least chooses the one of which there is least; of equals one at random.
type least struct {
	of func(*run, *member) int64
}

func (s least) choose(r *run, ms []*member) *member {
	best, low, ties := ms[0], int64(math.MaxInt64), 0
	for _, m := range ms {
		switch n := s.of(r, m); {
		case n < low:
			best, low, ties = m, n, 1
		case n == low:
			if ties++; r.below(ties) == 0 {
				best = m
			}
		}
	}
	return best
}

// cheapest chooses the one whose tokens cost least; of equals one at random.
type cheapest struct{}

func (cheapest) rank(a, b *member) int { return cmp.Compare(a.facts.Cost, b.facts.Cost) }

func (cheapest) choose(r *run, ms []*member) *member {
	return least{func(_ *run, m *member) int64 { return int64(m.facts.Cost) }}.choose(r, ms)
}

// quickest chooses at random among those that were quickest lately.
type quickest struct{}

// unknownLatency is that of a deployment nothing is known of, which somebody
// is finding out about. Without such a call it is 0: tried first.
const unknownLatency = math.MaxInt64 / 4

func (quickest) choose(r *run, ms []*member) *member {
	low := int64(math.MaxInt64)
	for _, m := range ms {
		low = min(low, r.latency(m))
	}
	if limit := float64(low) * (1 + r.g.args.Buffer); limit < unknownLatency {
		low = int64(limit)
	}
	return least{func(r *run, m *member) int64 {
		if r.latency(m) <= low {
			return 0
		}
		return 1
	}}.choose(r, ms)
}

// latency returns how long m took lately, in microseconds: to the first byte
// of a stream, or for each output token of a whole answer.
func (r *run) latency(m *member) int64 {
	v, us := &m.latency, int64(0)
	if r.c.Stream {
		v = &m.first
	}
	if r.now-v.at.Load() < int64(r.g.args.TTL) {
		us = v.mean.Load()
	}
	if us == 0 && m.inFlight.Load() > 0 {
		return unknownLatency
	}
	return us
}

// chance returns a number from 0 up to 1.
func (r *run) chance() float64 { return float64(r.t.set.Random()>>11) / (1 << 53) }

// below returns a number from 0 up to n.
func (r *run) below(n int) int { return int((r.t.set.Random() >> 32) * uint64(n) >> 32) }
