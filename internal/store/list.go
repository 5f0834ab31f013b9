package store

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"penstock/internal/gateway"
)

// Page is a part of a list and its order.
type Page struct {
	Offset int
	Limit  int // default 100, at most 10,000
	// Sort names an order; each list says which it has. Default "created_at".
	Sort string
	Desc bool
}

func (p Page) limit() int {
	if p.Limit <= 0 {
		return 100
	}
	return min(p.Limit, 10_000)
}

// order returns the ORDER BY of p. Ids part rows that are equal otherwise: a
// page must not depend on how the engine happens to walk the table.
func (e *entity[T]) order(p Page) (string, error) {
	name := p.Sort
	if name == "" {
		name = "created_at"
	}
	expr, ok := e.sort[name]
	if !ok {
		return "", gateway.Invalidf("sort_by", "%ss cannot be sorted by %q: use one of %s", e.kind, shown(name), strings.Join(slices.Sorted(maps.Keys(e.sort)), ", "))
	}
	dir := ""
	if p.Desc {
		dir = " DESC"
	}
	return " ORDER BY " + expr + dir + ", " + e.columns[0] + dir, nil
}

// where collects the conditions of a query and their parameters.
type where struct {
	parts []string
	args  []any
	bad   error // the first value that no row can hold
}

// arg adds a parameter and returns its place.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return "$" + strconv.Itoa(len(w.args))
}

// text adds a text parameter.
func (w *where) text(column, v string) string {
	if !storable(v) && w.bad == nil {
		w.bad = gateway.Invalidf(column, "the value for %s contains a NUL byte or broken UTF-8", column)
	}
	return w.arg(v)
}

// is wants column to be v; an empty v wants nothing.
func (w *where) is(column, v string) {
	if v != "" {
		w.parts = append(w.parts, column+" = "+w.text(column, v))
	}
}

// in wants column to be one of values.
func (w *where) in(column string, values []string) {
	if len(values) == 0 {
		w.parts = append(w.parts, "1 = 0")
		return
	}
	ps := make([]string, len(values))
	for i, v := range values {
		ps[i] = w.text(column, v)
	}
	w.parts = append(w.parts, column+" IN ("+strings.Join(ps, ", ")+")")
}

// contains wants one of the columns to contain v, in any case of ASCII letters.
func (w *where) contains(v string, columns ...string) {
	if v == "" {
		return
	}
	if len(v) > maxID {
		// Longer than the columns get, and SQLite refuses long patterns.
		w.parts = append(w.parts, "1 = 0")
		return
	}
	escaped := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(v)
	p := w.text(columns[0], "%"+escaped+"%")
	ors := make([]string, len(columns))
	for i, c := range columns {
		ors[i] = "LOWER(" + c + ") LIKE LOWER(" + p + `) ESCAPE '\'`
	}
	w.parts = append(w.parts, "("+strings.Join(ors, " OR ")+")")
}

// sql returns " WHERE …", or "" if everything is wanted.
func (w *where) sql() string {
	if len(w.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.parts, " AND ")
}

// either joins the conditions that f adds by OR.
func (w *where) either(f func(*where)) {
	before := w.parts
	w.parts = nil
	f(w)
	if len(w.parts) > 0 {
		before = append(before, "("+strings.Join(w.parts, " OR ")+")")
	}
	w.parts = before
}
