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

// entity is what keys, users and teams have in common: a row with an id that
// is created, read, changed and deleted, each change leaving a trace in the
// change feed in the same transaction.
type entity[T any] struct {
	kind    string // in the change feed and in errors: "key", "user", "team"
	table   string
	idField string
	columns []string // the first one is the id
	id      func(*T) string
	// args returns the values of columns, or an Invalid error.
	args func(*T) ([]any, error)
	// scan reads columns.
	scan func(row) (*T, error)
	// sort maps the names of orders to SQL expressions. "" is the default.
	sort map[string]string
}

// row is *sql.Row or *sql.Rows.
type row interface{ Scan(dest ...any) error }

// querier is *sql.DB or *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func (e *entity[T]) selectSQL() string {
	return "SELECT " + strings.Join(e.columns, ", ") + " FROM " + e.table
}

func (e *entity[T]) insertSQL() string {
	ps := make([]string, len(e.columns))
	for i := range ps {
		ps[i] = "$" + strconv.Itoa(i+1)
	}
	return "INSERT INTO " + e.table + " (" + strings.Join(e.columns, ", ") + ") VALUES (" + strings.Join(ps, ", ") + ")"
}

// updateSQL sets every column but the id, which is parameter $1.
func (e *entity[T]) updateSQL() string {
	sets := make([]string, 0, len(e.columns)-1)
	for i, c := range e.columns[1:] {
		sets = append(sets, c+" = $"+strconv.Itoa(i+2))
	}
	return "UPDATE " + e.table + " SET " + strings.Join(sets, ", ") + " WHERE " + e.columns[0] + " = $1"
}

func (e *entity[T]) create(ctx context.Context, db *DB, v *T) error {
	args, err := e.args(v)
	if err != nil {
		return err
	}
	if e.id(v) == "" {
		return gateway.Invalidf(e.idField, "a %s needs a %s", e.kind, e.idField)
	}
	return db.change(ctx, func(tx *sql.Tx, f *feed) error {
		if _, err := tx.ExecContext(ctx, e.insertSQL(), args...); err != nil {
			return e.failed(db, "create", v, err)
		}
		f.note(e.kind, e.id(v))
		return nil
	})
}

// get reads the one row that cond, a condition on $1, selects. by is the name
// of what is looked for, for errors.
func (e *entity[T]) get(ctx context.Context, q querier, by, cond, value string) (*T, error) {
	if value == "" || !storable(value) {
		return nil, fmt.Errorf("%s with %s %q: %w", e.kind, by, shown(value), ErrNotFound)
	}
	v, err := e.scan(q.QueryRowContext(ctx, e.selectSQL()+" WHERE "+cond, value))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("%s with %s %q: %w", e.kind, by, shown(value), ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("read %s with %s %q: %w", e.kind, by, shown(value), err)
	}
	return v, nil
}

// byID reads one row; in a transaction that will write it back, lock is the
// dialect's forUpdate.
func (e *entity[T]) byID(ctx context.Context, q querier, id, lock string) (*T, error) {
	return e.get(ctx, q, e.idField, e.columns[0]+" = $1"+lock, id)
}

// update reads a row, lets change change it and writes it back, in one
// transaction that holds the row from the read on.
func (e *entity[T]) update(ctx context.Context, db *DB, id string, change func(*T) error) (*T, error) {
	var out *T
	err := db.change(ctx, func(tx *sql.Tx, f *feed) error {
		v, err := e.byID(ctx, tx, id, db.d.forUpdate)
		if err != nil {
			return err
		}
		if err := change(v); err != nil {
			return err
		}
		if e.id(v) != id {
			return fmt.Errorf("update %s %q: its %s cannot change", e.kind, shown(id), e.idField)
		}
		out = v
		return e.put(ctx, db, tx, f, v)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// put writes back a row that tx holds.
func (e *entity[T]) put(ctx context.Context, db *DB, tx *sql.Tx, f *feed, v *T) error {
	args, err := e.args(v)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, e.updateSQL(), args...); err != nil {
		return e.failed(db, "update", v, err)
	}
	f.note(e.kind, e.id(v))
	return nil
}

// remove deletes the rows where column has one of values, in tx, and returns
// the ids that were there.
func (e *entity[T]) remove(ctx context.Context, tx *sql.Tx, f *feed, column string, values []string) ([]string, error) {
	values = possible(values)
	var gone []string
	for chunk := range slices.Chunk(values, 500) {
		w := where{}
		w.in(column, chunk)
		ids, err := texts(ctx, tx, "DELETE FROM "+e.table+w.sql()+" RETURNING "+e.columns[0], w.args...)
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
func (e *entity[T]) list(ctx context.Context, db *DB, w where, p Page) ([]*T, int, error) {
	if w.bad != nil {
		return nil, 0, w.bad
	}
	order, err := e.order(p)
	if err != nil {
		return nil, 0, err
	}
	var total int
	if err := db.r.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+e.table+w.sql(), w.args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count %ss: %w", e.kind, err)
	}
	q := e.selectSQL() + w.sql() + order + " LIMIT " + w.arg(p.limit()) + " OFFSET " + w.arg(max(p.Offset, 0))
	var out []*T
	err = e.each(ctx, db.r, q, w.args, func(v *T) error {
		out = append(out, v)
		return nil
	})
	return out, total, err
}

// each calls yield with every row of a query until it returns an error, which
// it returns.
func (e *entity[T]) each(ctx context.Context, q querier, query string, args []any, yield func(*T) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("read %ss: %w", e.kind, err)
	}
	defer rows.Close()
	for rows.Next() {
		v, err := e.scan(rows)
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
	switch v := any(v).(type) {
	case *gateway.Key:
		if strings.Contains(index, "alias") {
			conflict = ErrConflict{Field: "alias", Value: v.Alias}
		}
	case *gateway.User:
		if strings.Contains(index, "email") {
			conflict = ErrConflict{Field: "email", Value: v.Email}
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
