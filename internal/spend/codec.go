package spend

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"penstock/internal/gateway"
)

// A journal file is a run of records:
//
//	length   4 bytes, little-endian, of what follows the checksum
//	checksum 4 bytes, CRC-32C of what follows
//	type     1 byte
//	row      the fields of a Row in the order of fields below
//
// Strings are a length and bytes, numbers are varints, times are microseconds.
// New fields go to the end: a reader that finds the row finished early leaves
// them zero, and one that finds more ignores it, so that a journal can be read
// by the release before and the release after.

// entry is what a journal record says about its call.
type entry byte

const (
	opened   entry = 'o' // the call was admitted; its row holds the counted input
	progress entry = 'p' // the row as far as it has streamed
	closed   entry = 'c' // the final row
	carried  entry = 'r' // an open call repeated, because its first file went
)

const recordHead = 8

// maxRecord bounds one record: a longer length is a torn or foreign file.
const maxRecord = 1 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn is a record that is not whole: the file was cut while it was written.
var errTorn = errors.New("torn record")

// appendRecord appends the record to dst.
func appendRecord(dst []byte, e entry, r *Row) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, byte(e))
	w := writer{dst}
	fields(&w, r)
	dst = w.b
	body := dst[start+recordHead:]
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(body)))
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Checksum(body, castagnoli))
	return dst
}

// parseRecord reads the record at the start of b and returns its length. Too
// few bytes or a wrong checksum are errTorn.
func parseRecord(b []byte, r *Row) (e entry, n int, err error) {
	if len(b) < recordHead+1 {
		return 0, 0, errTorn
	}
	size := binary.LittleEndian.Uint32(b)
	if size == 0 || size > maxRecord || uint64(len(b)) < recordHead+uint64(size) {
		return 0, 0, errTorn
	}
	n = recordHead + int(size)
	body := b[recordHead:n]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return 0, 0, errTorn
	}
	*r = Row{}
	rd := reader{b: body[1:]}
	fields(&rd, r)
	if rd.bad {
		return 0, 0, errTorn
	}
	return entry(body[0]), n, nil
}

// visitor writes or reads one field; fields is then the format, once.
type visitor interface {
	str(*string)
	i64(*int64)
	time(*time.Time)
	flag(*bool)
	strs(*[]string)
	windows(*[]Window)
}

func fields[V visitor](v V, r *Row) {
	v.str(&r.CallID)
	v.str(&r.ResponseID)
	v.str(&r.KeyHash)
	v.str(&r.UserID)
	v.str(&r.TeamID)
	v.str(&r.OrgID)
	v.str(&r.EndUser)
	v.strs(&r.Tags)
	v.str((*string)(&r.Operation))
	v.str(&r.Route)
	v.str(&r.Group)
	v.str(&r.Model)
	v.str(&r.Provider)
	v.str(&r.Deployment)
	v.str(&r.Session)
	v.str(&r.ClientIP)
	v.flag(&r.Failed)
	kind := int64(r.Kind)
	v.i64(&kind)
	r.Kind = gateway.Kind(kind)
	v.str(&r.Error)
	v.flag(&r.Interrupted)
	v.flag(&r.Stream)
	v.str(&r.Finish)
	retries, fallbacks := int64(r.Retries), int64(r.Fallbacks)
	v.i64(&retries)
	v.i64(&fallbacks)
	r.Retries, r.Fallbacks = int(retries), int(fallbacks)
	u := &r.Usage
	for _, n := range [...]*int64{
		&u.Prompt, &u.CacheRead, &u.CacheWrite, &u.CacheWrite1h, &u.AudioIn, &u.ImageIn,
		&u.Completion, &u.Reasoning, &u.AudioOut, &u.ImageOut, &u.WebSearches, (*int64)(&r.Cost),
	} {
		v.i64(n)
	}
	v.str(&u.Tier)
	v.flag(&u.Estimated)
	v.flag(&r.Priced)
	v.str(&r.Price)
	v.time(&r.Start)
	v.time(&r.FirstByte)
	v.time(&r.End)
	v.time(&r.KeyWindow)
	v.time(&r.UserWindow)
	v.time(&r.TeamWindow)
	v.time(&r.GlobalWindow)
	v.windows(&r.Windows)
}

type writer struct{ b []byte }

func (w *writer) str(s *string) {
	w.b = binary.AppendUvarint(w.b, uint64(len(*s)))
	w.b = append(w.b, *s...)
}
func (w *writer) i64(n *int64) { w.b = binary.AppendVarint(w.b, *n) }
func (w *writer) time(t *time.Time) {
	var us int64
	if !t.IsZero() {
		us = t.UnixMicro()
	}
	w.i64(&us)
}

func (w *writer) flag(f *bool) {
	if *f {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}

func (w *writer) strs(s *[]string) {
	w.b = binary.AppendUvarint(w.b, uint64(len(*s)))
	for i := range *s {
		w.str(&(*s)[i])
	}
}

func (w *writer) windows(ws *[]Window) {
	w.b = binary.AppendUvarint(w.b, uint64(len(*ws)))
	for i := range *ws {
		x := &(*ws)[i]
		w.str(&x.Scope)
		w.str(&x.ID)
		w.str(&x.Duration)
		w.time(&x.Start)
	}
}

// reader reads what writer wrote. At the end of its bytes every field is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	if len(r.b) == 0 {
		return 0
	}
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) str(s *string) {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return
	}
	*s = string(r.b[:n])
	r.b = r.b[n:]
}

func (r *reader) i64(n *int64) {
	if len(r.b) == 0 {
		*n = 0
		return
	}
	v, size := binary.Varint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return
	}
	*n, r.b = v, r.b[size:]
}

func (r *reader) time(t *time.Time) {
	var us int64
	r.i64(&us)
	if us != 0 {
		*t = time.UnixMicro(us).UTC()
	}
}

func (r *reader) flag(f *bool) { *f = r.uvarint() == 1 }

func (r *reader) strs(s *[]string) {
	n := r.uvarint()
	if n > uint64(len(r.b)) { // each string takes a byte at least
		r.bad, r.b = true, nil
		return
	}
	for range n {
		var v string
		r.str(&v)
		*s = append(*s, v)
	}
}

func (r *reader) windows(ws *[]Window) {
	n := r.uvarint()
	if n > uint64(len(r.b)) { // each window takes four bytes at least
		r.bad, r.b = true, nil
		return
	}
	for range n {
		var x Window
		r.str(&x.Scope)
		r.str(&x.ID)
		r.str(&x.Duration)
		r.time(&x.Start)
		*ws = append(*ws, x)
	}
}
