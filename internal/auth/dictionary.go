package auth

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// dictionary holds the texts that many rows have: teams, models, makers. A row
// names them by number. It only grows, and no further than maxWords: what comes
// later is written out.
type dictionary struct {
	// By number; only the holder of mu appends. A list is shared by all rows that
	// have it.
	words atomic.Pointer[[]string]
	lists atomic.Pointer[[][]string]

	mu      sync.Mutex
	ids     map[string]uint32 // guarded by mu, as are the others
	listIDs map[string]uint32 // by the list as one text
	seen    map[uint64]uint8  // how often, by the text's hash
}

const (
	maxWords = 1 << 14
	// maxSeen bounds the hashes of texts without a number. When it is reached they
	// are all forgotten: a text that many rows have is soon seen again.
	maxSeen = 1 << 16
	// manyTimes is how often a text is seen before it gets a number. The user of
	// ten keys gets none: a dictionary that is looked into for every key must be
	// small enough to be at hand.
	manyTimes = 16
	// Texts that are shorter are no longer than their number, and very long
	// ones are not worth the memory.
	minWord, maxWord = 4, 128
	maxList          = 512 // bytes
)

func newDictionary() *dictionary {
	d := &dictionary{ids: map[string]uint32{}, listIDs: map[string]uint32{}, seen: map[uint64]uint8{}}
	d.words.Store(&[]string{})
	d.lists.Store(&[][]string{})
	return d
}

// id returns the number of s, false if it has none. A text gets one when it is
// seen for the sixteenth time.
func (d *dictionary) id(s string) (uint32, bool) {
	if len(s) < minWord || len(s) > maxWord {
		return 0, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return number(d, d.ids, s, &d.words, func() string { return s })
}

// list is id for a list of texts, which many rows have too: their models, tags
// and allowed routes.
func (d *dictionary) list(list []string) (uint32, bool) {
	var b []byte
	for _, s := range list {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	if len(b) > maxList {
		return 0, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return number(d, d.listIDs, string(b), &d.lists, func() []string { return slices.Clone(list) })
}

// number returns the number in ids of what is written as s. The caller holds
// the lock.
func number[T any](d *dictionary, ids map[string]uint32, s string, all *atomic.Pointer[[]T], keep func() T) (uint32, bool) {
	if n, ok := ids[s]; ok {
		return n, true
	}
	if len(ids) == maxWords {
		return 0, false
	}
	h := maphash.String(seed, s)
	if n := d.seen[h] + 1; n < manyTimes {
		if len(d.seen) == maxSeen {
			clear(d.seen)
		}
		d.seen[h] = n
		return 0, false
	}
	delete(d.seen, h)
	list := append(*all.Load(), keep())
	n := uint32(len(list) - 1)
	ids[s] = n
	all.Store(&list)
	return n, true
}
