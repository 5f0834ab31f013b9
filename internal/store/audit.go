package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"penstock/internal/gateway"
)

// audits are never changed and stand in no change feed.
var audits = &entity[gateway.AuditEntry]{
	kind: "audit entry", table: "audit", idField: "id",
	id:     func(a *gateway.AuditEntry) string { return a.ID },
	fields: auditFields,
	sort: map[string]order[gateway.AuditEntry]{
		"created_at": byTime("at", func(a *gateway.AuditEntry) time.Time { return a.At }),
		"updated_at": byTime("at", func(a *gateway.AuditEntry) time.Time { return a.At }),
		"changed_by": byText("actor", func(a *gateway.AuditEntry) string { return a.Actor }),
		"action":     byText("action", func(a *gateway.AuditEntry) string { return a.Action }),
		"table_name": byText("object_kind", func(a *gateway.AuditEntry) string { return a.Table }),
		"object_id":  byText("object_id", func(a *gateway.AuditEntry) string { return a.ObjectID }),
	},
}

func auditFields(a *gateway.AuditEntry) []field {
	return []field{
		id("id", "id", &a.ID), moment("at", &a.At), text("actor", "changed_by", &a.Actor), text("actor_key", "changed_by_api_key", &a.ActorKey),
		text("action", "action", &a.Action), text("object_kind", "table_name", &a.Table), id("object_id", "object_id", &a.ObjectID),
		text("team_id", "team_id", &a.TeamID), text("key_hash", "key_hash", &a.KeyHash),
		object("before", "before_value", &a.Before), object("after", "updated_values", &a.After),
		text("client_ip", "client_ip", &a.ClientIP), text("request_url", "request_url", &a.RequestURL),
	}
}

// pending is where a context holds the entries of the change made with it.
type pending struct{}

// Audited returns a context for one change: it writes the entries too, in its
// transaction, so that they are there if and only if the change is. The function
// that makes the change may still fill them in, by what it finds. Without a change
// nothing is written.
func Audited(ctx context.Context, entries ...*gateway.AuditEntry) context.Context {
	return context.WithValue(ctx, pending{}, entries)
}

// audit writes the entries that ctx holds.
func (db *DB) audit(ctx context.Context, tx *sql.Tx) error {
	entries, _ := ctx.Value(pending{}).([]*gateway.AuditEntry)
	for _, a := range entries {
		args, err := values(auditFields(a))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, audits.insertSQL(), args...); err != nil {
			return fmt.Errorf("write the audit log: %w", err)
		}
	}
	return nil
}

// Audit writes entries, all or none.
func (db *DB) Audit(ctx context.Context, entries ...*gateway.AuditEntry) error {
	rows := make([][]any, len(entries))
	for i, a := range entries {
		var err error
		if rows[i], err = values(auditFields(a)); err != nil {
			return err
		}
	}
	err := db.write(ctx, func(tx *sql.Tx) error {
		for _, args := range rows {
			if _, err := tx.ExecContext(ctx, audits.insertSQL(), args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	return nil
}

// AuditEntry returns the entry with the id, or ErrNotFound.
func (db *DB) AuditEntry(ctx context.Context, id string) (*gateway.AuditEntry, error) {
	return audits.byID(ctx, db.r, id)
}

// AuditFilter selects entries; what is empty selects nothing away.
type AuditFilter struct {
	Actor    string
	ActorKey string
	Action   string
	Table    string
	ObjectID string
	TeamID   string
	TeamIDs  []string // of one of these teams; nil: of all
	KeyHash  string
	Search   string    // part of object, actor, before or after, in any case of ASCII letters
	From, To time.Time // From <= at < To
}

// ListAudit returns one page of the entries that f selects, and how many f
// selects in all. Orders: created_at and updated_at, which are one, changed_by,
// action, table_name, object_id.
func (db *DB) ListAudit(ctx context.Context, f AuditFilter, p Page) ([]*gateway.AuditEntry, int, error) {
	var w where
	w.is("actor", f.Actor)
	w.is("actor_key", f.ActorKey)
	w.is("action", f.Action)
	w.is("object_kind", f.Table)
	w.is("object_id", f.ObjectID)
	w.is("team_id", f.TeamID)
	if f.TeamIDs != nil {
		w.in("team_id", f.TeamIDs)
	}
	w.is("key_hash", f.KeyHash)
	w.contains(f.Search, "object_id", "actor", "before", "after")
	if !f.From.IsZero() {
		w.parts = append(w.parts, "at >= "+w.arg(micros(f.From)))
	}
	if !f.To.IsZero() {
		w.parts = append(w.parts, "at < "+w.arg(micros(f.To)))
	}
	return audits.list(ctx, db, w, p)
}

// PruneAudit forgets entries before t and returns how many those were.
func (db *DB) PruneAudit(ctx context.Context, t time.Time) (int64, error) {
	var n int64
	err := db.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM audit WHERE at < $1`, micros(t))
		if err != nil {
			return fmt.Errorf("prune the audit log: %w", err)
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}
