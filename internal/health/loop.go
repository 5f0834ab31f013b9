package health

import (
	"context"
	"sync"
	"time"

	"penstock/internal/gateway"
)

// Settings are what the configuration says about checks. They may change
// between two rounds.
type Settings struct {
	Background  bool          // check without being asked
	Every       time.Duration // from one round to the next, default 5 min
	Concurrency int           // checks at a time, default 8
	// Routing keeps calls away from deployments whose check failed. A failure
	// counts for Stale (default two rounds) if no later check says otherwise.
	Routing bool
	Stale   time.Duration
	// IgnoreTransient has rate limits and timeouts not count for routing.
	IgnoreTransient bool
}

// WithDefaults fills in what is not set.
func (s Settings) WithDefaults() Settings {
	if s.Every <= 0 {
		s.Every = 5 * time.Minute
	}
	if s.Concurrency <= 0 {
		s.Concurrency = 8
	}
	if s.Stale <= 0 {
		s.Stale = 2 * s.Every
	}
	return s
}

// Loop checks all deployments in rounds. All fields are needed.
type Loop struct {
	Settings    func() Settings
	Deployments func() []*gateway.Deployment
	// Check asks one deployment. It is bounded in time by itself.
	Check func(context.Context, *gateway.Deployment) Result
	// Known returns what others on the same database have found out since.
	Known func(ctx context.Context, since time.Time) []Result
	// Heard is told every result, and whether it says something new.
	Heard func(ctx context.Context, r Result, changed bool)
	Board *Board
}

// idle is how often a loop that has nothing to do looks at its settings.
const idle = time.Second

// Run checks until ctx ends. Between rounds it waits, so that a round which
// takes long does not make the next one come at once.
func (l *Loop) Run(ctx context.Context) {
	var next time.Time
	for {
		s := l.Settings().WithDefaults()
		wait := idle
		if s.Background {
			if now := time.Now(); !now.Before(next) {
				l.Round(ctx, s)
				next = time.Now().Add(s.Every)
			}
			wait = min(idle, time.Until(next))
		} else {
			next = time.Time{}
		}
		t := time.NewTimer(max(wait, 0))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// Round checks every deployment once, but for those that somebody else has
// checked in the last half of a round.
func (l *Loop) Round(ctx context.Context, s Settings) {
	s = s.WithDefaults()
	fresh := map[string]bool{}
	since := time.Now().Add(-s.Every / 2)
	for _, r := range l.Known(ctx, since) {
		if r.At.After(since) {
			fresh[r.Deployment] = true
			l.Heard(ctx, r, l.Board.Put(r))
		}
	}
	ds := l.Deployments()
	here := make(map[string]bool, len(ds))
	slots := make(chan struct{}, s.Concurrency)
	var wg sync.WaitGroup
	for _, d := range ds {
		here[d.ID] = true
		if fresh[d.ID] || d.Check.Off || d.Blocked {
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			wg.Wait()
			return
		}
		wg.Go(func() {
			defer func() { <-slots }()
			r := l.Check(ctx, d)
			if ctx.Err() != nil {
				return // we are stopping: that says nothing about the deployment
			}
			l.Heard(ctx, r, l.Board.Put(r))
		})
	}
	wg.Wait()
	l.Board.Retain(func(id string) bool { return here[id] })
}

// IllUntil returns until when calls are kept away after r; the zero time if
// they are not.
func (s Settings) IllUntil(r *Result) time.Time {
	s = s.WithDefaults()
	if !s.Routing || r.OK || r.Unknown != "" || s.IgnoreTransient && r.Transient() {
		return time.Time{}
	}
	return r.At.Add(s.Stale)
}
