package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"penstock/internal/gateway"
)

// Page is a part of a list and its order.
type Page struct {
	Offset int
	Limit  int // default 100, at most 10,000
	// Sort names an order; each list says which it has. Default "created_at".
	Sort string
	Desc bool
	// After continues behind a page instead of at an Offset, which costs the
	// same however far the page is: what Next received for that page.
	After string
	// Next, if set, receives the After of the next page, "" at the end.
	Next *string
}

func (p Page) limit() int {
	if p.Limit <= 0 {
		return 100
	}
	return min(p.Limit, 10_000)
}

// order is one way to sort a list: by an SQL expression, and the value it has
// for a row, an int64 or a string.
type order[T any] struct {
	expr  string
	value func(*T) any
	spent bool // by what was spent, which may stand in another table
	made  bool // by when rows were made, which tallied_times knows
	// computed says that expr is no column.
	computed bool
	// marks names the positions in table list_marks; "" if there are none. What it
	// names is a column of table list_moves too.
	marks string
}

// order returns the order that p asks for.
func (e *entity[T]) order(p Page) (order[T], error) {
	name := p.Sort
	if name == "" {
		name = "created_at"
	}
	o, ok := e.sort[name]
	if !ok {
		return o, gateway.Invalidf("sort_by", "%ss cannot be sorted by %q: use one of %s", e.kind, shown(name), strings.Join(slices.Sorted(maps.Keys(e.sort)), ", "))
	}
	return o, nil
}

// direction is the order of p. Ids part rows that are equal otherwise: a page
// must not depend on how the engine happens to walk the table.
func (e *entity[T]) direction(o order[T], desc bool) string {
	dir := ""
	if desc {
		dir = " DESC"
	}
	if o.expr == e.idColumn() {
		return " ORDER BY " + o.expr + dir
	}
	return " ORDER BY " + o.expr + dir + ", " + e.idColumn() + dir
}

// behind is the condition that a row comes after the one that p.After names.
func (e *entity[T]) behind(w *where, o order[T], p Page) (string, error) {
	_, numbers := o.value(new(T)).(int64)
	c, err := parseCursor(p.After, numbers)
	if err != nil {
		return "", err
	}
	op := ">"
	if p.Desc {
		op = "<"
	}
	cond := "(" + o.expr + ", " + e.idColumn() + ") " + op + " (" + w.arg(c.value) + ", " + w.text("after", c.id) + ")"
	return cond, w.bad
}

// window returns what cuts p out of the rows of source that w wants, of which
// there are total, or more if that is not exact; "" if nothing is left. w and source
// come to be only of what is behind p.After, or from a place on that is not far
// before the page.
func (e *entity[T]) window(ctx context.Context, db *DB, w *where, o order[T], p Page, source *string, total int, exact bool) (string, error) {
	if p.After != "" {
		cond, err := e.behind(w, o, p)
		w.parts = append(w.parts, cond)
		return e.direction(o, p.Desc) + " LIMIT " + strconv.Itoa(p.limit()), err
	}
	skip, n, desc := max(p.Offset, 0), p.limit(), p.Desc
	if skip >= total {
		return "", nil
	}
	if skip > total/2 && exact && w.few == nil {
		// From the other end it is nearer.
		n = min(n, total-skip)
		skip, desc = total-skip-n, !desc
	}
	switch {
	case !e.tallied || len(w.parts) > 0 || skip <= leapFrom:
	case o.made:
		var err error
		if skip, err = e.leap(ctx, db, w, skip, desc); err != nil || skip < 0 {
			return "", err
		}
	case o.marks != "":
		n = min(n, total-skip)
		at := skip
		if desc {
			at = total - skip - n
		}
		m, ok, err := e.mark(ctx, db, o, total, "at <= $2", at)
		if err != nil {
			return "", err
		}
		if ok {
			skip, desc = at-m.at, false
			*source = e.from(w, db.d, o, m, skip+n, *source)
		}
	}
	return e.direction(o, desc) + " LIMIT " + strconv.Itoa(n) + " OFFSET " + strconv.Itoa(skip), nil
}

// leap has w want only rows from the second on in which number skip was made,
// and returns how many of those come before it; -1 if there are not so many.
func (e *entity[T]) leap(ctx context.Context, db *DB, w *where, skip int, desc bool) (int, error) {
	dir, from, to := "", int64(math.MinInt64), int64(math.MaxInt64)
	if desc {
		dir = " DESC"
	}
	const step = 10 // from one level to the next
	for _, level := range [...]int{40, 30, 20} {
		rows, err := db.r.QueryContext(ctx, "SELECT bucket, n FROM tallied_times WHERE kind = $1 AND level = $2 AND bucket >= $3 AND bucket <= $4 ORDER BY bucket"+dir, //nolint:gosec // G202: the text is ours, values are parameters
			e.kind, level, from, to)
		found := false
		err = results(rows, err, func(r *sql.Rows) error {
			var bucket int64
			var n int
			if err := r.Scan(&bucket, &n); err != nil || found {
				return err
			}
			if found = skip < n; !found {
				skip -= n
				return nil
			}
			from, to = bucket<<step, bucket<<step+1<<step-1
			return nil
		})
		switch {
		case err != nil:
			return 0, fmt.Errorf("look for a page of %ss: %w", e.kind, err)
		case !found:
			return -1, nil
		}
	}
	// from and to are of a level that there is not: 2^10 microseconds.
	if desc {
		w.parts = append(w.parts, "created_at < "+w.arg((to+1)<<step))
	} else {
		w.parts = append(w.parts, "created_at >= "+w.arg(from<<step))
	}
	return skip, nil
}

// cursor is the place of a row in a list.
type cursor struct {
	value any // int64 or string
	id    string
}

// storedCursor is how a cursor travels.
type storedCursor struct {
	Number *int64 `json:"n,omitzero"`
	Text   string `json:"t,omitzero"`
	ID     string `json:"id"`
}

func (c cursor) String() string {
	s := storedCursor{ID: c.id}
	switch v := c.value.(type) {
	case int64:
		s.Number = &v
	case string:
		s.Text = v
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "" // only broken UTF-8, which is in no row
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor reads a cursor of an order of numbers or of texts.
func parseCursor(text string, numbers bool) (cursor, error) {
	var s storedCursor
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil || numbers != (s.Number != nil) {
		return cursor{}, gateway.Invalidf("after", "%q is no place in a list: pass on what the page before has given", shown(text))
	}
	if numbers {
		return cursor{*s.Number, s.ID}, nil
	}
	return cursor{s.Text, s.ID}, nil
}

func byTime[T any](column string, of func(*T) time.Time) order[T] {
	return order[T]{expr: column, value: func(v *T) any { return micros(of(v)) }, made: column == "created_at", marks: column}
}

func byText[T any](column string, of func(*T) string) order[T] {
	return order[T]{expr: column, value: func(v *T) any { return of(v) }, marks: column}
}

// bySpend sorts by what was ever spent, of rows that have a column for it.
func bySpend[T any](of func(*T) *gateway.Spend) order[T] {
	return order[T]{expr: "spend_total", value: func(v *T) any { return int64(of(v).Total) }, spent: true, marks: "spend_total"}
}

// byTotal does the same for rows whose spend stands in table totals, if any.
func byTotal[T any](of func(*T) *gateway.Spend) order[T] {
	o := bySpend(of)
	o.expr, o.marks = "COALESCE(spend_total, 0)", ""
	return o
}

// byBudget sorts by budget. Without one there is no ceiling, so such rows stand
// above all others; the engines disagree about where a NULL goes.
func byBudget[T any](of func(*T) *gateway.Limits) order[T] {
	return order[T]{expr: "COALESCE(budget, 9223372036854775807)", value: func(v *T) any {
		if b := of(v).Budget; b != nil {
			return int64(*b)
		}
		return int64(math.MaxInt64)
	}, marks: "budget", computed: true}
}

// where collects the conditions of a query and their parameters.
type where struct {
	parts []string
	args  []any
	bad   error // the first value that no row can hold
	// few adds to a condition's parameters and returns a query for the ids of at
	// least all rows that a search may mean, which an index answers, but for no
	// more than fewRows and one; nil if there is none.
	few func(*where) string
	// part says that a part of a text is wanted: rows that do not have it are
	// walked over.
	part bool
	// columns are those that have to have a value, "" for other conditions.
	columns []string
}

const (
	// fewRows is how many rows of a search are looked up and sorted. A search
	// that means more finds enough of them by walking the list.
	fewRows = 3000
	// partRows is how many rows of a search are counted that no index knows of:
	// counting them is walking over all that stand between them.
	partRows = 500
	// leapFrom is how many rows are walked over rather than leapt over, which
	// takes up to three queries.
	leapFrom = 1000
	// manyRows is how many rows of a list that is not of everything are counted.
	manyRows = 100_000
)

// wordTable is where SQLite finds parts of texts: table NAME_words has the texts
// of each row under a number, column number, and NAME_found their trigrams.
type wordTable struct{ name, number string }

// finds says how an index finds rows that have part in one of columns, if one
// can. others are further queries for ids of rows that are meant. LIKE alone
// would read the whole table.
func (e *entity[T]) finds(w *where, d dialect, part string, others func(*where) []string, columns ...string) {
	// Three characters make one trigram.
	if utf8.RuneCountInString(part) < 3 || len(part) > maxID || !storable(part) {
		return
	}
	id := e.idColumn()
	w.few = func(w *where) string {
		var found []string
		if d.trigrams {
			p := w.arg(`"` + strings.ReplaceAll(part, `"`, `""`) + `"`)
			name, n := e.words.name, e.words.number
			found = append(found, "SELECT "+id+" FROM "+name+"_words WHERE "+n+" IN (SELECT rowid FROM "+name+"_found WHERE "+name+"_found MATCH "+p+" LIMIT "+strconv.Itoa(fewRows+1)+")")
		} else {
			p := w.arg("%" + escapeLike(part) + "%")
			for _, c := range columns {
				found = append(found, "SELECT "+id+" FROM "+e.table+" WHERE LOWER("+c+") LIKE LOWER("+p+")")
			}
		}
		if others != nil {
			found = append(found, others(w)...)
		}
		for i := range found {
			found[i] = "SELECT " + id + " FROM (" + found[i] + " LIMIT " + strconv.Itoa(fewRows+1) + ") AS found" + strconv.Itoa(i)
		}
		return strings.Join(found, " UNION ")
	}
}

// arg adds a parameter and returns its place.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return "$" + strconv.Itoa(len(w.args))
}

// clone returns a copy that conditions can be added to.
func (w *where) clone() where {
	return where{parts: slices.Clone(w.parts), columns: slices.Clone(w.columns), args: slices.Clone(w.args), bad: w.bad}
}

// text adds a text parameter.
func (w *where) text(column, v string) string {
	if !storable(v) && w.bad == nil {
		if _, name, ok := strings.Cut(column, "."); ok {
			column = name
		}
		w.bad = gateway.Invalidf(column, "the value for %s contains a NUL byte or broken UTF-8", column)
	}
	return w.arg(v)
}

// is wants column to be v; an empty v wants nothing.
func (w *where) is(column, v string) {
	if v != "" {
		// The second part follows from the first, but only it tells SQLite that
		// an index of the rows with a value will do.
		w.parts = append(w.parts, column+" = "+w.text(column, v)+" AND "+column+" <> ''")
		w.columns = append(w.columns, column)
	}
}

// only reports whether all that is wanted is that some of columns have a value.
func (w *where) only(columns []string) bool {
	if len(w.parts) != len(w.columns) {
		return false
	}
	for _, c := range w.columns {
		if !slices.Contains(columns, c) {
			return false
		}
	}
	return true
}

// among wants column to be one of very many values, which are one parameter: each
// number of parameters would be a statement of its own to the database.
func (w *where) among(d dialect, column string, values []string) error {
	b, err := json.Marshal(values)
	if err != nil {
		return err
	}
	w.parts = append(w.parts, column+" IN ("+fmt.Sprintf(d.elements, w.arg(string(b)))+")")
	return nil
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
	w.part = true
	p := w.text(columns[0], "%"+escapeLike(v)+"%")
	ors := make([]string, len(columns))
	for i, c := range columns {
		ors[i] = "LOWER(" + c + ") LIKE LOWER(" + p + `) ESCAPE '\'`
	}
	w.parts = append(w.parts, "("+strings.Join(ors, " OR ")+")")
}

// escapeLike makes v stand for itself in a LIKE pattern.
func escapeLike(v string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(v)
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
	before, columns := w.parts, w.columns
	w.parts = nil
	f(w)
	if len(w.parts) > 0 {
		before, columns = append(before, "("+strings.Join(w.parts, " OR ")+")"), append(columns, "")
	}
	w.parts, w.columns = before, columns
}
