package mock

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
)

const (
	defaultDims = 8
	numberWidth = len("0.012345,")
	tableSize   = 8192 // numbers ready to be copied
	// spread is over how many places in the table vectors start, so that
	// different texts get different vectors.
	spread = 997
)

// vectors is a table of numbers as JSON text and as float32s. A vector is a
// piece of it.
type vectors struct {
	text   []byte // numberWidth bytes each, the comma included
	floats []byte // four bytes each, little endian
}

func newVectors() *vectors {
	v := &vectors{}
	for i := range tableSize + spread {
		n := 10000 + (i*7919+i*i)%80000
		v.text = append(v.text, "0.0"...)
		v.text = strconv.AppendInt(v.text, int64(n), 10)
		v.text = append(v.text, ',')
		v.floats = binary.LittleEndian.AppendUint32(v.floats, math.Float32bits(float32(n)/1e6))
	}
	return v
}

// appendJSON appends dims numbers from place at on. A vector longer than the
// table goes round.
func (v *vectors) appendJSON(dst []byte, at, dims int) []byte {
	dst = append(dst, '[')
	for dims > 0 {
		n := min(dims, tableSize)
		dst = append(dst, v.text[at*numberWidth:(at+n)*numberWidth]...)
		dims -= n
	}
	dst[len(dst)-1] = ']' // in place of the last comma
	return dst
}

func (v *vectors) appendBase64(dst []byte, at, dims int) []byte {
	var raw []byte
	for dims > 0 {
		n := min(dims, tableSize)
		raw = append(raw, v.floats[at*4:(at+n)*4]...)
		dims -= n
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	return append(dst, '"')
}

// parseEmbed reads an embedding request of any dialect.
func (x *exchange) parseEmbed() error {
	add := func(bytes int) {
		if x.inputs == 0 {
			x.firstN = bytes
		}
		x.inputs++
		x.prompt += bytes
	}
	x.dims = defaultDims
	if x.dialect == gemini {
		one := func(request []byte) {
			add(textBytes(member(member(request, "content"), "parts")))
			if n, err := strconv.Atoi(string(member(request, "outputDimensionality"))); err == nil && n > 0 {
				x.dims = min(n, maxCount)
			}
		}
		if x.single {
			one(x.body)
		} else {
			items(x.obj.Get("requests"), one)
		}
	} else {
		x.parseInput(x.obj.Get("input"), add)
		if n := x.number("dimensions"); n > 0 {
			x.dims = n
		}
		format, _ := x.obj.String("encoding_format")
		x.base64 = format == "base64"
	}
	if x.inputs == 0 {
		return errors.New("input: want a text or a list of texts")
	}
	if x.step.Large > 0 {
		x.dims = max(x.step.Large/numberWidth, 1)
	}
	return nil
}

// parseInput reads a text, texts, tokens, or lists of tokens. A token counts
// as four bytes.
func (x *exchange) parseInput(v []byte, add func(bytes int)) {
	if len(v) > 0 && v[0] == '"' {
		add(textLen(v))
		return
	}
	tokens := 0
	items(v, func(item []byte) {
		switch item[0] {
		case '"':
			add(textLen(item))
		case '[':
			n := 0
			items(item, func([]byte) { n++ })
			add(4 * n)
		default:
			tokens++
		}
	})
	if tokens > 0 {
		add(4 * tokens)
	}
}

// renderEmbed writes the vectors. The place of a vector follows from the size
// of the texts, so equal requests get equal answers.
func (x *exchange) renderEmbed(v *vectors) {
	x.plan.prompt = promptTokens(x.prompt)
	if x.step.Prompt > 0 {
		x.plan.prompt = x.step.Prompt
	}
	if x.dialect == gemini {
		open, end := `{"embeddings":[`, "]}"
		if x.single {
			open, end = `{"embedding":`, "}"
		}
		x.str(open)
		for i := range x.inputs {
			if i > 0 {
				x.str(",")
			}
			x.str(`{"values":`)
			x.out = v.appendJSON(x.out, (x.firstN+i)%spread, x.dims)
			x.str("}")
		}
		x.str(end)
		return
	}
	x.str(`{"object":"list","data":[`)
	for i := range x.inputs {
		if i > 0 {
			x.str(",")
		}
		x.str(`{"object":"embedding","index":`)
		x.num(int64(i))
		x.str(`,"embedding":`)
		if x.base64 {
			x.out = v.appendBase64(x.out, (x.firstN+i)%spread, x.dims)
		} else {
			x.out = v.appendJSON(x.out, (x.firstN+i)%spread, x.dims)
		}
		x.str("}")
	}
	x.str(`],"model":`)
	x.raw(x.model.quoted)
	if !x.step.NoUsage {
		x.str(`,"usage":{"prompt_tokens":`)
		x.num(int64(x.plan.prompt))
		x.str(`,"total_tokens":`)
		x.num(int64(x.plan.prompt))
		x.str("}")
	}
	x.str("}")
}
