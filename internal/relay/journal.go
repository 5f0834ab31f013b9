package relay

import (
	"net/http"
	"slices"
	"time"

	"penstock/internal/gateway"
)

// begin journals what is owed if we die now. If it cannot be, the call is
// refused, or served with its spend in memory where the configuration says so
// and there is room.
func (l *line) begin() error {
	r := l.r
	err := r.Journal.Begin(&l.row)
	if err == nil {
		if r.refusing.Load() != 0 {
			r.refusing.Store(0)
		}
		return nil
	}
	if l.s.ServeUnjournaled && r.Room != nil && r.Room() {
		l.unjournaled = true
		r.Metrics.unjournaled.Inc()
		r.Log.Error("call served although it cannot be journaled; its spend is in memory until it is booked", "call", l.c.ID, "err", err)
		return nil
	}
	r.refusing.Store(time.Now().UnixNano())
	return &gateway.Error{
		Kind: gateway.Unavailable, Status: http.StatusServiceUnavailable, Type: "service_unavailable", RetryAfter: 5 * time.Second,
		Message: "The gateway cannot record spend right now, so it does not start calls. Try again shortly.", Err: err,
	}
}

// end journals the finished call. What the journal cannot take is kept in
// memory, and said: the answer has been given.
func (l *line) end() {
	if !l.unjournaled {
		err := l.r.Journal.End(&l.row)
		if err == nil {
			return
		}
		l.r.Metrics.unjournaled.Inc()
		l.r.Log.Error("call not journaled; its spend is in memory until it is booked", "call", l.c.ID, "err", err)
	}
	row := l.row
	row.Tags, row.Windows, row.Why = slices.Clone(row.Tags), slices.Clone(row.Windows), slices.Clone(row.Why)
	l.r.Unbooked(row)
}

// progress journals a stream that is still running.
func (l *line) progress(now time.Time) {
	l.close(nil, now)
	if l.unjournaled {
		return
	}
	if err := l.r.Journal.Progress(&l.row); err != nil {
		l.r.Log.Warn("progress of a stream not journaled", "call", l.c.ID, "err", err)
	}
}
