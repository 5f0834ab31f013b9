package store

import (
	"time"

	"penstock/internal/gateway"
)

// limitFields are the ceilings on an entity. Those that lists sort by or that
// most rows have are columns, the others share one.
func limitFields(l *gateway.Limits) []field {
	return []field{
		ceiling("rpm", &l.RPM), ceiling("tpm", &l.TPM), ceiling("parallel", &l.Parallel), ceiling("budget", &l.Budget),
		text("budget_duration", "budget_duration", &l.BudgetDuration), ceiling("soft_budget", &l.SoftBudget),
		packed("limits",
			func() (moreLimits, error) { return packLimits(l), checkTexts(limitTexts(l)...) },
			func(m *moreLimits) { m.unpack(l) }),
	}
}

// moreLimits is the stored form of what has no column in gateway.Limits.
type moreLimits struct {
	InputTPM   *int64                 `json:"itpm,omitzero"`
	OutputTPM  *int64                 `json:"otpm,omitzero"`
	TPD        *int64                 `json:"tpd,omitzero"`
	Budgets    []storedWindow         `json:"budgets,omitzero"`
	Models     map[string]storedModel `json:"models,omitzero"`
	TagRPM     map[string]int64       `json:"tag_rpm,omitzero"`
	Shadow     bool                   `json:"shadow,omitzero"`
	Raise      gateway.NanoUSD        `json:"raise,omitzero"`
	RaiseUntil int64                  `json:"raise_until,omitzero"` // microseconds
}

type storedWindow struct {
	Amount   gateway.NanoUSD `json:"amount"`
	Duration string          `json:"duration,omitzero"`
}

type storedModel struct {
	RPM       *int64        `json:"rpm,omitzero"`
	TPM       *int64        `json:"tpm,omitzero"`
	InputTPM  *int64        `json:"itpm,omitzero"`
	OutputTPM *int64        `json:"otpm,omitzero"`
	Parallel  *int64        `json:"parallel,omitzero"`
	Budget    *storedWindow `json:"budget,omitzero"`
}

func packLimits(l *gateway.Limits) moreLimits {
	m := moreLimits{
		InputTPM: l.InputTPM, OutputTPM: l.OutputTPM, TPD: l.TPD, TagRPM: l.TagRPM,
		Shadow: l.Shadow, Raise: l.Raise, RaiseUntil: micros(l.RaiseUntil),
	}
	for _, b := range l.Budgets {
		m.Budgets = append(m.Budgets, storedWindow(b))
	}
	if len(l.Models) > 0 {
		m.Models = make(map[string]storedModel, len(l.Models))
		for name, v := range l.Models {
			m.Models[name] = storedModel{v.RPM, v.TPM, v.InputTPM, v.OutputTPM, v.Parallel, (*storedWindow)(v.Budget)}
		}
	}
	if len(m.TagRPM) == 0 {
		m.TagRPM = nil
	}
	return m
}

func (m *moreLimits) unpack(l *gateway.Limits) {
	l.InputTPM, l.OutputTPM, l.TPD, l.TagRPM = m.InputTPM, m.OutputTPM, m.TPD, m.TagRPM
	l.Shadow, l.Raise = m.Shadow, m.Raise
	l.RaiseUntil = time.Time{}
	if m.RaiseUntil != 0 {
		l.RaiseUntil = instant(m.RaiseUntil)
	}
	l.Budgets, l.Models = nil, nil
	for _, b := range m.Budgets {
		l.Budgets = append(l.Budgets, gateway.BudgetWindow(b))
	}
	if len(m.Models) > 0 {
		l.Models = make(map[string]gateway.ModelLimits, len(m.Models))
		for name, v := range m.Models {
			l.Models[name] = gateway.ModelLimits{RPM: v.RPM, TPM: v.TPM, InputTPM: v.InputTPM, OutputTPM: v.OutputTPM, Parallel: v.Parallel, Budget: (*gateway.BudgetWindow)(v.Budget)}
		}
	}
}

// limitTexts are the texts in the part of l that is kept as JSON.
func limitTexts(l *gateway.Limits) []named {
	var out []named
	for _, b := range l.Budgets {
		out = append(out, named{"budget_limits", b.Duration})
	}
	for name, v := range l.Models {
		out = append(out, named{"model_max_budget", name})
		if v.Budget != nil {
			out = append(out, named{"model_max_budget", v.Budget.Duration})
		}
	}
	for tag := range l.TagRPM {
		out = append(out, named{"tag_rpm_limit", tag})
	}
	return out
}

// empty reports whether nothing is set.
func (m *moreLimits) empty() bool {
	return m.InputTPM == nil && m.OutputTPM == nil && m.TPD == nil && len(m.Budgets) == 0 && len(m.Models) == 0 && len(m.TagRPM) == 0 &&
		!m.Shadow && m.Raise == 0 && m.RaiseUntil == 0
}
