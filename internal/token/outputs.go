package token

import (
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// maxModels bounds memory: clients can invent names under a wildcard. Models
	// beyond it get the default.
	maxModels = 10_000
	// enough is how many answers must have been seen before they are believed.
	enough = 8
	// window is how many answers are remembered: when there are so many, each
	// counts half, and so on.
	window = 1024
	// unknown is expected of a model that nothing is known of.
	unknown = 256
	// least is expected of any model: a reservation of almost nothing would have
	// to be extended at once.
	least = 16
)

// Outputs learns how long the answers of models are. A call that sets no cap of
// its own is reserved with what its model's answers have rarely exceeded; the
// alternative, the model's largest output, would reserve dollars for a call that
// costs a cent.
//
// Observe and Expect are safe for concurrent use; neither takes a lock once a
// model has been seen.
type Outputs struct {
	maxOutput func(model string) int64

	models sync.Map // name -> *histogram; entries are only added
	count  atomic.Int64
}

// NewOutputs returns an Outputs that knows no answers. maxOutput tells the most
// output tokens of a model, 0 if that is not known; it may be nil.
func NewOutputs(maxOutput func(model string) int64) *Outputs {
	if maxOutput == nil {
		maxOutput = func(string) int64 { return 0 }
	}
	return &Outputs{maxOutput: maxOutput}
}

// Expect returns how many output tokens to expect of one answer of model: 99 of
// its 100 last answers had no more, and it is at most half as much again.
func (o *Outputs) Expect(model string) int64 {
	if h := o.find(model); h != nil {
		if n := h.expect.Load(); n > 0 {
			return n
		}
	}
	return o.capped(model, unknown)
}

// Typical returns what every second answer of model does not exceed, 0 if that
// is not known.
func (o *Outputs) Typical(model string) int64 {
	if h := o.find(model); h != nil {
		if n := h.typical.Load(); n > 0 {
			return n
		}
	}
	return 0
}

// Observe notes that an answer of model had n output tokens.
func (o *Outputs) Observe(model string, n int64) {
	h := o.find(model)
	if h == nil {
		if h = o.add(model); h == nil {
			return
		}
	}
	if p50, p99 := h.observe(n); p99 > 0 {
		h.expect.Store(o.capped(model, max(least, p99)))
		h.typical.Store(o.capped(model, p50))
	}
}

func (o *Outputs) capped(model string, n int64) int64 {
	if most := o.maxOutput(model); most > 0 {
		return min(n, most)
	}
	return n
}

// find returns the histogram of a model, nil if it has none.
func (o *Outputs) find(model string) *histogram {
	v, ok := o.models.Load(model)
	if !ok {
		return nil
	}
	return v.(*histogram)
}

// add returns the histogram of a new model, nil if there are too many.
func (o *Outputs) add(model string) *histogram {
	// Counted before it is added: goroutines that come here at once must not
	// all find room for one more.
	if o.count.Add(1) > maxModels {
		o.count.Add(-1)
		return nil
	}
	// The name may be a piece of a request body, which must not be kept alive.
	v, known := o.models.LoadOrStore(strings.Clone(model), &histogram{})
	if known {
		o.count.Add(-1)
	}
	return v.(*histogram)
}

// buckets is enough for answers of 2^32 tokens, two buckets per doubling.
const buckets = 64

// histogram counts answers by length, the older the less.
type histogram struct {
	expect  atomic.Int64 // what to expect, 0 until enough is known
	typical atomic.Int64 // the same for what is typical
	seen    atomic.Int64 // answers since the counts were last halved, and half of those before
	counts  [buckets]atomic.Int64
}

// observe counts an answer and returns the median and the 99th percentile, 0
// until enough is known. Counts that others change meanwhile make them a little
// old, not wrong.
func (h *histogram) observe(n int64) (p50, p99 int64) {
	h.counts[bucket(n)].Add(1)
	if seen := h.seen.Add(1); seen >= window && h.seen.CompareAndSwap(seen, seen/2) {
		// Only the one who wins the swap halves, and by subtraction, so that no
		// answer counted meanwhile is lost.
		for i := range h.counts {
			h.counts[i].Add(-(h.counts[i].Load() / 2))
		}
	}
	var counts [buckets]int64
	var total int64
	for i := range h.counts {
		counts[i] = h.counts[i].Load()
		total += counts[i]
	}
	if total < enough {
		return 0, 0
	}
	// The answers above the percentile: none of up to 99, one of 100, …
	above := func(n int64) int64 {
		for i := buckets - 1; i >= 0; i-- {
			if n -= counts[i]; n < 0 {
				return edge(i)
			}
		}
		return 0
	}
	return above(total / 2), above(total / 100)
}

// bucket returns the bucket of an answer of n tokens: 1, 2, 3, 4-5, 6-7, 8-11,
// 12-15 and so on.
func bucket(n int64) int {
	if n <= 1 {
		return 0
	}
	log := bits.Len64(uint64(n)) - 1
	half := int(uint64(n)>>(log-1)) & 1
	return min(2*log+half-1, buckets-1)
}

// edge returns the longest answer in bucket i.
func edge(i int) int64 {
	if i == 0 {
		return 1
	}
	log, half := (i+1)/2, (i+1)%2
	return int64(1)<<log + int64(half+1)<<(log-1) - 1
}
