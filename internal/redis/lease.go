package redis

import (
	"context"
	"crypto/sha1" //nolint:gosec // G505: Redis names scripts by it
	_ "embed"     // the scripts
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"penstock/internal/limit"
)

var _ limit.Shared = (*Leases)(nil)

//go:embed lease.lua
var leaseScript string

//go:embed beat.lua
var beatScript string

// Leases implements limit.Shared.
type Leases struct {
	db          *DB
	lease, beat *rueidis.Lua
	sha         string // of the lease script, by which the server knows it
}

// Leases returns what leases limits to replicas.
func (db *DB) Leases() *Leases {
	sum := sha1.Sum([]byte(leaseScript)) //nolint:gosec // G401: Redis names scripts by it
	return &Leases{db: db, lease: rueidis.NewLuaScript(leaseScript), beat: rueidis.NewLuaScript(beatScript), sha: hex.EncodeToString(sum[:])}
}

// spanName returns what the scripts call the span.
func spanName(s limit.Span) string {
	switch {
	case s.Slides():
		return "sliding"
	case s.Booked():
		return "budget"
	}
	return "held"
}

// Apply implements limit.Shared.
func (l *Leases) Apply(ctx context.Context, replica string, asks []limit.Ask) ([]limit.Grant, error) {
	client, err := l.db.connect(ctx)
	if err != nil {
		return nil, err
	}
	now := l.db.now()
	execs := make([]rueidis.LuaExec, len(asks))
	for i := range asks {
		execs[i] = rueidis.LuaExec{Keys: []string{l.db.key(asks[i].Meter.String())}, Args: args(replica, &asks[i], now)}
	}
	grants := make([]limit.Grant, len(asks))
	for i, r := range l.play(ctx, client, execs) {
		out, err := r.AsIntSlice()
		if err == nil && (len(out) == 0 || out[0] == int64(limit.Played) && len(out) < 7) {
			err = errors.New("the script's answer is not understood")
		}
		if err != nil {
			return nil, fmt.Errorf("lease of %s: %w", asks[i].Meter, err)
		}
		g := limit.Grant{Status: limit.Status(out[0])}
		if g.Status == limit.Played {
			g.Held, g.Taken, g.Base, g.Idle, g.Short, g.Tight = out[1], out[2], out[3], out[4], out[5] != 0, out[6] != 0
			for p := out[7:]; len(p) >= 2; p = p[2:] {
				g.Rate = append(g.Rate, limit.Second{At: p[0], N: p[1]})
			}
		}
		grants[i] = g
	}
	return grants, nil
}

// play runs the script for all of execs at once. Only a server that has not
// seen the script before is sent its text.
func (l *Leases) play(ctx context.Context, client rueidis.Client, execs []rueidis.LuaExec) []rueidis.RedisResult {
	cmds := make(rueidis.Commands, len(execs))
	for i, e := range execs {
		cmds[i] = client.B().Evalsha().Sha1(l.sha).Numkeys(1).Key(e.Keys...).Arg(e.Args...).Build()
	}
	out := client.DoMulti(ctx, cmds...)
	for i := range out {
		if err, ok := rueidis.IsRedisErr(out[i].Error()); ok && err.IsNoScript() {
			out[i] = l.lease.Exec(ctx, client, execs[i].Keys, execs[i].Args)
		}
	}
	return out
}

func args(replica string, a *limit.Ask, now int64) []string {
	span := a.Meter.Span()
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	us := func(d time.Duration) string { return n(d.Microseconds()) }
	fresh := "0"
	if a.Fresh {
		fresh = "1"
	}
	out := append(make([]string, 0, 25+2*len(a.Used)),
		replica, n(a.Epoch), n(a.Seq), fresh, spanName(span),
		n(a.Amount), n(a.Keep), n(a.Need), n(a.Wish), n(a.Spare), n(a.Idle),
		n(a.Base), n(a.BaseAt), n(a.Add),
		n(max(a.Replicas, 1)), n(a.Until), n(now),
		us(limit.LeaseTTL), us(span.Grace()), us(limit.TightFor), n(limit.Slices), us(limit.BaseSettles), n(int64(limit.Sliding/time.Second)),
		n(a.Scrap), n(a.Least))
	for _, u := range a.Used {
		out = append(out, n(u.At), n(u.N))
	}
	return out
}

// Beat implements limit.Shared.
func (l *Leases) Beat(ctx context.Context, replica string) (limit.Pulse, error) {
	client, err := l.db.connect(ctx)
	if err != nil {
		return limit.Pulse{}, err
	}
	out, err := l.beat.Exec(ctx, client, []string{l.db.key("replicas")},
		[]string{replica, strconv.FormatInt(l.db.now(), 10), strconv.FormatInt(limit.LeaseTTL.Microseconds(), 10)}).AsIntSlice()
	if err == nil && len(out) != 3 {
		err = errors.New("the script's answer is not understood")
	}
	if err != nil {
		return limit.Pulse{}, fmt.Errorf("beat: %w", err)
	}
	return limit.Pulse{Replicas: out[0], Now: time.UnixMicro(out[1]), Known: out[2] == 1}, nil
}

// Leave implements limit.Shared.
func (l *Leases) Leave(ctx context.Context, replica string) error {
	client, err := l.db.connect(ctx)
	if err != nil {
		return err
	}
	if err := client.Do(ctx, client.B().Zrem().Key(l.db.key("replicas")).Member(replica).Build()).Error(); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}

// Recall implements limit.Shared.
func (l *Leases) Recall(ctx context.Context, m limit.Meter) error {
	client, err := l.db.connect(ctx)
	if err != nil {
		return err
	}
	if err := client.Do(ctx, client.B().Publish().Channel(l.db.key("recall")).Message(m.String()).Build()).Error(); err != nil {
		return fmt.Errorf("recall: %w", err)
	}
	return nil
}

// Recalls implements limit.Shared.
func (l *Leases) Recalls(ctx context.Context, f func(limit.Meter)) error {
	client, err := l.db.connect(ctx)
	if err != nil {
		return err
	}
	err = client.Receive(ctx, client.B().Subscribe().Channel(l.db.key("recall")).Build(), func(msg rueidis.PubSubMessage) {
		if m, err := limit.ParseMeter(msg.Message); err == nil {
			f(m)
		}
	})
	if err != nil {
		return fmt.Errorf("listen for recalls: %w", err)
	}
	return nil
}
