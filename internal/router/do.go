package router

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"penstock/internal/gateway"
)

// ErrCommitted wraps a failure after the first byte went to the client: the
// answer cannot start over elsewhere.
var ErrCommitted = errors.New("answer already started")

// What bounds a call, whatever is configured.
const (
	maxAttempts = 64
	maxHops     = 32 // to other groups
)

// Target is one deployment and what to ask it for.
type Target struct {
	*gateway.Deployment
	Model   string        // the vendor's name of the model
	Timeout time.Duration // of a whole answer
	Idle    time.Duration // for a stream's first byte and between bytes
	// Params are what the request has instead of the client's own members, for
	// a fallback that the client wants so.
	Params []gateway.Param
	m      *member
}

// FirstByte returns the q-th part (0 to 1) of the times that the deployment's
// streams lately took to begin; ok is false if it has begun too few to say.
func (t *Target) FirstByte(q float64) (d time.Duration, ok bool) {
	if t.m == nil {
		return 0, false
	}
	d, of := t.m.first.percentile(q)
	return d, of >= 8
}

// Seen is what an attempt has shown of its deployment.
type Seen struct {
	First  time.Time // when a stream's first byte came; zero if none did, or it was no stream
	Output int64     // output tokens
	Tokens int64     // all tokens
}

// Try sends the call to one deployment. If it fails after the client has its
// first byte, the error wraps ErrCommitted.
type Try func(ctx context.Context, t Target) (Seen, error)

// Clock is where time comes from.
type Clock struct {
	Now   func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
}

// RealClock is the clock on the wall.
func RealClock() Clock {
	return Clock{Now: time.Now, Sleep: func(ctx context.Context, d time.Duration) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}

// Outcome is how a call was carried. It holds all that routing needs, so that
// a call allocates nothing; Reset makes it ready for the next.
type Outcome struct {
	Target    Target // of the last attempt; its Deployment is nil if there was none
	Attempts  []gateway.Attempt
	Retries   int // attempts after the first, in the group that answered
	Fallbacks int // groups tried after the first
	Why       gateway.Why

	run         run
	attemptsBuf [2]gateway.Attempt
	picksBuf    [2]gateway.Pick
}

// Reset makes o ready for another call.
func (o *Outcome) Reset() {
	o.Target, o.Attempts, o.Retries, o.Fallbacks, o.Why = Target{}, nil, 0, 0, gateway.Why{Removals: o.Why.Removals[:0]}
	r := &o.run
	r.t, r.c, r.g, r.over, r.try, r.clock, r.params = nil, nil, nil, nil, nil, Clock{}, nil
	r.visited, r.tried = r.visited[:0], r.tried[:0]
}

// run is one call on its way.
type run struct {
	query
	t         *Table
	c         *gateway.Call
	over      *Override
	clock     Clock
	try       Try
	out       *Outcome
	began     time.Time
	at        time.Time       // when the clock was looked at last
	level     int             // that was picked from last
	hops      int             // to other groups
	params    []gateway.Param // of the fallback that is tried
	visited   []string        // groups
	unbounded bool            // all removals are written down
}

// Do calls try with one deployment after another until it returns nil, an
// error that no other deployment would cure, or ErrCommitted, and fills in
// out. If everything fails it returns the error of the group that was asked
// for, not that of a fallback: that is the one the client can do something about.
func (route *Route) Do(ctx context.Context, clock Clock, out *Outcome, try Try) error {
	out.Attempts, out.Why.Picks = out.attemptsBuf[:0], out.picksBuf[:0]
	out.Why.Asked, out.Why.Naming = route.g.name, route.g.how
	r := &out.run
	r.t, r.c, r.over, r.clock, r.try, r.out, r.hops = route.t, route.c, route.over, clock, try, out, 0
	r.at = clock.Now()
	r.began = r.at
	return r.group(ctx, route.g, 0)
}

// spent reports whether the call may begin no further attempt.
func (r *run) spent() bool {
	return len(r.out.Attempts) >= maxAttempts || r.at.Sub(r.began) >= r.t.set.Total
}

// group tries a group and then its fallbacks.
func (r *run) group(ctx context.Context, g *group, depth int) error {
	r.visited = append(r.visited, g.name)
	err := r.orders(ctx, g)
	if err == nil || errors.Is(err, ErrCommitted) || ctx.Err() != nil || depth >= r.t.set.MaxFallback {
		return err
	}
	e := gateway.AsError(err)
	for i, next := range r.next(e, g.name, depth) {
		to, ferr := r.t.find(next, &r.c.Principal)
		if ferr != nil || to == nil || slices.Contains(r.visited, to.name) {
			continue
		}
		if r.hops >= maxHops || r.spent() {
			break
		}
		r.hops++
		r.out.Fallbacks++
		r.out.Why.Hops = append(r.out.Why.Hops, gateway.Hop{From: g.name, To: to.name, Because: e.Kind})
		if depth == 0 && i < len(r.c.FallbackParams) {
			r.params = r.c.FallbackParams[i]
		}
		ferr = r.group(ctx, to, depth+1)
		if ferr == nil || errors.Is(ferr, ErrCommitted) || ctx.Err() != nil {
			return ferr
		}
	}
	return err
}

// orders tries the members of a group, those of a higher order after all
// retries of the lower have failed.
func (r *run) orders(ctx context.Context, g *group) error {
	r.enter(g)
	for {
		err := r.members(ctx)
		if err == nil || errors.Is(err, ErrCommitted) || ctx.Err() != nil || r.level+1 >= len(g.levels) || r.spent() {
			return err
		}
		e := gateway.AsError(err)
		if len(r.tried) == 0 || e.Kind == gateway.ContextWindow || e.Kind == gateway.ContentPolicy || classify(e) == ours {
			return err
		}
		r.from = r.level + 1
		r.out.Why.Hops = append(r.out.Why.Hops, gateway.Hop{From: g.name, To: g.name, Because: e.Kind, Level: g.levels[r.from].order})
	}
}

// members tries deployments of one group and order.
func (r *run) members(ctx context.Context) error {
	r.out.Retries = 0
	own := -1 // the retries that the first deployment wants
	var last error
	for n := 0; ; n++ {
		m, refused := r.pick()
		if refused != nil {
			if last != nil {
				return last // why it failed is better news than that nothing is left
			}
			return refused
		}
		if n == 0 && m.Retries != nil {
			own = *m.Retries
		}
		last = r.attempt(ctx, m)
		if last == nil || errors.Is(last, ErrCommitted) || ctx.Err() != nil {
			return last
		}
		if !slices.Contains(r.tried, m) {
			r.tried = append(r.tried, m)
		}
		e := gateway.AsError(last)
		if !r.worth(e, n, own) || r.spent() || !r.wait(ctx, e, n) {
			return last
		}
		if classify(e) == noRoom {
			n--
			continue
		}
		r.out.Retries++
	}
}

// attempt makes one try and remembers how it went.
func (r *run) attempt(ctx context.Context, m *member) error {
	t := r.target(m)
	r.out.Target = t
	start := r.at
	r.beside = m
	seen, err := r.try(ctx, t)
	r.beside = nil
	r.ended(ctx, &t, start, seen, err, false)
	return err
}

func (r *run) target(m *member) Target {
	t := Target{Deployment: m.Deployment, m: m, Model: r.g.upstream(m), Params: r.params, Timeout: cmp.Or(r.c.Timeout, r.over.timeout(), m.Timeout, r.t.set.Timeout)}
	// Where nobody has a time for streams, the one for whole answers counts.
	t.Idle = cmp.Or(r.c.StreamTimeout, m.StreamIdle, r.t.set.StreamIdle, t.Timeout)
	return t
}

// ended writes down how an attempt went, and gives back its place.
func (r *run) ended(ctx context.Context, t *Target, start time.Time, seen Seen, err error, hedged bool) {
	r.at = r.clock.Now()
	m, end := t.m, r.at
	m.inFlight.Add(-1)
	a := gateway.Attempt{Deployment: m.ID, Group: r.g.name, Start: start, Duration: end.Sub(start), OK: err == nil, Hedged: hedged}
	if !seen.First.IsZero() {
		a.FirstByte = seen.First.Sub(start)
	}
	now, args := end.UnixNano(), r.g.args
	m.tokens.add(now, seen.Tokens-r.c.Ask.Likely)
	if err == nil {
		m.success(end)
		r.remember(m, now)
		m.latency.add(now, a.Duration/time.Duration(max(seen.Output, 1)), args.Samples)
	} else {
		e := gateway.AsError(err)
		a.Kind, a.Status, a.Reason = e.Kind, e.Status, e.Message
		r.failed(ctx, m, e, end)
	}
	if a.FirstByte > 0 {
		m.first.add(now, a.FirstByte, args.Samples)
		if args.Percentile > 0 {
			d, _ := m.first.percentile(args.Percentile)
			m.first.mean.Store(d.Microseconds())
		}
	}
	r.out.Attempts = append(r.out.Attempts, a)
}

// failed lets m answer for a failure that was its own.
func (r *run) failed(ctx context.Context, m *member, e *gateway.Error, end time.Time) {
	c := classify(e)
	switch {
	case ctx.Err() != nil:
		// A client that left says nothing about the deployment.
	case c == timeout:
		// No more does a time that the client has set.
		if r.c.Timeout > 0 || r.c.StreamTimeout > 0 {
			break
		}
		v, args := &m.latency, r.g.args
		if r.c.Stream {
			v = &m.first
		}
		v.add(end.UnixNano(), timeoutSample, args.Samples)
		m.failure(end, e, c, &r.t.set)
		return
	case c != ours:
		m.failure(end, e, c, &r.t.set)
		return
	}
	m.probe.Store(0) // another call may find out
}

// timeoutSample is what an answer that never came counts among latencies.
const timeoutSample = 1000 * time.Second

// Another chooses a second deployment for the attempt that is running, to be
// asked beside the first because that is slow to begin; false if there is none
// that fits. It may be called only by the Try that is running, as Ended must
// be for what it returned, before that Try returns.
func (o *Outcome) Another() (Target, bool) {
	r := &o.run
	if r.g.exact || len(o.Attempts)+1 >= maxAttempts {
		return Target{}, false
	}
	r.at = r.clock.Now()
	m, err := r.pick()
	if err != nil {
		o.Why.Picks = o.Why.Picks[:len(o.Why.Picks)-1]
		return Target{}, false
	}
	return r.target(m), true
}

// Ended writes down how the attempt at a deployment from Another went, which
// began at start. If its answer is the one the client gets, that is the Target
// of the outcome from now on. The loser's err is of kind Canceled.
func (o *Outcome) Ended(ctx context.Context, t Target, start time.Time, seen Seen, err error) {
	o.run.ended(ctx, &t, start, seen, err, true)
	if err == nil {
		o.Target = t
	}
}
