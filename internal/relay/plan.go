package relay

import (
	"time"

	"penstock/internal/explain"
	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/wire"
)

// Plan is what would become of a call.
type Plan struct {
	Record explain.Record
	// What it may come to: the least that must be affordable, what is expected,
	// and the most. Priced says that a price is known.
	Least, Expected, Worst gateway.NanoUSD
	Priced                 bool
	// Refused is why the call would not be let in, nil if it would.
	Refused *gateway.Error
}

// Plan says what would become of the call c, whose body is in, at this moment:
// nothing is sent, nothing reserved and nothing booked.
func (r *Relay) Plan(c *gateway.Call, in *wire.Object) *Plan {
	l := r.line()
	defer r.free(l)
	l.r, l.s, l.c, l.in, l.d = r, r.Snapshot(), c, in, dialects[c.Dialect]
	p := &Plan{}
	p.Record.Why.Asked = c.Group
	if err := l.quote(); err != nil {
		p.Refused = gateway.AsError(err)
		return p
	}
	m := &l.size.Money
	p.Least, p.Expected, p.Worst, p.Priced = gateway.NanoUSD(m.Least), gateway.NanoUSD(m.Want), gateway.NanoUSD(m.Worst), l.rate != nil
	left, err := r.Limits.Look(&c.Principal, l.s.Global, c.Group, &l.size)
	for _, v := range left {
		p.Record.Limits = append(p.Record.Limits, explain.Limit{
			Scope: limit.Scopes[v.Set.Scope.Kind].Name, Kind: limit.Kinds[v.Limit.Kind].Name, Model: v.Limit.Model, Amount: v.Amount, Left: v.Left,
		})
	}
	p.Refused = gateway.AsError(err)
	p.Record.Why = l.route.Plan(time.Now())
	if picks := p.Record.Why.Picks; p.Refused == nil && len(picks) > 0 && picks[0].Deployment == "" && len(p.Record.Why.Hops) == 0 {
		p.Refused = &gateway.Error{Kind: gateway.Unavailable, Message: "no deployment of " + picks[0].Group + " is left at this moment"}
	}
	return p
}
