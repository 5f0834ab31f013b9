package router

import (
	"time"

	"penstock/internal/gateway"
)

// Thresholds of the default cooldown rules.
const (
	failureRatio = 0.5  // of the calls in a minute
	failureLeast = 5    // calls in a minute, before a ratio means anything
	aloneLeast   = 1000 // the same for a deployment that nothing can replace
)

// probeWait is how long one call may take to find out whether a deployment is
// well again, before another may try.
const probeWait = 5 * time.Second

// cooling returns how long m still cools down.
func (s *state) cooling(now int64) time.Duration { return left(s.coolUntil.Load(), now) }

// claimProbe reports whether this call is the one that finds out. It is that
// of a deployment that is well, too: there is nothing to find out.
func (s *state) claimProbe(now int64) bool {
	if s.coolUntil.Load() == 0 {
		return true
	}
	p := s.probe.Load()
	return p <= now && s.probe.CompareAndSwap(p, now+int64(probeWait))
}

// minute moves the counts to the current minute.
func (s *state) minute(now time.Time) {
	is := now.Unix() / 60
	if was := s.window.Load(); was != is && s.window.CompareAndSwap(was, is) {
		s.succeeded.Store(0)
		s.failed.Store(0)
	}
}

func (m *member) success(now time.Time) {
	m.minute(now)
	m.succeeded.Add(1)
	if m.coolUntil.Load() != 0 {
		m.coolUntil.Store(0)
		m.probe.Store(0)
	}
}

// failure counts a failed attempt and cools m down if that is called for.
func (m *member) failure(now time.Time, e *gateway.Error, c class, s *Settings) {
	m.minute(now)
	fails := m.failed.Add(1)
	probed := m.coolUntil.Load() != 0
	m.probe.Store(0)
	if m.wildcard || s.DisableCooldowns {
		return
	}
	allowed, own := m.fails.of(c)
	if !own {
		if m.AllowedFails != nil {
			allowed, own = *m.AllowedFails, classes[c].cool != keep
		}
		if classes[c].cool == keep {
			return
		}
	}
	if !own {
		if allowed, own = s.fails.of(c); !own && s.AllowedFails != nil {
			allowed, own = *s.AllowedFails, true
		}
	}
	span := s.Cooldown
	if e.RetryAfter > 0 {
		span = e.RetryAfter
	}
	if m.Cooldown != nil {
		span = *m.Cooldown
	}
	switch {
	case span <= 0:
		return
	case probed: // it is not well yet, whatever is allowed
	case own:
		if first := m.since.Load(); now.UnixNano()-first > int64(span) && m.since.CompareAndSwap(first, now.UnixNano()) {
			m.allowance.Store(0)
		}
		if m.allowance.Add(1) <= int64(allowed) {
			return
		}
		m.allowance.Store(0)
	case !m.broken(c, fails):
		return
	}
	m.coolUntil.Store(now.Add(span).UnixNano())
}

// broken decides by the default rules whether m is to be left alone for a while.
func (m *member) broken(c class, fails int64) bool {
	total := float64(fails + m.succeeded.Load())
	ratio := float64(fails) / total
	switch classes[c].cool {
	case atOnce:
		return true // it will say so again until somebody mends it
	case unlessAlone:
		if !m.alone {
			return true
		}
	}
	if m.alone {
		return ratio == 1 && total >= aloneLeast
	}
	return ratio > failureRatio && total >= failureLeast
}
