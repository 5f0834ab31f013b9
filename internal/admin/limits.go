package admin

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/limit"
)

// limitFields are the ceilings in the bodies of keys, users, teams and their like.
type limitFields struct {
	MaxBudget      Opt[usd]           `json:"max_budget"`
	SoftBudget     Opt[usd]           `json:"soft_budget"`
	BudgetDuration Opt[string]        `json:"budget_duration"`
	Budgets        Opt[budgetWindows] `json:"budget_limits"`
	TPM            Opt[count]         `json:"tpm_limit"`
	RPM            Opt[count]         `json:"rpm_limit"`
	TPD            Opt[count]         `json:"tpd_limit"`
	Parallel       Opt[count]         `json:"max_parallel_requests"`
	ModelMaxBudget Opt[modelBudgets]  `json:"model_max_budget"`
	Spend          Opt[usd]           `json:"spend"`
	// Enforce false has the limits counted and reported without refusing anything.
	Enforce Opt[bool] `json:"enforce"`
	finerFields
}

// finerFields are the ceilings that LiteLLM keeps in the metadata of an object.
// They are taken from there too, and shown there: see metaFields.
type finerFields struct {
	ModelRPM   Opt[counts] `json:"model_rpm_limit"`
	ModelTPM   Opt[counts] `json:"model_tpm_limit"`
	ModelITPM  Opt[counts] `json:"model_itpm_limit"`
	ModelOTPM  Opt[counts] `json:"model_otpm_limit"`
	TagRPM     Opt[counts] `json:"tag_rpm_limit"`
	Raise      Opt[usd]    `json:"temp_budget_increase"`
	RaiseUntil Opt[string] `json:"temp_budget_expiry"`
}

// counts are whole numbers by name: of a model, of a tag.
type counts map[string]int64

// UnmarshalJSONFrom reads them. Like a count each may be a number in a string.
func (c *counts) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var m map[string]Opt[count]
	if err := json.UnmarshalDecode(d, &m); err != nil {
		return err
	}
	*c = counts{}
	for name, n := range m {
		if n.Has() {
			(*c)[name] = int64(n.Value)
		}
	}
	return nil
}

func (counts) want() string { return "an object of whole numbers of at least 0" }

// budgetWindows are budgets that hold at the same time.
type budgetWindows []budgetWindow

func (budgetWindows) want() string { return "a list of {budget_duration, max_budget}" }

type budgetWindow struct {
	Duration Opt[string]         `json:"budget_duration" openapi:"required"`
	Amount   Opt[usd]            `json:"max_budget" openapi:"required"`
	ResetAt  Opt[jsontext.Value] `json:"reset_at"` // clients send back what they were shown
	unknown
}

// modelBudgets are ceilings by model.
type modelBudgets map[string]modelBudget

func (modelBudgets) want() string {
	return "an object by model of {budget_limit, time_period, tpm_limit, rpm_limit}, or of dollars"
}

// modelBudget is the ceiling of one model.
type modelBudget struct{ modelBudgetFields }

// UnmarshalJSONFrom reads it. A number alone is dollars for as long as the owner
// lives: LiteLLM's Terraform provider knows no other form.
func (m *modelBudget) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if kind := d.PeekKind(); kind == '0' || kind == '"' {
		return json.UnmarshalDecode(d, &m.Limit)
	}
	return json.UnmarshalDecode(d, &m.modelBudgetFields)
}

// modelBudgetFields has two names for some fields, as LiteLLM does.
type modelBudgetFields struct {
	Limit    Opt[usd]    `json:"budget_limit"`
	Max      Opt[usd]    `json:"max_budget"`
	Period   Opt[string] `json:"time_period"`
	Duration Opt[string] `json:"budget_duration"`
	TPM      Opt[count]  `json:"tpm_limit"`
	RPM      Opt[count]  `json:"rpm_limit"`
	unknown
}

func (m *modelBudget) window() *gateway.BudgetWindow {
	amount := m.Limit
	if !amount.Has() {
		amount = m.Max
	}
	if !amount.Has() {
		return nil
	}
	return &gateway.BudgetWindow{Amount: gateway.NanoUSD(amount.Value), Duration: m.Period.Or(m.Duration.Or(""))}
}

// unknownLimits adds what the lists among f did not understand.
func (f *limitFields) unknownLimits(fields map[string]jsontext.Value) map[string]jsontext.Value {
	fields = nested(fields, "budget_limits", f.Budgets.Value)
	return nested(fields, "model_max_budget", slices.Collect(maps.Values(f.ModelMaxBudget.Value)))
}

// check refuses what no limit can be.
func (f *limitFields) check(now time.Time) error {
	if err := checkWindow("budget_duration", f.BudgetDuration.Or(""), now); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, b := range f.Budgets.Value {
		field := fmt.Sprintf("budget_limits.%d", i)
		duration := b.Duration.Or("")
		switch {
		case duration == "":
			return invalid(field+".budget_duration", "%s: budget_duration is missing: say in which window the budget holds, like '1d' or '30d'", field)
		case !b.Amount.Has():
			return invalid(field+".max_budget", "%s: max_budget is missing: say how many dollars may be spent in %s", field, shorten([]byte(duration)))
		case seen[duration]:
			return invalid(field+".budget_duration", "%s: there is another budget for %s already, each window may have one", field, shorten([]byte(duration)))
		}
		seen[duration] = true
		if err := checkWindow(field+".budget_duration", duration, now); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.ModelMaxBudget.Value)) {
		m := f.ModelMaxBudget.Value[name]
		if err := checkText("model_max_budget", name); err != nil {
			return err
		}
		if err := checkWindow("model_max_budget."+name, m.Period.Or(m.Duration.Or("")), now); err != nil {
			return err
		}
	}
	for _, c := range f.counts() {
		for name := range c.field.Value {
			if err := checkText(c.name, name); err != nil {
				return err
			}
		}
	}
	if f.Raise.Has() && f.Raise.Value > 0 && !f.RaiseUntil.Has() {
		return invalid("temp_budget_expiry", "temp_budget_expiry is missing: say until when temp_budget_increase is added to the budget, like '2026-12-31T00:00:00Z' or '10d'")
	}
	_, err := f.raiseUntil(now)
	return err
}

type namedCounts struct {
	name  string
	field *Opt[counts]
}

func (f *finerFields) counts() [5]namedCounts {
	return [...]namedCounts{
		{"model_rpm_limit", &f.ModelRPM},
		{"model_tpm_limit", &f.ModelTPM},
		{"model_itpm_limit", &f.ModelITPM},
		{"model_otpm_limit", &f.ModelOTPM},
		{"tag_rpm_limit", &f.TagRPM},
	}
}

// checkWindow refuses what is no window of a budget.
func checkWindow(field, text string, now time.Time) error {
	if text == "" {
		return nil
	}
	w, err := limit.ParseWindow(text)
	_, end := w.Bounds(now, now, limit.Calendar{})
	// Clients cannot read when a window ends that outlasts the year 9999.
	if err != nil || end.Year() > 9999 {
		return invalid(field, "Invalid budget_duration '%s'. Use a format like '1h', '24h', '7d', or '30d'.", shorten([]byte(text)))
	}
	return nil
}

// raiseUntil returns when a temporary increase ends, zero for none.
func (f *finerFields) raiseUntil(now time.Time) (time.Time, error) {
	text := f.RaiseUntil.Or("")
	if text == "" {
		return time.Time{}, nil
	}
	if t, ok := readTime(text); ok {
		return t, nil
	}
	t, err := lifetime(text, now)
	if err != nil {
		return t, invalid("temp_budget_expiry", "temp_budget_expiry: want a time like '2026-12-31T00:00:00Z' or a duration like '10d', got '%s'", shorten([]byte(text)))
	}
	return t, nil
}

// readTime reads a time as Python programs write it; one without a zone is UTC.
func readTime(text string) (time.Time, bool) {
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Microsecond), true
		}
	}
	return time.Time{}, false
}

// apply changes in l what was sent; null takes a ceiling away. It has been
// checked with the same now.
func (f *limitFields) apply(l *gateway.Limits, now time.Time) {
	setMoney(&l.Budget, f.MaxBudget)
	setMoney(&l.SoftBudget, f.SoftBudget)
	setCount(&l.TPM, f.TPM)
	setCount(&l.RPM, f.RPM)
	setCount(&l.TPD, f.TPD)
	setCount(&l.Parallel, f.Parallel)
	if f.BudgetDuration.Sent {
		l.BudgetDuration = f.BudgetDuration.Or("")
	}
	if f.Budgets.Sent {
		l.Budgets = nil
		for _, b := range f.Budgets.Or(nil) {
			l.Budgets = append(l.Budgets, gateway.BudgetWindow{Amount: gateway.NanoUSD(b.Amount.Value), Duration: b.Duration.Value})
		}
	}
	f.applyModels(l)
	if f.Enforce.Sent {
		l.Shadow = !f.Enforce.Or(true)
	}
	if f.TagRPM.Sent {
		l.TagRPM = maps.Clone(f.TagRPM.Or(nil))
	}
	if f.Raise.Sent {
		l.Raise = gateway.NanoUSD(f.Raise.Or(0))
	}
	if f.RaiseUntil.Sent {
		l.RaiseUntil, _ = f.raiseUntil(now)
	}
	if l.Raise == 0 {
		l.RaiseUntil = time.Time{}
	}
}

// applyModels changes the ceilings by model. Each field that is sent replaces
// its kind of ceiling for all models.
func (f *limitFields) applyModels(l *gateway.Limits) {
	models := maps.Clone(l.Models)
	if models == nil {
		models = map[string]gateway.ModelLimits{}
	}
	replace := func(sent bool, names []string, set func(m *gateway.ModelLimits, name string)) {
		if !sent {
			return
		}
		for name := range models {
			names = append(names, name)
		}
		for _, name := range names {
			m := models[name]
			set(&m, name)
			models[name] = m
		}
	}
	for _, c := range [...]struct {
		sent Opt[counts]
		of   func(*gateway.ModelLimits) **int64
	}{
		{f.ModelRPM, func(m *gateway.ModelLimits) **int64 { return &m.RPM }},
		{f.ModelTPM, func(m *gateway.ModelLimits) **int64 { return &m.TPM }},
		{f.ModelITPM, func(m *gateway.ModelLimits) **int64 { return &m.InputTPM }},
		{f.ModelOTPM, func(m *gateway.ModelLimits) **int64 { return &m.OutputTPM }},
	} {
		sent := c.sent.Or(nil)
		replace(c.sent.Sent, slices.Collect(maps.Keys(sent)), func(m *gateway.ModelLimits, name string) {
			*c.of(m) = nil
			if n, ok := sent[name]; ok {
				*c.of(m) = &n
			}
		})
	}
	budgets := f.ModelMaxBudget.Or(nil)
	replace(f.ModelMaxBudget.Sent, slices.Collect(maps.Keys(budgets)), func(m *gateway.ModelLimits, name string) {
		b := budgets[name]
		m.Budget = b.window()
		setCount(&m.TPM, b.TPM)
		setCount(&m.RPM, b.RPM)
	})
	maps.DeleteFunc(models, func(_ string, m gateway.ModelLimits) bool { return m == gateway.ModelLimits{} })
	if len(models) == 0 {
		models = nil
	}
	l.Models = models
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

// limitsRow are the ceilings as the management API shows them.
type limitsRow struct {
	TPM            *int64                    `json:"tpm_limit"`
	RPM            *int64                    `json:"rpm_limit"`
	TPD            *int64                    `json:"tpd_limit"`
	Parallel       *int64                    `json:"max_parallel_requests"`
	MaxBudget      *usd                      `json:"max_budget"`
	SoftBudget     *usd                      `json:"soft_budget"`
	BudgetDuration *string                   `json:"budget_duration"`
	BudgetResetAt  *time.Time                `json:"budget_reset_at"`
	BudgetLimits   *[]windowRow              `json:"budget_limits"`
	ModelMaxBudget map[string]modelBudgetRow `json:"model_max_budget"`
	ModelRPM       *map[string]int64         `json:"model_rpm_limit"`
	ModelTPM       *map[string]int64         `json:"model_tpm_limit"`
	Enforce        *bool                     `json:"enforce,omitzero"` // shown if it is false
}

type windowRow struct {
	Duration string     `json:"budget_duration"`
	Amount   usd        `json:"max_budget"`
	ResetAt  *time.Time `json:"reset_at"`
}

type modelBudgetRow struct {
	Limit  usd     `json:"budget_limit"`
	Period *string `json:"time_period"`
}

func (a *API) limitsRow(l *gateway.Limits, now, anchor time.Time) limitsRow {
	_, reset := a.window(l.BudgetDuration, now, anchor)
	row := limitsRow{
		TPM: l.TPM, RPM: l.RPM, TPD: l.TPD, Parallel: l.Parallel, MaxBudget: (*usd)(l.Budget), SoftBudget: (*usd)(l.SoftBudget),
		BudgetDuration: text(l.BudgetDuration), BudgetResetAt: stamp(reset),
		ModelRPM: byModel(l, func(m gateway.ModelLimits) *int64 { return m.RPM }),
		ModelTPM: byModel(l, func(m gateway.ModelLimits) *int64 { return m.TPM }),
	}
	if l.Shadow {
		row.Enforce = new(bool)
	}
	if len(l.Budgets) > 0 {
		rows := make([]windowRow, len(l.Budgets))
		for i, b := range l.Budgets {
			_, reset := a.window(b.Duration, now, anchor)
			rows[i] = windowRow{b.Duration, usd(b.Amount), stamp(reset)}
		}
		row.BudgetLimits = &rows
	}
	row.ModelMaxBudget = map[string]modelBudgetRow{}
	for name, m := range l.Models {
		if m.Budget != nil {
			row.ModelMaxBudget[name] = modelBudgetRow{usd(m.Budget.Amount), text(m.Budget.Duration)}
		}
	}
	return row
}

// byModel returns one kind of ceiling by model, nil if there is none.
func byModel(l *gateway.Limits, of func(gateway.ModelLimits) *int64) *map[string]int64 {
	out := map[string]int64{}
	for name, m := range l.Models {
		if n := of(m); n != nil {
			out[name] = *n
		}
	}
	if len(out) == 0 {
		return nil
	}
	return &out
}

// window returns the budget window that now is in; zeros for a lifetime.
func (a *API) window(duration string, now, anchor time.Time) (start, end time.Time) {
	w, err := limit.ParseWindow(duration)
	if err != nil {
		// It was checked when it was stored. Should one turn up all the same,
		// it counts for ever, as in package limit.
		return time.Time{}, time.Time{}
	}
	start, end = w.Bounds(now, anchor, a.o.Settings().Calendar)
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
// admit calls or by the store, whichever knows of more. Calls that have just ended
// are not in the store yet, and counters may not have seen what others did.
func (a *API) live(entity, id string, s *gateway.Spend, l *gateway.Limits, now, anchor time.Time) gateway.NanoUSD {
	n, ok := a.o.LiveSpend(entity, id)
	if !ok {
		n = 0
	}
	return max(n, a.spent(s, l, now, anchor))
}

// respend returns what is to be called when an update has been applied to l: it
// carries over what was spent before, or sets it if the update says so.
func (f *limitFields) respend(a *API, s *gateway.Spend, l *gateway.Limits, now, anchor time.Time) func() {
	before, duration := a.spent(s, l, now, anchor), l.BudgetDuration
	return func() {
		switch {
		case f.Spend.Sent:
			a.setSpend(s, l, gateway.NanoUSD(f.Spend.Or(0)), now, anchor)
		case l.BudgetDuration != duration:
			// The new window begins elsewhere; what was spent stays spent.
			a.setSpend(s, l, before, now, anchor)
		}
	}
}

// touchesSpend reports whether an update sets what was spent, or the window it
// is counted in: then what is still to be booked has to be booked before.
func (f *limitFields) touchesSpend() bool { return f.Spend.Sent || f.BudgetDuration.Sent }
