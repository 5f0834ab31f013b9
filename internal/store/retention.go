package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// dropBatch is how many calls go in one transaction where days are no
// partitions: a second of work at most, so that booking is not held up.
const dropBatch = 5000

// DropBefore removes the calls and adjustments of all UTC days before t's,
// which are then known by their sums only, and returns how many days those
// were. Whole days go, so that the rest can still be proven. Calls of such a day
// that come later are taken for ones that were booked before: see Book.
func (db *DB) DropBefore(ctx context.Context, t time.Time) (int, error) {
	before := dayNumber(micros(t))
	dropped := 0
	for {
		var first sql.Null[int64]
		err := db.r.QueryRowContext(ctx, `SELECT MIN(started_at) FROM calls WHERE started_at < $1`, before*microsPerDay).Scan(&first)
		if err == nil && !first.Valid {
			return dropped, nil
		}
		if err == nil {
			err = db.dropDay(ctx, dayNumber(first.V))
		}
		if err != nil {
			return dropped, fmt.Errorf("drop old calls: %w", err)
		}
		dropped++
	}
}

func (db *DB) dropDay(ctx context.Context, number int64) error {
	from, to := number*microsPerDay, (number+1)*microsPerDay
	for first := true; ; first = false {
		done := false
		err := db.write(ctx, func(tx *sql.Tx) error {
			if first {
				if err := db.markDropped(ctx, tx, number); err != nil {
					return err
				}
			}
			if whole, err := db.dropPartition(ctx, tx, number); err != nil || whole {
				done = whole
				return err
			}
			res, err := tx.ExecContext(ctx, `DELETE FROM calls WHERE (started_at, call_id) IN
				(SELECT started_at, call_id FROM calls WHERE started_at >= $1 AND started_at < $2 ORDER BY started_at, call_id LIMIT $3)`, from, to, dropBatch)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			done = n < dropBatch
			return err
		})
		if err != nil || done {
			return err
		}
	}
}

// markDropped notes that the calls of the day are no longer kept, and takes its
// adjustments, which are few.
func (db *DB) markDropped(ctx context.Context, tx *sql.Tx, number int64) error {
	if db.d.partitions {
		if err := patience(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(dayLock)); err != nil {
			return err
		}
	}
	// Nothing of the day is booked from now on.
	if err := db.alone(ctx, tx); err != nil {
		return err
	}
	from, to := number*microsPerDay, (number+1)*microsPerDay
	if _, err := tx.ExecContext(ctx, `INSERT INTO dropped_days (day, link) VALUES ($1, (SELECT MAX(link) FROM
		(SELECT link FROM calls WHERE started_at >= $2 AND started_at < $3 UNION ALL SELECT link FROM adjustments WHERE started_at >= $2 AND started_at < $3) AS l))
		ON CONFLICT (day) DO NOTHING`, dayName(number), from, to); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM adjustments WHERE started_at >= $1 AND started_at < $2`, from, to)
	return err
}

// dropPartition drops the day's partition, if it has one.
func (db *DB) dropPartition(ctx context.Context, tx *sql.Tx, number int64) (bool, error) {
	if !db.d.partitions {
		return false, nil
	}
	var there bool
	if err := tx.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL`, partition(number)).Scan(&there); err != nil || !there {
		return false, err
	}
	_, err := tx.ExecContext(ctx, "DROP TABLE "+partition(number))
	return err == nil, err
}

// dayName is the day of that number, as it is stored.
func dayName(number int64) string { return day(time.UnixMicro(number * microsPerDay)) }

// droppedDays returns which of the days from first on are dropped.
func (db *DB) droppedDays(ctx context.Context, tx *sql.Tx, first int64) (map[int64]bool, error) {
	days, err := texts(ctx, tx, `SELECT day FROM dropped_days WHERE day >= $1`, dayName(first))
	if err != nil {
		return nil, fmt.Errorf("read dropped days: %w", err)
	}
	var out map[int64]bool
	for _, text := range days {
		t, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("dropped day %q", text), err)
		}
		if out == nil {
			out = make(map[int64]bool)
		}
		out[dayNumber(t.UnixMicro())] = true
	}
	return out, nil
}
