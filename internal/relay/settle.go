package relay

import (
	"slices"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/spend"
	"penstock/internal/token"
)

// open fills in what the ledger knows of the call before it runs. Should the
// process die, the call is booked at its counted input.
func (l *line) open() {
	c := l.c
	p := &c.Principal
	l.row = spend.Row{
		CallID: c.ID, KeyHash: p.KeyHash(), UserID: p.UserID(), TeamID: p.TeamID(), OrgID: p.OrganizationID(),
		EndUser: c.EndUser, Tags: c.Tags, Operation: c.Op, Route: c.Route, Group: c.Model, Session: c.Session, ClientIP: c.ClientIP,
		Agent: c.Agent, Stream: c.Stream, Start: c.Start,
	}
	for _, b := range p.Through {
		l.row.Through = append(l.row.Through, b.Name)
	}
	l.windows()
	if p.Key != nil {
		l.row.ProjectID = p.Key.ProjectID
	}
	l.row.Usage = l.counted()
	if l.rate != nil {
		l.row.Cost, l.row.Priced, l.row.Price = l.rate.Cost(l.row.Usage), true, l.s.Prices.Book().Version()
		l.row.Rate, l.row.RateTerms = l.rate.ID(), l.rate.Terms()
	}
}

// windows fills in the budget windows in which the call's cost counts.
func (l *line) windows() {
	l.counts = l.counts[:0]
	for _, charges := range [...][]limit.Charge{l.hold.Charges, l.attempt.Charges} {
		for _, c := range charges {
			l.counts = append(l.counts, spend.Window{Scope: c.Scope, ID: c.ID, Duration: c.Duration, Start: c.Start})
		}
	}
	l.row.Windows = l.counts
	l.row.KeyWindow, l.row.UserWindow = l.hold.WindowStart(limit.KeyScope), l.hold.WindowStart(limit.UserScope)
	l.row.TeamWindow, l.row.GlobalWindow = l.hold.WindowStart(limit.TeamScope), l.hold.WindowStart(limit.GlobalScope)
}

// counted returns what the call used as far as we can count: its input, and
// what has gone by of its answer.
func (l *line) counted() gateway.Usage {
	u := gateway.Usage{Prompt: token.Likely(l.in.Text, 1), Estimated: true}
	if l.answered.TextBytes > 0 {
		u.Completion = token.Counted(l.answered.TextBytes)
	}
	return u
}

// close fills in the row with how the call went so far.
func (l *line) close(e *gateway.Error, now time.Time) {
	row := &l.row
	t := l.outcome.Target
	if l.answered.target.Deployment != nil {
		t = l.answered.target
	}
	row.End, row.FirstByte = now, l.first
	row.Retries, row.Fallbacks = l.outcome.Retries, l.outcome.Fallbacks
	row.ResponseID, row.Finish = l.answered.ID, l.answered.Finish

	switch {
	case l.answered.HasUsage:
		row.Usage = l.answered.Usage
	case e == nil, !l.first.IsZero(), e.Kind == gateway.Canceled && t.Deployment != nil:
		// No count came: the vendor sends none, or the answer was not seen to
		// its end. A client that leaves has still had the prompt read.
		row.Usage = l.counted()
	default:
		row.Usage = gateway.Usage{}
	}
	row.Cost, row.Priced, row.Price, row.Rate, row.RateTerms = 0, false, "", "", ""
	if t.Deployment != nil {
		row.Model, row.Provider, row.Deployment = t.Model, t.Provider, t.ID
		if rate, version := l.rateOf(t, l.answered.Model); rate != nil {
			rate = rate.At(row.Start)
			row.Cost, row.Priced, row.Price = rate.Cost(row.Usage), true, version
			row.Rate, row.RateTerms = rate.ID(), rate.Terms()
		}
	}
	row.Failed, row.Kind, row.Error, row.Interrupted = false, 0, "", false
	if e != nil {
		row.Failed, row.Kind, row.Error = true, e.Kind, e.Message[:min(len(e.Message), 500)]
		row.Interrupted = !l.first.IsZero() || e.Kind == gateway.Canceled
	}
}

// settle puts the call on the books and gives back what it did not use. It is
// done before the client has the last byte of its answer.
func (l *line) settle(e *gateway.Error) {
	l.settled = true
	l.close(e, time.Now())
	l.alone = l.actual()
	l.used = l.alone
	l.used.Tokens += l.rival.used.Tokens
	l.used.Input += l.rival.used.Input
	l.used.Output += l.rival.used.Output
	l.used.Money += l.rival.used.Money
	l.r.Limits.Settle(&l.hold, &l.used)
	// Of two attempts, the slower one's is settled already.
	l.r.Limits.Settle(&l.attempt, &l.alone)
	l.r.Limits.Settle(&l.rival.hold, &l.alone)
	l.windows()
	l.row.Why = l.why(e)
	l.end()
	l.hold.Recorded()
	l.attempt.Recorded()
	if used := &l.row.Usage; e == nil && l.c.Op == gateway.Chat && used.Completion > 0 && l.c.Route != checkRoute {
		l.r.Outputs.Observe(l.c.Group, used.Completion/max(l.c.Ask.Choices, 1))
	}
	if o := max(l.hold.Overshoot, l.attempt.Overshoot); o > 0 {
		l.r.Metrics.overshoot.Add(float64(o) / 1e9)
		l.r.Log.Warn("a call cost more than it could have by its bound", "call", l.c.ID, "model", l.row.Model, "over_usd", gateway.NanoUSD(o).String())
	}
	for _, reached := range [...][]limit.Reached{l.hold.Reached, l.attempt.Reached} {
		for _, x := range reached {
			l.r.Soft(x)
		}
	}
}

// shadowed counts and logs the limits that would have refused the call if they
// were not in shadow mode.
func (l *line) shadowed() {
	for i := range l.hold.Would {
		f := &l.hold.Would[i]
		scope, kind := limit.Scopes[f.Set.Scope.Kind].Name, limit.Kinds[f.Limit.Kind].Name
		l.r.Metrics.shadow.WithLabelValues(scope, kind).Inc()
		l.r.Log.Info("a limit in shadow mode would have refused a call", "call", l.c.ID, "scope", scope, "id", f.Set.Scope.String(),
			"limit", kind, "amount", f.Amount, "used", f.Used, "reserved", f.Reserved, "asked", f.Asked)
	}
}

// refused ends a call that was not admitted: it is logged, not charged.
func (l *line) refused(err error) error {
	e := gateway.AsError(err)
	l.report(e)
	l.r.Refused.add(l, e)
	l.out.Failed(l.failedHead())
	return e
}

// report tells metrics, logs and logging destinations how the call ended. The
// client has its answer.
func (l *line) report(e *gateway.Error) {
	now := time.Now()
	l.r.Metrics.observe(l, e, now)
	if e != nil && e.Kind != gateway.Canceled {
		l.r.Log.Info("call failed", "call", l.c.ID, "key", l.c.Principal.KeyAlias(), "model", l.c.Model, "kind", e.Kind.String(),
			"message", e.Message, "attempts", len(l.outcome.Attempts), "err", e.Err)
	}
	if !l.s.Exporter.Wants(&l.c.Principal) {
		return
	}
	rec := &gateway.Record{
		Call: *l.c, Attempts: slices.Clone(l.outcome.Attempts), Why: l.outcome.Why.Clone(), Retries: l.outcome.Retries, Fallbacks: l.outcome.Fallbacks,
		Usage: l.row.Usage, Cost: l.row.Cost, Priced: l.row.Priced, Price: l.row.Price, ResponseID: l.row.ResponseID, Upstream: l.row.Model,
		Finish: l.row.Finish, FirstByte: l.first, End: now, Err: e, Interrupted: l.row.Interrupted, Output: l.output,
	}
	if d := l.outcome.Target.Deployment; d != nil {
		rec.Deployment = d
	}
	if !l.settled {
		rec.Usage, rec.Cost, rec.Priced = gateway.Usage{}, 0, false
	}
	if l.keep {
		rec.Input = clip(l.c.Body)
		if l.c.Lent != nil {
			rec.Input = slices.Clone(rec.Input) // the body is used again
		}
	}
	rec.Call.Body, rec.Call.Lent = nil, nil
	l.s.Exporter.Emit(rec)
}

// TellSoft says that a soft budget was reached.
func (r *Relay) TellSoft(x limit.Reached) {
	s := &x.Set.Scope
	r.Metrics.soft.WithLabelValues(limit.Scopes[s.Kind].Name).Inc()
	r.Log.Warn("soft budget reached; nothing is refused for it", "scope", limit.Scopes[s.Kind].Name, "id", s.String(), "alias", x.Set.Label,
		"spent_usd", gateway.NanoUSD(x.Used).String(), "soft_budget_usd", gateway.NanoUSD(x.Limit.Soft).String(), "window", x.Limit.Window.String())
}
