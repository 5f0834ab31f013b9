package router

import (
	"time"

	"penstock/internal/gateway"
)

// Health is how a deployment does, by what calls have seen of it.
type Health struct {
	*gateway.Deployment
	Cooling  time.Duration // how long no call goes there yet; 0 if it is well
	InFlight int64
}

// Health returns how every deployment does.
func (t *Table) Health(now time.Time) []Health {
	var out []Health
	for _, n := range t.names {
		for _, m := range t.groups[n].members {
			out = append(out, Health{m.Deployment, m.cooling(now), m.inFlight.Load()})
		}
	}
	return out
}
