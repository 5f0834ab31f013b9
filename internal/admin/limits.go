package admin

import (
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
)

// limitFields are the ceilings in the bodies of keys, users and teams.
type limitFields struct {
	MaxBudget      Opt[usd]    `json:"max_budget"`
	SoftBudget     Opt[usd]    `json:"soft_budget"`
	BudgetDuration Opt[string] `json:"budget_duration"`
	TPM            Opt[count]  `json:"tpm_limit"`
	RPM            Opt[count]  `json:"rpm_limit"`
	Parallel       Opt[count]  `json:"max_parallel_requests"`
	Spend          Opt[usd]    `json:"spend"`
}

// check refuses what no limit can be.
func (f *limitFields) check(now time.Time) error {
	if text := f.BudgetDuration.Or(""); text != "" {
		w, err := limit.ParseWindow(text)
		_, end := w.Bounds(now, now, limit.Calendar{})
		// Clients cannot read when a window ends that outlasts the year 9999.
		if err != nil || end.Year() > 9999 {
			return invalid("budget_duration", "Invalid budget_duration '%s'. Use a format like '1h', '24h', '7d', or '30d'.", text)
		}
	}
	return nil
}

// apply changes in l what was sent; null takes a ceiling away.
func (f *limitFields) apply(l *gateway.Limits) {
	setMoney(&l.Budget, f.MaxBudget)
	setMoney(&l.SoftBudget, f.SoftBudget)
	setCount(&l.TPM, f.TPM)
	setCount(&l.RPM, f.RPM)
	setCount(&l.Parallel, f.Parallel)
	if f.BudgetDuration.Sent {
		l.BudgetDuration = f.BudgetDuration.Or("")
	}
}

func setMoney(to **gateway.NanoUSD, from Opt[usd]) {
	if from.Sent {
		*to = (*gateway.NanoUSD)(from.Ptr())
	}
}

func setCount(to **int64, from Opt[count]) {
	if from.Sent {
		*to = (*int64)(from.Ptr())
	}
}

// window returns the budget window that now is in; zeros for a lifetime.
func (a *API) window(duration string, now, anchor time.Time) (start, end time.Time) {
	w, err := limit.ParseWindow(duration)
	if err != nil {
		// It was checked when it was stored. Should one turn up all the same,
		// it counts for ever, as in package limit.
		return time.Time{}, time.Time{}
	}
	start, end = w.Bounds(now, anchor, a.o.Calendar)
	return start.UTC(), end.UTC()
}

// setSpend sets what was spent in the window that holds now under l.
func (a *API) setSpend(s *gateway.Spend, l *gateway.Limits, amount gateway.NanoUSD, now, anchor time.Time) {
	start, _ := a.window(l.BudgetDuration, now, anchor)
	s.Window, s.WindowStart = amount, start
}

// spent returns what the store knows an entity to have spent in the window
// that holds now. What was spent in an earlier one is no longer counted,
// although it may still be stored: nothing resets it when a window ends.
func (a *API) spent(s *gateway.Spend, l *gateway.Limits, now, anchor time.Time) gateway.NanoUSD {
	if start, _ := a.window(l.BudgetDuration, now, anchor); s.WindowStart.Before(start) {
		return 0
	}
	return s.Window
}

// live returns what an entity has spent in its window: by the counters that
// admit calls, or by the store if they have not seen it yet.
func (a *API) live(entity, id string, s *gateway.Spend, l *gateway.Limits, now, anchor time.Time) gateway.NanoUSD {
	if n, ok := a.o.LiveSpend(entity, id); ok {
		return n
	}
	return a.spent(s, l, now, anchor)
}
