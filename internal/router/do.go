package router

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"penstock/internal/gateway"
)

// ErrCommitted wraps a failure after the first byte went to the client: the
// answer cannot start over elsewhere.
var ErrCommitted = errors.New("answer already started")

// maxAttempts bounds the tries of one call, whatever is configured.
const maxAttempts = 64

// Back-off between tries, when there is no other deployment to go to.
const (
	firstDelay = 500 * time.Millisecond
	maxDelay   = 8 * time.Second
	jitter     = 750 * time.Millisecond
	// maxRetryAfter is the longest a call waits because a provider said so.
	maxRetryAfter = time.Minute
)

// Outcome is how a call was carried.
type Outcome struct {
	Target    Target // of the last attempt; its Deployment is nil if there was none
	Attempts  []gateway.Attempt
	Retries   int // attempts after the first, in the group that answered
	Fallbacks int // groups tried after the first
	buf       [2]gateway.Attempt
}

// Try sends the call to one deployment. If it fails after the client has its
// first byte, the error wraps ErrCommitted.
type Try func(ctx context.Context, t Target) error

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

// run is one call on its way.
type run struct {
	t     *Table
	c     *gateway.Call
	clock Clock
	try   Try
	out   *Outcome
	tried []string // groups
	skip  []*member
}

// Do calls try with one deployment after another until it returns nil, an
// error that no other deployment would cure, or ErrCommitted, and fills in
// out. If everything fails it returns the error of the group that was asked
// for, not that of a fallback: that is the one the client can do something about.
func (t *Table) Do(ctx context.Context, c *gateway.Call, clock Clock, out *Outcome, try Try) error {
	out.Attempts = out.buf[:0]
	r := &run{t: t, c: c, clock: clock, try: try, out: out}
	return r.group(ctx, c.Group, 0)
}

// group tries a group and then its fallbacks.
func (r *run) group(ctx context.Context, name string, depth int) error {
	f, ok := r.t.find(name)
	if !ok {
		return r.t.Unknown("/"+string(r.c.Op), name)
	}
	r.tried = append(r.tried, f.name)
	err := r.members(ctx, &f)
	if err == nil || errors.Is(err, ErrCommitted) || ctx.Err() != nil {
		return err
	}
	for _, next := range r.next(gateway.AsError(err).Kind, f.name, depth) {
		if slices.Contains(r.tried, r.t.Group(next)) || !r.t.Knows(next) {
			continue
		}
		if len(r.out.Attempts) >= maxAttempts || r.out.Fallbacks >= r.t.set.MaxFallback {
			break
		}
		r.out.Fallbacks++
		ferr := r.group(ctx, next, depth+1)
		if ferr == nil || errors.Is(ferr, ErrCommitted) || ctx.Err() != nil {
			return ferr
		}
	}
	return err
}

// next returns the groups to fall back to.
func (r *run) next(k gateway.Kind, name string, depth int) []string {
	s := &r.t.set
	switch {
	case r.c.DisableFallbacks || k == gateway.Canceled || k == gateway.Internal || k == gateway.Invalid && depth == 0 && len(r.out.Attempts) == 0:
		return nil
	case r.c.Fallbacks != nil && depth == 0:
		return r.c.Fallbacks
	case k == gateway.ContextWindow && len(s.ContextWindow) > 0:
		return s.ContextWindow[name]
	case k == gateway.ContentPolicy && len(s.ContentPolicy) > 0:
		return s.ContentPolicy[name]
	}
	return r.t.fallbacks(s.Fallbacks, name)
}

// members tries the deployments of one group.
func (r *run) members(ctx context.Context, f *found) error {
	r.out.Retries = 0
	r.skip = r.skip[:0]
	retries := r.t.set.Retries
	if r.c.Retries != nil {
		retries = *r.c.Retries
	}
	var last error
	for n := 0; ; n++ {
		now := r.clock.Now()
		m, err := r.pick(f, now)
		if err != nil {
			if last != nil {
				return last // why it failed is better news than that nothing is left
			}
			return err
		}
		if n == 0 && m.Retries != nil && r.c.Retries == nil {
			retries = *m.Retries
		}
		last = r.attempt(ctx, f, m)
		if last == nil || errors.Is(last, ErrCommitted) || ctx.Err() != nil {
			return last
		}
		e := gateway.AsError(last)
		if n >= retries || len(r.out.Attempts) >= maxAttempts || !r.again(e, f) {
			return last
		}
		if !slices.Contains(r.skip, m) {
			r.skip = append(r.skip, m)
		}
		if d := r.delay(e, f, n); d > 0 {
			if err := r.clock.Sleep(ctx, d); err != nil {
				return last
			}
		}
		r.out.Retries++
	}
}

// attempt makes one try and remembers how it went.
func (r *run) attempt(ctx context.Context, f *found, m *member) error {
	t := Target{Deployment: m.Deployment, Model: f.upstream(m), Timeout: cmp.Or(r.c.Timeout, m.Timeout, r.t.set.Timeout)}
	// Where nobody has a time for streams, the one for whole answers counts.
	t.Idle = cmp.Or(r.c.StreamTimeout, m.StreamIdle, r.t.set.StreamIdle, t.Timeout)
	r.out.Target = t
	start := r.clock.Now()
	m.inFlight.Add(1)
	err := r.try(ctx, t)
	m.inFlight.Add(-1)
	end := r.clock.Now()
	a := gateway.Attempt{Deployment: m.ID, Group: f.name, Start: start, Duration: end.Sub(start), OK: err == nil}
	if err == nil {
		m.success(end)
	} else {
		e := gateway.AsError(err)
		a.Kind, a.Status, a.Reason = e.Kind, e.Status, e.Message
		if ctx.Err() == nil { // a client that left says nothing about the deployment
			m.failure(end, e, &r.t.set)
		}
	}
	r.out.Attempts = append(r.out.Attempts, a)
	return err
}

// pick chooses the deployment to try next.
func (r *run) pick(f *found, now time.Time) (*member, error) {
	if f.exact {
		return f.members[0], nil
	}
	var buf [16]*member
	healthy := buf[:0]
	soonest := time.Duration(math.MaxInt64)
	full := 0
	for _, m := range f.members {
		switch d := m.cooling(now); {
		case d > 0:
			soonest = min(soonest, d)
		case m.MaxParallel > 0 && m.inFlight.Load() >= m.MaxParallel:
			full++
		default:
			healthy = append(healthy, m)
		}
	}
	if len(healthy) == 0 {
		return nil, r.unavailable(f, soonest, full)
	}
	// Those that failed this call already come last.
	if len(r.skip) > 0 {
		failed := func(m *member) bool { return slices.Contains(r.skip, m) }
		if !allOf(healthy, failed) {
			healthy = slices.DeleteFunc(healthy, failed)
		}
	}
	order := math.MaxInt
	for _, m := range healthy {
		if m.Order > 0 {
			order = min(order, m.Order)
		}
	}
	if order != math.MaxInt {
		healthy = slices.DeleteFunc(healthy, func(m *member) bool { return m.Order != order })
	}
	return shuffle(healthy, rand.Float64), nil
}

func allOf(ms []*member, is func(*member) bool) bool {
	return !slices.ContainsFunc(ms, func(m *member) bool { return !is(m) })
}

// shuffle picks one of the members at random: in proportion to their weights,
// or else their rpm, or else their tpm, or else all alike.
func shuffle(ms []*member, random func() float64) *member {
	if len(ms) == 1 {
		return ms[0]
	}
	for _, by := range [...]func(*member) float64{
		func(m *member) float64 { return m.Weight },
		func(m *member) float64 { return float64(m.RPM) },
		func(m *member) float64 { return float64(m.TPM) },
	} {
		sum := 0.0
		for _, m := range ms {
			sum += max(by(m), 0)
		}
		if sum == 0 {
			continue
		}
		at := random() * sum
		for _, m := range ms {
			if w := max(by(m), 0); w > 0 {
				if at -= w; at < 0 {
					return m
				}
			}
		}
	}
	return ms[min(int(random()*float64(len(ms))), len(ms)-1)]
}

func (r *run) unavailable(f *found, soonest time.Duration, full int) *gateway.Error {
	if full > 0 {
		return &gateway.Error{
			Kind: gateway.Unavailable, Type: "rate_limit_error", RetryAfter: time.Second,
			Message: fmt.Sprintf("Every deployment of model=%s has all its max_parallel_requests in use. Try again shortly.", f.name),
		}
	}
	wait := math.Ceil(soonest.Seconds())
	return &gateway.Error{
		Kind: gateway.Unavailable, Type: "all_deployments_in_cooldown", RetryAfter: soonest,
		Message: fmt.Sprintf("No deployments available for selected model, Try again in %.0f seconds. All deployments for selected model are in cooldown. Passed model=%s.", wait, f.name),
	}
}

// again reports whether another try may cure the failure. This is the only
// place that knows.
func (r *run) again(e *gateway.Error, f *found) bool {
	switch e.Kind {
	case gateway.UpstreamLimited:
		return e.Code != "insufficient_quota" || len(f.members) > 1
	case gateway.UpstreamFailed, gateway.UpstreamTimeout, gateway.UpstreamCut:
		return true
	case gateway.UpstreamAuth:
		return len(f.members) > 1 // another deployment has other credentials
	}
	return false
}

// delay returns how long to wait before the next try.
func (r *run) delay(e *gateway.Error, f *found, n int) time.Duration {
	now := r.clock.Now()
	if len(f.members) > 1 {
		for _, m := range f.members {
			if m.cooling(now) == 0 && !slices.Contains(r.skip, m) {
				return 0 // somebody else can be asked at once
			}
		}
	}
	j := time.Duration(rand.Float64() * float64(jitter))
	if e.RetryAfter > 0 && e.RetryAfter <= maxRetryAfter {
		return e.RetryAfter + j
	}
	return min(max(firstDelay<<min(n, 10), r.t.set.RetryAfter), maxDelay) + j
}
