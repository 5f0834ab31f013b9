package router

import (
	"hash/maphash"
	"regexp"
	"sync/atomic"
	"time"

	"penstock/internal/gateway"
)

// member is a deployment in a group, with what has happened to it.
type member struct {
	*gateway.Deployment
	*state
	wildcard bool
	alone    bool   // no other deployment serves the group
	at       int    // in the members of its group
	print    uint16 // stands for the ID in pins
	facts    Facts
	regex    []*regexp.Regexp
	fails    *policy // allowed fails by class, nil if it has none of its own
}

// state is what is known of a deployment. It outlives tables: a reload must
// not make a broken deployment look well.
type state struct {
	coolUntil atomic.Int64 // Unix nanoseconds, 0: well; in the past: to be probed
	probe     atomic.Int64 // Unix nanoseconds until which a probe is waited for
	illUntil  atomic.Int64 // Unix nanoseconds until which a failed health check counts
	inFlight  atomic.Int64

	window    atomic.Int64 // minute that the counts below are of
	succeeded atomic.Int64
	failed    atomic.Int64
	allowance atomic.Int64 // failures counted against allowed_fails
	since     atomic.Int64 // Unix nanoseconds of the first of them

	requests, tokens meter
	latency          moving // a whole answer, by its output tokens
	first            moving // the first byte of a stream

	elsewhere remote
}

// Facts are what is known of a deployment's model, from its own settings or a
// price table.
type Facts struct {
	// Cost is what a million input and a million output tokens cost together.
	Cost   gateway.NanoUSD
	Priced bool // Cost is known
	// MaxInput is the context window in tokens, 0 if not known.
	MaxInput int64
	// Can says which of the capabilities in Known the model has.
	Can, Known gateway.Capability
	// Caches says that the provider remembers prompts, and takes less for them.
	Caches bool
}

// lacks returns what of needs the model is known not to have.
func (f *Facts) lacks(needs gateway.Capability) gateway.Capability { return needs & f.Known &^ f.Can }

// unpriced is what LiteLLM assumes of a model without a price, 5 dollars a
// token each way, so that priced ones come first.
const unpriced gateway.NanoUSD = 10 * 1e6 * 1e9

func (t *Table) member(d *gateway.Deployment, st *state, wildcard bool) *member {
	m := &member{Deployment: d, state: st, wildcard: wildcard, print: uint16(maphash.String(t.mem.seed, d.ID))}
	t.learn(m, d.Upstream)
	for _, p := range d.TagRegex {
		if re, err := regexp.Compile(p); err == nil { // checked when the configuration was read
			m.regex = append(m.regex, re)
		}
	}
	if len(d.FailsPolicy) > 0 {
		m.fails = newPolicy(d.FailsPolicy)
	}
	return m
}

// learn fills in what is known of m when it serves the vendor's model.
func (t *Table) learn(m *member, model string) {
	m.facts = Facts{}
	if t.set.Facts != nil {
		m.facts = t.set.Facts(m.Deployment, model)
	}
	f := &m.facts
	if m.MaxInput > 0 {
		f.MaxInput = m.MaxInput
	}
	f.Known |= m.Said
	f.Can = f.Can&^m.Said | m.Abilities&m.Said
	if !f.Priced {
		f.Cost = unpriced
	}
}

// Health is how a deployment does, by what calls and health checks have seen of it.
type Health struct {
	*gateway.Deployment
	Cooling  time.Duration // how long no call goes there yet; 0 if it is well
	Probing  bool          // the cooldown is over, and no call has succeeded since
	Ill      time.Duration // how long a failed health check counts yet
	InFlight int64
}

// Health returns how every deployment does, in the order of the configuration.
func (t *Table) Health(now time.Time) []Health {
	out := make([]Health, 0, len(t.all))
	for _, m := range t.all {
		until := m.coolUntil.Load()
		out = append(out, Health{
			Deployment: m.Deployment, Cooling: m.cooling(now.UnixNano()), Probing: until != 0 && until <= now.UnixNano(),
			Ill: left(m.illUntil.Load(), now.UnixNano()), InFlight: m.inFlight.Load(),
		})
	}
	return out
}

// SetHealth says how a health check of the deployment has ended: if it failed,
// the deployment is avoided until then, as long as others are left; the zero
// time says that it is well. An id that the table does not have is ignored.
func (t *Table) SetHealth(id string, illUntil time.Time) {
	st := t.states[id]
	switch {
	case st == nil:
	case illUntil.IsZero():
		st.illUntil.Store(0)
	default:
		st.illUntil.Store(illUntil.UnixNano())
	}
}

// left returns how long it is from now to until; 0 if that has passed.
func left(until, now int64) time.Duration { return time.Duration(max(until-now, 0)) }
