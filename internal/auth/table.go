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
// less often than that many others costs some half a microsecond more.
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
	shards     [shards]shard[T]
}

type shard[T any] struct {
	mu   sync.RWMutex
	rows rows // guarded by mu
	// hot is as long as the shard has rows, up to hotRows: a row that is ready
	// stands where the hash of its name says, or beside it. The slice is guarded
	// by mu, what is in it is not.
	hot []hotSlot[T]
	// asked are the hashes of names that were asked for and not kept ready: who
	// calls once does not take the place of who calls often. As long as hot, and
	// guarded as it is.
	asked []atomic.Uint64
	_     [24]byte // neighbours in one cache line would slow each other down
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
	v          T
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
	body := pack(t.words, v)
	s, h := t.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows.put(h, name, body, s.cool)
	s.cool(h)
	s.warm(s.rows.live)
}

// drop forgets a row.
func (t *table[T]) drop(name string) {
	s, h := t.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows.drop(h, name, s.cool)
	s.cool(h)
}

// get returns a row, nil if there is none.
func (t *table[T]) get(name string) *T {
	s, h := t.shard(name)
	for {
		now := t.generation.Load()
		s.mu.RLock()
		if v := s.warmed(h, name, now); v != nil {
			s.mu.RUnlock()
			return v
		}
		at, stored, body := s.rows.find(h, name)
		again := at >= 0 && s.again(h)
		s.mu.RUnlock()
		if at < 0 {
			return nil
		}
		row := &hot[T]{name: stored, generation: now}
		unpack(t.words, t.layout, body, &row.v)
		t.ready(stored, &row.v)
		if !again {
			return &row.v
		}
		s.mu.RLock()
		at, _, still := s.rows.find(h, name)
		same := at >= 0 && still == body
		if same {
			s.keep(h, row)
		}
		s.mu.RUnlock()
		if same { // else changed or deleted meanwhile
			return &row.v
		}
	}
}

// warmed returns the row if it is ready. The caller holds the lock for reading.
func (s *shard[T]) warmed(h uint64, name string, now uint64) *T {
	if len(s.hot) == 0 {
		return nil
	}
	at := s.place(h)
	for _, i := range [...]int{at, at ^ 1} {
		if c := &s.hot[i]; c.hash.Load() == h {
			if row := c.row.Load(); row != nil && row.generation == now && row.name == name {
				return &row.v
			}
		}
	}
	return nil
}

// again reports whether the name with the hash was asked for not long ago. The
// caller holds the lock for reading.
func (s *shard[T]) again(h uint64) bool {
	if len(s.asked) == 0 {
		return false
	}
	a := &s.asked[s.place(h)]
	if a.Load() == h {
		return true
	}
	a.Store(h)
	return false
}

// place is where a ready row stands, unless it is in the place beside it.
func (s *shard[T]) place(h uint64) int { return int(h>>8) & (len(s.hot) - 1) }

// keep has a row ready for the next who asks. What stood in its place moves to
// the one beside it. The caller holds the lock for reading, perhaps with others.
func (s *shard[T]) keep(h uint64, row *hot[T]) {
	if len(s.hot) == 0 {
		return
	}
	at := s.place(h)
	c, beside := &s.hot[at], &s.hot[at^1]
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

// cool has no row ready that may have the hash. The caller holds the lock.
func (s *shard[T]) cool(h uint64) {
	if len(s.hot) == 0 {
		return
	}
	at := s.place(h)
	s.hot[at].row.Store(nil)
	s.hot[at^1].row.Store(nil)
}

// warm makes place to have n rows ready, or as many as a shard may. The caller
// holds the lock.
func (s *shard[T]) warm(n int) {
	size := 2
	for size < min(n, hotRows) {
		size *= 2
	}
	if size > len(s.hot) {
		s.hot, s.asked = make([]hotSlot[T], size), make([]atomic.Uint64, size)
	}
}

// made returns what was made for the name since the generation last changed, or
// makes it. Such rows are nowhere else: the table holds none of them packed.
func (t *table[T]) made(name string, make func() *T) *T {
	s, h := t.shard(name)
	now := t.generation.Load()
	s.mu.RLock()
	v := s.warmed(h, name, now)
	s.mu.RUnlock()
	if v != nil {
		return v
	}
	if v = make(); v == nil {
		return nil
	}
	row := &hot[T]{name, now, *v}
	s.mu.Lock()
	s.warm(hotRows)
	s.keep(h, row)
	s.mu.Unlock()
	return &row.v
}

// take has t hold the rows of o instead of its own. o is used up.
func (t *table[T]) take(o *table[T]) {
	for i := range t.shards {
		s, from := &t.shards[i], &o.shards[i]
		s.mu.Lock()
		s.rows, s.hot, s.asked = from.rows, nil, nil
		s.warm(s.rows.live)
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
