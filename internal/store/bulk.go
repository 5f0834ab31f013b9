package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"sync"
)

// bulkSQL makes statements for many rows at once. Such a statement costs more
// to write down than to run, and an engine keeps it prepared only while its
// text stays the same, so texts are kept and rows come in powers of two.
type bulkSQL struct {
	d  dialect
	mu *sync.Mutex
	// There are a handful of statements, and log2(bulk) sizes of each.
	texts map[bulkKey]string // guarded by mu
}

type bulkKey struct {
	head, tail string
	rows       int
}

func newBulkSQL(d dialect) bulkSQL {
	return bulkSQL{d: d, mu: new(sync.Mutex), texts: make(map[bulkKey]string)}
}

// values returns head, VALUES for n rows, and tail. casts has one SQL type for
// each column, or "" where the statement itself says it.
func (b bulkSQL) values(head, tail string, casts []string, n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := bulkKey{head, tail, n}
	if s, ok := b.texts[key]; ok {
		return s
	}
	var sb strings.Builder
	sb.WriteString(head)
	sb.WriteString(" VALUES ")
	p := 0
	for i := range n {
		if i > 0 {
			sb.WriteString(", ")
		}
		sb.WriteByte('(')
		for j, c := range casts {
			if j > 0 {
				sb.WriteString(", ")
			}
			p++
			if c == "" {
				sb.WriteString(b.d.param(p))
			} else {
				sb.WriteString("CAST(" + b.d.param(p) + " AS " + c + ")")
			}
		}
		sb.WriteByte(')')
	}
	sb.WriteString(tail)
	s := sb.String()
	b.texts[key] = s
	return s
}

// each runs a statement over rows in pieces, in order, and hands the result
// rows of each piece to yield, which may be nil for a statement without any.
func (b bulkSQL) each(ctx context.Context, tx *sql.Tx, head, tail string, casts []string, rows [][]any, yield func(*sql.Rows) error) error {
	if len(rows) == 0 {
		return nil
	}
	if b.d.bulk == 1 {
		return b.prepared(ctx, tx, b.values(head, tail, casts, 1), rows, yield)
	}
	for len(rows) > 0 {
		n := b.d.bulk
		for n > len(rows) {
			n /= 2
		}
		query := b.values(head, tail, casts, n)
		args := slices.Concat(rows[:n]...)
		rows = rows[n:]
		if yield == nil {
			if _, err := tx.ExecContext(ctx, query, args...); err != nil {
				return err
			}
			continue
		}
		rs, err := tx.QueryContext(ctx, query, args...)
		if err := results(rs, err, yield); err != nil {
			return err
		}
	}
	return nil
}

// prepared runs a statement once for each row.
func (b bulkSQL) prepared(ctx context.Context, tx *sql.Tx, query string, rows [][]any, yield func(*sql.Rows) error) error {
	stmt, err := tx.PrepareContext(ctx, query)
	if err != nil {
		return err
	}
	defer stmt.Close()
	for _, args := range rows {
		if yield == nil {
			if _, err := stmt.ExecContext(ctx, args...); err != nil {
				return err
			}
			continue
		}
		rs, err := stmt.QueryContext(ctx, args...)
		if err := results(rs, err, yield); err != nil {
			return err
		}
	}
	return nil
}

// results takes what a query returned.
func results(rs *sql.Rows, err error, yield func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rs.Close()
	for rs.Next() {
		if err := yield(rs); err != nil {
			return err
		}
	}
	return rs.Err()
}
