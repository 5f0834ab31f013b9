package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

const (
	// markEvery is how many rows of a list there are from one mark to the next.
	markEvery = 2000
	// markFrom is how many rows a list has that has marks. The rows of shorter
	// ones are walked over.
	markFrom = 20_000
	// mostMoves is after how many changes a list's rows are counted anew.
	mostMoves = 4000
	// spendCounted is how old positions in the order by spend get: what bookings
	// move is not noted.
	spendCounted = 10 * time.Minute
	// nearRows is how many rows of a list are looked at for those that a filter
	// means, before they are all looked up and sorted.
	nearRows = 6000
)

// mark is a row of a list, and how many come before it.
type mark struct {
	number   int64 // what the list is sorted by is this
	text, id string
	at       int
}

// mark returns the last mark in ascending order for which cond, a condition on its
// columns and parameter $2, is true, in a list of total rows. It is not ok if there
// is none.
func (e *entity[T]) mark(ctx context.Context, db *DB, o order[T], total int, cond string, arg any) (m mark, ok bool, err error) {
	// A row that came or went since moves the marks behind it.
	place := "0, " + o.marks
	if _, numbers := o.value(new(T)).(int64); numbers {
		place = o.marks + ", ''"
	} else if o.expr == e.idColumn() {
		place = "0, ''"
	}
	moved := "SELECT " + place + ", id, 0, sign, 0 FROM list_moves WHERE kind = '" + e.kind + "'"
	args := []any{e.listName(o), arg}
	if o.spent {
		// What bookings move is not noted. Rows that came have spent nothing yet.
		moved = "SELECT -1, '', '', 0, $3 - counted, 0 FROM list_counts WHERE list = $1"
		args = append(args, total)
	}
	q := `SELECT number, text, id, at FROM (
		SELECT number, text, id, mark, n + SUM(moved) OVER (ORDER BY number, text, id, mark DESC ROWS UNBOUNDED PRECEDING) AS at FROM (
			SELECT number, text, id, n, 0 AS moved, 1 AS mark FROM list_marks WHERE list = $1 UNION ALL ` + moved + `) AS placed) AS marked
		WHERE mark = 1 AND ` + cond + ` ORDER BY number DESC, text DESC, id DESC LIMIT 1`
	err = db.r.QueryRowContext(ctx, q, args...).Scan(&m.number, &m.text, &m.id, &m.at)
	if errors.Is(err, sql.ErrNoRows) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("look for a page of %ss: %w", e.kind, err)
	}
	return m, true, nil
}

// from has w want only rows from m on, of which most are needed, and returns where
// those come from if it is not source.
func (e *entity[T]) from(w *where, d dialect, o order[T], m mark, most int, source string) string {
	id := e.idColumn()
	_, numbers := o.value(new(T)).(int64)
	switch {
	case o.expr == id:
		w.parts = append(w.parts, id+" >= "+w.arg(m.id))
	case !numbers:
		w.parts = append(w.parts, "("+o.expr+", "+id+") >= ("+w.arg(m.text)+", "+w.arg(m.id)+")")
	case o.computed && d.trigrams:
		// SQLite does not look up a pair of which one is computed in an index.
		limit := " LIMIT " + strconv.Itoa(most) + ")"
		of := "SELECT place AS " + o.marks + ", " + id + " FROM (SELECT " + o.expr + " AS place, " + id + " FROM " + e.table + " WHERE " + o.expr
		return "(" + of + " = " + w.arg(m.number) + " AND " + id + " >= " + w.arg(m.id) + " ORDER BY " + id + limit +
			" UNION ALL " + of + " > " + w.arg(m.number) + e.direction(o, false) + limit + ") AS ordered"
	default:
		w.parts = append(w.parts, "("+o.expr+", "+id+") >= ("+w.arg(m.number)+", "+w.arg(m.id)+")")
	}
	return source
}

// listName names an order of e's rows that has marks.
func (e *entity[T]) listName(o order[T]) string { return e.kind + "." + o.marks }

// nearby looks for the page among the first rows of the list, if so many rows are
// meant that it is likely there: that costs less than to look all of them up and
// sort them. It is not ok if there is more to look at.
func (e *entity[T]) nearby(ctx context.Context, db *DB, w *where, o order[T], p Page, total int, exact bool) (out []*T, ok bool, err error) {
	skip := max(p.Offset, 0)
	switch {
	case !e.tallied || len(w.parts) == 0 || o.made || total <= fewRows && exact || skip >= total && p.After == "":
		return nil, false, nil
	case o.spent && (e.scope != "" || db.d.spendOrder && w.only(e.spendScopes)):
		return nil, false, nil // there is no order, or one of its own
	case db.d.spendOrder && !o.spent, !db.d.spendOrder && len(w.columns) == 0:
		return nil, false, nil // the engine finds the better way itself
	}
	n := p.limit()
	most := nearRows
	if exact {
		var all int
		if err := db.r.QueryRowContext(ctx, "SELECT n FROM tallies WHERE kind = '"+e.kind+"'").Scan(&all); err != nil {
			return nil, false, fmt.Errorf("count %ss: %w", e.kind, err)
		}
		// Twice as many as there are likely to be.
		if most = 500 + 2*all/total*(skip+n); most > nearRows {
			return nil, false, nil
		}
	}
	page, id := w.clone(), e.idColumn()
	first := "SELECT " + o.expr + " AS place, " + id + " AS near FROM " + e.orderSource(db.d, o)
	if p.After != "" {
		cond, err := e.behind(&page, o, p)
		if err != nil {
			return nil, false, err
		}
		first += " WHERE " + cond
		skip = 0
	}
	dir := ""
	if p.Desc {
		dir = " DESC"
	}
	first += e.direction(o, p.Desc) + " LIMIT " + strconv.Itoa(most)
	page.parts = append(page.parts, e.table+"."+id+" = near")
	// SQLite takes a cross join in the order it stands in.
	out, err = e.read(ctx, db, " WHERE "+id+" IN (SELECT near FROM ("+first+") AS nearby CROSS JOIN "+e.table+page.sql()+
		" ORDER BY place"+dir+", near"+dir+" LIMIT "+strconv.Itoa(n)+" OFFSET "+strconv.Itoa(skip)+")"+e.direction(o, p.Desc), page.args)
	return out, len(out) == n, err
}

// orderSource is where ids of all rows come from in an order.
func (e *entity[T]) orderSource(d dialect, o order[T]) string {
	switch {
	case o.spent && e.scope != "":
		return e.spentTable()
	case o.spent && d.spendOrder && e.owned != nil:
		return "(SELECT spend_total, id AS " + e.idColumn() + ", org_id, team_id FROM spend_order WHERE kind = '" + e.kind + "') AS ordered"
	}
	return e.table
}

// markedList says how the rows of a list are read in its order.
type markedList struct {
	name  string
	query string // every so many rows: number, text, id, and how many come before
	spent bool
}

// marked returns the lists of e's rows that have marks.
func (e *entity[T]) marked(d dialect) []markedList {
	var out []markedList
	seen := map[string]bool{}
	for _, name := range sortedKeys(e.sort) {
		o := e.sort[name]
		if o.made || o.marks == "" || seen[o.marks] {
			continue
		}
		seen[o.marks] = true
		number, text := "0", o.expr
		if _, numbers := o.value(new(T)).(int64); numbers {
			number, text = o.expr, "''"
		} else if o.expr == e.idColumn() {
			text = "''"
		}
		id := e.idColumn()
		out = append(out, markedList{e.listName(o), "SELECT number, text, id, n FROM (SELECT " + number + " AS number, " + text + " AS text, " + id + " AS id, ROW_NUMBER() OVER (" +
			e.direction(o, false) + ") - 1 AS n FROM " + e.orderSource(d, o) + ") AS numbered WHERE n % " + strconv.Itoa(markEvery) + " = 0", o.spent})
	}
	return out
}

// CountLists notes where in long lists every so many rows stand, by which pages
// far from both ends are found, if too much has changed since it was noted last.
// It is to be called from time to time.
func (db *DB) CountLists(ctx context.Context) error {
	for _, l := range [...]struct {
		kind  string
		lists []markedList
	}{{keys.kind, keys.marked(db.d)}, {users.kind, users.marked(db.d)}, {teams.kind, teams.marked(db.d)}} {
		err := db.countLists(ctx, l.kind, l.lists)
		// If another replica is counting them, there is nothing left to do.
		if err != nil && !db.d.again(err) && db.d.unique(err) == "" {
			return fmt.Errorf("count %ss: %w", l.kind, err)
		}
	}
	return nil
}

func (db *DB) countLists(ctx context.Context, kind string, lists []markedList) error {
	var rows, moves, marks int
	var spendAt int64
	err := db.r.QueryRowContext(ctx, `SELECT n, (SELECT COUNT(*) FROM list_moves WHERE kind = $1), (SELECT COUNT(*) FROM list_counts WHERE list = $2),
		COALESCE((SELECT counted_at FROM list_counts WHERE list = $3), 0) FROM tallies WHERE kind = $1`,
		kind, kind+".updated_at", kind+".spend_total").Scan(&rows, &moves, &marks, &spendAt)
	if err != nil {
		return err
	}
	if rows < markFrom {
		if marks == 0 && moves == 0 {
			return nil
		}
		return db.writeMarks(ctx, kind, lists, false, true)
	}
	for _, of := range [...]struct{ spent, due bool }{
		{false, marks == 0 || moves > mostMoves},
		{true, time.Since(instant(spendAt)) > spendCounted},
	} {
		if !of.due {
			continue
		}
		some := slices.DeleteFunc(slices.Clone(lists), func(l markedList) bool { return l.spent != of.spent })
		if err := db.writeMarks(ctx, kind, some, true, !of.spent); err != nil {
			return err
		}
	}
	return nil
}

// writeMarks writes the marks of lists anew, or if they are short takes them away, and
// with moved forgets what has moved them. All is of one moment.
func (db *DB) writeMarks(ctx context.Context, kind string, lists []markedList, long, moved bool) error {
	now := micros(time.Now())
	var marks, counts [][]any
	var last int64
	look := func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(n), 0) FROM list_moves WHERE kind = $1`, kind).Scan(&last); err != nil || !long {
			return err
		}
		var all int64
		if err := tx.QueryRowContext(ctx, `SELECT n FROM tallies WHERE kind = $1`, kind).Scan(&all); err != nil {
			return err
		}
		for _, l := range lists {
			rows, err := tx.QueryContext(ctx, l.query)
			err = results(rows, err, func(r *sql.Rows) error {
				var number, n int64
				var text, id string
				err := r.Scan(&number, &text, &id, &n)
				marks = append(marks, []any{l.name, number, text, id, n})
				return err
			})
			if err != nil {
				return err
			}
			counts = append(counts, []any{l.name, now, all})
		}
		return nil
	}
	write := func(t *txn) error {
		var w where
		for _, table := range [...]string{"list_marks", "list_counts"} {
			w = where{}
			names := make([]string, len(lists))
			for i, l := range lists {
				names[i] = l.name
			}
			w.in("list", names)
			if _, err := t.tx.ExecContext(ctx, "DELETE FROM "+table+w.sql(), w.args...); err != nil { //nolint:gosec // G202: the text is ours, values are parameters
				return err
			}
		}
		if err := db.each(ctx, t, `INSERT INTO list_marks (list, number, text, id, n)`, ``, make([]string, 5), marks); err != nil {
			return err
		}
		if err := db.each(ctx, t, `INSERT INTO list_counts (list, counted_at, counted)`, ``, make([]string, 3), counts); err != nil || !moved {
			return err
		}
		// On PostgreSQL those with lower numbers may be written later, but then
		// this transaction does not see them.
		_, err := t.tx.ExecContext(ctx, `DELETE FROM list_moves WHERE kind = $1 AND n <= $2`, kind, last)
		return err
	}
	if db.d.forUpdate == "" {
		// What comes after the look has higher numbers: SQLite has one writer. It
		// need not wait meanwhile.
		tx, err := db.r.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		err = look(tx)
		if err := errors.Join(err, tx.Rollback()); err != nil {
			return err
		}
		return db.once(ctx, nil, write)
	}
	return db.once(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead}, func(t *txn) error {
		if err := look(t.tx); err != nil {
			return err
		}
		return write(t)
	})
}
