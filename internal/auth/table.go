package auth

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// shards spreads the rows of a table, so that callers do not wait for one lock.
// A power of two.
const shards = 32

// hotRows is how many rows a shard keeps ready besides their packed form at the
// most, a power of two. All 16,384 of a table are some 15 MB of keys; who calls
// less often than that many others waits for memory, and for what unpacks a row.
const hotRows = 512

// seed spreads rows differently in each process: nobody can choose names that
// meet.
var seed = maphash.MakeSeed()

// table holds all rows of one kind in memory by name, packed, and those in use
// ready. Rows are immutable: a change puts a new one in place.
type table[T any] struct {
	// ready finishes a row that was unpacked, before anybody sees it.
	ready func(name string, v *T)
	// generation changes when ready would make something else of a row.
	generation *atomic.Uint64
	words      *dictionary
	layout     *layout
	fresh      sync.Pool // of *fresh[T]
	shards     [shards]shard[T]
}

// shard is read without a lock. mu is held by who changes rows, and for reading by
// who keeps one ready.
type shard[T any] struct {
	ready atomic.Pointer[readyRows[T]] // nil: there never was a row
	mu    sync.RWMutex
	rows  rows
	_     [24]byte // neighbours in one cache line would slow each other down
}

// readyRows are some rows of a shard as they are handed out.
type readyRows[T any] struct {
	// As many as the shard has rows, up to hotRows, two in each.
	pairs []hotPair[T]
}

// hotPair is what one look into memory brings: a row that is ready stands in the
// pair that the hash of its name says, in one of the two slots or the other.
type hotPair[T any] struct {
	slots [2]hotSlot[T]
	// asked are the hashes of names that were asked for and not kept ready: who
	// calls once does not take the place of who calls often.
	asked [2]atomic.Uint64
	_     [16]byte // a pair is one cache line
}

// hotSlot has the hash of a name beside the row, so that looking for another one
// does not fetch it. The two may not belong together for a moment: the row's own
// name decides.
type hotSlot[T any] struct {
	hash atomic.Uint64
	row  atomic.Pointer[hot[T]]
}

type hot[T any] struct {
	name       string
	generation uint64
	row[T]
}

// row is one that is ready, with room for numbers that it points to.
type row[T any] struct {
	v     T
	spare [4]int64
}

// rowsAtOnce is for how many rows that are handed out once there is room made at a
// time: for single ones of a kilobyte the allocator and the collector take twice
// as long. Who holds one of them for long holds the memory of all.
const rowsAtOnce = 7

// fresh are rows that nobody has had yet.
type fresh[T any] struct {
	left int
	rows [rowsAtOnce]row[T]
}

func newTable[T any](generation *atomic.Uint64, words *dictionary, ready func(string, *T)) *table[T] {
	return &table[T]{ready: ready, generation: generation, words: words, layout: layoutOf[T]()}
}

// shard returns where the name belongs, and its hash.
func (t *table[T]) shard(name string) (*shard[T], uint64) {
	h := maphash.String(seed, name)
	return &t.shards[h&(shards-1)], h
}

// put adds or replaces a row.
func (t *table[T]) put(name string, v *T) {
	body := t.layout.pack(t.words, v)
	s, h := t.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cool(h) // before: who has seen the new row must not find the old one after that
	s.rows.put(h, name, body, s.cool)
	s.warm(s.rows.live)
}

// drop forgets a row.
func (t *table[T]) drop(name string) {
	s, h := t.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cool(h)
	s.rows.drop(h, name, s.cool)
}

// get returns a row, nil if there is none.
func (t *table[T]) get(name string) *T {
	s, h := t.shard(name)
	for {
		v, ok := t.look(s, h, name)
		if ok {
			return v
		}
	}
}

// look is get. It is false if the row was changed meanwhile, or the place of it.
func (t *table[T]) look(s *shard[T], h uint64, name string) (*T, bool) {
	now := t.generation.Load()
	ready := s.ready.Load()
	if ready == nil {
		return nil, true // there never was a row
	}
	pair, i := ready.pair(h)
	if v := pair.get(h, name, now); v != nil {
		return v, true
	}
	version := s.rows.version.Load()
	v := s.rows.view.Load()
	if v == nil {
		return nil, true
	}
	for at, slot := v.first(h); slot != vacant; at, slot = v.next(h, at) {
		if slot.chunk() >= len(v.chunks) {
			return nil, false
		}
		chunk := v.chunks[slot.chunk()].Load()
		if chunk == nil || s.rows.version.Load() != version {
			return nil, false
		}
		prefetch(chunk, slot.offset())
		// What does not need the row is done while it is on its way.
		if pair.again(h, i) {
			if stored, body := rowAt(chunk, slot.offset()); stored == name {
				return t.keep(s, h, stored, body, now)
			}
			continue
		}
		room := t.room()
		stored, body := rowAt(chunk, slot.offset())
		if stored == name {
			row := room.take(&t.fresh)
			t.unpack(stored, body, row)
			return &row.v, true
		}
		t.fresh.Put(room)
	}
	return nil, true
}

// keep returns a row and has it ready for the next who asks. It is false if the
// row was changed meanwhile.
func (t *table[T]) keep(s *shard[T], h uint64, name, body string, now uint64) (*T, bool) {
	row := &hot[T]{name: name, generation: now}
	t.unpack(name, body, &row.row)
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, _, still := s.rows.find(h, name)
	if at < 0 || still != body {
		return nil, false
	}
	s.ready.Load().keep(h, row)
	return &row.v, true
}

// room returns where there is room for a row that is not kept ready.
func (t *table[T]) room() *fresh[T] {
	f, _ := t.fresh.Get().(*fresh[T])
	if f == nil {
		f = &fresh[T]{left: rowsAtOnce}
	}
	return f
}

// take returns room for one, and gives the rest back.
func (f *fresh[T]) take(pool *sync.Pool) *row[T] {
	f.left--
	row := &f.rows[f.left]
	if f.left > 0 {
		pool.Put(f)
	}
	return row
}

func (t *table[T]) unpack(name, body string, row *row[T]) {
	unpack(t.words, t.layout, body, &row.v, row.spare[:])
	t.ready(name, &row.v)
}

// pair returns where a row is if it is ready, and in which of the two slots it
// would be put.
func (r *readyRows[T]) pair(h uint64) (*hotPair[T], int) {
	at := int(h>>8) & (2*len(r.pairs) - 1)
	return &r.pairs[at/2], at & 1
}

// get returns a row if it is ready.
func (p *hotPair[T]) get(h uint64, name string, now uint64) *T {
	for i := range p.slots {
		if c := &p.slots[i]; c.hash.Load() == h {
			if row := c.row.Load(); row != nil && row.generation == now && row.name == name {
				return &row.v
			}
		}
	}
	return nil
}

// again reports whether the name with the hash was asked for not long ago.
func (p *hotPair[T]) again(h uint64, i int) bool {
	if p.asked[i].Load() == h {
		return true
	}
	p.asked[i].Store(h)
	return false
}

// keep has a row ready for the next who asks. What stood in its place moves to
// the one beside it. The caller holds the lock of the shard for reading, perhaps
// with others.
func (r *readyRows[T]) keep(h uint64, row *hot[T]) {
	p, i := r.pair(h)
	c, beside := &p.slots[i], &p.slots[i^1]
	if was, old := c.hash.Load(), c.row.Load(); old != nil && was != h {
		beside.set(was, old)
	}
	c.set(h, row)
}

func (c *hotSlot[T]) set(h uint64, row *hot[T]) {
	c.row.Store(nil)
	c.hash.Store(h)
	c.row.Store(row)
}

// cool has no row ready that may have the hash, and keep puts none there before
// the caller lets go of the lock.
func (s *shard[T]) cool(h uint64) {
	if r := s.ready.Load(); r != nil {
		p, _ := r.pair(h)
		p.slots[0].row.Store(nil)
		p.slots[1].row.Store(nil)
	}
}

// warm makes place to have n rows ready, or as many as a shard may. The caller
// holds the lock.
func (s *shard[T]) warm(n int) {
	if r := s.ready.Load(); r == nil || min(n, hotRows) > 2*len(r.pairs) {
		s.ready.Store(newReadyRows[T](n))
	}
}

func newReadyRows[T any](n int) *readyRows[T] {
	pairs := 1
	for 2*pairs < min(n, hotRows) {
		pairs *= 2
	}
	return &readyRows[T]{make([]hotPair[T], pairs)}
}

// made returns what was made for the name since the generation last changed, or
// makes it. Such rows are nowhere else: the table holds none of them packed.
func (t *table[T]) made(name string, make func() *T) *T {
	s, h := t.shard(name)
	now := t.generation.Load()
	if r := s.ready.Load(); r != nil {
		pair, _ := r.pair(h)
		if v := pair.get(h, name, now); v != nil {
			return v
		}
	}
	v := make()
	if v == nil {
		return nil
	}
	made := &hot[T]{name: name, generation: now, row: row[T]{v: *v}}
	s.mu.Lock()
	s.warm(hotRows)
	s.ready.Load().keep(h, made)
	s.mu.Unlock()
	return &made.v
}

// take has t hold the rows of o instead of its own. o is used up.
func (t *table[T]) take(o *table[T]) {
	for i := range t.shards {
		s, from := &t.shards[i], &o.shards[i]
		s.mu.Lock()
		s.ready.Store(newReadyRows[T](from.rows.live)) // before, as in put
		s.rows.take(&from.rows)
		s.mu.Unlock()
	}
}

// len returns how many rows there are.
func (t *table[T]) len() int {
	n := 0
	for i := range t.shards {
		t.shards[i].mu.RLock()
		n += t.shards[i].rows.live
		t.shards[i].mu.RUnlock()
	}
	return n
}
