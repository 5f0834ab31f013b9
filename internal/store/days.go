package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"penstock/internal/spend"
)

// On PostgreSQL each day of calls is a partition of its own, so that old days
// can be dropped instead of deleted row by row.

// knownDays are those whose partition is known to be there, or known to be
// impossible because calls of the day stand in the partition for the rest.
type knownDays struct {
	mu   sync.Mutex
	days map[int64]time.Time // by dayNumber: until when it need not be looked at, zero for ever
}

func (k *knownDays) has(day int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	until, ok := k.days[day]
	return ok && (until.IsZero() || time.Now().Before(until))
}

func (k *knownDays) add(day int64, until time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.days == nil {
		k.days = make(map[int64]time.Time)
	}
	k.days[day] = until
}

// forget is to days what it is to contexts.
func (k *knownDays) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.days = nil
}

// The days that get partitions; a call outside has a broken clock for a reason.
var firstDay, lastDay = dayNumber(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()), dayNumber(time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro())

// partition is the name of a day's partition.
func partition(day int64) string {
	return "calls_" + time.UnixMicro(day*microsPerDay).UTC().Format("20060102")
}

// ensureDays makes partitions for the days of rows, and for the day after, so
// that midnight finds its own.
func (db *DB) ensureDays(ctx context.Context, rows []spend.Row) error {
	if !db.d.partitions {
		return nil
	}
	last := int64(0)
	for i := range rows {
		day := dayNumber(micros(rows[i].Start))
		if i > 0 && day == last {
			continue
		}
		last = day
		for _, d := range [...]int64{day, day + 1} {
			if d < firstDay || d > lastDay || db.days.has(d) {
				continue
			}
			err := db.makeDay(ctx, d)
			e, ok := errors.AsType[*pgconn.PgError](err)
			switch {
			case err == nil, ok && e.Code == calledFor, ok && e.Code == lockTimeout && d == day:
				// Without a partition, the day's calls stand with the rest.
				db.days.add(d, time.Time{})
			case ok && e.Code == lockTimeout:
				db.days.add(d, time.Now().Add(time.Minute))
			default:
				return fmt.Errorf("make partition %s: %w", partition(d), err)
			}
		}
	}
	return nil
}

// dayLock is the advisory lock of those who make or drop partitions.
const dayLock = 0x70656e73746f636b

func (db *DB) makeDay(ctx context.Context, day int64) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		if err := patience(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(dayLock)); err != nil {
			return err
		}
		var there bool
		err := tx.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL OR EXISTS (SELECT 1 FROM dropped_days WHERE day = $2)`, partition(day), dayName(day)).Scan(&there)
		if err != nil || there {
			return err
		}
		_, err = tx.ExecContext(ctx, fmt.Sprintf(`CREATE TABLE %s PARTITION OF calls FOR VALUES FROM (%d) TO (%d)`, partition(day), day*microsPerDay, (day+1)*microsPerDay))
		return err
	})
}

// PostgreSQL's words for: there are rows of that partition in the rest already;
// and: the lock was not to be had in time.
const (
	calledFor   = "23514"
	lockTimeout = "55P03"
)

// patience bounds the wait of tx for the lock on all calls that making or
// dropping a partition takes: while it waits behind a long report, everybody
// else waits behind it.
func patience(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `SET LOCAL lock_timeout = '2s'`)
	return err
}
