package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"penstock/internal/gateway"
)

// daysKind is where marks of how far days were imported stand among the rows
// that were imported.
const daysKind = "days"

// DaysMark returns up to which day the sums of a source are final here, "" if
// none were imported.
func (db *DB) DaysMark(ctx context.Context, source string) (string, error) {
	return db.mark(ctx, daysKind, source)
}

// SetDaysMark keeps it.
func (db *DB) SetDaysMark(ctx context.Context, source, day string) error {
	return db.write(ctx, func(tx *sql.Tx) error { return setDigest(ctx, tx, daysKind, source, day) })
}

// ImportDays has the sums of one scope, from a source and of the days from <= day
// < to, be those in list. They count in reports and in no total. It returns how
// many were new, how many have changed and how many were so already.
func (db *DB) ImportDays(ctx context.Context, source, scope, from, to string, list []DaySpend) (created, updated, unchanged int64, err error) {
	type key struct{ id, day, model, provider string }
	want := map[key]*Counters{}
	var order []key
	for i := range list {
		d := &list[i]
		k := key{fitID(d.ID), d.Day, fitText(d.Model, maxText), fitText(d.Provider, maxText)}
		if want[k] == nil {
			want[k] = new(Counters)
			order = append(order, k)
		}
		want[k].add(&d.Counters)
	}
	err = db.writeOn(ctx, func(t *txn) error {
		created, updated, unchanged = 0, 0, 0
		had := map[key]Counters{}
		rows, err := t.tx.QueryContext(ctx, "SELECT "+dayColumns+" FROM imported_days WHERE source = $1 AND scope = $2 AND day >= $3 AND day < $4", source, scope, from, to)
		err = results(rows, err, func(r *sql.Rows) error {
			var k key
			var c Counters
			err := r.Scan(&k.day, &k.id, &k.model, &k.provider, &c.Requests, &c.Failures, &c.Prompt, &c.Completion, &c.CacheRead, &c.CacheWrite, &c.Cost)
			had[k] = c
			return err
		})
		if err != nil {
			return err
		}
		var args [][]any
		for _, k := range order {
			d := want[k]
			was, ok := had[k]
			delete(had, k)
			switch {
			case ok && was == *d:
				unchanged++
				continue
			case ok:
				updated++
			default:
				created++
			}
			args = append(args, []any{
				source, scope, k.id, k.day, k.model, k.provider,
				d.Requests, d.Failures, d.Prompt, d.Completion, d.CacheRead, d.CacheWrite, int64(d.Cost),
			})
		}
		for _, k := range slices.SortedFunc(maps.Keys(had), func(a, b key) int {
			return slices.Compare([]string{a.id, a.day, a.model, a.provider}, []string{b.id, b.day, b.model, b.provider})
		}) {
			// Its calls have come meanwhile.
			updated++
			_, err := t.tx.ExecContext(ctx, `DELETE FROM imported_days WHERE source = $1 AND scope = $2 AND id = $3 AND day = $4 AND model = $5 AND provider = $6`,
				source, scope, k.id, k.day, k.model, k.provider)
			if err != nil {
				return err
			}
		}
		return db.each(ctx, t,
			`INSERT INTO imported_days (source, scope, id, day, model, provider, requests, failures, prompt, completion, cache_read, cache_write, cost)`,
			` ON CONFLICT (scope, id, day, model, provider, source) DO UPDATE SET requests = excluded.requests, failures = excluded.failures, prompt = excluded.prompt,
				completion = excluded.completion, cache_read = excluded.cache_read, cache_write = excluded.cache_write, cost = excluded.cost`,
			make([]string, 13), args)
	})
	if err != nil {
		return 0, 0, 0, fmt.Errorf("import daily sums of %s: %w", strings.ReplaceAll(scope, "_", " "), err)
	}
	return created, updated, unchanged, nil
}

// ImportAudit writes entries of another gateway's audit log that are not here
// yet, by their ids, and returns how many those were.
func (db *DB) ImportAudit(ctx context.Context, entries []*gateway.AuditEntry) (int64, error) {
	rows := make([][]any, len(entries))
	for i, a := range entries {
		var err error
		if rows[i], err = values(auditFields(a)); err != nil {
			return 0, err
		}
	}
	var n int64
	err := db.write(ctx, func(tx *sql.Tx) error {
		n = 0
		for _, args := range rows {
			res, err := tx.ExecContext(ctx, audits.insertSQL()+" ON CONFLICT (id) DO NOTHING", args...)
			if err != nil {
				return err
			}
			added, err := res.RowsAffected()
			if err != nil {
				return err
			}
			n += added
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("import the audit log: %w", err)
	}
	return n, nil
}

// auditKind is where marks of how far audit logs were imported stand.
const auditKind = "audit"

// AuditMark returns up to when the audit log of a source was imported, "" if it
// was not.
func (db *DB) AuditMark(ctx context.Context, source string) (string, error) {
	return db.mark(ctx, auditKind, source)
}

// SetAuditMark keeps it.
func (db *DB) SetAuditMark(ctx context.Context, source, at string) error {
	return db.write(ctx, func(tx *sql.Tx) error { return setDigest(ctx, tx, auditKind, source, at) })
}
