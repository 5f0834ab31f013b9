package relay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/price"
	"penstock/internal/router"
	"penstock/internal/spend"
	"penstock/internal/token"
)

// Hedging says which streams are asked of a second deployment when the first
// is slow to begin. It doubles what a call reserves, and may cost its prompt twice.
type Hedging struct {
	All    bool            // of every group
	Groups map[string]bool // of these
	// After is how long the first has; 0 for the time in which 95 of a hundred
	// of its streams have lately begun.
	After time.Duration
}

const (
	// hedgeQuantile is how many of a deployment's streams begin before a hedge.
	hedgeQuantile = 0.95
	// hedgeLeast is what is not worth a second prompt, however quick a
	// deployment usually is.
	hedgeLeast = 20 * time.Millisecond
)

// HedgeSuffix is what the id of a call ends in under which the slower of its
// two attempts is on the books.
const HedgeSuffix = "-hedge"

// hedges reports whether the client or the configuration wants a hedge.
func (l *line) hedges() bool {
	if l.c.Op != gateway.Chat || !l.c.Stream || l.c.Route == checkRoute {
		return false
	}
	if l.c.Hedge != nil {
		return *l.c.Hedge
	}
	return l.s.Hedging.All || l.s.Hedging.Groups[l.c.Group]
}

// hedgeAfter returns how long t has before another is asked beside it; false if
// none will be. A call whose budget has no room for two answers gets none.
func (l *line) hedgeAfter(t router.Target) (time.Duration, bool) {
	if !l.hedged || l.raced || l.hold.Capped || l.attempt.Capped || l.unjournaled {
		return 0, false
	}
	if l.s.Hedging.After > 0 {
		return l.s.Hedging.After, true
	}
	d, ok := t.FirstByte(hedgeQuantile)
	return max(d, hedgeLeast), ok
}

// rival is the second of two attempts that run beside each other, and the
// bookkeeping of the slower one.
type rival struct {
	hold  limit.Hold // under the limits of its deployment
	start time.Time
	row   spend.Row // of the slower one
	used  limit.Actual
	// The winner, if that is the second; then also how the first has ended.
	on    router.Target
	began time.Time
	lost  gateway.Attempt
	err   error // how the winner's answer ended
	won   bool
}

// race asks t, and another deployment beside it if t has not begun its answer
// in time. Who has the first word wins; the other is cancelled and booked.
func (l *line) race(ctx context.Context, t router.Target, after time.Duration) error {
	first := &opening{}
	if err := l.prepare(ctx, t, first); err != nil {
		return err
	}
	defer first.close()
	done := make(chan *opening, 2) // nobody waits to send
	run := func(o *opening) {
		o.err = o.open()
		done <- o
	}
	go run(first)
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-done:
		return l.finish(first, first.err)
	case <-timer.C:
	}
	second := l.second(ctx)
	if second == nil {
		<-done
		return l.finish(first, first.err)
	}
	defer second.close()
	go run(second)

	winner := <-done
	loser := first
	if winner == first {
		loser = second
	}
	if winner.err == nil {
		loser.w.cancel(errQuicker)
		<-done // it holds nothing up: it has been cancelled
		if loser.err == nil {
			loser.err = &gateway.Error{Kind: gateway.Canceled, Message: "another deployment was quicker"}
		}
	} else if <-done; loser.err == nil {
		winner, loser = loser, winner
	}
	// What is charged of the slower one is known before the client has the
	// first byte of the other.
	e := gateway.AsError(loser.err)
	l.bookRival(loser, e)
	switch {
	case winner.err != nil: // both have failed: the first is what the caller may try again
		l.outcome.Ended(ctx, second.t, second.start, router.Seen{}, second.err)
		return l.finish(first, first.err)
	case winner == first:
		l.r.Metrics.hedges.WithLabelValues("lost").Inc()
		l.outcome.Ended(ctx, second.t, second.start, router.Seen{}, loser.err)
		return l.finish(first, nil)
	}
	l.r.Metrics.hedges.WithLabelValues("won").Inc()
	v := &l.rival
	v.won, v.on, v.began = true, second.t, second.start
	v.lost = gateway.Attempt{Deployment: t.ID, Group: l.group(), Start: l.began, Duration: time.Since(l.began), Kind: e.Kind, Status: e.Status, Reason: e.Message}
	v.err = l.finish(second, nil)
	l.outcome.Ended(ctx, second.t, second.start, l.shown(), v.err)
	// The router's first attempt is over, and must not be tried again: the
	// client has its answer.
	return fmt.Errorf("%w: %w", router.ErrCommitted, loser.err)
}

// second makes the attempt beside the first ready: a deployment that fits, room
// under its limits, and a line in the journal. It returns nil if there is none.
func (l *line) second(ctx context.Context) *opening {
	t, ok := l.outcome.Another()
	if !ok {
		return nil
	}
	v := &l.rival
	v.start = time.Now()
	give := func(err error) *opening {
		l.r.Limits.Release(&v.hold)
		l.outcome.Ended(ctx, t, v.start, router.Seen{}, &gateway.Error{Kind: gateway.Canceled, Message: "not asked beside the first", Err: err})
		return nil
	}
	l.r.Limits.Release(&v.hold)
	v.hold.Reset()
	if err := l.reserveAttempt(ctx, &v.hold, t); err != nil {
		return give(err)
	}
	if v.hold.Capped {
		return give(nil)
	}
	o := &opening{}
	if err := l.prepare(ctx, t, o); err != nil {
		return give(err)
	}
	o.beside, l.raced = true, true
	v.row = l.rivalRow(t, v.start)
	v.row.Usage = l.counted()
	v.row.Usage.Completion = 0
	l.charge(&v.row, t)
	if err := l.r.Journal.Begin(&v.row); err != nil {
		o.close()
		return give(err)
	}
	return o
}

// rivalRow is the row of the slower attempt, as far as it is known.
func (l *line) rivalRow(t router.Target, start time.Time) spend.Row {
	row := l.row
	row.CallID, row.Session = l.c.ID+HedgeSuffix, cmp.Or(l.c.Session, l.c.ID)
	row.Model, row.Provider, row.Deployment, row.Start = t.Model, t.Provider, t.ID, start
	row.Tags, row.Windows = l.c.Tags, slices.Clone(l.row.Windows)
	row.FirstByte, row.Why, row.ResponseID, row.Finish = time.Time{}, nil, "", ""
	return row
}

// charge fills in what the row's usage costs at t.
func (l *line) charge(row *spend.Row, t router.Target) {
	row.Cost, row.Priced, row.Price, row.Rate, row.RateTerms = 0, false, "", "", ""
	rate, version := l.rateOf(t, "")
	if rate == nil {
		return
	}
	rate = rate.At(row.Start)
	row.Cost, row.Priced, row.Price = rate.Cost(row.Usage), true, version
	row.Rate, row.RateTerms = rate.ID(), rate.Terms()
}

// rateOf returns the price of t's model and its version, nil if none is known.
func (l *line) rateOf(t router.Target, answered string) (*price.Rate, string) {
	rate := l.s.Prices.Rate(t.Deployment, t.Model)
	if rate == nil && answered != "" && answered != l.c.Model {
		// The vendor may name the model more exactly than the deployment does.
		rate = l.s.Prices.Rate(t.Deployment, answered)
	}
	if rate == nil {
		return l.s.Prices.estimate, Estimated
	}
	return rate, l.s.Prices.Book().Version()
}

// bookRival puts the slower attempt on the books: what its vendor has counted,
// or else its prompt, which has been read although the answer was not wanted.
func (l *line) bookRival(o *opening, e *gateway.Error) {
	v := &l.rival
	now := time.Now()
	row := l.rivalRow(o.t, o.start)
	row.End, row.Failed, row.Kind, row.Interrupted = now, true, e.Kind, e.Kind == gateway.Canceled
	row.Error = fmt.Sprintf("asked beside another deployment for call %s: %s", l.c.ID, e.Message)
	if len(row.Error) > 500 {
		row.Error = row.Error[:500]
	}
	row.Usage = gateway.Usage{}
	switch s := o.a.seen(); {
	case s.HasUsage:
		row.Usage = s.Usage
	case e.Kind == gateway.Canceled:
		row.Usage = gateway.Usage{Prompt: token.Likely(l.in.Text, 1), Completion: token.Counted(s.TextBytes), Estimated: true}
	}
	l.charge(&row, o.t)
	v.row = row
	v.used = l.usedBy(&row)
	if o.beside {
		l.r.Limits.Settle(&v.hold, &v.used)
	} else {
		l.r.Limits.Settle(&l.attempt, &v.used)
	}
	if err := l.r.Journal.End(&row); err != nil {
		l.r.Metrics.unjournaled.Inc()
		l.r.Log.Error("a hedge not journaled; its spend is in memory until it is booked", "call", row.CallID, "err", err)
		row.Tags = slices.Clone(row.Tags)
		l.r.Unbooked(row)
	}
}

// wonBy returns how the call ended if the second attempt gave its answer.
func (l *line) wonBy(err error) error {
	if l.rival.won && errors.Is(err, router.ErrCommitted) {
		return l.rival.err
	}
	return err
}

func (v *rival) reset() {
	v.hold.Reset()
	v.start, v.row, v.used, v.on, v.began, v.lost, v.err, v.won = time.Time{}, spend.Row{}, limit.Actual{}, router.Target{}, time.Time{}, gateway.Attempt{}, nil, false
}
