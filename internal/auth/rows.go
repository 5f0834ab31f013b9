package auth

import (
	"encoding/binary"
	"hash/maphash"
	"sync/atomic"
	"unsafe"
)

// rows holds packed rows by name, in little memory, with nothing in them for the
// garbage collector to follow, and finds one by looking into memory twice: at a
// slot, which tells by 32 bits of the name's hash whether it is the one, and at
// the row. A map would look four times, and a million of its texts are a million
// objects to the collector.
//
// One at a time writes, who holds the lock of the shard. Readers need no lock.
type rows struct {
	view atomic.Pointer[view]
	// version changes before a number of a chunk gets another meaning, in a view or
	// because there is another view.
	version atomic.Uint64

	live  int // rows
	taken int // slots that are not free: rows, and gone ones

	dead []int  // bytes of each chunk in rows that are gone or replaced
	size []int  // bytes of each chunk
	free []int  // chunks whose numbers can be used again
	open int    // the chunk that is written into, 0 for none
	b    []byte // the open chunk up to what is written; it never moves
}

// view is what readers look into.
type view struct {
	// slots is an open-addressed table: a row stands in the first free slot from
	// where its hash says. Its length is a power of two.
	slots []atomic.Uint64
	// chunks are where rows are, one after the other; what is written in one never
	// changes. The first is never used: places in it mean something else.
	chunks []atomic.Pointer[byte]
}

// slot is the upper half of the hash of a row's name, and the row's place: the
// number of its chunk and the offset, 16 bits each.
type slot uint64

const (
	vacant slot = iota // never taken since the slots were made
	gone               // taken by a row that is no longer there

	chunkSize = 1 << 15 // bytes; a larger row has a chunk of its own
	minChunk  = 1 << 9  // of a small table, which doubles what it takes
	minSlots  = 8
)

func newSlot(h uint64, chunk, offset int) slot {
	return slot(h>>32<<32) | slot(chunk)<<16 | slot(offset)
}

func (s slot) mark() uint32 { return uint32(s >> 32) }
func (s slot) chunk() int   { return int(s >> 16 & 0xffff) }
func (s slot) offset() int  { return int(s & 0xffff) }
func (s slot) row() bool    { return s.chunk() != 0 }

func (v *view) slot(i int) slot { return slot(v.slots[i].Load()) }

// find returns the number of the slot of a row, and the row; -1 if there is none.
// The caller holds the lock of the shard, perhaps with other readers.
func (r *rows) find(h uint64, name string) (at int, stored, body string) {
	v := r.view.Load()
	if v == nil {
		return -1, "", ""
	}
	for at, s := v.first(h); s != vacant; at, s = v.next(h, at) {
		if stored, body = rowAt(v.chunks[s.chunk()].Load(), s.offset()); stored == name {
			return at, stored, body
		}
	}
	return -1, "", ""
}

// first returns a slot that the row whose name has the hash may have, and its
// number; vacant if there is no such row.
func (v *view) first(h uint64) (int, slot) { return v.from(h, uint32(h>>32)) }

// next returns the next such slot, where the one before was of another row.
func (v *view) next(h uint64, at int) (int, slot) { return v.from(h, uint32(at)+1) }

func (v *view) from(h uint64, i uint32) (int, slot) {
	mask := uint32(len(v.slots) - 1)
	mark := uint32(h >> 32)
	for i &= mask; ; i = (i + 1) & mask {
		if s := v.slot(int(i)); s == vacant || s.mark() == mark && s.row() {
			return int(i), s
		}
	}
}

// put adds or replaces a row, and calls moved for others that stand elsewhere now.
func (r *rows) put(h uint64, name, body string, moved func(h uint64)) {
	at, _, was := r.find(h, name)
	if at < 0 {
		r.grow()
		v := r.view.Load()
		at = v.vacancy(uint32(h >> 32))
		if v.slot(at) == vacant {
			r.taken++
		}
		r.live++
		r.set(at, r.write(h, name, body, moved))
		return
	}
	s := r.write(h, name, body, moved)
	old := r.set(at, s) // where it is now: making room for the new one may have moved it
	r.bury(old.chunk(), rowSize(name, was), moved)
}

// drop forgets a row; moved is as for put.
func (r *rows) drop(h uint64, name string, moved func(h uint64)) {
	at, _, body := r.find(h, name)
	if at < 0 {
		return
	}
	old := r.set(at, gone)
	r.live--
	r.bury(old.chunk(), rowSize(name, body), moved)
}

// set changes a slot and returns what it was.
func (r *rows) set(at int, s slot) slot {
	return slot(r.view.Load().slots[at].Swap(uint64(s)))
}

// grow makes room for one more row. It reads no row: where one stands follows
// from its mark.
func (r *rows) grow() {
	old := r.view.Load()
	if old == nil {
		old = &view{chunks: make([]atomic.Pointer[byte], 1)}
		r.dead, r.size = make([]int, 1), make([]int, 1)
	}
	if (r.taken+1)*4 <= len(old.slots)*3 {
		return
	}
	n := max(minSlots, len(old.slots))
	for (r.live+1)*8 > n*5 { // rather than at once again, when many are gone
		n *= 2
	}
	v := &view{make([]atomic.Uint64, n), old.chunks}
	for i := range old.slots {
		if s := old.slot(i); s.row() {
			v.slots[v.vacancy(s.mark())].Store(uint64(s))
		}
	}
	r.taken = r.live
	r.show(v)
}

// show has readers look into v from now on.
func (r *rows) show(v *view) {
	r.version.Add(1)
	r.view.Store(v)
}

// take has r hold the rows of o, which is used up.
func (r *rows) take(o *rows) {
	r.live, r.taken, r.dead, r.size, r.free, r.open, r.b = o.live, o.taken, o.dead, o.size, o.free, o.open, o.b
	r.show(o.view.Load())
}

// vacancy returns the number of the slot that a new row goes into.
func (v *view) vacancy(mark uint32) int {
	mask := uint32(len(v.slots) - 1)
	i := mark & mask
	for v.slot(int(i)).row() {
		i = (i + 1) & mask
	}
	return int(i)
}

// write writes a row at the end of the open chunk and returns its slot.
func (r *rows) write(h uint64, name, body string, moved func(h uint64)) slot {
	size := rowSize(name, body)
	for r.open == 0 || len(r.b)+size > cap(r.b) { // opening one may have rows moved into it
		r.begin(size, moved)
	}
	offset := len(r.b)
	r.b = append(appendLength(r.b, len(name)), name...)
	r.b = append(appendLength(r.b, len(body)), body...)
	r.size[r.open] = len(r.b)
	return newSlot(h, r.open, offset)
}

// begin opens a chunk that has room for a row of the size.
func (r *rows) begin(size int, moved func(h uint64)) {
	if full := r.open; full != 0 {
		r.open = 0
		defer r.sweep(full, moved)
	}
	v := r.view.Load()
	if n := len(r.free); n > 0 {
		r.open, r.free = r.free[n-1], r.free[:n-1]
	} else {
		r.open = len(r.dead)
		r.dead, r.size = append(r.dead, 0), append(r.size, 0)
		if r.open >= len(v.chunks) {
			more := &view{v.slots, make([]atomic.Pointer[byte], 2*len(v.chunks))}
			for i := range v.chunks {
				more.chunks[i].Store(v.chunks[i].Load())
			}
			r.show(more)
			v = more
		}
	}
	// Small tables take little memory.
	usual := minChunk << min(len(r.dead)-len(r.free)-2, 8)
	r.b = make([]byte, 0, max(size, min(usual, chunkSize)))
	v.chunks[r.open].Store(unsafe.SliceData(r.b)) //nolint:gosec // G103: slots say where rows are
}

// bury counts the bytes of a row that is no longer there.
func (r *rows) bury(chunk, size int, moved func(h uint64)) {
	r.dead[chunk] += size
	r.sweep(chunk, moved)
}

// sweep gives the memory of a chunk back if more than half of it is dead: it
// writes the rows that live in it anew. So a table takes at most twice what its
// rows do, and no change waits for more than one chunk.
func (r *rows) sweep(chunk int, moved func(h uint64)) {
	if chunk == r.open || r.dead[chunk]*2 <= r.size[chunk] {
		return
	}
	text := r.view.Load().chunks[chunk].Load()
	for offset := 0; offset < r.size[chunk]; {
		name, body := rowAt(text, offset)
		h := maphash.String(seed, name)
		if at, _, _ := r.find(h, name); at >= 0 && r.view.Load().slot(at) == newSlot(h, chunk, offset) {
			moved(h)
			r.set(at, r.write(h, name, body, moved))
		}
		offset += rowSize(name, body)
	}
	r.version.Add(1)
	r.view.Load().chunks[chunk].Store(nil)
	r.dead[chunk], r.size[chunk] = 0, 0
	r.free = append(r.free, chunk)
}

// A row is the length of its name, the name, the length of its body and the body.

func rowSize(name, body string) int {
	return lengthSize(len(name)) + len(name) + lengthSize(len(body)) + len(body)
}

func lengthSize(n int) int {
	if n < long {
		return 2
	}
	return 10
}

// rowAt reads the row at an offset of a chunk. Both texts are parts of it.
func rowAt(chunk *byte, offset int) (name, body string) {
	name, offset = textAt(chunk, offset)
	body, _ = textAt(chunk, offset)
	return name, body
}

// textAt reads a length and the text that follows it, and says where that ends. A
// slot says where a row is, so what is read is within the chunk.
func textAt(chunk *byte, offset int) (text string, end int) {
	at := func(i int) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(chunk), i) } //nolint:gosec // G103: as said
	n := int(binary.LittleEndian.Uint16((*[2]byte)(at(offset))[:]))
	offset += 2
	if n == long {
		n = int(binary.LittleEndian.Uint64((*[8]byte)(at(offset))[:]))
		offset += 8
	}
	return unsafe.String((*byte)(at(offset)), n), offset + n //nolint:gosec // G103: as said
}
