package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
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

// each runs a statement over rows, in order: on PostgreSQL for many at once, on
// SQLite for one after the other.
func (db *DB) each(ctx context.Context, t *txn, head, tail string, casts []string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	if db.d.bulk == 1 {
		return t.conn.Raw(func(dc any) error {
			p, err := prepareOn(dc, db.bulk.values(head, tail, casts, 1), len(casts))
			if err != nil {
				return err
			}
			defer p.close()
			for _, args := range rows {
				if _, err := p.exec(ctx, args); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for len(rows) > 0 {
		n := db.d.bulk
		for n > len(rows) {
			n /= 2
		}
		if _, err := t.tx.ExecContext(ctx, db.bulk.values(head, tail, casts, n), slices.Concat(rows[:n]...)...); err != nil {
			return err
		}
		rows = rows[n:]
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

// prepared is a statement of the driver itself. For each run database/sql
// checks, converts and locks, and the driver starts a goroutine to watch the
// context, which together cost twice what SQLite does.
type prepared struct {
	stmt driver.Stmt
	exe  driver.StmtExecContext
	args []driver.NamedValue
}

// prepareOn prepares query on a driver's connection, for n parameters.
func prepareOn(dc any, query string, n int) (*prepared, error) {
	conn, ok := dc.(driver.Conn)
	if !ok {
		return nil, fmt.Errorf("%T is no driver connection", dc)
	}
	stmt, err := conn.Prepare(query)
	if err != nil {
		return nil, err
	}
	exe, ok := stmt.(driver.StmtExecContext)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%T cannot be run", stmt), stmt.Close())
	}
	p := &prepared{stmt: stmt, exe: exe, args: make([]driver.NamedValue, n)}
	for i := range p.args {
		p.args[i].Ordinal = i + 1
	}
	return p, nil
}

// exec runs the statement, and returns how many rows it changed. Values must be
// of the driver's own types: nil, int64, bool, string or []byte.
func (p *prepared) exec(ctx context.Context, args []any) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for i := range p.args {
		p.args[i].Value = args[i]
	}
	res, err := p.exe.ExecContext(context.WithoutCancel(ctx), p.args)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (p *prepared) close() { _ = p.stmt.Close() }
