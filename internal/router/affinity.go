package router

import (
	"cmp"
	"hash/maphash"
	"sync/atomic"
	"time"

	"penstock/internal/gateway"
)

// Affinity is which calls stay together on one deployment. The zero value
// keeps calls with a long common prefix, and those of one session, where the
// provider has the prompt cached, if it caches prompts.
type Affinity struct {
	Off     bool
	Session bool          // keep sessions together at every provider
	Key     bool          // keep the calls of a key together
	Cache   time.Duration // how long a provider remembers a prompt, default 5 min
	TTL     time.Duration // of sessions and keys, default 1 h
}

func (a Affinity) withDefaults() Affinity {
	a.Cache = cmp.Or(a.Cache, 5*time.Minute)
	a.TTL = cmp.Or(a.TTL, time.Hour)
	return a
}

// Prefixes are remembered at these lengths and their doubles. Providers cache
// nothing shorter than 1,024 tokens, which is about the first.
const (
	firstPrefix = 4 << 10
	prefixes    = 6 // the last at 128 KB
	// Of every piece of a prompt only the first bytes are read: taking two
	// prompts for the same costs nothing but a cache hit, and it is an eighth
	// of the work.
	piece, pieceRead = 256, 32
)

// How much more than its share a deployment may get for the sake of caches: a
// quarter, and a little that small numbers need.
const (
	fairRatio    = 1.25
	fairRequests = 16 // a minute
	fairInFlight = 4
)

// affinityKeys are what a call may have in common with earlier ones.
type affinityKeys struct {
	session, key uint64 // 0 if there is none
	prefix       [prefixes]uint64
	n            int // of prefix
	hashed       bool
}

// affinity returns the call's keys but for the prefixes: reading a prompt is
// worth it only where the session is not known.
func (t *Table) affinity(g *group, c *gateway.Call) affinityKeys {
	var k affinityKeys
	a := &t.set.Affinity
	if a.Off && !a.Session && !a.Key || len(g.members) < 2 {
		return k
	}
	if c.Session != "" && (a.Session || g.caches && !a.Off) {
		k.session = t.mem.hash('s', g.name, c.Principal.KeyHash(), c.Session)
	}
	if a.Key {
		k.key = t.mem.hash('k', g.name, c.Principal.KeyHash(), "")
	}
	k.hashed = a.Off || !g.caches || len(c.Prompt[0])+len(c.Prompt[1])+len(c.Prompt[2]) < firstPrefix
	return k
}

func (m *memory) hash(kind byte, a, b, c string) uint64 {
	h := uint64(kind)
	for _, s := range [...]string{a, b, c} {
		h = h*0x9E3779B97F4A7C15 + maphash.String(m.seed, s)
	}
	return h
}

// readPrompt hashes the prompt's prefixes.
func (k *affinityKeys) readPrompt(m *memory, g *group, c *gateway.Call) {
	k.hashed = true
	h := m.hash('p', g.name, "", "")
	at, next := 0, firstPrefix
	for _, part := range c.Prompt {
		for len(part) > 0 && k.n < prefixes {
			n := min(len(part), piece-at%piece)
			if skip := at % piece; skip < pieceRead {
				h = h*0x9E3779B97F4A7C15 + maphash.Bytes(m.seed, part[:min(n, pieceRead-skip)])
			}
			part, at = part[n:], at+n
			if at == next {
				k.prefix[k.n] = h
				k.n++
				next *= 2
			}
		}
	}
}

// pins remember which deployment had a call, in a fixed piece of memory: sets
// of four slots, where the oldest makes room. A slot is a part of the key's
// hash, when it was used last, and what stands for the deployment's ID; two
// keys may be mistaken for each other, which costs a cache hit and nothing else.
type pins []atomic.Uint64

const (
	pinSlots = 1 << 16
	pinWays  = 4
	pinTick  = int64(8 * time.Second) // resolution of the time in a slot
)

func (p pins) set(h uint64) pins {
	at := int(h%(pinSlots/pinWays)) * pinWays
	return p[at : at+pinWays]
}

func pinTag(h uint64) uint64 { return h>>32 | 1 }

// get returns what stands for the deployment that had the key within ttl.
func (p pins) get(h uint64, now int64, ttl time.Duration) (print uint16, ok bool) {
	for i := range p.set(h) {
		v := p.set(h)[i].Load()
		if v>>32 == pinTag(h) {
			age := int64(uint16(now/pinTick)-uint16(v>>16)) * pinTick
			return uint16(v), age <= int64(ttl)
		}
	}
	return 0, false
}

// put remembers that the deployment had the key.
func (p pins) put(h uint64, now int64, print uint16) {
	tick := uint16(now / pinTick)
	slots := p.set(h)
	into, oldest := 0, -1
	for i := range slots {
		v := slots[i].Load()
		if v>>32 == pinTag(h) {
			into = i
			break
		}
		age := 1 << 16
		if v != 0 {
			age = int(tick - uint16(v>>16))
		}
		if age > oldest {
			into, oldest = i, age
		}
	}
	slots[into].Store(pinTag(h)<<32 | uint64(tick)<<16 | uint64(print))
}

// sticky returns the member that had the call's session or prompt, if it fits
// and would not get more than its share; nil otherwise. ms are the members
// that fit, nil for a level too large to know them all.
func (r *run) sticky(l *level, ms []*member) *member {
	k := &r.keys
	if (len(l.members) > full) != (ms == nil) || k.session == 0 && k.key == 0 && k.hashed {
		return nil
	}
	if _, ok := r.how.(cheapest); ok {
		return nil // who asks for the cheapest gets that
	}
	a := &r.t.set.Affinity
	for _, h := range [...]uint64{k.session, k.key} {
		if h != 0 {
			if m := r.pinned(h, a.TTL, l, ms); m != nil {
				return m
			}
		}
	}
	if !k.hashed {
		k.readPrompt(r.t.mem, r.g, r.c)
	}
	for i := k.n - 1; i >= 0; i-- {
		if m := r.pinned(k.prefix[i], a.Cache, l, ms); m != nil {
			return m
		}
	}
	return nil
}

func (r *run) pinned(h uint64, ttl time.Duration, l *level, ms []*member) *member {
	print, ok := r.t.mem.pins.get(h, r.now, ttl)
	if !ok {
		return nil
	}
	if ms == nil {
		m := l.byPrint[print]
		if m == nil || r.fits(m) != gateway.NoFilter || !r.fair(m, l, nil) {
			return nil
		}
		return m
	}
	for _, m := range ms {
		if m.print == print && r.fair(m, l, ms) {
			return m
		}
	}
	return nil
}

// fair reports whether m has not more than its share of the calls. Of a large
// level, some members stand for all.
func (r *run) fair(m *member, l *level, ms []*member) bool {
	if ms == nil {
		n := len(l.members)
		ms = r.found[:0]
		for at := r.below(n); len(ms) < sample; at = (at + l.stride) % n {
			ms = append(ms, l.members[at])
		}
	}
	by := basis(ms)
	requests, inFlight, sum := int64(0), int64(0), 0.0
	for _, o := range ms {
		requests += o.requests.sum(r.now)
		inFlight += o.inFlight.Load()
		if by != nil {
			sum += by(o)
		}
	}
	share := 1 / float64(len(ms))
	if by != nil {
		share = by(m) / sum
	}
	return float64(m.requests.sum(r.now)) < fairRequests+fairRatio*share*float64(requests) &&
		float64(m.inFlight.Load()) < fairInFlight+fairRatio*share*float64(inFlight)
}

// remember notes that m has the call's session and prompt now.
func (r *run) remember(m *member, now int64) {
	k := &r.keys
	for _, h := range [...]uint64{k.session, k.key} {
		if h != 0 {
			r.t.mem.pins.put(h, now, m.print)
		}
	}
	for _, h := range k.prefix[:k.n] {
		// A prompt that many share stays where it is, when one of them had to
		// go elsewhere.
		if print, ok := r.t.mem.pins.get(h, now, r.t.set.Affinity.Cache); ok && print != m.print && r.serves(print) {
			continue
		}
		r.t.mem.pins.put(h, now, m.print)
	}
}

// serves reports whether the group has a deployment for which the print stands.
func (r *run) serves(print uint16) bool {
	for i := range r.g.levels {
		l := &r.g.levels[i]
		if l.byPrint != nil {
			if l.byPrint[print] != nil {
				return true
			}
			continue
		}
		for _, m := range l.members {
			if m.print == print {
				return true
			}
		}
	}
	return false
}
