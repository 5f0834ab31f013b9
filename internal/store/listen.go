package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/stdlib"
)

// channel is where the number of the last change of a transaction is told.
const channel = "penstock_changes"

// tell has PostgreSQL tell listeners of a change once it is committed.
func (db *DB) tell(ctx context.Context, tx *sql.Tx, seq int64) error {
	if db.d.listen == "" {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `SELECT pg_notify($1, $2)`, channel, strconv.FormatInt(seq, 10)); err != nil {
		return fmt.Errorf("tell of a change: %w", err)
	}
	return nil
}

// ErrNoListening says that the engine cannot tell of changes: SQLite, whose
// only process has made them all.
var ErrNoListening = errors.New("the database does not tell of changes")

// Listen calls wake with the number of the last change whenever another process
// on the same database, or this one, has made some; first with 0 once it
// listens. It returns when ctx ends or the connection breaks. What happens in
// between is missed, and a pooler between us and the server may swallow
// everything: look at ChangesSince now and then as well. It takes one of the
// connections.
func (db *DB) Listen(ctx context.Context, wake func(seq int64)) error {
	if db.d.listen == "" {
		return ErrNoListening
	}
	conn, err := db.w.Conn(ctx)
	if err != nil {
		return fmt.Errorf("listen for changes: %w", err)
	}
	var broken error
	err = conn.Raw(func(c any) error {
		pg := c.(*stdlib.Conn).Conn()
		if _, broken = pg.Exec(ctx, db.d.listen); broken != nil {
			return driver.ErrBadConn
		}
		wake(0)
		for {
			n, err := pg.WaitForNotification(ctx)
			if err != nil {
				broken = err
				return driver.ErrBadConn // it must not go back to the pool: it listens
			}
			seq, err := strconv.ParseInt(n.Payload, 10, 64)
			if err != nil {
				seq = 0 // somebody else's; look anyway
			}
			wake(seq)
		}
	})
	_ = conn.Close() // it says that the connection is bad, as we told it
	if broken == nil {
		broken = err
	}
	return fmt.Errorf("listen for changes: %w", broken)
}
