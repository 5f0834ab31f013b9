package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Change says that a key, user, team, setting or the like was written or
// deleted. Who reads it looks at the row: a row that is not found was deleted.
type Change struct {
	Seq  int64  // 1, 2, 3, …, without gaps
	Kind string // "key", "user", "team", "organization", "project", "end_user", "tag", "budget", "access_group", "access_group_budget", "model", "credential", "deprecated_key", "jwt_mapping" or "setting"; a scope and SpendChange
	ID   string // of the row; the name of a setting
	At   time.Time
}

// SpendChange ends the kind of a change of what an owner has spent, which another
// process has made in the books: "key_spend", "team_member_spend", "global_spend".
const SpendChange = "_spend"

// ErrChangesLost says that changes after the given number are no longer kept:
// load everything again.
var ErrChangesLost = errors.New("changes that old are no longer kept")

// feed collects the changes of one transaction.
type feed []Change

func (f *feed) note(kind string, ids ...string) {
	for _, id := range ids {
		*f = append(*f, Change{Kind: kind, ID: id})
	}
}

// change is write for rows that other replicas watch: what run notes goes into
// the change feed. That comes last, because all such writers meet at the one
// row of change_seq.
func (db *DB) change(ctx context.Context, run func(tx *sql.Tx, f *feed) error) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		var f feed
		if err := run(tx, &f); err != nil {
			return err
		}
		if len(f) == 0 {
			return nil
		}
		if err := db.audit(ctx, tx); err != nil {
			return err
		}
		return db.publish(ctx, tx, f)
	})
}

// publish puts what was noted into the change feed.
func (db *DB) publish(ctx context.Context, tx *sql.Tx, f feed) error {
	if len(f) == 0 {
		return nil
	}
	var seq int64
	if err := tx.QueryRowContext(ctx, `UPDATE change_seq SET seq = seq + $1 RETURNING seq`, int64(len(f))).Scan(&seq); err != nil {
		return fmt.Errorf("number a change: %w", err)
	}
	seq -= int64(len(f))
	now := time.Now().UnixMicro()
	for i, c := range f {
		if _, err := tx.ExecContext(ctx, `INSERT INTO changes (seq, kind, id, changed_at) VALUES ($1, $2, $3, $4)`, seq+int64(i)+1, c.Kind, c.ID, now); err != nil {
			return fmt.Errorf("note a change: %w", err)
		}
	}
	return db.tell(ctx, tx, seq+int64(len(f)))
}

// LastChange returns the number of the newest change, 0 if there was none.
// Take it before loading a snapshot, and follow ChangesSince from there.
func (db *DB) LastChange(ctx context.Context) (int64, error) {
	var seq int64
	if err := db.r.QueryRowContext(ctx, `SELECT seq FROM change_seq WHERE id = 1`).Scan(&seq); err != nil {
		return 0, fmt.Errorf("read the number of the last change: %w", err)
	}
	return seq, nil
}

// ChangesSince returns the changes after number seq in order, at most limit
// (default 1,000). When there are none, which is nearly always, it costs one
// read of one row. ErrChangesLost says that some are no longer kept, or that
// the database is an older one than seq was read from.
func (db *DB) ChangesSince(ctx context.Context, seq int64, limit int) ([]Change, error) {
	last, err := db.LastChange(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case last == seq:
		return nil, nil
	case last < seq:
		return nil, ErrChangesLost
	}
	if limit <= 0 {
		limit = 1000
	}
	rows, err := db.r.QueryContext(ctx, `SELECT seq, kind, id, changed_at FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2`, seq, limit)
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	defer rows.Close()
	var out []Change
	for rows.Next() {
		var c Change
		var at int64
		if err := rows.Scan(&c.Seq, &c.Kind, &c.ID, &at); err != nil {
			return nil, fmt.Errorf("read changes: %w", err)
		}
		c.At = instant(at)
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	if len(out) == 0 || out[0].Seq != seq+1 {
		return nil, ErrChangesLost
	}
	return out, nil
}

// PruneChanges forgets changes before t, with all of lower number, and returns
// how many those were. Going by number keeps the rest without gaps even where
// the clocks of replicas disagree.
func (db *DB) PruneChanges(ctx context.Context, t time.Time) (int64, error) {
	var n int64
	err := db.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM changes
			WHERE seq <= (SELECT COALESCE(MAX(seq), 0) FROM changes WHERE changed_at < $1)`, micros(t))
		if err != nil {
			return fmt.Errorf("prune changes: %w", err)
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}
