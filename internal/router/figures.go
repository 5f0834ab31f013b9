package router

import (
	"iter"
	"sync/atomic"
	"time"
)

// Figures are what one process knows of a deployment and others may want to:
// what has to be shared so that many act as one.
type Figures struct {
	ID        string
	CoolUntil time.Time // zero if it is well
	InFlight  int64
	Requests  int64         // begun in the last minute
	Tokens    int64         // used in the last minute
	Latency   time.Duration // mean for each output token, 0 if not known
	FirstByte time.Duration // mean to the first byte of a stream, 0 if not known
}

// Figures returns what this process knows of each deployment.
func (t *Table) Figures(now time.Time) iter.Seq[Figures] {
	return func(yield func(Figures) bool) {
		for id, s := range t.states {
			f := Figures{
				ID: id, InFlight: s.inFlight.Load(), Requests: s.requests.sum(now.UnixNano()), Tokens: s.tokens.sum(now.UnixNano()),
				Latency: time.Duration(s.latency.mean.Load()) * time.Microsecond, FirstByte: time.Duration(s.first.mean.Load()) * time.Microsecond,
			}
			if until := s.coolUntil.Load(); until > now.UnixNano() {
				f.CoolUntil = time.Unix(0, until)
			}
			if !yield(f) {
				return
			}
		}
	}
}

// Elsewhere takes in what all other processes together know of a deployment:
// its cooldown if it is longer, their requests and tokens, which count under
// rpm and tpm for a minute, and their latencies where this process has none.
// An ID that the table does not have is ignored.
func (t *Table) Elsewhere(f Figures, now time.Time) {
	s := t.states[f.ID]
	if s == nil {
		return
	}
	if until := f.CoolUntil.UnixNano(); !f.CoolUntil.IsZero() && until > now.UnixNano() {
		for {
			old := s.coolUntil.Load()
			if old >= until || s.coolUntil.CompareAndSwap(old, until) {
				break
			}
		}
	}
	s.elsewhere.n.Store(f.Requests)
	s.elsewhere.tok.Store(f.Tokens)
	s.elsewhere.at.Store(now.UnixNano())
	for v, d := range map[*moving]time.Duration{&s.latency: f.Latency, &s.first: f.FirstByte} {
		if d > 0 && v.n.Load() == 0 {
			v.mean.Store(d.Microseconds())
			v.at.Store(now.UnixNano())
		}
	}
}

// remote is what other processes have sent to a deployment lately.
type remote struct {
	n, tok, at atomic.Int64
}

func (r *remote) requests(now int64) int64 { return r.fresh(&r.n, now) }
func (r *remote) tokens(now int64) int64   { return r.fresh(&r.tok, now) }

func (r *remote) fresh(v *atomic.Int64, now int64) int64 {
	if now-r.at.Load() > perMinute {
		return 0
	}
	return v.Load()
}
