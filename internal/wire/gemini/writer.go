package gemini

import (
	"strconv"

	"penstock/internal/wire"
)

// writer builds JSON by appending. It puts the commas: a value or a member
// name that follows another one gets a comma before it.
type writer struct{ b []byte }

func (w *writer) sep() {
	if len(w.b) == 0 {
		return
	}
	switch w.b[len(w.b)-1] {
	case '{', '[', ':':
	default:
		w.b = append(w.b, ',')
	}
}

func (w *writer) open(c byte) {
	w.sep()
	w.b = append(w.b, c)
}

func (w *writer) close(c byte) { w.b = append(w.b, c) }

func (w *writer) key(name string) {
	w.sep()
	w.b = wire.AppendString(w.b, name)
	w.b = append(w.b, ':')
}

func (w *writer) str(s string) {
	w.sep()
	w.b = wire.AppendString(w.b, s)
}

func (w *writer) int(n int64) {
	w.sep()
	w.b = strconv.AppendInt(w.b, n, 10)
}

func (w *writer) bool(v bool) {
	w.sep()
	w.b = strconv.AppendBool(w.b, v)
}

func (w *writer) raw(v []byte) {
	w.sep()
	w.b = append(w.b, v...)
}

// object is a JSON object in the making whose members may be replaced.
type object []struct {
	name  string
	value []byte
}

func (o *object) set(name string, value []byte) {
	for i := range *o {
		if (*o)[i].name == name {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, struct {
		name  string
		value []byte
	}{name, value})
}

func (o *object) setInt(name string, n int64) { o.set(name, strconv.AppendInt(nil, n, 10)) }

func (o *object) setString(name, s string) { o.set(name, wire.Quote(s)) }

func (o *object) has(name string) bool {
	for i := range *o {
		if (*o)[i].name == name {
			return true
		}
	}
	return false
}

func (w *writer) object(o object) {
	w.open('{')
	for _, m := range o {
		w.key(m.name)
		w.raw(m.value)
	}
	w.close('}')
}
