package openai

import "penstock/internal/wire"

// PackEmbeddings appends the edits that replace each embedding in data that is
// an array by what pack makes of it. data is the "data" member of an answer and
// starts at offset at; it must be valid JSON.
func PackEmbeddings(data []byte, at int, pack func(list []byte) ([]byte, bool), edits []wire.Edit) []wire.Edit {
	l := itemsOf(data)
	for l.next() {
		f := fieldsOf(l.val)
		for f.next() {
			if string(f.name) != "embedding" || f.val[0] != '[' {
				continue
			}
			if v, ok := pack(f.val); ok {
				start := at + l.at + f.at
				edits = append(edits, wire.Edit{Start: start, End: start + len(f.val), New: v})
			}
		}
	}
	return edits
}
