package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// maxTimed is how many calls a report on times looks at: they are read one by
// one, since no sum tells how they are spread.
const maxTimed = 200_000

// maxFirstBytes bounds the calls that FirstBytes returns one by one.
const maxFirstBytes = 1000

// TimingFilter selects calls by when they began and whose they are; what is empty
// selects nothing away.
type TimingFilter struct {
	From, To time.Time // From <= start < To; both are needed
	Group    string    // the client's name of the model
	KeyHash  string
	EndUser  string
}

// SlowCalls is how many calls of a deployment took long.
type SlowCalls struct {
	Deployment string // id
	Calls      int64  // that have ended
	Slow       int64  // of them
}

// SlowCalls counts the calls that took over or longer, by deployment, those with
// the most of them first. It looks at the newest 200,000 calls of the time that f
// asks for: since is when the first of them began, zero if that is all of them.
func (db *DB) SlowCalls(ctx context.Context, f TimingFilter, over time.Duration) (list []SlowCalls, since time.Time, err error) {
	w, since, err := db.timed(ctx, &f)
	if err != nil {
		return nil, since, err
	}
	slow := "CASE WHEN calls.took >= " + w.arg(over.Microseconds()) + " THEN 1 ELSE 0 END"
	w.parts = append(w.parts, "calls.took IS NOT NULL", "c.deployment_id <> ''")
	err = db.timings(ctx, &w, "c.deployment_id, COUNT(*), CAST(SUM("+slow+") AS BIGINT)", " GROUP BY 1 ORDER BY 3 DESC, 2 DESC, 1", func(r *sql.Rows) error {
		var s SlowCalls
		err := r.Scan(&s.Deployment, &s.Calls, &s.Slow)
		list = append(list, s)
		return err
	})
	return list, since, err
}

// FirstByte is how long a stream took to begin, or all streams of a day did on
// average.
type FirstByte struct {
	Day        string // "2006-01-02"; "" if it is of one call
	CallID     string // "" if it is of a day
	Deployment string // id
	Model      string // the vendor's
	Took       time.Duration
}

// FirstBytes returns how long streams took to begin: of each day, deployment and
// model, in the order of days, or with each of every call, at most of the newest
// 1,000. It looks at as many calls as SlowCalls does, and since is the same.
func (db *DB) FirstBytes(ctx context.Context, f TimingFilter, each bool) (list []FirstByte, since time.Time, err error) {
	w, since, err := db.timed(ctx, &f)
	if err != nil {
		return nil, since, err
	}
	w.parts = append(w.parts, "c.streamed", "NOT c.failed", "c.deployment_id <> ''", "calls.first_byte >= 0", "calls.first_byte < calls.took")
	what, tail := "calls.started_at / "+strconv.Itoa(microsPerDay)+", c.deployment_id, c.model, CAST(AVG(calls.first_byte) AS BIGINT)", " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
	if each {
		what, tail = "calls.call_id, c.deployment_id, c.model, calls.first_byte", " ORDER BY calls.started_at DESC, calls.call_id DESC LIMIT "+strconv.Itoa(maxFirstBytes)
	}
	err = db.timings(ctx, &w, what, tail, func(r *sql.Rows) error {
		var b FirstByte
		var id []byte
		var day, took int64
		first := any(&day)
		if each {
			first = &id
		}
		if err := r.Scan(first, &b.Deployment, &b.Model, &took); err != nil {
			return err
		}
		if b.Took = time.Duration(took) * time.Microsecond; each {
			b.CallID = shownID(id)
		} else {
			b.Day = dayName(day)
		}
		list = append(list, b)
		return nil
	})
	return list, since, err
}

// timed is the condition of f on calls and their contexts (c), with which at most
// maxTimed calls are read.
func (db *DB) timed(ctx context.Context, f *TimingFilter) (w where, since time.Time, err error) {
	from, to := micros(f.From), micros(f.To)
	var cut int64
	err = db.r.QueryRowContext(ctx, `SELECT started_at FROM calls WHERE started_at >= $1 AND started_at < $2 ORDER BY started_at DESC LIMIT 1 OFFSET $3`, from, to, maxTimed-1).Scan(&cut)
	switch {
	case err == nil:
		from, since = cut, instant(cut)
	case !errors.Is(err, sql.ErrNoRows):
		return w, since, fmt.Errorf("look how many calls there were: %w", err)
	}
	w.parts = append(w.parts, "c.id = calls.context", "calls.started_at >= "+w.arg(from), "calls.started_at < "+w.arg(to))
	if f.Group != "" {
		w.is("c.model_group", fitID(f.Group))
	}
	w.is("c.key_hash", f.KeyHash)
	if f.EndUser != "" {
		w.is("calls.end_user", fitID(f.EndUser))
	}
	return w, since, w.bad
}

func (db *DB) timings(ctx context.Context, w *where, what, tail string, each func(*sql.Rows) error) error {
	if w.bad != nil {
		return w.bad
	}
	//nolint:gosec // G202: the text is ours, values are parameters
	rows, err := db.r.QueryContext(ctx, "SELECT "+what+" FROM calls CROSS JOIN contexts AS c"+w.sql()+tail, w.args...)
	if err := results(rows, err, each); err != nil {
		return fmt.Errorf("read how long calls took: %w", err)
	}
	return nil
}
