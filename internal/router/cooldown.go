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

// cooling returns how long m still cools down.
func (m *member) cooling(now time.Time) time.Duration {
	if until := m.coolUntil.Load(); until > now.UnixNano() {
		return time.Duration(until - now.UnixNano())
	}
	return 0
}

// minute moves the counts to the current minute.
func (s *state) minute(now time.Time) {
	min := now.Unix() / 60
	if old := s.window.Load(); old != min && s.window.CompareAndSwap(old, min) {
		s.succeeded.Store(0)
		s.failed.Store(0)
	}
}

func (m *member) success(now time.Time) {
	m.minute(now)
	m.succeeded.Add(1)
}

// failure counts a failed attempt and cools m down if that is called for.
func (m *member) failure(now time.Time, e *gateway.Error, s *Settings) {
	m.minute(now)
	fails := m.failed.Add(1)
	if m.wildcard || s.DisableCooldowns || !coolable(e) {
		return
	}
	span := s.Cooldown
	if e.RetryAfter > 0 {
		span = e.RetryAfter
	}
	if m.Cooldown != nil {
		span = *m.Cooldown
	}
	if span <= 0 {
		return
	}
	if s.AllowedFails != nil {
		if first := m.since.Load(); now.UnixNano()-first > int64(span) && m.since.CompareAndSwap(first, now.UnixNano()) {
			m.allowance.Store(0)
		}
		if m.allowance.Add(1) <= int64(*s.AllowedFails) {
			return
		}
		m.allowance.Store(0)
	} else if !m.broken(e, fails) {
		return
	}
	m.coolUntil.Store(now.Add(span).UnixNano())
}

// broken decides by the default rules whether m is to be left alone for a while.
func (m *member) broken(e *gateway.Error, fails int64) bool {
	total := float64(fails + m.succeeded.Load())
	ratio := float64(fails) / total
	switch e.Kind {
	case gateway.UpstreamAuth, gateway.UpstreamNotFound:
		return true // it will say so again until somebody mends it
	case gateway.UpstreamLimited:
		if !m.alone {
			return true
		}
	}
	if m.alone {
		return ratio == 1 && total >= aloneLeast
	}
	return ratio > failureRatio && total >= failureLeast
}

// coolable reports whether the failure says something about the deployment,
// rather than about the request or the client.
func coolable(e *gateway.Error) bool {
	switch e.Kind {
	case gateway.UpstreamLimited, gateway.UpstreamFailed, gateway.UpstreamTimeout, gateway.UpstreamAuth, gateway.UpstreamNotFound, gateway.UpstreamCut:
		return true
	}
	return false
}
