package store

import (
	"cmp"
	"context"
	_ "embed" // the tables and the function
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"penstock/internal/limit"
)

var _ limit.Shared = (*Leases)(nil)

//go:embed lease.sql
var leaseSQL string

// leaseLock is the advisory lock under which replicas that start together make
// the tables of leases.
const leaseLock = 0x70656e73746f636b

// leaseConns bounds the connections that ask for leases.
const leaseConns = 6

// recallChannel is what replicas listen to.
const recallChannel = "penstock_recall"

// Leases implements limit.Shared on PostgreSQL. It has connections of its own:
// statements of the books must not stand in the way of admission.
type Leases struct {
	pool *pgxpool.Pool
	now  func() time.Time // of a test; nil is the server's clock
}

// OpenLeases opens the leases in the database at url, which must be
// PostgreSQL, and makes their tables. now is nil but in tests: replicas go by
// the server's clock. Close them when done.
func OpenLeases(ctx context.Context, url string, now func() time.Time) (*Leases, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the PostgreSQL URL cannot be read: use postgres://user:password@host:5432/database, with %-escapes for special characters in the password")
	}
	cfg.MaxConns = leaseConns
	if n := prisma(cfg.ConnConfig); n > 0 {
		cfg.MaxConns = min(cfg.MaxConns, int32(min(n, leaseConns)))
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "penstock leases"
	}
	cfg.ConnConfig.ConnectTimeout = 2 * time.Second
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the leases: %w", err)
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(leaseLock)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, leaseSQL)
		return err
	})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("make the tables of leases: %w", err)
	}
	return &Leases{pool: pool, now: now}, nil
}

// Close ends the connections.
func (l *Leases) Close() error {
	l.pool.Close()
	return nil
}

func (l *Leases) clock() int64 {
	if l.now == nil {
		return 0
	}
	return l.now().UnixMicro()
}

// Apply implements limit.Shared.
func (l *Leases) Apply(ctx context.Context, replica string, asks []limit.Ask) ([]limit.Grant, error) {
	order := make([]int, len(asks))
	names := make([]string, len(asks))
	for i := range asks {
		order[i], names[i] = i, asks[i].Meter.String()
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(names[a], names[b]) })
	text := []byte{'['}
	for i, n := range order {
		if i > 0 {
			text = append(text, ',')
		}
		var err error
		if text, err = appendAsk(text, names[n], &asks[n]); err != nil {
			return nil, fmt.Errorf("lease of %s: %w", names[n], err)
		}
	}
	text = append(text, ']')

	var answer []byte
	err := l.pool.QueryRow(ctx, "SELECT penstock_lease($1, $2, $3, $4, $5, $6, $7, $8)", replica, text, l.clock(),
		limit.LeaseTTL.Microseconds(), limit.TightFor.Microseconds(), int64(limit.Slices), limit.BaseSettles.Microseconds(), int64(limit.Sliding/time.Second)).Scan(&answer)
	if err != nil {
		return nil, fmt.Errorf("lease of %d limits: %w", len(asks), err)
	}
	var rows [][]int64
	if err := json.Unmarshal(answer, &rows); err != nil {
		return nil, fmt.Errorf("lease of %d limits: %w", len(asks), err)
	}
	if len(rows) != len(asks) {
		return nil, fmt.Errorf("lease of %d limits: %d answers", len(asks), len(rows))
	}
	grants := make([]limit.Grant, len(asks))
	for i, out := range rows {
		if len(out) == 0 || out[0] == int64(limit.Played) && len(out) < 7 {
			return nil, fmt.Errorf("lease of %s: the function's answer is not understood", names[order[i]])
		}
		g := limit.Grant{Status: limit.Status(out[0])}
		if g.Status == limit.Played {
			g.Held, g.Taken, g.Base, g.Idle, g.Short, g.Tight = out[1], out[2], out[3], out[4], out[5] != 0, out[6] != 0
			for p := out[7:]; len(p) >= 2; p = p[2:] {
				g.Rate = append(g.Rate, limit.Second{At: p[0], N: p[1]})
			}
		}
		grants[order[i]] = g
	}
	return grants, nil
}

// appendAsk appends the ask as the function reads it.
func appendAsk(dst []byte, name string, a *limit.Ask) ([]byte, error) {
	span := a.Meter.Span()
	kind := "held"
	switch {
	case span.Slides():
		kind = "sliding"
	case span.Booked():
		kind = "budget"
	}
	dst, err := jsontext.AppendQuote(append(dst, '['), strings.ToValidUTF8(name, "?"))
	if err != nil {
		return nil, err
	}
	dst = append(dst, `,"`+kind+`"`...)
	for _, n := range [...]int64{a.Amount, a.Epoch, a.Seq} {
		dst = strconv.AppendInt(append(dst, ','), n, 10)
	}
	if a.Fresh {
		dst = append(dst, ",true"...)
	} else {
		dst = append(dst, ",false"...)
	}
	for _, n := range [...]int64{
		a.Keep, a.Need, a.Wish, a.Spare, a.Idle, a.Base, a.BaseAt, a.Add, max(a.Replicas, 1), a.Until, span.Grace().Microseconds(),
	} {
		dst = strconv.AppendInt(append(dst, ','), n, 10)
	}
	dst = append(dst, ",["...)
	for i, u := range a.Used {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(strconv.AppendInt(dst, u.At, 10), ','), u.N, 10)
	}
	dst = strconv.AppendInt(append(dst, "],"...), a.Scrap, 10)
	dst = strconv.AppendInt(append(dst, ','), a.Least, 10)
	return append(dst, ']'), nil
}

// Beat implements limit.Shared.
func (l *Leases) Beat(ctx context.Context, replica string) (limit.Pulse, error) {
	var now, n int64
	var known bool
	err := l.pool.QueryRow(ctx, `
WITH clock AS (SELECT CASE WHEN $2::BIGINT = 0 THEN (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT ELSE $2::BIGINT END AS now),
beat AS (INSERT INTO lease_replicas (replica, expires) SELECT $1, now + $3::BIGINT FROM clock ON CONFLICT (replica) DO UPDATE SET expires = excluded.expires),
gone AS (DELETE FROM lease_replicas USING clock WHERE expires <= now AND replica <> $1)
SELECT now, (SELECT count(*) FROM lease_replicas WHERE expires > now AND replica <> $1) + 1,
	EXISTS (SELECT 1 FROM lease_replicas WHERE expires > now AND replica = $1) FROM clock`,
		replica, l.clock(), limit.LeaseTTL.Microseconds()).Scan(&now, &n, &known)
	if err != nil {
		return limit.Pulse{}, fmt.Errorf("beat: %w", err)
	}
	return limit.Pulse{Now: time.UnixMicro(now), Replicas: n, Known: known}, nil
}

// Tidy removes meters that nobody needs any more.
func (l *Leases) Tidy(ctx context.Context) error {
	_, err := l.pool.Exec(ctx, `DELETE FROM lease_meters WHERE forget < CASE WHEN $1::BIGINT = 0 THEN (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT ELSE $1::BIGINT END`, l.clock())
	if err != nil {
		return fmt.Errorf("tidy leases: %w", err)
	}
	return nil
}

// Leave implements limit.Shared.
func (l *Leases) Leave(ctx context.Context, replica string) error {
	if _, err := l.pool.Exec(ctx, "DELETE FROM lease_replicas WHERE replica = $1", replica); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}

// Recall implements limit.Shared.
func (l *Leases) Recall(ctx context.Context, m limit.Meter) error {
	if _, err := l.pool.Exec(ctx, "SELECT pg_notify($1, $2)", recallChannel, m.String()); err != nil {
		return fmt.Errorf("recall: %w", err)
	}
	return nil
}

// Recalls implements limit.Shared.
func (l *Leases) Recalls(ctx context.Context, f func(limit.Meter)) error {
	c, err := l.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("listen for recalls: %w", err)
	}
	// Not given back: it listens.
	conn := c.Hijack()
	defer func() {
		cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(cctx) // it may be broken already
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+recallChannel); err != nil {
		return fmt.Errorf("listen for recalls: %w", err)
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("listen for recalls: %w", err)
		}
		if m, err := limit.ParseMeter(n.Payload); err == nil {
			f(m)
		}
	}
}

// Meters returns how many meters are remembered.
func (l *Leases) Meters(ctx context.Context) (n int, err error) {
	if err := l.pool.QueryRow(ctx, "SELECT count(*) FROM lease_meters").Scan(&n); err != nil {
		return 0, fmt.Errorf("count leases: %w", err)
	}
	return n, nil
}
