package explain

import (
	"fmt"
	"strconv"
	"strings"

	"penstock/internal/gateway"
)

// Story tells r to people, a sentence for each step in the order it happened.
// model is what the client asked for.
func (r *Record) Story(model string) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, l := range r.Limits {
		of := ""
		if l.Model != "" {
			of = " for model " + l.Model
		}
		say("The limit of %s on the %s%s had %s left of %s.", l.Kind, l.Scope, of, l.amount(l.Left), l.amount(l.Amount))
	}
	if r.Reserved > 0 {
		say("Budgets held $%s for it.", r.Reserved)
	}
	if r.Capped > 0 {
		say("The budget had no room for a longer answer, so it was asked for with max_tokens=%d.", r.Capped)
	}
	if r.Why.Asked != "" && r.Why.Asked != model {
		say("%s stands for %s (%s).", model, r.Why.Asked, r.Why.Naming)
	}
	attempts := r.Attempts
	hops := r.Why.Hops
	for i := range r.Why.Picks {
		p := &r.Why.Picks[i]
		if i > 0 && len(hops) > 0 && (hops[0].To == p.Group && (hops[0].From != hops[0].To || hops[0].Level == p.Level)) {
			say("%s", hop(&hops[0]))
			hops = hops[1:]
		}
		out = append(out, r.pick(p))
		for len(attempts) > 0 && p.Deployment != "" {
			a := &attempts[0]
			attempts = attempts[1:]
			out = append(out, Sentence(a))
			if !a.Hedged {
				break
			}
		}
	}
	for i := range attempts {
		out = append(out, Sentence(&attempts[i]))
	}
	for i := range hops {
		say("%s", hop(&hops[i]))
	}
	if r.Lost > 0 {
		say("%d more details had no room in the record.", r.Lost)
	}
	return out
}

func (l *Limit) amount(n int64) string {
	if l.Kind == "budget" {
		return "$" + gateway.NanoUSD(n).String()
	}
	return strconv.FormatInt(n, 10)
}

func (r *Record) pick(p *gateway.Pick) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Of %d deployments of %s", p.Candidates, p.Group)
	if p.Candidates == 1 {
		b.Reset()
		fmt.Fprintf(&b, "Of the one deployment of %s", p.Group)
	}
	if p.Looked < p.Candidates {
		fmt.Fprintf(&b, " %d were looked at and", p.Looked)
	}
	if p.Removed > 0 {
		fmt.Fprintf(&b, " %d were kept out", p.Removed)
		for i := p.From; i < p.To && i < len(r.Why.Removals); i++ {
			sep := "; "
			if i == p.From {
				sep = " ("
			}
			b.WriteString(sep + r.Why.Removals[i].String())
		}
		if p.To > p.From {
			b.WriteByte(')')
		}
		b.WriteString(" and")
	}
	if p.Deployment == "" {
		b.WriteString(" none was left.")
		return b.String()
	}
	by := p.Strategy
	switch {
	case p.Sticky:
		by = "an earlier call's, whose prompt the provider still has"
	case by == "id":
		by = "asked for by its id"
	case by == "":
		by = "the strategy"
	}
	fmt.Fprintf(&b, " %s was chosen (%s", p.Deployment, by)
	if p.Level != 0 {
		fmt.Fprintf(&b, ", order %d", p.Level)
	}
	b.WriteString(").")
	return b.String()
}

func hop(h *gateway.Hop) string {
	if h.From == h.To {
		return fmt.Sprintf("Because of %q, order %d of %s came next.", h.Because, h.Level, h.To)
	}
	return fmt.Sprintf("Because of %q, the call fell back from %s to %s.", h.Because, h.From, h.To)
}

// Sentence says how an attempt went.
func Sentence(a *gateway.Attempt) string {
	how := "answered"
	if !a.OK {
		how = "failed: " + a.Kind.String()
		if a.Status != 0 {
			how += " (" + strconv.Itoa(a.Status) + ")"
		}
	}
	s := fmt.Sprintf("%s %s after %s", a.Deployment, how, a.Duration)
	if a.FirstByte > 0 {
		s += fmt.Sprintf(", with the first byte after %s", a.FirstByte)
	}
	if a.Hedged {
		s += ", asked beside the one before, which was slow to begin"
	}
	return s + "."
}
