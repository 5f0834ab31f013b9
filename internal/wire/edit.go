package wire

import (
	"io"
	"slices"
)

// Edit replaces Body[Start:End] by New.
type Edit struct {
	Start, End int
	New        []byte
}

// Set returns the edit that gives the member the value, adding it if it is not there.
func (o *Object) Set(name string, value []byte) Edit {
	if m := o.Find(name); m != nil {
		return Edit{m.Start, m.End, value}
	}
	return o.Insert(name, value)
}

// Insert returns the edit that adds a member that is not there yet, in front of the others.
func (o *Object) Insert(name string, value []byte) Edit {
	add := make([]byte, 0, len(name)+len(value)+4)
	add = AppendString(add, name)
	add = append(add, ':')
	add = append(add, value...)
	if len(o.Members) > 0 {
		add = append(add, ',')
	}
	return Edit{o.Open + 1, o.Open + 1, add}
}

// Rename returns the edit that changes a member's name, and false if it is not there.
func (o *Object) Rename(from, to string) (Edit, bool) {
	m := o.Find(from)
	if m == nil {
		return Edit{}, false
	}
	end := m.KeyStart + 1
	for o.Body[end] != '"' || o.Body[end-1] == '\\' {
		end++
	}
	return Edit{m.KeyStart, end + 1, Quote(to)}, true
}

// Delete returns the edits that remove the named members where they are. They
// must all come from one call: removing two neighbours is one edit, so that
// the commas between the members that stay are right.
func (o *Object) Delete(names ...string) []Edit {
	var edits []Edit
	gone := func(i int) bool { return slices.Contains(names, o.Members[i].Name) }
	for i := 0; i < len(o.Members); i++ {
		if !gone(i) {
			continue
		}
		j := i
		for j+1 < len(o.Members) && gone(j+1) {
			j++
		}
		start, end := o.Members[i].KeyStart, o.Members[j].End
		switch {
		case j+1 < len(o.Members):
			end = o.Members[j+1].KeyStart // and the comma after it
		case i > 0:
			start = o.Members[i-1].End // and the comma before it
		}
		edits = append(edits, Edit{start, end, nil})
		i = j
	}
	return edits
}

// Segments returns body with edits applied, as pieces that share body's
// memory: a large prompt is not copied to change its model name. Edits must
// not overlap; their order does not matter, but edits at the same place are
// applied in the order given.
func Segments(body []byte, edits []Edit) Body {
	if len(edits) == 0 {
		return Body{Parts: [][]byte{body}, Len: len(body)}
	}
	slices.SortStableFunc(edits, func(a, b Edit) int {
		if a.Start != b.Start {
			return a.Start - b.Start
		}
		return a.End - b.End // an insertion goes before a replacement at the same place
	})
	out := Body{Parts: make([][]byte, 0, 2*len(edits)+1)}
	at := 0
	for _, e := range edits {
		if e.Start > at {
			out.add(body[at:e.Start])
		}
		out.add(e.New)
		at = max(at, e.End)
	}
	out.add(body[at:])
	return out
}

// Body is a request body in pieces.
type Body struct {
	Parts [][]byte
	Len   int // bytes in all parts
}

// BodyOf returns a Body of one piece.
func BodyOf(b []byte) Body { return Body{Parts: [][]byte{b}, Len: len(b)} }

func (b *Body) add(p []byte) {
	if len(p) > 0 {
		b.Parts = append(b.Parts, p)
		b.Len += len(p)
	}
}

// Bytes returns the body in one piece. It copies unless there is only one.
func (b Body) Bytes() []byte {
	if len(b.Parts) == 1 {
		return b.Parts[0]
	}
	out := make([]byte, 0, b.Len)
	for _, p := range b.Parts {
		out = append(out, p...)
	}
	return out
}

// Reader returns a reader of the body. It also implements io.WriterTo, so that
// net/http writes each piece in one go. Each try of a call needs its own.
func (b Body) Reader() *BodyReader { return &BodyReader{parts: b.Parts} }

// BodyReader reads a Body.
type BodyReader struct {
	parts [][]byte
	off   int
}

var _ io.WriterTo = (*BodyReader)(nil)

// Read implements io.Reader.
func (r *BodyReader) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && len(r.parts) > 0 {
		c := copy(p[n:], r.parts[0][r.off:])
		n += c
		r.off += c
		if r.off == len(r.parts[0]) {
			r.parts, r.off = r.parts[1:], 0
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// WriteTo implements io.WriterTo.
func (r *BodyReader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for len(r.parts) > 0 {
		n, err := w.Write(r.parts[0][r.off:])
		total += int64(n)
		if err != nil {
			return total, err
		}
		r.parts, r.off = r.parts[1:], 0
	}
	return total, nil
}

// Close implements io.Closer.
func (r *BodyReader) Close() error { return nil }
