package admin

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
)

// LiteLLM keeps many fields of keys and teams in their metadata, and its clients
// look for them there. Here the ones that mean something have places of their own.
// They are shown in the metadata as well, and taken from there, so that what a
// client has read and sends back is what it was. The others stay in the metadata.

// jsonMember is a member of an object.
type jsonMember struct {
	name  string
	value jsontext.Value
}

// splitObject returns the members of a JSON object in order.
func splitObject(raw []byte) []jsonMember {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil
	}
	var out []jsonMember
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return nil
		}
		m := jsonMember{name: name.String()}
		v, err := d.ReadValue()
		if err != nil {
			return nil
		}
		m.value = v.Clone()
		out = append(out, m)
	}
	return out
}

// joinObject is the inverse of splitObject.
func joinObject(members []jsonMember) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := jsontext.AppendQuote(nil, m.name)
		if err != nil {
			continue // broken UTF-8, which no decoder lets in
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(m.value)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// setMember puts a member into an object, or takes it out if value is nil.
func setMember(raw []byte, name string, value jsontext.Value) []byte {
	members := splitObject(raw)
	i := slices.IndexFunc(members, func(m jsonMember) bool { return m.name == name })
	switch {
	case value == nil && i < 0:
		return raw
	case value == nil:
		members = slices.Delete(members, i, i+1)
	case i < 0:
		members = append(members, jsonMember{name, value})
	default:
		members[i].value = value
	}
	return joinObject(members)
}

// quote returns a text as JSON, nil for "".
func quote(text string) jsontext.Value {
	v, err := jsontext.AppendQuote(nil, text)
	if err != nil || text == "" {
		return nil
	}
	return v
}

// metaFields are the fields that are shown in the metadata and taken from there.
type metaFields struct {
	finerFields
	Tags            Opt[[]string] `json:"tags"`
	EnforcedParams  Opt[[]string] `json:"enforced_params"`
	EndUserBudgetID Opt[string]   `json:"end_user_budget_id"`

	Logging  Opt[logEntries]       `json:"logging"`
	Settings Opt[callbackSettings] `json:"callback_settings"`
}

// finerNames are the names of finerFields.
var finerNames = [...]string{
	"model_rpm_limit", "model_tpm_limit", "model_itpm_limit", "model_otpm_limit", "tag_rpm_limit", "temp_budget_increase", "temp_budget_expiry",
}

// Fields that are shown in the metadata and never taken from there.
const (
	serviceAccountField = "service_account_id"
	memberBudgetField   = "team_member_budget_id"
)

// liftMeta takes the fields out of metadata, to the places that they have in a
// body; what it has none for, which is nil, stays. Fields that were sent beside
// it win.
func liftMeta(metadata *Opt[object], finer *finerFields, tags, enforced *Opt[[]string], endUserBudget *Opt[string], logs *logFields) error {
	if !metadata.Has() {
		return nil
	}
	places := map[string]bool{"tags": tags != nil, "enforced_params": enforced != nil, "end_user_budget_id": endUserBudget != nil, "logging": logs != nil, "callback_settings": logs != nil}
	for _, name := range finerNames {
		places[name] = true
	}
	var mine, rest []jsonMember
	for _, m := range splitObject(metadata.Value) {
		switch {
		case m.name == serviceAccountField || m.name == memberBudgetField: // shown, not taken
		case places[m.name]:
			mine = append(mine, m)
		default:
			rest = append(rest, m)
		}
	}
	if len(mine) == 0 && len(rest) == len(splitObject(metadata.Value)) {
		return nil // it stays as it was sent, to the byte
	}
	var in struct {
		metaFields
		unknown
	}
	if err := decode(joinObject(mine), &in); err != nil {
		e := gateway.AsError(err)
		if e.Param != "" {
			e.Message, e.Param = "metadata."+e.Message, "metadata."+e.Param
		}
		return e
	}
	lift(&finer.ModelRPM, in.ModelRPM)
	lift(&finer.ModelTPM, in.ModelTPM)
	lift(&finer.ModelITPM, in.ModelITPM)
	lift(&finer.ModelOTPM, in.ModelOTPM)
	lift(&finer.TagRPM, in.TagRPM)
	lift(&finer.Raise, in.Raise)
	lift(&finer.RaiseUntil, in.RaiseUntil)
	lift(tags, in.Tags)
	lift(enforced, in.EnforcedParams)
	lift(endUserBudget, in.EndUserBudgetID)
	if logs != nil {
		logs.Logging, logs.Settings = in.Logging, in.Settings
	}
	metadata.Value = object(joinObject(rest))
	return nil
}

func lift[T any](to *Opt[T], from Opt[T]) {
	if to != nil && !to.Sent {
		*to = from
	}
}

// shownMeta are the values of the fields of metaFields, as metadata shows them.
type shownMeta struct {
	ModelRPM        map[string]int64 `json:"model_rpm_limit,omitempty"`
	ModelTPM        map[string]int64 `json:"model_tpm_limit,omitempty"`
	ModelITPM       map[string]int64 `json:"model_itpm_limit,omitempty"`
	ModelOTPM       map[string]int64 `json:"model_otpm_limit,omitempty"`
	TagRPM          map[string]int64 `json:"tag_rpm_limit,omitempty"`
	Raise           *usd             `json:"temp_budget_increase,omitzero"`
	RaiseUntil      *string          `json:"temp_budget_expiry,omitzero"`
	Tags            []string         `json:"tags,omitempty"`
	EnforcedParams  []string         `json:"enforced_params,omitempty"`
	EndUserBudgetID string           `json:"end_user_budget_id,omitzero"`
	ServiceAccount  string           `json:"service_account_id,omitzero"`
}

// metadataRow returns stored metadata with the fields that LiteLLM has in it.
func metadataRow(metadata []byte, l *gateway.Limits, m shownMeta) jsontext.Value {
	at := func(of func(gateway.ModelLimits) *int64) map[string]int64 {
		if by := byModel(l, of); by != nil {
			return *by
		}
		return nil
	}
	m.ModelRPM = at(func(v gateway.ModelLimits) *int64 { return v.RPM })
	m.ModelTPM = at(func(v gateway.ModelLimits) *int64 { return v.TPM })
	m.ModelITPM = at(func(v gateway.ModelLimits) *int64 { return v.InputTPM })
	m.ModelOTPM = at(func(v gateway.ModelLimits) *int64 { return v.OutputTPM })
	m.TagRPM = l.TagRPM
	if l.Raise != 0 {
		raise, until := usd(l.Raise), l.RaiseUntil.UTC().Format(timeLayout)
		m.Raise, m.RaiseUntil = &raise, &until
	}
	raw, err := json.Marshal(&m, json.Deterministic(true))
	if err != nil || string(raw) == "{}" {
		return obj(metadata)
	}
	members := splitObject(metadata)
	for _, add := range splitObject(raw) {
		if !slices.ContainsFunc(members, func(have jsonMember) bool { return have.name == add.name }) {
			members = append(members, add)
		}
	}
	return joinObject(members)
}

// timeLayout is how times stand in metadata.
const timeLayout = "2006-01-02T15:04:05.999999Z07:00"

// keptFields are fields of LiteLLM that are kept in the metadata, as it does,
// for the sake of clients that read them back. Nothing acts on them.
type keptFields struct {
	Guardrails             Opt[jsontext.Value] `json:"guardrails"`
	Policies               Opt[jsontext.Value] `json:"policies"`
	Prompts                Opt[jsontext.Value] `json:"prompts"`
	MCPRPM                 Opt[jsontext.Value] `json:"mcp_rpm_limit"`
	RPMLimitType           Opt[jsontext.Value] `json:"rpm_limit_type"`
	TPMLimitType           Opt[jsontext.Value] `json:"tpm_limit_type"`
	EstimatedOutput        Opt[jsontext.Value] `json:"default_estimated_output_tokens"`
	EstimatedOutputByModel Opt[jsontext.Value] `json:"default_estimated_output_tokens_per_model"`
	NoGlobalGuardrails     Opt[jsontext.Value] `json:"disable_global_guardrails"`
	PromptCaching          Opt[jsontext.Value] `json:"enable_prompt_caching"`
	Throttle               Opt[jsontext.Value] `json:"throttle_on_budget_exceeded"`
	PassThroughRoutes      Opt[jsontext.Value] `json:"allowed_passthrough_routes"`
	NoPassThroughRoutes    Opt[jsontext.Value] `json:"denied_passthrough_routes"`
	VectorStores           Opt[jsontext.Value] `json:"allowed_vector_store_indexes"`
	BatchExpiry            Opt[jsontext.Value] `json:"enforced_batch_output_expires_after"`
	FileExpiry             Opt[jsontext.Value] `json:"enforced_file_expires_after"`
	SecretManager          Opt[jsontext.Value] `json:"secret_manager_settings"`
}

// kept is one of them: its name, and what it has to be like.
type kept struct {
	name  string
	field *Opt[jsontext.Value]
	like  func() any
}

func (f *keptFields) all() []kept {
	words := func() any { return new([]string) }
	flag := func() any { return new(bool) }
	word := func() any { return new(string) }
	numbers := func() any { return new(counts) }
	things := func() any { return new(object) }
	anything := func() any { return new(jsontext.Value) }
	return []kept{
		{"guardrails", &f.Guardrails, words},
		{"policies", &f.Policies, words},
		{"prompts", &f.Prompts, words},
		{"mcp_rpm_limit", &f.MCPRPM, numbers},
		{"rpm_limit_type", &f.RPMLimitType, word},
		{"tpm_limit_type", &f.TPMLimitType, word},
		{"default_estimated_output_tokens", &f.EstimatedOutput, func() any { return new(count) }},
		{"default_estimated_output_tokens_per_model", &f.EstimatedOutputByModel, numbers},
		{"disable_global_guardrails", &f.NoGlobalGuardrails, flag},
		{"enable_prompt_caching", &f.PromptCaching, flag},
		{"throttle_on_budget_exceeded", &f.Throttle, flag},
		{"allowed_passthrough_routes", &f.PassThroughRoutes, words},
		{"denied_passthrough_routes", &f.NoPassThroughRoutes, words},
		{"allowed_vector_store_indexes", &f.VectorStores, anything},
		{"enforced_batch_output_expires_after", &f.BatchExpiry, anything},
		{"enforced_file_expires_after", &f.FileExpiry, anything},
		{"secret_manager_settings", &f.SecretManager, things},
	}
}

func (f *keptFields) check() error {
	for _, k := range f.all() {
		if !k.field.Has() {
			continue
		}
		if _, want, _ := readField(k.field.Value, k.like()); want != "" {
			return malformed(k.name, "%s: want %s, got %s", k.name, want, shorten(k.field.Value))
		}
	}
	return nil
}

// apply puts what was sent into the metadata; null takes it out.
func (f *keptFields) apply(metadata *[]byte) {
	for _, k := range f.all() {
		if k.field.Sent {
			*metadata = setMember(*metadata, k.name, k.field.Or(nil))
		}
	}
}

// unused names the fields that were sent, carry something, and are only kept.
func (f *keptFields) unused() []string {
	var names []string
	for _, k := range f.all() {
		if k.field.Has() && asks(k.field.Value) {
			names = append(names, k.name)
		}
	}
	return names
}

// echo returns what the metadata holds of the fields, null for the others.
func (f *keptFields) echo(metadata []byte) map[string]jsontext.Value {
	out := map[string]jsontext.Value{}
	for _, k := range f.all() {
		out[k.name] = jsontext.Value("null")
	}
	for _, m := range splitObject(metadata) {
		if _, ok := out[m.name]; ok {
			out[m.name] = m.value
		}
	}
	return out
}

// UnusedHeader lists the fields of a request that were kept although nothing
// acts on them.
const UnusedHeader = "x-penstock-unused-fields"

func setUnused(h http.Header, names ...string) {
	if len(names) > 0 {
		h.Set(UnusedHeader, strings.Join(names, ", "))
	}
}
