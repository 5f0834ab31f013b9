package api

import (
	"net/http"
	"strconv"

	"penstock/internal/gateway"
)

// heading gathers the headers of one answer. An answer has about forty of
// them, and a string and a slice for each was a third of all that a call
// allocated: here they share one string and one slice.
type heading struct {
	names []string // canonical
	ends  []int    // where each one's value ends in buf
	buf   []byte
}

// text adds a header, unless value is empty.
func (d *heading) text(name, value string) {
	if value != "" {
		d.buf = append(d.buf, value...)
		d.end(name)
	}
}

// number adds a header with a whole number.
func (d *heading) number(name string, n int64) {
	d.buf = strconv.AppendInt(d.buf, n, 10)
	d.end(name)
}

// money adds a header with an amount in dollars.
func (d *heading) money(name string, n gateway.NanoUSD) {
	d.buf = n.Append(d.buf)
	d.end(name)
}

// decimal adds a header with a number of three decimals.
func (d *heading) decimal(name string, n float64) {
	d.buf = strconv.AppendFloat(d.buf, n, 'f', 3, 64)
	d.end(name)
}

func (d *heading) end(name string) {
	d.names, d.ends = append(d.names, name), append(d.ends, len(d.buf))
}

// into puts the headers into h, and makes d ready for another answer.
func (d *heading) into(h http.Header) {
	all, values, start := string(d.buf), make([]string, len(d.names)), 0
	for i, name := range d.names {
		values[i] = all[start:d.ends[i]]
		h[name] = values[i : i+1 : i+1] // whoever adds to one must not write over the next
		start = d.ends[i]
	}
	d.names, d.ends, d.buf = d.names[:0], d.ends[:0], d.buf[:0]
}
