package explain

import (
	"encoding/binary"
	"encoding/hex"
	"time"

	"penstock/internal/gateway"
)

// Max bounds a written record, in bytes. It stands in every row of the ledger.
const Max = 300

// A written record is its version and then items, each a tag and its fields:
// numbers are varints, times are counted in units, texts are references to texts
// that came before, or new ones. What does not fit in Max bytes is counted.
const (
	version = 1
	unit    = 100 * time.Microsecond
)

// The tags of items. Never reuse one.
const (
	tagAttempt byte = 'a'
	tagPick    byte = 'p'
	tagRemoval byte = 'r'
	tagHop     byte = 'h'
	tagLimit   byte = 'l'
	tagMoney   byte = 'm'
	tagCap     byte = 'c'
	tagAsked   byte = 'g'
	tagLost    byte = 'x'
)

// words are texts that are written as their number. Add at the end only.
var words = [...]string{
	"", "api_key", "user", "team", "team_member", "organization", "end_user", "project", "tag", "session", "deployment", "provider", "global",
	"requests", "tokens", "input_tokens", "output_tokens", "max_parallel_requests", "budget",
	"simple-shuffle", "least-busy", "usage-based-routing", "usage-based-routing-v2", "latency-based-routing", "cost-based-routing", "id",
	"organization_member", "access_group",
}

// roomForLost is kept free for the item that says how much was left out.
const roomForLost = 4

// Writer writes one record after another, and allocates nothing. The zero
// Writer is ready for Reset.
type Writer struct {
	buf [Max]byte
	n   int
	texts,
	old int // of refs: all, and those before the item that is being written
	refs [24]string
	full bool // the item being written has no room
	lost int
}

// Reset begins a record of a call that asked for the group.
func (w *Writer) Reset(asked string, naming gateway.Naming) {
	clear(w.refs[:])
	w.n, w.texts, w.old, w.full, w.lost = 0, 0, 0, false, 0
	w.byte(version)
	w.begin(tagAsked)
	w.text(asked)
	w.num(int64(naming))
	w.end(1)
}

// Attempt adds an attempt of a call that began at start.
func (w *Writer) Attempt(a *gateway.Attempt, start time.Time) {
	at := w.begin(tagAttempt)
	w.text(a.Deployment)
	w.text(a.Group)
	flags := int64(0)
	if a.OK {
		flags |= 1
	}
	if a.Hedged {
		flags |= 2
	}
	w.num(flags)
	if !a.OK {
		w.num(int64(a.Kind))
		w.num(int64(a.Status))
	}
	w.num(int64(a.Start.Sub(start) / unit))
	w.num(int64(a.Duration / unit))
	w.num(int64(a.FirstByte / unit))
	w.end(at)
}

// Steps adds the picks and hops by which the call found its way.
func (w *Writer) Steps(y *gateway.Why) {
	for i := range y.Hops {
		h := &y.Hops[i]
		at := w.begin(tagHop)
		w.text(h.From)
		w.text(h.To)
		w.num(int64(h.Because))
		w.num(int64(h.Level))
		w.end(at)
	}
	for i := range y.Picks {
		p := &y.Picks[i]
		at := w.begin(tagPick)
		w.text(p.Group)
		w.text(p.Deployment)
		w.text(p.Strategy)
		w.num(int64(p.Candidates))
		w.num(int64(p.Looked))
		w.num(int64(p.Removed))
		w.num(int64(p.Level))
		sticky := int64(0)
		if p.Sticky {
			sticky = 1
		}
		w.num(sticky)
		w.end(at)
	}
}

// Removals adds what filters kept out of the picks. It comes last: of many,
// some can be left unsaid.
func (w *Writer) Removals(y *gateway.Why) {
	for i := range y.Picks {
		p := &y.Picks[i]
		for j := p.From; j < p.To && j < len(y.Removals); j++ {
			r := &y.Removals[j]
			at := w.begin(tagRemoval)
			w.num(int64(i))
			w.text(r.Deployment)
			w.num(int64(r.Filter))
			w.num(r.Have)
			w.num(r.Limit)
			w.end(at)
		}
	}
}

// Limit adds a limit that the call passed.
func (w *Writer) Limit(scope, kind, model string, amount, left int64) {
	at := w.begin(tagLimit)
	w.text(scope)
	w.text(kind)
	w.text(model)
	w.num(amount)
	w.num(left)
	w.end(at)
}

// Money adds what was reserved, and the max_tokens that the budget made necessary.
func (w *Writer) Money(reserved gateway.NanoUSD, capped int64) {
	if reserved != 0 {
		at := w.begin(tagMoney)
		w.num(int64(reserved))
		w.end(at)
	}
	if capped != 0 {
		at := w.begin(tagCap)
		w.num(capped)
		w.end(at)
	}
}

// Bytes returns the record. They are valid until the next Reset.
func (w *Writer) Bytes() []byte {
	if w.lost > 0 {
		b := binary.AppendVarint(append(w.buf[:w.n:Max], tagLost), int64(w.lost))
		return b[:min(len(b), Max)]
	}
	return w.buf[:w.n]
}

// begin begins an item and returns where.
func (w *Writer) begin(tag byte) int {
	at := w.n
	w.old, w.full = w.texts, false
	w.byte(tag)
	return at
}

// end ends the item that began at, or takes it back if there is no room.
func (w *Writer) end(at int) {
	if !w.full {
		return
	}
	w.n, w.texts, w.full = at, w.old, false
	w.lost++
}

func (w *Writer) byte(b byte) {
	if w.full || w.n+1 > Max-roomForLost {
		w.full = true
		return
	}
	w.buf[w.n] = b
	w.n++
}

func (w *Writer) num(v int64) {
	var b [binary.MaxVarintLen64]byte
	w.raw(b[:binary.PutVarint(b[:], v)])
}

func (w *Writer) raw(b []byte) {
	if w.full || w.n+len(b) > Max-roomForLost {
		w.full = true
		return
	}
	w.n += copy(w.buf[w.n:], b)
}

// The form of a text: a number of words or of a text that came before, or how
// the new one is written.
const (
	newText = -1 // its length and bytes
	newHash = -2 // the first eight bytes of a longer hash in hex
	newUUID = -3 // sixteen bytes in hex with dashes
	maxText = 40 // bytes of a text; the rest is cut
)

func (w *Writer) text(s string) {
	for i, word := range words {
		if word == s {
			w.num(int64(i))
			return
		}
	}
	for i := range w.texts {
		if w.refs[i] == s {
			w.num(int64(len(words) + i))
			return
		}
	}
	var b [16]byte
	switch {
	case len(s) == 64 && isHex(s[:16]):
		w.num(newHash)
		_, _ = hex.Decode(b[:8], []byte(s[:16]))
		w.raw(b[:8])
	case isUUID(s):
		w.num(newUUID)
		at := 0
		for i := 0; i < len(s); i += 2 {
			if s[i] == '-' {
				i++
			}
			_, _ = hex.Decode(b[at:at+1], []byte(s[i:i+2]))
			at++
		}
		w.raw(b[:])
	default:
		cut := s[:min(len(s), maxText)]
		w.num(newText)
		w.num(int64(len(cut)))
		if w.full || w.n+len(cut) > Max-roomForLost {
			w.full = true
			return
		}
		w.n += copy(w.buf[w.n:], cut)
	}
	if w.texts < len(w.refs) {
		w.refs[w.texts] = s
		w.texts++
	}
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func isUUID(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' &&
		isHex(s[:8]) && isHex(s[9:13]) && isHex(s[14:18]) && isHex(s[19:23]) && isHex(s[24:])
}
