package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"penstock/internal/gateway"
)

// entity is what keys, users, teams and their like have in common: a row with
// an id that is created, read, changed and deleted, each change leaving a trace
// in the change feed in the same transaction.
type entity[T any] struct {
	kind    string // in the change feed and in errors: "key", "user", "team", …
	table   string
	idField string
	id      func(*T) string
	// fields ties the columns to the struct. The first one is the id.
	fields func(*T) []field
	// scope is where in table totals the spend of rows stands; "" for those
	// that have columns for it, or no spend. spend is where it goes.
	scope string
	spend func(*T) *gateway.Spend
	// owned is the total of a row that has columns for it, nil for others. Its
	// scope is kind.
	owned func(*T) gateway.NanoUSD
	// fill completes rows that were read, if some of it stands elsewhere.
	fill func(ctx context.Context, q querier, vs []*T) error
	// tallied says that table tallies has the number of rows, and tallied_times
	// how many were made when.
	tallied bool
	// spendScopes are the columns that spend_order has besides the spend.
	spendScopes []string
	// archive is the table that keeps rows that are deleted; "" for none.
	archive string
	// words names the tables where SQLite finds parts of texts, and their columns.
	words wordTable
	// unique are the indexes beside the id that a row may collide on.
	unique []unique[T]
	// sort are the orders that a list can have. "" is the default.
	sort map[string]order[T]
}

// unique is an index whose name contains Index, and the field it is on.
type unique[T any] struct {
	index, field string
	value        func(*T) string
}

// row is *sql.Row or *sql.Rows.
type row interface{ Scan(dest ...any) error }

// querier is *sql.DB or *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// columns are those of the table, the id first.
func (e *entity[T]) columns() []string { return names(e.fields(new(T))) }

// idColumn is the primary key.
func (e *entity[T]) idColumn() string { return e.fields(new(T))[0].column }

func (e *entity[T]) selectSQL() string {
	cols := strings.Join(e.columns(), ", ")
	if e.scope != "" {
		cols += ", COALESCE(spend_window, 0), COALESCE(window_start, 0), COALESCE(spend_total, 0)"
	}
	return "SELECT " + cols + " FROM " + e.spentTable()
}

// spentTable is the table with what its rows have spent.
func (e *entity[T]) spentTable() string {
	if e.scope == "" {
		return e.table
	}
	return e.table + " LEFT JOIN (SELECT id AS owner, spend_window, window_start, spend_total FROM totals WHERE scope = '" + e.scope + "') AS spent ON owner = " + e.table + "." + e.idColumn()
}

// reader returns a function that scans one row of selectSQL.
func (e *entity[T]) reader() func(row) (*T, error) {
	var v T
	fs := e.fields(&v)
	if e.scope != "" {
		fs = append(fs, spendFields(e.spend(&v))...)
	}
	dest := make([]any, len(fs))
	for i, f := range fs {
		dest[i] = f.dest
	}
	return func(r row) (*T, error) {
		v = *new(T)
		if err := r.Scan(dest...); err != nil {
			return nil, err
		}
		for _, f := range fs {
			if f.keep == nil {
				continue
			}
			if err := f.keep(); err != nil {
				return nil, err
			}
		}
		out := v
		return &out, nil
	}
}

func (e *entity[T]) insertSQL() string {
	cols := e.columns()
	ps := make([]string, len(cols))
	for i := range ps {
		ps[i] = "$" + strconv.Itoa(i+1)
	}
	return "INSERT INTO " + e.table + " (" + strings.Join(cols, ", ") + ") VALUES (" + strings.Join(ps, ", ") + ")"
}

// updateSQL sets every column but the id, which is parameter $1.
func (e *entity[T]) updateSQL() string {
	cols := e.columns()
	sets := make([]string, 0, len(cols)-1)
	for i, c := range cols[1:] {
		sets = append(sets, c+" = $"+strconv.Itoa(i+2))
	}
	return "UPDATE " + e.table + " SET " + strings.Join(sets, ", ") + " WHERE " + cols[0] + " = $1"
}

func (e *entity[T]) create(ctx context.Context, db *DB, v *T) error {
	return db.change(ctx, func(tx *sql.Tx, f *feed) error { return e.insert(ctx, db, tx, f, v) })
}

// insert writes a new row, and its spend if it comes with some.
func (e *entity[T]) insert(ctx context.Context, db *DB, tx *sql.Tx, f *feed, v *T) error {
	args, err := values(e.fields(v))
	if err != nil {
		return err
	}
	if e.id(v) == "" {
		return gateway.Invalidf(e.idField, "a %s needs a %s", e.kind, e.idField)
	}
	if e.owned != nil {
		if err := db.alone(ctx, tx); err != nil {
			return e.failed(db, "create", v, err)
		}
	}
	if _, err := tx.ExecContext(ctx, e.insertSQL(), args...); err != nil {
		return e.failed(db, "create", v, err)
	}
	if e.owned != nil {
		if err := db.reconcile(ctx, tx, e.kind, e.id(v)); err != nil {
			return err
		}
	}
	if e.scope != "" && *e.spend(v) != (gateway.Spend{}) {
		if err := db.setTotal(ctx, tx, e.scope, e.id(v), *e.spend(v)); err != nil {
			return err
		}
	}
	f.note(e.kind, e.id(v))
	return nil
}

// get reads the one row that cond, a condition on $1, selects. by is the name
// of what is looked for, for errors.
func (e *entity[T]) get(ctx context.Context, q querier, by, cond, value string) (*T, error) {
	if value == "" || !storable(value) {
		return nil, fmt.Errorf("%s with %s %q: %w", e.kind, by, shown(value), ErrNotFound)
	}
	v, err := e.reader()(q.QueryRowContext(ctx, e.selectSQL()+" WHERE "+cond, value))
	if err == nil && e.fill != nil {
		err = e.fill(ctx, q, []*T{v})
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("%s with %s %q: %w", e.kind, by, shown(value), ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("read %s with %s %q: %w", e.kind, by, shown(value), err)
	}
	return v, nil
}

// byID reads one row.
func (e *entity[T]) byID(ctx context.Context, q querier, id string) (*T, error) {
	return e.get(ctx, q, e.idField, e.idColumn()+" = $1", id)
}

// locked reads one row in a transaction that will write it back: until then
// nobody else can, the booking of its spend included.
func (e *entity[T]) locked(ctx context.Context, db *DB, tx *sql.Tx, id string) (*T, error) {
	if e.scope != "" && storable(id) {
		if err := lockTotal(ctx, db, tx, e.scope, id); err != nil {
			return nil, err
		}
	}
	lock := db.d.forUpdate
	if lock != "" && e.scope != "" {
		lock += " OF " + e.table
	}
	return e.get(ctx, tx, e.idField, e.idColumn()+" = $1"+lock, id)
}

// update reads a row, lets change change it and writes it back, in one
// transaction that holds the row from the read on.
func (e *entity[T]) update(ctx context.Context, db *DB, id string, change func(*T) error) (*T, error) {
	var out *T
	err := db.change(ctx, func(tx *sql.Tx, f *feed) error {
		v, err := e.locked(ctx, db, tx, id)
		if err != nil {
			return err
		}
		var spent gateway.Spend
		if e.scope != "" {
			spent = *e.spend(v)
		}
		var total gateway.NanoUSD
		if e.owned != nil {
			total = e.owned(v)
		}
		if err := change(v); err != nil {
			return err
		}
		if e.id(v) != id {
			return fmt.Errorf("update %s %q: its %s cannot change", e.kind, shown(id), e.idField)
		}
		if e.scope != "" && *e.spend(v) != spent {
			if err := db.setTotal(ctx, tx, e.scope, id, *e.spend(v)); err != nil {
				return err
			}
		}
		out = v
		if err := e.put(ctx, db, tx, f, v); err != nil || e.owned == nil || e.owned(v) == total {
			return err
		}
		return db.reconcile(ctx, tx, e.kind, id)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// put writes back a row that tx holds.
func (e *entity[T]) put(ctx context.Context, db *DB, tx *sql.Tx, f *feed, v *T) error {
	args, err := values(e.fields(v))
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, e.updateSQL(), args...); err != nil {
		return e.failed(db, "update", v, err)
	}
	f.note(e.kind, e.id(v))
	return nil
}

// delete deletes the rows with these ids and returns the ids that were there.
func (e *entity[T]) delete(ctx context.Context, db *DB, ids []string) ([]string, error) {
	var gone []string
	err := db.change(ctx, func(tx *sql.Tx, f *feed) (err error) {
		gone, err = e.remove(ctx, db, tx, f, e.idColumn(), ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// remove deletes the rows where column has one of values, in tx, and returns
// the ids that were there.
func (e *entity[T]) remove(ctx context.Context, db *DB, tx *sql.Tx, f *feed, column string, values []string) ([]string, error) {
	values = possible(values)
	var gone []string
	for chunk := range slices.Chunk(values, 500) {
		w := where{}
		w.in(column, chunk)
		ids, err := e.take(ctx, db, tx, w)
		if err != nil {
			return nil, fmt.Errorf("delete %ss: %w", e.kind, err)
		}
		gone = append(gone, ids...)
	}
	slices.Sort(gone)
	f.note(e.kind, gone...)
	return gone, nil
}

// possible returns the ids that can exist, sorted, each once.
func possible(ids []string) []string {
	ids = slices.DeleteFunc(slices.Clone(ids), func(s string) bool { return s == "" || !storable(s) })
	slices.Sort(ids)
	return slices.Compact(ids)
}

// list returns one page of the rows that w selects, and how many there are.
// Of the rows of a search it counts no more than fewRows.
func (e *entity[T]) list(ctx context.Context, db *DB, w where, p Page) ([]*T, int, error) {
	if w.bad != nil {
		return nil, 0, w.bad
	}
	o, err := e.order(p)
	if err != nil {
		return nil, 0, err
	}
	var out []*T
	var total int
	ids, few, err := e.fewIDs(ctx, db, &w)
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("find %ss: %w", e.kind, err)
	case few:
		out, total, err = e.pageOf(ctx, db, &w, o, p, ids)
	default:
		out, total, err = e.walk(ctx, db, &w, o, p)
	}
	if p.Next != nil {
		*p.Next = ""
		if len(out) == p.limit() {
			*p.Next = cursor{o.value(out[len(out)-1]), e.id(out[len(out)-1])}.String()
		}
	}
	return out, total, err
}

// fewIDs returns the ids of at least all rows that a search may mean, if they
// are few.
func (e *entity[T]) fewIDs(ctx context.Context, db *DB, w *where) (ids []string, few bool, err error) {
	if w.few == nil {
		return nil, false, nil
	}
	var f where
	q := w.few(&f)
	ids, err = texts(ctx, db.r, q, f.args...)
	return ids, err == nil && len(ids) <= fewRows, err
}

// pageOf returns the page of those of the rows with these ids that w selects, and
// how many it selects.
func (e *entity[T]) pageOf(ctx context.Context, db *DB, w *where, o order[T], p Page, ids []string) ([]*T, int, error) {
	if len(ids) == 0 {
		return nil, 0, nil
	}
	if err := w.among(db.d, e.idColumn(), ids); err != nil {
		return nil, 0, err
	}
	behind := "1"
	if p.After != "" {
		cond, err := e.behind(w, o, p)
		if err != nil {
			return nil, 0, err
		}
		behind = "CASE WHEN " + cond + " THEN 1 ELSE 0 END"
	}
	total, skip := 0, max(p.Offset, 0)
	if p.After != "" {
		skip = 0
	}
	var page []string
	rows, err := db.r.QueryContext(ctx, "SELECT "+e.idColumn()+", "+behind+" FROM "+e.spentTable()+w.sql()+e.direction(o, p.Desc), w.args...) //nolint:gosec // G202: the text is ours, values are parameters
	err = results(rows, err, func(r *sql.Rows) error {
		var id string
		var in int
		if err := r.Scan(&id, &in); err != nil {
			return err
		}
		total++
		switch {
		case in == 0:
		case skip > 0:
			skip--
		case len(page) < p.limit():
			page = append(page, id)
		}
		return nil
	})
	if err != nil || len(page) == 0 {
		return nil, total, err
	}
	var of where
	if err := of.among(db.d, e.idColumn(), page); err != nil {
		return nil, 0, err
	}
	out, err := e.read(ctx, db, of.sql()+e.direction(o, p.Desc), of.args)
	return out, total, err
}

// read returns the rows of selectSQL with a tail.
func (e *entity[T]) read(ctx context.Context, db *DB, tail string, args []any) ([]*T, error) {
	var out []*T
	err := e.each(ctx, db.r, e.selectSQL()+tail, args, func(v *T) error {
		out = append(out, v)
		return nil
	})
	return out, err
}

// walk returns the page and the count of rows that are not few.
func (e *entity[T]) walk(ctx context.Context, db *DB, w *where, o order[T], p Page) ([]*T, int, error) {
	total, exact, err := e.count(ctx, db, w, p)
	if err != nil {
		return nil, 0, fmt.Errorf("count %ss: %w", e.kind, err)
	}
	if out, ok, err := e.nearby(ctx, db, w, o, p, total, exact); ok || err != nil {
		return out, total, err
	}
	tail, err := e.tail(ctx, db, w, o, p, total, exact)
	if err != nil || tail == "" {
		return nil, total, err
	}
	out, err := e.read(ctx, db, tail, w.args)
	return out, total, err
}

// tail cuts the page out of selectSQL; "" if there is nothing on it.
func (e *entity[T]) tail(ctx context.Context, db *DB, w *where, o order[T], p Page, total int, exact bool) (string, error) {
	from := e.idSource(db, w, o)
	cut, err := e.window(ctx, db, w, o, p, &from, total, exact)
	if err != nil || cut == "" {
		return "", err
	}
	// Ids first: they can come from an index alone, however far the page is.
	id := e.idColumn()
	return " WHERE " + id + " IN (SELECT " + id + " FROM " + from + w.sql() + cut + ")" + e.direction(o, p.Desc), nil
}

// idSource is where the ids of a page come from, before anything is known of
// the page: the table itself, unless it lacks what rows are sorted by.
func (e *entity[T]) idSource(db *DB, w *where, o order[T]) string {
	if o.spent && !w.only(e.spendScopes) {
		return e.spentTable()
	}
	return e.orderSource(db.d, o)
}

// count returns how many rows w selects, and whether that is exact: of rows that a
// part of a text is looked for in it counts no more than fewRows, or partRows if
// no index knows of the part, of others no more than manyRows.
func (e *entity[T]) count(ctx context.Context, db *DB, w *where, p Page) (n int, exact bool, err error) {
	if w.few != nil && len(w.parts) == 1 {
		return fewRows, false, nil
	}
	if len(w.parts) == 0 && e.tallied {
		err = db.r.QueryRowContext(ctx, "SELECT n FROM tallies WHERE kind = '"+e.kind+"'").Scan(&n)
		return n, err == nil, err
	}
	most := manyRows
	switch {
	case w.few != nil:
		most = fewRows
	case w.part:
		most = max(partRows, min(p.Offset, manyRows)+p.limit()+1)
	}
	q := "SELECT COUNT(*) FROM (SELECT 1 FROM " + e.table + w.sql() + " LIMIT " + strconv.Itoa(most) + ") AS counted"
	err = db.r.QueryRowContext(ctx, q, w.args...).Scan(&n)
	return n, n < most, err
}

// fillAtOnce is how many rows are completed together.
const fillAtOnce = 500

// each calls yield with every row of a query until it returns an error, which
// it returns. Rows that have to be filled are all read first: a transaction has
// one connection, which is busy until then.
func (e *entity[T]) each(ctx context.Context, q querier, query string, args []any, yield func(*T) error) error {
	if e.fill == nil {
		return e.scan(ctx, q, query, args, yield)
	}
	var all []*T
	err := e.scan(ctx, q, query, args, func(v *T) error {
		all = append(all, v)
		return nil
	})
	if err != nil {
		return err
	}
	for vs := range slices.Chunk(all, fillAtOnce) {
		if err := e.fill(ctx, q, vs); err != nil {
			return fmt.Errorf("read %ss: %w", e.kind, err)
		}
		for _, v := range vs {
			if err := yield(v); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *entity[T]) scan(ctx context.Context, q querier, query string, args []any, yield func(*T) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read %ss: %w", e.kind, err)
	}
	defer rows.Close()
	read := e.reader()
	for rows.Next() {
		v, err := read(rows)
		if err != nil {
			return fmt.Errorf("read %ss: %w", e.kind, err)
		}
		if err := yield(v); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %ss: %w", e.kind, err)
	}
	return nil
}

// failed explains the error of a write.
func (e *entity[T]) failed(db *DB, what string, v *T, err error) error {
	index := db.d.unique(err)
	if index == "" {
		return fmt.Errorf("%s %s %q: %w", what, e.kind, e.id(v), err)
	}
	conflict := ErrConflict{Field: e.idField, Value: e.id(v)}
	for _, u := range e.unique {
		if strings.Contains(index, u.index) {
			conflict = ErrConflict{Field: u.field, Value: u.value(v)}
		}
	}
	return fmt.Errorf("%s %s: %w", what, e.kind, conflict)
}

// shown bounds an id for an error message.
func shown(id string) string { return clip(id, 80) }

// texts reads a column of text.
func texts(ctx context.Context, q querier, query string, args ...any) ([]string, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
