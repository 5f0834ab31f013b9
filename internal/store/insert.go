package store

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// insertCalls writes calls, which are in the order of the table, and says of
// each whether it is new.
func (db *DB) insertCalls(ctx context.Context, t *txn, calls []call, link *newLink) ([]bool, error) {
	added := make([]bool, len(calls))
	err := t.conn.Raw(func(dc any) error {
		if c, ok := dc.(*stdlib.Conn); ok {
			return copyCalls(ctx, c.Conn(), calls, link, added)
		}
		return insertOneByOne(ctx, dc, calls, link, added)
	})
	return added, err
}

// insertOneByOne is the way for SQLite.
func insertOneByOne(ctx context.Context, dc any, calls []call, link *newLink, added []bool) error {
	var stmts [len(callWidths)]*prepared
	defer func() {
		for _, s := range stmts {
			if s != nil {
				s.close()
			}
		}
	}()
	var args []any
	for i := range calls {
		var err error
		if args, err = calls[i].appendArgs(args[:0], link); err != nil {
			return fmt.Errorf("call %s: %w", calls[i].row.CallID, err)
		}
		filled := len(args)
		for filled > 0 && args[filled-1] == nil {
			filled--
		}
		w := 0
		for callWidths[w] < filled {
			w++
		}
		if stmts[w] == nil {
			n := callWidths[w]
			query := "INSERT INTO calls (" + strings.Join(callColumns[:n], ", ") + ") VALUES (" + strings.Repeat("?, ", n-1) + "?) ON CONFLICT DO NOTHING"
			if stmts[w], err = prepareOn(dc, query, n); err != nil {
				return err
			}
		}
		n, err := stmts[w].exec(ctx, args)
		if err != nil {
			return err
		}
		added[i] = n > 0
	}
	return nil
}

// copyCalls is the way for PostgreSQL: COPY into a table of this connection,
// and from there what is new.
func copyCalls(ctx context.Context, c *pgx.Conn, calls []call, link *newLink, added []bool) error {
	// Behind a pooler it may be there from a process of another version.
	table := fmt.Sprintf("calls_in_%d", len(callColumns))
	if _, err := c.Exec(ctx, `CREATE TEMPORARY TABLE IF NOT EXISTS `+table+` (LIKE calls) ON COMMIT DELETE ROWS`); err != nil {
		return err
	}
	var args []any
	source := pgx.CopyFromSlice(len(calls), func(i int) ([]any, error) {
		var err error
		args, err = calls[i].appendArgs(args[:0], link)
		return args, err
	})
	if _, err := c.CopyFrom(ctx, pgx.Identifier{"pg_temp", table}, callColumns, source); err != nil {
		return err
	}
	columns := strings.Join(callColumns, ", ")
	rows, err := c.Query(ctx, "INSERT INTO calls ("+columns+") SELECT "+columns+" FROM pg_temp."+table+" ORDER BY started_at, call_id ON CONFLICT DO NOTHING RETURNING call_id")
	if err != nil {
		return err
	}
	defer rows.Close()
	// They come back in the order they went in.
	at := 0
	for rows.Next() {
		id := rows.RawValues()[0]
		for at < len(calls) && !bytes.Equal(calls[at].id, id) {
			at++
		}
		if at == len(calls) {
			return fmt.Errorf("the database returned an inserted call %x out of order", id)
		}
		added[at] = true
		at++
	}
	return rows.Err()
}
