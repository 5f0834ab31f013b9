package relay

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
)

// why writes down why the call went as it did so far. The bytes are valid until
// the next call of why, and allocate nothing.
func (l *line) why(e *gateway.Error) []byte {
	w, y := &l.writer, &l.outcome.Why
	w.Reset(cmp.Or(y.Asked, l.c.Group), y.Naming)
	for i := range l.outcome.Attempts {
		w.Attempt(&l.outcome.Attempts[i], l.c.Start)
	}
	if l.rival.won && !l.began.IsZero() {
		w.Attempt(&l.rival.lost, l.c.Start)
	}
	if a, ok := l.running(e); ok {
		w.Attempt(&a, l.c.Start)
	}
	w.Steps(y)
	money := false
	l.hold.Each(func(v limit.Left) {
		money = money || v.Limit.Kind == limit.Money
		w.Limit(limit.Scopes[v.Set.Scope.Kind].Name, limit.Kinds[v.Limit.Kind].Name, v.Limit.Model, v.Amount, v.Left)
	})
	if money {
		w.Money(gateway.NanoUSD(l.hold.Money), l.capped)
	}
	w.Removals(y)
	return w.Bytes()
}

// running returns the attempt that is being made, as it would be written down
// if it ended now with e.
func (l *line) running(e *gateway.Error) (gateway.Attempt, bool) {
	t, began := l.outcome.Target, l.began
	if began.IsZero() || t.Deployment == nil {
		return gateway.Attempt{}, false
	}
	if l.rival.won {
		t, began = l.rival.on, l.rival.began
	}
	a := gateway.Attempt{Deployment: t.ID, Group: l.group(), Start: began, Duration: time.Since(began), OK: e == nil, Hedged: l.rival.won}
	if l.c.Stream && !l.first.IsZero() {
		a.FirstByte = l.first.Sub(began)
	}
	if e != nil {
		a.Kind, a.Status, a.Reason = e.Kind, e.Status, e.Message
	}
	return a, true
}

// group returns the group that is being asked.
func (l *line) group() string {
	if n := len(l.outcome.Why.Picks); n > 0 {
		return l.outcome.Why.Picks[n-1].Group
	}
	return l.c.Group
}

// failedHead is what is known of a call that has no answer.
func (l *line) failedHead() *Head {
	return &Head{
		Target: l.outcome.Target, Group: l.group(), Retries: l.outcome.Retries, Fallbacks: l.outcome.Fallbacks,
		Duration: time.Since(l.c.Start), Upstream: l.vendor, l: l,
	}
}

// Refusal is a call that was not let in, and so is in no ledger.
type Refusal struct {
	CallID  string
	KeyHash string
	TeamID  string
	Model   string
	Route   string
	Start   time.Time
	Error   gateway.Error // without its cause
	Why     []byte        // as package explain writes it
}

// Refusals are the last calls that were refused, in memory: a flood of them
// must not become a flood of rows.
type Refusals struct {
	mu   sync.Mutex
	byID map[string]int // index of ring
	ring []Refusal
	next int
}

// keptRefusals is how many there are; the oldest makes room for the newest.
const keptRefusals = 4096

// NewRefusals returns an empty list.
func NewRefusals() *Refusals { return &Refusals{byID: map[string]int{}} }

func (r *Refusals) add(l *line, e *gateway.Error) {
	r.Add(&Refusal{
		CallID: l.c.ID, KeyHash: l.c.Principal.KeyHash(), TeamID: l.c.Principal.TeamID(), Model: l.c.Model, Route: l.c.Route, Start: l.c.Start,
		Error: *e, Why: slices.Clone(l.why(nil)),
	})
}

// Add remembers v. A nil list remembers nothing.
func (r *Refusals) Add(v *Refusal) {
	if r == nil {
		return
	}
	one := *v
	one.Error.Err, one.Error.Message, one.Model = nil, clipText(v.Error.Message), clipText(v.Model)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) < keptRefusals {
		r.ring = append(r.ring, one)
	} else {
		delete(r.byID, r.ring[r.next].CallID)
		r.ring[r.next] = one
	}
	r.byID[one.CallID] = r.next
	r.next = (r.next + 1) % keptRefusals
}

// Get returns the refused call of that id.
func (r *Refusals) Get(id string) (Refusal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok := r.byID[id]
	if !ok {
		return Refusal{}, false
	}
	return r.ring[i], true
}

func clipText(s string) string { return string([]byte(s[:min(len(s), 1000)])) }
