package litellm

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/limit"
)

// lifted are the fields that LiteLLM keeps in an object's metadata and that have
// places of their own here.
type lifted struct {
	ModelRPM       map[string]jsontext.Value `json:"model_rpm_limit"`
	ModelTPM       map[string]jsontext.Value `json:"model_tpm_limit"`
	ModelITPM      map[string]jsontext.Value `json:"model_itpm_limit"`
	ModelOTPM      map[string]jsontext.Value `json:"model_otpm_limit"`
	TagRPM         map[string]jsontext.Value `json:"tag_rpm_limit"`
	Raise          dollars                   `json:"temp_budget_increase"`
	RaiseUntil     moment                    `json:"temp_budget_expiry"`
	Tags           []string                  `json:"tags"`
	EnforcedParams []string                  `json:"enforced_params"`
	EndUserBudget  string                    `json:"end_user_budget_id"`
	ServiceAccount string                    `json:"service_account_id"`
	MemberBudget   string                    `json:"team_member_budget_id"`
}

// liftedNames are their names, and whether keys only, teams only or all have them.
var liftedNames = []string{
	"model_rpm_limit", "model_tpm_limit", "model_itpm_limit", "model_otpm_limit", "tag_rpm_limit", "temp_budget_increase", "temp_budget_expiry",
	"tags", "enforced_params", "end_user_budget_id", "service_account_id", "team_member_budget_id",
}

// keptNames are fields that stay in the metadata and that nothing acts on.
var keptNames = []string{
	"guardrails", "policies", "prompts", "mcp_rpm_limit", "disable_global_guardrails", "throttle_on_budget_exceeded", "allowed_passthrough_routes",
	"denied_passthrough_routes", "allowed_vector_store_indexes", "enforced_batch_output_expires_after", "enforced_file_expires_after",
	"secret_manager_settings", "rpm_limit_type", "tpm_limit_type", "default_estimated_output_tokens", "default_estimated_output_tokens_per_model",
	"enable_prompt_caching",
}

// member is a member of a JSON object.
type member struct {
	name  string
	value jsontext.Value
}

// members returns the members of an object in order, nil if raw is none.
func members(raw []byte) []member {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil
	}
	var out []member
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil
		}
		m := member{name: name.String()}
		v, err := d.ReadValue()
		if err != nil {
			return nil
		}
		m.value = v.Clone()
		out = append(out, m)
	}
	return out
}

// joined is the inverse of members; nil if there is none.
func joined(list []member) []byte {
	if len(list) == 0 {
		return nil
	}
	b := []byte{'{'}
	for i, m := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b, _ = jsontext.AppendQuote(b, m.name) // it came out of a decoder
		b = append(append(b, ':'), m.value...)
	}
	return append(b, '}')
}

// lift parts metadata into the fields that we have elsewhere, of those in
// names, and the rest.
func lift(metadata jsontext.Value, names []string, m *remarks) (l lifted, rest []byte) {
	switch metadata.Kind() {
	case '{', 'n', 0:
	default:
		m.note("metadata is no JSON object and left out")
		return l, nil
	}
	var mine, others []member
	for _, f := range members(metadata) {
		switch {
		case f.value.Kind() == 'n' && slices.Contains(liftedNames, f.name):
		case slices.Contains(names, f.name):
			mine = append(mine, f)
		default:
			others = append(others, f)
			if slices.Contains(keptNames, f.name) && asks(f.value) {
				m.note("metadata.%s is kept, and nothing acts on it", f.name)
			}
		}
	}
	for _, f := range mine {
		var one lifted
		if err := json.Unmarshal(joined([]member{f}), &one); err != nil {
			// It is kept for people to read.
			others = append(others, f)
			m.note("metadata.%s cannot be read: it is kept, and nothing acts on it", f.name)
			continue
		}
		_ = json.Unmarshal(joined([]member{f}), &l)
	}
	return l, joined(others)
}

// asks reports whether a value asks for anything.
func asks(v jsontext.Value) bool {
	return !slices.Contains([]string{"null", "[]", "{}", "false", `""`, "0"}, strings.ReplaceAll(string(v), " ", ""))
}

// apply sets the ceilings.
func (l *lifted) apply(to *gateway.Limits, m *remarks) {
	for _, c := range []struct {
		name string
		from map[string]jsontext.Value
		of   func(*gateway.ModelLimits) **int64
	}{
		{"model_rpm_limit", l.ModelRPM, func(v *gateway.ModelLimits) **int64 { return &v.RPM }},
		{"model_tpm_limit", l.ModelTPM, func(v *gateway.ModelLimits) **int64 { return &v.TPM }},
		{"model_itpm_limit", l.ModelITPM, func(v *gateway.ModelLimits) **int64 { return &v.InputTPM }},
		{"model_otpm_limit", l.ModelOTPM, func(v *gateway.ModelLimits) **int64 { return &v.OutputTPM }},
	} {
		for model, n := range wholes(c.name, c.from, m) {
			v := to.Models[model]
			*c.of(&v) = &n
			setModel(to, model, v)
		}
	}
	if tags := wholes("tag_rpm_limit", l.TagRPM, m); len(tags) > 0 {
		to.TagRPM = tags
	}
	l.raise(to, m)
}

// raise sets the temporary increase.
func (l *lifted) raise(to *gateway.Limits, m *remarks) {
	raise := l.Raise.amount("temp_budget_increase", m)
	if raise == nil || *raise <= 0 {
		return
	}
	until := l.RaiseUntil.time("temp_budget_expiry", m)
	if until.IsZero() {
		m.note("temp_budget_increase without a time at which it ends is left out")
		return
	}
	to.Raise, to.RaiseUntil = *raise, until
}

func setModel(to *gateway.Limits, model string, v gateway.ModelLimits) {
	if to.Models == nil {
		to.Models = map[string]gateway.ModelLimits{}
	}
	to.Models[model] = v
}

func wholes(field string, from map[string]jsontext.Value, m *remarks) map[string]int64 {
	out := map[string]int64{}
	for name, v := range from {
		if len(v) == 0 || v.Kind() == 'n' {
			continue
		}
		n, err := whole(v)
		if err != nil {
			m.note("%s of a model is no whole number and left out", field)
			continue
		}
		out[name] = n
	}
	return out
}

// ceilings are the columns of limits that LiteLLM's tables have.
type ceilings struct {
	Parallel       *int64         `json:"max_parallel_requests"`
	TPM            *int64         `json:"tpm_limit"`
	RPM            *int64         `json:"rpm_limit"`
	TPD            *int64         `json:"tpd_limit"`
	MaxBudget      dollars        `json:"max_budget"`
	SoftBudget     dollars        `json:"soft_budget"`
	Duration       string         `json:"budget_duration"`
	ResetAt        moment         `json:"budget_reset_at"`
	ModelMaxBudget jsontext.Value `json:"model_max_budget"`
	Budgets        jsontext.Value `json:"budget_limits"`
}

// limits returns them as ours.
func (c *ceilings) limits(m *remarks) gateway.Limits {
	l := gateway.Limits{
		RPM: ceiling(c.RPM, "rpm_limit", m), TPM: ceiling(c.TPM, "tpm_limit", m), TPD: ceiling(c.TPD, "tpd_limit", m),
		Parallel: ceiling(c.Parallel, "max_parallel_requests", m),
		Budget:   c.MaxBudget.limit("max_budget", m), SoftBudget: c.SoftBudget.limit("soft_budget", m),
		BudgetDuration: duration("budget_duration", c.Duration, m),
	}
	var models map[string]struct {
		Limit    dollars        `json:"budget_limit"`
		Max      dollars        `json:"max_budget"`
		Period   string         `json:"time_period"`
		Duration string         `json:"budget_duration"`
		TPM      jsontext.Value `json:"tpm_limit"`
		RPM      jsontext.Value `json:"rpm_limit"`
	}
	if raw := object(c.ModelMaxBudget); raw != nil {
		if err := json.Unmarshal(raw, &models); err != nil {
			// Older releases had an amount for each model.
			var plain map[string]dollars
			if json.Unmarshal(raw, &plain) != nil {
				m.note("model_max_budget cannot be read and is left out")
			}
			for model, d := range plain {
				if n := d.limit("model_max_budget", m); n != nil {
					setModel(&l, model, gateway.ModelLimits{Budget: &gateway.BudgetWindow{Amount: *n}})
				}
			}
			models = nil
		}
	}
	for model, b := range models {
		var v gateway.ModelLimits
		if b.Limit == "" {
			b.Limit = b.Max
		}
		if n := b.Limit.limit("model_max_budget", m); n != nil {
			if b.Period == "" {
				b.Period = b.Duration
			}
			v.Budget = &gateway.BudgetWindow{Amount: *n, Duration: duration("time_period", b.Period, m)}
		}
		for name, n := range wholes("tpm_limit", map[string]jsontext.Value{"": b.TPM}, m) {
			_, v.TPM = name, &n
		}
		for name, n := range wholes("rpm_limit", map[string]jsontext.Value{"": b.RPM}, m) {
			_, v.RPM = name, &n
		}
		if v != (gateway.ModelLimits{}) {
			setModel(&l, model, v)
		}
	}
	c.windows(&l, m)
	return l
}

func (c *ceilings) windows(l *gateway.Limits, m *remarks) {
	if c.Budgets.Kind() != '[' {
		return
	}
	var list []struct {
		Duration string  `json:"budget_duration"`
		Max      dollars `json:"max_budget"`
	}
	if err := json.Unmarshal(c.Budgets, &list); err != nil {
		m.note("budget_limits cannot be read and is left out")
		return
	}
	for _, b := range list {
		n := b.Max.limit("budget_limits", m)
		d := duration("budget_limits", b.Duration, m)
		if n == nil || d == "" {
			m.note("a part of budget_limits has no amount or no duration and is left out")
			continue
		}
		l.Budgets = append(l.Budgets, gateway.BudgetWindow{Amount: *n, Duration: d})
	}
}

// duration returns a budget's duration if it is one.
func duration(field, text string, m *remarks) string {
	if _, err := limit.ParseWindow(text); err != nil {
		m.note("%s is no duration like 30d: the budget counts for ever", field)
		return ""
	}
	return text
}

// window returns where a budget window stands that ends at reset, or that holds
// now if that is not known, and the form of its duration in the books.
func (im *importer) window(duration string, reset, anchor time.Time, m *remarks) (start time.Time, form string) {
	w, err := limit.ParseWindow(duration)
	if err != nil || w.Unit == limit.Lifetime {
		return time.Time{}, ""
	}
	at := im.o.Now
	if !reset.IsZero() && reset.Before(at) {
		at = reset.Add(-time.Microsecond) // LiteLLM has not reset it yet
	}
	start, end := w.Bounds(at, anchor, im.o.Calendar)
	if !reset.IsZero() && reset.After(im.o.Now) && !end.Equal(reset) {
		m.note("budget_duration %s: the window ends at another time than LiteLLM's", duration)
	}
	return start.UTC(), w.String()
}
