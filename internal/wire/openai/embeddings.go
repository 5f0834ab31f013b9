package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"penstock/internal/wire"
)

// PackEmbeddings appends the edits that turn each embedding in data that is an
// array of numbers into base64 of little-endian float32. OpenAI's own client
// asks for that form whenever its user asked for nothing, and many vendors do
// not know it. data is the "data" member of an answer and starts at offset at
// of the body; it must be valid JSON.
func PackEmbeddings(data []byte, at int, edits []wire.Edit) []wire.Edit {
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

func pack(list []byte) ([]byte, bool) {
	raw := make([]byte, 0, len(list)/2)
	for item := range bytes.SplitSeq(bytes.Trim(list, "[] \t\r\n"), []byte(",")) {
		f, err := strconv.ParseFloat(string(bytes.TrimSpace(item)), 32)
		if err != nil {
			return nil, false
		}
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(f)))
	}
	out := append(make([]byte, 0, base64.StdEncoding.EncodedLen(len(raw))+2), '"')
	return append(base64.StdEncoding.AppendEncode(out, raw), '"'), true
}
