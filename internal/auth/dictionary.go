package auth

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// dictionary holds the texts that many rows have: teams, models, makers. A row
// names them by number. It only grows, and no further than maxWords: what comes
// later is written out.
type dictionary struct {
	words atomic.Pointer[[]string] // by number; only the holder of mu appends

	mu   sync.Mutex
	ids  map[string]uint32 // guarded by mu, as is once
	once map[uint64]struct{}
}

const (
	maxWords = 1 << 16
	// maxOnce bounds the hashes of texts seen once. When it is reached they are
	// all forgotten: a text that many rows have is soon seen again.
	maxOnce = 1 << 16
	// Texts that are shorter are no longer than their number, and very long
	// ones are not worth the memory.
	minWord, maxWord = 4, 128
)

func newDictionary() *dictionary {
	d := &dictionary{ids: map[string]uint32{}, once: map[uint64]struct{}{}}
	d.words.Store(&[]string{})
	return d
}

// id returns the number of s, false if it has none. A text gets one when it is
// seen for the second time.
func (d *dictionary) id(s string) (uint32, bool) {
	if len(s) < minWord || len(s) > maxWord {
		return 0, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if n, ok := d.ids[s]; ok {
		return n, true
	}
	if len(d.ids) == maxWords {
		return 0, false
	}
	h := maphash.String(seed, s)
	if _, again := d.once[h]; !again {
		if len(d.once) == maxOnce {
			clear(d.once)
		}
		d.once[h] = struct{}{}
		return 0, false
	}
	delete(d.once, h)
	words := append(*d.words.Load(), s)
	n := uint32(len(words) - 1)
	d.ids[s] = n
	d.words.Store(&words)
	return n, true
}

// word returns the text with the number.
func (d *dictionary) word(n uint64) string { return (*d.words.Load())[n] }
