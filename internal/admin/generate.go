package admin

import (
	"context"
	"net/http"
	"slices"
	"time"

	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/limit"
)

// generateBody is the body of POST /key/generate.
type generateBody struct {
	keyFields
	Type Opt[string] `json:"key_type"`
}

// generated is a new key with the one look at it that there ever is.
type generated struct {
	Key string `json:"key"`
	keyRow
	Duration           *string `json:"duration"`
	TokenID            string  `json:"token_id"`
	BudgetLimits       none    `json:"budget_limits"`
	BudgetFallbacks    empty   `json:"budget_fallbacks"`
	ModelRPM           none    `json:"model_rpm_limit"`
	ModelTPM           none    `json:"model_tpm_limit"`
	Guardrails         none    `json:"guardrails"`
	Policies           none    `json:"policies"`
	Prompts            none    `json:"prompts"`
	EnforcedParams     none    `json:"enforced_params"`
	PassthroughRoutes  none    `json:"allowed_passthrough_routes"`
	VectorStoreIndexes none    `json:"allowed_vector_store_indexes"`
	RPMLimitType       none    `json:"rpm_limit_type"`
	TPMLimitType       none    `json:"tpm_limit_type"`
	RouterSettings     none    `json:"router_settings"`
	AccessGroupIDs     none    `json:"access_group_ids"`
}

func (a *API) generateKey(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b generateBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	now := a.now()
	if b.Duration.Value == "-1" {
		b.Duration = Opt[string]{}
	}
	fill(&b.keyFields, &a.o.Rules.Default)
	if err := b.check(now); err != nil {
		return nil, err
	}
	if err := bound(&b.keyFields, &a.o.Rules.Upper, now); err != nil {
		return nil, err
	}
	secret := newSecret()
	if key := b.Key.Or(""); key != "" {
		if err := checkSecret(key); err != nil {
			return nil, err
		}
		secret = gateway.Secret(key)
	}
	if team := b.TeamID.Or(""); team != "" {
		if _, err := a.team(r.Context(), team); err != nil {
			return nil, err
		}
	}
	k, err := a.createKey(r.Context(), p, secret, &b, now)
	if err != nil {
		return nil, err
	}
	return a.generated(k, secret, b.Duration.Or("")), nil
}

// createKey stores the key that b describes.
func (a *API) createKey(ctx context.Context, p *gateway.Principal, secret gateway.Secret, b *generateBody, now time.Time) (*gateway.Key, error) {
	routes, err := routesOfType(b.Type.Or(""))
	if err != nil {
		return nil, err
	}
	k := &gateway.Key{
		Hash: keyHash(secret.Reveal()), Name: keyName(secret), Type: b.Type.Or("default"),
		CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now, UpdatedBy: actor(p),
	}
	if err := b.apply(k, now); err != nil {
		return nil, err
	}
	if routes != nil {
		k.AllowedRoutes = routes
	}
	if k.UserID == "" {
		k.UserID = actor(p)
	}
	a.setSpend(&k.Spend, &k.Limits, gateway.NanoUSD(b.Spend.Or(0)), now, now)
	k.Spend.Total = k.Spend.Window
	if err := a.store.CreateKey(ctx, k); err != nil {
		return nil, keyConflict(err)
	}
	return k, a.changed(ctx, Change{Entity: KeyEntity, ID: k.Hash})
}

func (a *API) generated(k *gateway.Key, secret gateway.Secret, duration string) *generated {
	return &generated{Key: secret.Reveal(), keyRow: a.keyRow(k), Duration: text(duration), TokenID: k.Hash}
}

// fill sets the fields that were not sent to the configured defaults.
func fill(f *keyFields, d *config.KeyParams) {
	fillOpt(&f.MaxBudget, (*usd)(d.Limits.Budget))
	fillOpt(&f.SoftBudget, (*usd)(d.Limits.SoftBudget))
	fillOpt(&f.RPM, (*count)(d.Limits.RPM))
	fillOpt(&f.TPM, (*count)(d.Limits.TPM))
	fillOpt(&f.Parallel, (*count)(d.Limits.Parallel))
	fillOpt(&f.BudgetDuration, text(d.Limits.BudgetDuration))
	fillOpt(&f.Duration, text(d.Duration))
	fillOpt(&f.TeamID, text(d.TeamID))
	fillOpt(&f.UserID, text(d.UserID))
	if d.Models != nil && !f.Models.Has() {
		f.Models = Opt[[]string]{Sent: true, Value: slices.Clone(d.Models)}
	}
	if d.Tags != nil && !f.Tags.Has() {
		f.Tags = Opt[[]string]{Sent: true, Value: slices.Clone(d.Tags)}
	}
	if d.Metadata != nil && !f.Metadata.Has() {
		f.Metadata = Opt[object]{Sent: true, Value: slices.Clone(d.Metadata)}
	}
}

func fillOpt[T any](o *Opt[T], def *T) {
	if def != nil && !o.Has() {
		*o = Opt[T]{Sent: true, Value: *def}
	}
}

// bound refuses what is above a configured upper bound, and sets to the bound
// what was not sent: no ceiling at all would be above every bound.
func bound(f *keyFields, upper *config.KeyParams, now time.Time) error {
	if err := boundOpt("max_budget", &f.MaxBudget, (*usd)(upper.Limits.Budget)); err != nil {
		return err
	}
	for _, c := range []struct {
		name  string
		field *Opt[count]
		most  *int64
	}{
		{"tpm_limit", &f.TPM, upper.Limits.TPM},
		{"rpm_limit", &f.RPM, upper.Limits.RPM},
		{"max_parallel_requests", &f.Parallel, upper.Limits.Parallel},
	} {
		if err := boundOpt(c.name, c.field, (*count)(c.most)); err != nil {
			return err
		}
	}
	if most := upper.Duration; most != "" && f.Duration.Or("") != "" {
		end, err := lifetime(f.Duration.Value, now)
		last, lastErr := lifetime(most, now)
		if err == nil && lastErr == nil && end.After(last) {
			return overBound("duration", f.Duration.Value, most)
		}
	}
	if most := upper.Limits.BudgetDuration; most != "" && f.BudgetDuration.Or("") != "" {
		if seconds(f.BudgetDuration.Value) > seconds(most) {
			return overBound("budget_duration", f.BudgetDuration.Value, most)
		}
	}
	if f.Duration.Or("") == "" {
		fillEmpty(&f.Duration, upper.Duration)
	}
	if f.BudgetDuration.Or("") == "" {
		fillEmpty(&f.BudgetDuration, upper.Limits.BudgetDuration)
	}
	return nil
}

func fillEmpty(o *Opt[string], def string) {
	if def != "" {
		*o = Opt[string]{Sent: true, Value: def}
	}
}

func boundOpt[T usd | count](name string, o *Opt[T], most *T) error {
	if most != nil && o.Has() && o.Value > *most {
		return overBound(name, o.Value, *most)
	}
	fillOpt(o, most)
	return nil
}

func overBound(name string, value, most any) error {
	return invalid(name, "%s is over max limit set in config - user_value=%v; max_value=%v", name, value, most)
}

// seconds is the nominal length of a budget window, for comparing two.
func seconds(duration string) int64 {
	w, err := limit.ParseWindow(duration)
	if err != nil {
		return 0
	}
	unit := map[limit.Unit]int64{
		limit.Seconds: 1, limit.Minutes: 60, limit.Hours: 3600, limit.Days: 86400, limit.Weeks: 7 * 86400, limit.Months: 30 * 86400,
	}
	return int64(w.N) * unit[w.Unit]
}
