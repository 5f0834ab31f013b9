package limit

import (
	"time"

	"penstock/internal/gateway"
)

// looker is a Counter that can say what it would do.
type looker interface {
	look(now time.Time, takes []Take, size *Size) ([]Left, *Refusal)
}

// Look says what Reserve would do at this moment, without taking anything: the
// limits that apply, with what each has left before the call, and the error by
// which the call would be refused. A limit that is shared with other processes
// is looked at as far as this process knows it.
func (l *Limiter) Look(p *gateway.Principal, g *Global, model string, size *Size) ([]Left, error) {
	c, ok := l.counter.(looker)
	if !ok {
		return nil, nil
	}
	now := l.now()
	left, f := c.look(now, l.Takes(nil, p, g, model), size)
	if f != nil {
		return left, f.Error(model, now)
	}
	return left, nil
}

func (m *Memory) look(now time.Time, takes []Take, size *Size) (left []Left, refused *Refusal) {
	var h Hold
	for _, t := range takes {
		c := m.lock(t.Set)
		mt := &c.meters[c.meter(t, now, m.calendar.Load())]
		r := Kinds[t.Limit.Kind].Before(size)
		_, v := mt.room(t.Limit, &r, &h, now)
		f := mt.refusal(t, &r, now)
		c.mu.Unlock()
		if v == no && !t.Limit.Shadow && (refused == nil || refused.Limit.Kind != Money && t.Limit.Kind == Money) {
			refused = f
		}
		if t.Limit.Amount != Unlimited {
			left = append(left, Left{Set: t.Set, Limit: t.Limit, Amount: f.Amount, Left: max(f.Amount-f.Used-f.Reserved, 0)})
		}
	}
	return left, refused
}
