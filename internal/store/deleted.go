package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/internal/gateway"
)

// deletedKeys and deletedTeams are rows as they were when they were deleted. They
// authenticate nobody and are in no change feed.
var deletedKeys = &entity[gateway.DeletedKey]{
	kind: "deleted key", table: "deleted_keys", idField: "archive",
	id: func(k *gateway.DeletedKey) string { return k.ID },
	fields: func(k *gateway.DeletedKey) []field {
		return slices.Concat([]field{id("archive", "archive", &k.ID)}, keyFields(&k.Key), deletionFields(&k.Deletion))
	},
	sort: sortsOf(keys, func(k *gateway.DeletedKey) *gateway.Key { return &k.Key }),
}

var deletedTeams = &entity[gateway.DeletedTeam]{
	kind: "deleted team", table: "deleted_teams", idField: "archive",
	id: func(t *gateway.DeletedTeam) string { return t.ID },
	fields: func(t *gateway.DeletedTeam) []field {
		return slices.Concat([]field{id("archive", "archive", &t.ID)}, teamFields(&t.Team), deletionFields(&t.Deletion))
	},
	sort: sortsOf(teams, func(t *gateway.DeletedTeam) *gateway.Team { return &t.Team }),
}

func deletionFields(d *gateway.Deletion) []field {
	return []field{
		moment("deleted_at", &d.At), text("deleted_by", "deleted_by", &d.By), text("deleted_by_key", "deleted_by_api_key", &d.ByKey),
		text("changed_by", "litellm_changed_by", &d.ChangedBy),
	}
}

// sortsOf are the orders of the table that rows come from.
func sortsOf[D, T any](of *entity[T], row func(*D) *T) map[string]order[D] {
	out := map[string]order[D]{}
	for name, o := range of.sort {
		out[name] = order[D]{expr: o.expr, value: func(d *D) any { return o.value(row(d)) }}
	}
	return out
}

// deleting is where a context holds who deletes.
type deleting struct{}

// Deleting returns a context for a change that deletes keys or teams: it says by
// whom, which is kept with them.
func Deleting(ctx context.Context, d gateway.Deletion) context.Context {
	return context.WithValue(ctx, deleting{}, d)
}

// take deletes the rows that w wants, in tx, keeps them in the archive if they
// have one, and returns their ids.
func (e *entity[T]) take(ctx context.Context, db *DB, tx *sql.Tx, w where) ([]string, error) {
	if w.bad != nil {
		return nil, w.bad
	}
	gone, back := "DELETE FROM "+e.table+w.sql(), " RETURNING "+e.idColumn()
	if e.archive == "" {
		return texts(ctx, tx, gone+back, w.args...)
	}
	d, _ := ctx.Value(deleting{}).(gateway.Deletion)
	if d.At.IsZero() {
		d.At = time.Now()
	}
	cols := strings.Join(e.columns(), ", ")
	args := slices.Clone(w.args)
	arg := func(v any, typ string) string {
		args = append(args, v)
		return "CAST($" + strconv.Itoa(len(args)) + " AS " + typ + ")"
	}
	at := micros(d.At)
	into := "INSERT INTO " + e.archive + " (archive, " + cols + ", deleted_at, deleted_by, deleted_by_key, changed_by) SELECT " +
		e.idColumn() + " || " + arg("@"+strconv.FormatInt(at, 36), "TEXT") + ", " + cols + ", " + arg(at, "BIGINT") + ", " +
		arg(clip(d.By, maxText), "TEXT") + ", " + arg(d.ByKey, "TEXT") + ", " + arg(clip(d.ChangedBy, maxText), "TEXT") + " FROM "
	if db.d.forUpdate != "" {
		// In one statement: another writer may change the rows between two.
		ids, err := texts(ctx, tx, "WITH gone AS ("+gone+" RETURNING "+cols+") "+into+"gone"+back, args...)
		if err != nil {
			return nil, fmt.Errorf("keep what is deleted: %w", err)
		}
		return ids, nil
	}
	if _, err := tx.ExecContext(ctx, into+e.table+w.sql(), args...); err != nil {
		return nil, fmt.Errorf("keep what is deleted: %w", err)
	}
	return texts(ctx, tx, gone+back, w.args...)
}

// DeletedKey returns the key that had the hash as it was when it was deleted: the
// latest, if several had it. The error is ErrNotFound if none had.
func (db *DB) DeletedKey(ctx context.Context, hash string) (*gateway.DeletedKey, error) {
	return deletedKeys.get(ctx, db.r, "hash", "hash = $1 ORDER BY deleted_at DESC, archive DESC LIMIT 1", hash)
}

// ListDeletedKeys is ListKeys for keys that were deleted, as they were then.
func (db *DB) ListDeletedKeys(ctx context.Context, f KeyFilter, p Page) ([]*gateway.DeletedKey, int, error) {
	w := f.where()
	if f.Search != "" {
		w.either(f.found)
	}
	return deletedKeys.list(ctx, db, w, p)
}

// ListDeletedTeams is ListTeams for teams that were deleted.
func (db *DB) ListDeletedTeams(ctx context.Context, f TeamFilter, p Page) ([]*gateway.DeletedTeam, int, error) {
	return deletedTeams.list(ctx, db, f.where(), p)
}
