package mock

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Outcome is how a call ended.
type Outcome string

// The outcomes there are.
const (
	Running   Outcome = "running"
	Answered  Outcome = "answered"
	Refused   Outcome = "refused"   // an error status was sent
	Cancelled Outcome = "cancelled" // the client went away
	Broken    Outcome = "broken"    // the script cut the answer
)

// Call is one request as the mock received it.
type Call struct {
	Method string
	Path   string // with the query
	Model  string
	Header http.Header
	Body   []byte
	Stream bool // the client asked for a stream

	Start   time.Time
	End     time.Time // zero while it runs; for a cancelled call, when that was seen
	Outcome Outcome
}

// Stats are counters since the start or the last Reset.
type Stats struct {
	Received  int64 `json:"received"`
	Answered  int64 `json:"answered"`
	Refused   int64 `json:"refused"`
	Cancelled int64 `json:"cancelled"`
	Broken    int64 `json:"broken"`
}

type counters struct {
	received, answered, refused, cancelled, broken atomic.Int64
}

func (c *counters) end(o Outcome) {
	switch o {
	case Answered:
		c.answered.Add(1)
	case Refused:
		c.refused.Add(1)
	case Cancelled:
		c.cancelled.Add(1)
	case Broken:
		c.broken.Add(1)
	case Running:
	}
}

func (c *counters) stats() Stats {
	return Stats{c.received.Load(), c.answered.Load(), c.refused.Load(), c.cancelled.Load(), c.broken.Load()}
}

func (c *counters) reset() {
	for _, n := range []*atomic.Int64{&c.received, &c.answered, &c.refused, &c.cancelled, &c.broken} {
		n.Store(0)
	}
}

// journal keeps the last calls.
type journal struct {
	keep int

	mu    sync.Mutex
	calls []*Call // guarded by mu, as are the calls in it
}

func (j *journal) add(c *Call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.calls) >= 2*j.keep {
		// Half at a time, so that most calls only append.
		n := copy(j.calls, j.calls[len(j.calls)-j.keep+1:])
		clear(j.calls[n:])
		j.calls = j.calls[:n]
	}
	j.calls = append(j.calls, c)
}

func (j *journal) end(c *Call, o Outcome) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c.Outcome, c.End = o, time.Now()
}

func (j *journal) last(n int) []Call {
	j.mu.Lock()
	defer j.mu.Unlock()
	calls := j.calls[max(0, len(j.calls)-n):]
	out := make([]Call, len(calls))
	for i, c := range calls {
		out[i] = *c
	}
	return out
}

func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = nil
}

// Calls returns what was received, oldest first: the last Options.Keep calls.
// Headers and bodies are not to be changed.
func (s *Server) Calls() []Call { return s.journal.last(s.journal.keep) }

// Stats returns the counters of all calls.
func (s *Server) Stats() Stats { return s.counters.stats() }

// Reset forgets the calls, the counters, what is left of the Script, and how
// often a flaky model has failed.
func (s *Server) Reset() {
	s.journal.reset()
	s.counters.reset()
	s.Script()
	for _, m := range *s.models.Load() {
		m.counters.reset()
		m.failed.Store(0)
	}
}

// Wait returns when the counters are as want wants them, or with ctx's error.
// It is how a test knows that a call has arrived, or that its client's
// departure was seen.
func (s *Server) Wait(ctx context.Context, want func(Stats) bool) error {
	s.waiters.Add(1)
	defer s.waiters.Add(-1)
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if want(s.Stats()) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// notify wakes those in Wait. Nearly always there is nobody.
func (s *Server) notify() {
	if s.waiters.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}
