package spend

import (
	"bytes"
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
//	row      the fields of a Row in the order of fields below; for terms, the
//	         name of a rate and its text
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
	terms    entry = 't' // no call: the text of a rate that rows after it name
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
	if e == terms {
		w.str(&r.Rate)
		w.str(&r.RateTerms)
	} else {
		fields(&w, r)
	}
	dst = w.b
	body := dst[start+recordHead:]
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(body)))
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Checksum(body, castagnoli))
	return dst
}

// parseRecord reads the record at the start of b and returns its length. Too
// few bytes or a wrong checksum are errTorn.
func parseRecord(b []byte, r *Row) (e entry, n int, err error) {
	return new(parser).parse(b, r)
}

// nextRecord returns the record at the start of b, unread, and its length.
func nextRecord(b []byte) (e entry, body []byte, n int, err error) {
	if len(b) < recordHead+1 {
		return 0, nil, 0, errTorn
	}
	size := binary.LittleEndian.Uint32(b)
	if size == 0 || size > maxRecord || uint64(len(b)) < recordHead+uint64(size) {
		return 0, nil, 0, errTorn
	}
	n = recordHead + int(size)
	body = b[recordHead:n]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return 0, nil, 0, errTorn
	}
	return entry(body[0]), body[1:], n, nil
}

// intact returns where the next whole record begins behind a damaged one at the
// start of b; len(b) if there is none.
func intact(b []byte) int {
	for i := 1; i < len(b); i++ {
		if _, _, _, err := nextRecord(b[i:]); err == nil {
			return i
		}
	}
	return len(b)
}

// parser reads records and remembers texts that many of them share, so that a
// million calls of one key hold its hash once. The zero value works.
type parser struct{ names map[string]string }

// maxNames bounds the texts that a parser remembers.
const maxNames = 1 << 12

func (p *parser) parse(b []byte, r *Row) (e entry, n int, err error) {
	e, body, n, err := nextRecord(b)
	if err != nil {
		return 0, 0, err
	}
	return e, n, p.row(e, body, r)
}

// row reads the body of a record into r.
func (p *parser) row(e entry, body []byte, r *Row) error {
	if p.names == nil {
		p.names = make(map[string]string)
	}
	*r = Row{}
	rd := reader{b: body, names: p.names}
	if e == terms {
		rd.str(&r.Rate)
		rd.str(&r.RateTerms)
	} else {
		fields(&rd, r)
	}
	if rd.bad {
		return errTorn
	}
	return nil
}

// callID reads only the name of the call from the body of a record.
func callID(body []byte) (string, error) {
	rd := reader{b: body}
	var id string
	rd.id(&id)
	if rd.bad {
		return "", errTorn
	}
	return id, nil
}

// visitor writes or reads one field; fields is then the format, once.
type visitor interface {
	id(*string)  // a text of this call alone
	str(*string) // a text that other calls have too
	i64(*int64)
	count(*int)
	kind(*gateway.Kind)
	time(*time.Time)
	flag(*bool)
	strs(*[]string)
	windows(*[]Window)
	blob(*[]byte)
}

func fields[V visitor](v V, r *Row) {
	v.id(&r.CallID)
	v.id(&r.ResponseID)
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
	v.id(&r.Session)
	v.str(&r.ClientIP)
	v.flag(&r.Failed)
	v.kind(&r.Kind)
	v.id(&r.Error)
	v.flag(&r.Interrupted)
	v.flag(&r.Stream)
	v.str(&r.Finish)
	v.count(&r.Retries)
	v.count(&r.Fallbacks)
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
	v.str(&r.ProjectID)
	v.str(&r.Rate)
	v.blob(&r.Why)
	v.strs(&r.Through)
	v.str(&r.Agent)
}

type writer struct{ b []byte }

func (w *writer) id(s *string) { w.str(s) }
func (w *writer) str(s *string) {
	w.b = binary.AppendUvarint(w.b, uint64(len(*s)))
	w.b = append(w.b, *s...)
}
func (w *writer) i64(n *int64)         { w.b = binary.AppendVarint(w.b, *n) }
func (w *writer) count(n *int)         { w.b = binary.AppendVarint(w.b, int64(*n)) }
func (w *writer) kind(k *gateway.Kind) { w.b = binary.AppendVarint(w.b, int64(*k)) }
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

func (w *writer) blob(b *[]byte) {
	w.b = binary.AppendUvarint(w.b, uint64(len(*b)))
	w.b = append(w.b, *b...)
}

func (w *writer) windows(list *[]Window) {
	w.b = binary.AppendUvarint(w.b, uint64(len(*list)))
	for i := range *list {
		window(w, &(*list)[i])
	}
}

func window[V visitor](v V, w *Window) {
	v.str(&w.Scope)
	v.str(&w.ID)
	v.str(&w.Duration)
	v.time(&w.Start)
}

// reader reads what writer wrote. At the end of its bytes every field is zero.
type reader struct {
	b     []byte
	names map[string]string // nil to remember none
	bad   bool
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

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) blob(to *[]byte) {
	*to = nil
	if b := r.bytes(); len(b) > 0 {
		*to = bytes.Clone(b)
	}
}

func (r *reader) id(s *string) { *s = string(r.bytes()) }

func (r *reader) str(s *string) {
	b := r.bytes()
	if len(b) == 0 {
		*s = ""
		return
	}
	if name, ok := r.names[string(b)]; ok {
		*s = name
		return
	}
	*s = string(b)
	if r.names != nil && len(r.names) < maxNames {
		r.names[*s] = *s
	}
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

func (r *reader) count(n *int) {
	var v int64
	r.i64(&v)
	*n = int(v)
}

func (r *reader) kind(k *gateway.Kind) {
	var v int64
	r.i64(&v)
	*k = gateway.Kind(v)
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

func (r *reader) windows(list *[]Window) {
	n := r.uvarint()
	if n > uint64(len(r.b)) { // each window takes four bytes at least
		r.bad, r.b = true, nil
		return
	}
	for range n {
		var w Window
		window(r, &w)
		*list = append(*list, w)
	}
}
