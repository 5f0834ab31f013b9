package limit

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"penstock/internal/gateway"
)

// Refusal says which limit refused a call, and why.
type Refusal struct {
	Take
	Amount     int64 // the ceiling as it held at that moment
	Used       int64
	Reserved   int64
	Asked      int64
	RetryAfter time.Duration // until trying again makes sense; 0 if waiting does not help
	// Err says that the counter could not decide: the store it shares counts
	// through does not answer, and the policy is to refuse then.
	Err error
}

func (m *meter) refusal(t Take, r *Range, now time.Time) *Refusal {
	amount := t.Limit.AmountAt(now)
	f := &Refusal{Take: t, Amount: amount, Asked: r.Least, Used: m.used, Reserved: m.reserved}
	if m.lease != nil {
		m.lease.refusal(f, m.end, now)
		return f
	}
	switch {
	case m.ring != nil:
		f.Used = m.ring.sum
		f.RetryAfter = m.ring.wait(r.Least, amount, now)
	case m.kind == Money:
		if !m.end.IsZero() {
			f.RetryAfter = m.end.Sub(now)
		}
		if m.reserved > 0 && m.used+r.Least <= amount {
			f.RetryAfter = time.Second // calls in flight hold what is missing
		}
	default:
		f.RetryAfter = time.Second // a slot comes free when a call ends
	}
	return f
}

// Error renders the refusal for the client. The first sentences are LiteLLM's,
// which clients and dashboards match on; the last adds the numbers behind them.
func (f *Refusal) Error(model string, now time.Time) *gateway.Error {
	if f.Err != nil {
		return &gateway.Error{
			Kind: gateway.Unavailable, Status: 503, Type: "service_unavailable", RetryAfter: 5 * time.Second,
			Message: "Rate limit enforcement unavailable: the counters that gateways share do not answer, and this gateway is set to refuse calls then. Try again shortly.", Err: f.Err,
		}
	}
	retry := f.RetryAfter
	if retry > 0 && retry < time.Second {
		retry = time.Second
	}
	if f.Limit.Kind == Money {
		return f.budget(model, retry, now)
	}
	row, id := &Scopes[f.Set.Scope.Kind], f.Set.Scope.String()
	who := row.Name
	if tag, ok := f.Limit.tag(); ok {
		who, id = tagPerKey, id+":"+tag
	} else if f.Limit.Model != "" {
		who, id = row.Model, id+":"+model
	}
	name := Kinds[f.Limit.Kind].Name
	e := &gateway.Error{Kind: gateway.Exceeded, Type: "throttling_error", RetryAfter: retry}
	e.Message = fmt.Sprintf("Rate limit exceeded for %s: %s. Limit type: %s. Current limit: %d, Remaining: %d. Limit resets at: %s. Used: %d, this call needs: %d",
		who, id, name, f.Amount, max(f.Amount-f.Used, 0), stamp(now.Add(retry)), f.Used, f.Asked)
	e.Headers = f.headers(retry)
	e.Headers["reset_at"] = stamp(now.Add(retry))
	if f.Asked > f.Amount {
		// No waiting helps; a client that retries would do so for ever.
		e.RetryAfter = 0
		e.Message += ", which is more than the limit allows at any time"
		delete(e.Headers, "reset_at")
	}
	return e
}

func (f *Refusal) budget(model string, retry time.Duration, now time.Time) *gateway.Error {
	row := &Scopes[f.Set.Scope.Kind]
	text := row.Budget
	switch {
	case f.Limit.Model != "" && row.ModelBudget != "":
		text = row.ModelBudget
	case f.Limit.Model != "":
		text += " for model={model}"
	case f.Limit.Further:
		text = row.Window
	}
	alias := f.Set.Label
	if alias == "" {
		alias = "key"
	}
	span := f.Limit.duration
	if span == "" {
		span = "lifetime"
	}
	usd := func(n int64) string { return gateway.NanoUSD(n).String() }
	round := func(n int64, digits int) string { return strconv.FormatFloat(float64(n)/1e9, 'f', digits, 64) }
	text = strings.NewReplacer("{scope}", row.Name, "{id}", f.Set.Scope.String(), "{of}", f.Set.Scope.Of, "{member}", f.Set.Scope.ID, "{key}", alias+" ("+f.Set.Name+")", "{alias}", f.Set.Label,
		"{model}", model, "{for}", span, "{cost}", usd(f.Used), "{budget}", usd(f.Amount), "{cost4}", round(f.Used, 4), "{budget2}", round(f.Amount, 2)).Replace(text)
	if f.Limit.Model != "" && row.ModelBudget != "" {
		text += fmt.Sprintf(". Current cost: %s, Max budget: %s", usd(f.Used), usd(f.Amount))
	}
	if k := f.Set.Scope.Kind; k == DeploymentScope || k == ProviderScope {
		return &gateway.Error{Kind: gateway.Exceeded, Type: "rate_limit_error", RetryAfter: retry, Message: text}
	}
	until := ""
	if retry > time.Second {
		until = ". The budget starts anew at " + stamp(now.Add(retry))
	}
	return &gateway.Error{
		Kind: gateway.BudgetExceeded, Type: "budget_exceeded", RetryAfter: retry,
		Message: fmt.Sprintf("%s. In flight: %s, this call needs: %s%s", text, usd(f.Reserved), usd(f.Asked), until),
	}
}

func stamp(t time.Time) string {
	// Rounded up: a client that waits until then must not come too early.
	return t.Add(time.Second-1).UTC().Truncate(time.Second).Format("2006-01-02 15:04:05") + " UTC"
}
