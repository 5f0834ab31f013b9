package auth

import (
	"hash/maphash"
	"strings"
)

// rows holds packed rows by name, in little memory, with nothing in them for the
// garbage collector to follow, and finds one by looking into memory twice: at a
// slot, which tells by 32 bits of the name's hash whether it is the one, and at
// the row. A map would look four times, and a million of its texts are a million
// objects to the collector. Callers hold the lock of the shard.
type rows struct {
	// slots is an open-addressed table: a row stands in the first free slot from
	// where its hash says. Its length is a power of two.
	slots []slot
	live  int // rows
	taken int // slots that are not free: rows, and gone ones

	// texts are the chunks that rows are written into, one after the other. The
	// first is never used: places in it mean something else.
	texts []string
	dead  []int            // bytes of each chunk in rows that are gone or replaced
	free  []int            // chunks whose numbers can be used again
	open  int              // the chunk that is written into, 0 for none
	b     *strings.Builder // what is in the open chunk
}

// slot is the upper half of the hash of a row's name, and the row's place: the
// number of its chunk and the offset, 16 bits each.
type slot uint64

const (
	vacant slot = iota // never taken since the slots were made
	gone               // taken by a row that is no longer there

	chunkSize = 1 << 14 // bytes; a larger row has a chunk of its own
	minSlots  = 8
)

func newSlot(h uint64, chunk, offset int) slot {
	return slot(h>>32<<32) | slot(chunk)<<16 | slot(offset)
}

func (s slot) mark() uint32 { return uint32(s >> 32) }
func (s slot) chunk() int   { return int(s >> 16 & 0xffff) }
func (s slot) offset() int  { return int(s & 0xffff) }
func (s slot) row() bool    { return s.chunk() != 0 }

// find returns the number of the slot of a row, and the row; -1 if there is none.
func (r *rows) find(h uint64, name string) (at int, stored, body string) {
	if len(r.slots) == 0 {
		return -1, "", ""
	}
	mask := uint32(len(r.slots) - 1)
	mark := uint32(h >> 32)
	for i := mark & mask; ; i = (i + 1) & mask {
		switch s := r.slots[i]; {
		case s == vacant:
			return -1, "", ""
		case s.mark() == mark && s.row():
			if stored, body, _ = cutRow(r.texts[s.chunk()][s.offset():]); stored == name {
				return int(i), stored, body
			}
		}
	}
}

// put adds or replaces a row, and calls moved for others that stand elsewhere now.
func (r *rows) put(h uint64, name, body string, moved func(h uint64)) {
	at, _, was := r.find(h, name)
	if at < 0 {
		r.grow()
		at = r.vacancy(uint32(h >> 32))
		if r.slots[at] == vacant {
			r.taken++
		}
		r.live++
		r.slots[at] = r.write(h, name, body, moved)
		return
	}
	s := r.write(h, name, body, moved)
	old := r.slots[at] // where it is now: making room for the new one may have moved it
	r.slots[at] = s
	r.bury(old.chunk(), rowSize(name, was), moved)
}

// drop forgets a row; moved is as for put.
func (r *rows) drop(h uint64, name string, moved func(h uint64)) {
	at, _, body := r.find(h, name)
	if at < 0 {
		return
	}
	old := r.slots[at]
	r.slots[at] = gone
	r.live--
	r.bury(old.chunk(), rowSize(name, body), moved)
}

// grow makes room for one more row. It reads no row: where one stands follows
// from its mark.
func (r *rows) grow() {
	if (r.taken+1)*4 <= len(r.slots)*3 {
		return
	}
	n := max(minSlots, len(r.slots))
	for (r.live+1)*8 > n*5 { // rather than at once again, when many are gone
		n *= 2
	}
	old := r.slots
	r.slots, r.taken = make([]slot, n), r.live
	for _, s := range old {
		if s.row() {
			r.slots[r.vacancy(s.mark())] = s
		}
	}
}

// vacancy returns the number of the slot that a new row goes into.
func (r *rows) vacancy(mark uint32) int {
	mask := uint32(len(r.slots) - 1)
	i := mark & mask
	for r.slots[i].row() {
		i = (i + 1) & mask
	}
	return int(i)
}

// write writes a row at the end of the open chunk and returns its slot.
func (r *rows) write(h uint64, name, body string, moved func(h uint64)) slot {
	size := rowSize(name, body)
	for r.open == 0 || r.b.Len() > 0 && r.b.Len()+size > chunkSize { // opening one may have rows moved into it
		r.begin(size, moved)
	}
	offset := r.b.Len()
	writeRow(r.b, name, body)
	r.texts[r.open] = r.b.String() // the chunk as it is: what is written later stands behind it
	return newSlot(h, r.open, offset)
}

// begin opens a chunk that has room for a row of the size.
func (r *rows) begin(size int, moved func(h uint64)) {
	if full := r.open; full != 0 {
		r.open = 0
		defer r.sweep(full, moved)
	}
	if n := len(r.free); n > 0 {
		r.open, r.free = r.free[n-1], r.free[:n-1]
	} else {
		if len(r.texts) == 0 {
			r.texts, r.dead = append(r.texts, ""), append(r.dead, 0)
		}
		r.open = len(r.texts)
		r.texts, r.dead = append(r.texts, ""), append(r.dead, 0)
	}
	r.b = new(strings.Builder)
	if len(r.texts)-len(r.free) > 4 { // else it grows as it is needed: small tables take little memory
		r.b.Grow(max(size, chunkSize))
	}
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
	text := r.texts[chunk]
	if chunk == r.open || r.dead[chunk]*2 <= len(text) {
		return
	}
	for offset := 0; offset < len(text); {
		name, body, size := cutRow(text[offset:])
		h := maphash.String(seed, name)
		if at, _, _ := r.find(h, name); at >= 0 && r.slots[at] == newSlot(h, chunk, offset) {
			moved(h)
			r.slots[at] = r.write(h, name, body, moved)
		}
		offset += size
	}
	r.texts[chunk], r.dead[chunk] = "", 0
	r.free = append(r.free, chunk)
}

// A row is the length of its name, the name, the length of its body and the body.

func rowSize(name, body string) int {
	return numberSize(len(name)) + len(name) + numberSize(len(body)) + len(body)
}

func numberSize(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

func writeRow(b *strings.Builder, name, body string) {
	for _, s := range [...]string{name, body} {
		n := len(s)
		for ; n >= 0x80; n >>= 7 {
			b.WriteByte(byte(n) | 0x80)
		}
		b.WriteByte(byte(n))
		b.WriteString(s)
	}
}

// cutRow reads the row that s begins with, and says how long it is.
func cutRow(s string) (name, body string, size int) {
	d := unpacker{s: s}
	name = d.take(d.uvarint())
	body = d.take(d.uvarint())
	return name, body, len(s) - len(d.s)
}
