package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// ErrNotFound says that there is no such row.
var ErrNotFound = errors.New("not found in the store")

// ErrConflict says that another row has this value already.
type ErrConflict struct {
	Field string // "hash", "id", "alias" or "email"
	Value string
}

// Error implements error.
func (e ErrConflict) Error() string {
	return fmt.Sprintf("%s %q is taken", e.Field, e.Value)
}

const (
	maxTries  = 8
	firstWait = 5 * time.Millisecond
	maxWait   = 250 * time.Millisecond
)

// write runs f in a writing transaction. It runs f again, on a new transaction,
// when another transaction was in the way (deadlock, busy database), at most
// maxTries times.
func (db *DB) write(ctx context.Context, f func(tx *sql.Tx) error) error {
	return db.writeOn(ctx, func(t *txn) error { return f(t.tx) })
}

// txn is a transaction and the connection it is on, for what database/sql has
// no words for: COPY, and statements that are run a thousand times.
type txn struct {
	conn *sql.Conn
	tx   *sql.Tx
}

// writeOn is write for those who need the connection.
func (db *DB) writeOn(ctx context.Context, f func(*txn) error) error {
	wait := firstWait
	for try := 1; ; try++ {
		err := db.once(ctx, nil, f)
		if err == nil || try == maxTries || !db.d.again(err) {
			return err
		}
		// Jitter parts two writers that would meet again.
		if perr := pause(ctx, wait/2+rand.N(wait)); perr != nil {
			return errors.Join(perr, err)
		}
		wait = min(2*wait, maxWait)
	}
}

func (db *DB) once(ctx context.Context, o *sql.TxOptions, f func(*txn) error) error {
	conn, err := db.w.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, o)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	// After a commit this does nothing; after a panic or an error it ends the
	// transaction, and its own error would only hide the first one.
	defer func() { _ = tx.Rollback() }()
	if err := f(&txn{conn, tx}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
