package api

import (
	"math/bits"
	"sync"
)

// buffers keeps the memory of large request bodies for the next one. New memory
// for each would be cleared first, and a few megabytes of it bring on the next
// garbage collection: that cost more than all else a large call needs.
type buffers struct {
	classes [bufferClasses]sync.Pool // *[]byte, of smallest << class bytes
}

const (
	smallestBuffer = 32 << 10 // less is cheaper to make than to keep
	bufferClasses  = 9        // up to 8 MiB
)

// class returns the class that holds n bytes, and false if none does.
func class(n int64) (int, bool) {
	if n <= smallestBuffer {
		return 0, true
	}
	c := bits.Len64(uint64(n-1) / smallestBuffer)
	return c, c < bufferClasses
}

// kept returns an empty buffer for n bytes if one is there, nil if not.
func (b *buffers) kept(n int64) []byte {
	if c, ok := class(n); ok {
		if buf, ok := b.classes[c].Get().(*[]byte); ok {
			return (*buf)[:0]
		}
	}
	return nil
}

// fresh returns a new empty buffer for n bytes, of a size that can be kept.
func (b *buffers) fresh(n int64) []byte {
	if c, ok := class(n); ok {
		n = smallestBuffer << c
	}
	return make([]byte, 0, n)
}

// keep takes a buffer that nobody uses any more.
func (b *buffers) keep(buf []byte) {
	if c, ok := class(int64(cap(buf))); ok && cap(buf) == smallestBuffer<<c {
		b.classes[c].Put(&buf)
	}
}
