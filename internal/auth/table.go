package auth

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// shards spreads the rows of a table over as many maps, so that callers do not
// wait for one lock. A power of two.
const shards = 32

// hotRows is how many rows a shard keeps ready besides their packed form. All
// 16,384 of a table are some 20 MB of keys; who calls less often than that many
// others costs two microseconds more.
const hotRows = 512

// seed spreads rows differently in each process.
var seed = maphash.MakeSeed()

// table holds all rows of one kind in memory, packed, and those in use ready.
// Rows are immutable: a change puts a new one in place.
type table[K comparable, T any] struct {
	// ready finishes a row that was unpacked, before anybody sees it.
	ready func(K, *T)
	// generation changes when ready would make something else of a row.
	generation *atomic.Uint64
	words      *dictionary
	shards     [shards]shard[K, T]
}

type shard[K comparable, T any] struct {
	mu     sync.RWMutex
	packed map[K]string // guarded by mu, as is hot
	hot    map[K]hot[T]
	_      [24]byte // neighbours in one cache line would slow each other down
}

type hot[T any] struct {
	v          *T
	generation uint64
}

func newTable[K comparable, T any](generation *atomic.Uint64, words *dictionary, ready func(K, *T)) *table[K, T] {
	t := &table[K, T]{ready: ready, generation: generation, words: words}
	for i := range t.shards {
		t.shards[i].packed, t.shards[i].hot = map[K]string{}, map[K]hot[T]{}
	}
	return t
}

func (t *table[K, T]) shard(k K) *shard[K, T] {
	return &t.shards[maphash.Comparable(seed, k)&(shards-1)]
}

// put adds or replaces a row.
func (t *table[K, T]) put(k K, v *T) {
	p := pack(t.words, v)
	s := t.shard(k)
	s.mu.Lock()
	s.packed[k] = p
	delete(s.hot, k)
	s.mu.Unlock()
}

// drop forgets a row.
func (t *table[K, T]) drop(k K) {
	s := t.shard(k)
	s.mu.Lock()
	delete(s.packed, k)
	delete(s.hot, k)
	s.mu.Unlock()
}

// get returns a row, nil if there is none.
func (t *table[K, T]) get(k K) *T {
	s := t.shard(k)
	for {
		now := t.generation.Load()
		s.mu.RLock()
		h, ok := s.hot[k]
		p, known := "", false
		if !ok || h.generation != now {
			p, known = s.packed[k]
		}
		s.mu.RUnlock()
		switch {
		case ok && h.generation == now:
			return h.v
		case !known:
			return nil
		}
		v := new(T)
		unpack(t.words, p, v)
		t.ready(k, v)
		s.mu.Lock()
		if s.packed[k] != p { // changed or deleted meanwhile
			s.mu.Unlock()
			continue
		}
		s.keep(k, hot[T]{v, now})
		s.mu.Unlock()
		return v
	}
}

// keep has a row ready for the next who asks. The caller holds the lock.
func (s *shard[K, T]) keep(k K, h hot[T]) {
	if len(s.hot) >= hotRows {
		for old := range s.hot { // any: maps begin anywhere
			delete(s.hot, old)
			break
		}
	}
	s.hot[k] = h
}

// made returns what was made for k since the generation last changed, or makes
// it. Such rows are nowhere else: the table holds none of them packed.
func (t *table[K, T]) made(k K, make func() *T) *T {
	s, now := t.shard(k), t.generation.Load()
	s.mu.RLock()
	h, ok := s.hot[k]
	s.mu.RUnlock()
	if ok && h.generation == now {
		return h.v
	}
	v := make()
	if v == nil {
		return nil
	}
	s.mu.Lock()
	s.keep(k, hot[T]{v, now})
	s.mu.Unlock()
	return v
}

// take has t hold the rows of o instead of its own. o is used up.
func (t *table[K, T]) take(o *table[K, T]) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.packed, s.hot = o.shards[i].packed, map[K]hot[T]{}
		s.mu.Unlock()
	}
}

// len returns how many rows there are.
func (t *table[K, T]) len() int {
	n := 0
	for i := range t.shards {
		t.shards[i].mu.RLock()
		n += len(t.shards[i].packed)
		t.shards[i].mu.RUnlock()
	}
	return n
}
