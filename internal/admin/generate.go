package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/store"
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
	Duration *string                   `json:"duration"`
	TokenID  string                    `json:"token_id"`
	Kept     map[string]jsontext.Value `json:",embed"`
}

func (a *API) generateKey(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.generate(w, r, p, auth.GenerateKey)
}

// serviceAccountKey makes a key that belongs to a program of a team and to no user.
func (a *API) serviceAccountKey(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.generate(w, r, p, auth.ServiceAccount)
}

func (a *API) generate(w http.ResponseWriter, r *http.Request, p *gateway.Principal, do auth.KeyAct) (any, error) {
	var b generateBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	now := a.now()
	if b.Duration.Value == "-1" {
		b.Duration = Opt[string]{}
	}
	rules := &a.o.Settings().Rules
	sent := b.sent()
	fill(&b.keyFields, &rules.Default)
	filled, err := fillMore(&b, &rules.Default)
	if err != nil {
		return nil, err
	}
	if err := b.check(now); err != nil {
		return nil, err
	}
	if err := bound(&b.keyFields, &rules.Upper, now); err != nil {
		return nil, err
	}
	secret := newSecret()
	if key := b.Key.Or(""); key != "" {
		if err := a.mayChoose("key", key); err != nil {
			return nil, err
		}
		secret = gateway.Secret(key)
	}
	k, err := a.newKey(p, secret, &b, now)
	if err != nil {
		return nil, err
	}
	if do == auth.ServiceAccount {
		if k.TeamID == "" {
			return nil, invalid("team_id", "team_id is missing: the key of a service account belongs to a team")
		}
		k.UserID, k.ServiceAccountID = "", k.Alias
		if k.ServiceAccountID == "" {
			k.ServiceAccountID = uuid.NewString()
		}
	}
	if err := a.memberKeys(&b.keyFields, k, now); err != nil {
		return nil, err
	}
	if err := a.mayGenerate(r.Context(), p, do, &b.keyFields, k, sent, filled); err != nil {
		return nil, err
	}
	if err := a.createKey(r, p, k); err != nil {
		return nil, err
	}
	setUnused(w.Header(), a.unusedOf(&b.keyFields)...)
	return a.generated(k, secret, b.Duration.Or("")), nil
}

// newKey returns the key that b describes.
func (a *API) newKey(p *gateway.Principal, secret gateway.Secret, b *generateBody, now time.Time) (*gateway.Key, error) {
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
	if k.Logging, err = a.setLogging(p, nil, &b.logs, keyPlace(k.Hash), keyPlace(k.Hash)); err != nil {
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
	return k, nil
}

// mayGenerate refuses a key that the caller may not make, or that refers to
// what does not exist.
func (a *API) mayGenerate(ctx context.Context, p *gateway.Principal, do auth.KeyAct, f *keyFields, k *gateway.Key, sent, filled map[string]bool) error {
	if err := a.projectOf(ctx, p, f, k); err != nil {
		return err
	}
	if err := a.directory.MayKey(p, do, k); err != nil {
		return err
	}
	if err := a.mayMakeKeys(p, sent, k); err != nil {
		return err
	}
	was := &gateway.Key{}
	if !f.AllowedRoutes.Has() || filled["allowed_routes"] || filled["key_type"] {
		was.AllowedRoutes = k.AllowedRoutes // they are those of its type
	}
	// What the configuration gives is nothing that the caller has asked for.
	own := *f
	if filled["permissions"] {
		was.Permissions = k.Permissions
	}
	if filled["object_permission"] {
		was.ObjectPermission = k.ObjectPermission
	}
	if filled["spend"] {
		own.Spend = Opt[usd]{}
	}
	if !sent["metadata"] {
		was.Metadata = k.Metadata
	}
	if err := a.ownBounds(p, &own, was, k); err != nil {
		return err
	}
	if filled["organization_id"] {
		own.OrganizationID = Opt[string]{}
	}
	return a.references(ctx, p, &own)
}

// mayChoose refuses what cannot be a virtual key, and any that the caller has
// chosen if the configuration does.
func (a *API) mayChoose(field, key string) error {
	if a.o.Settings().Rules.NoCustom {
		return &gateway.Error{
			Kind: gateway.Forbidden, Param: field,
			Message: "Custom API key values are disabled by your administrator. Keys must be auto-generated (general_settings.disable_custom_api_keys).",
		}
	}
	if err := checkSecret(key); err != nil {
		e := gateway.AsError(err)
		e.Param = field
		return e
	}
	return nil
}

// mayMakeKeys is what key_generation_settings say about who makes keys, and with
// which fields.
func (a *API) mayMakeKeys(p *gateway.Principal, sent map[string]bool, k *gateway.Key) error {
	rule := &a.o.Settings().Rules.Personal
	if k.TeamID != "" {
		rule = &a.o.Settings().Rules.Team
		if isAdmin(p) {
			return nil // of every team
		}
		if t := a.directory.Team(k.TeamID); rule.Roles != nil && t != nil {
			if m := memberIn(t, p.UserID()); m != nil && !slices.Contains(rule.Roles, m.Role) {
				return invalid("team_id", "Team member role %s not in allowed_team_member_roles=%v", m.Role, rule.Roles)
			}
		}
	} else if role := string(auth.RoleName(p)); rule.Roles != nil && !slices.Contains(rule.Roles, role) {
		return invalid("user_id", "Personal key creation has been restricted by admin. Allowed roles=%v. Your role=%s", rule.Roles, role)
	}
	for _, name := range rule.Required {
		if !sent[name] {
			return invalid(name, "Required param %s not in data", name)
		}
	}
	return nil
}

// projectOf checks the project that a key is put into: it decides the team.
func (a *API) projectOf(ctx context.Context, p *gateway.Principal, f *keyFields, k *gateway.Key) error {
	id := f.ProjectID.Or("")
	if id == "" {
		return nil
	}
	project, err := a.store.Project(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err := a.directory.MayProject(p, auth.See, id, project); err != nil {
		return err
	}
	switch {
	case project == nil:
		return &gateway.Error{Kind: gateway.NotFound, Param: "project_id", Message: "Project not found, project_id=" + id}
	case k.TeamID == "":
		k.TeamID = project.TeamID
	case k.TeamID != project.TeamID:
		return invalid("project_id", "Project %s belongs to another team than the key: its team_id is %s", id, project.TeamID)
	}
	return nil
}

// references checks that what a body refers to is there, and that the caller may
// have its calls charged to it.
func (a *API) references(ctx context.Context, p *gateway.Principal, f *keyFields) error {
	if team := f.TeamID.Or(""); team != "" {
		if _, err := a.team(ctx, team); err != nil {
			return err
		}
	}
	if id := f.OrganizationID.Or(""); id != "" {
		o, err := a.store.Organization(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := a.directory.MayOrganization(p, auth.See, id, o); err != nil {
			return err
		}
		if o == nil {
			return &gateway.Error{Kind: gateway.NotFound, Param: "organization_id", Message: "Organization not found for organization_id=" + id, Err: err}
		}
	}
	for _, b := range []struct {
		field string
		id    Opt[string]
	}{{"budget_id", f.BudgetID}, {"end_user_budget_id", f.EndUserBudgetID}} {
		if err := a.budgetExists(ctx, b.field, b.id.Or("")); err != nil {
			return err
		}
	}
	return nil
}

// budgetExists refuses the id of a shared budget that is not there.
func (a *API) budgetExists(ctx context.Context, field, id string) error {
	if id == "" {
		return nil
	}
	_, err := a.store.Budget(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return invalid(field, "Budget with id '%s' does not exist. Create it with /budget/new first.", id)
	}
	return err
}

// ownBounds keeps callers who are no admins from giving a key more than they
// have, and from what only admins decide. was is the key before; of a new one it
// is empty, but for what follows from its type.
func (a *API) ownBounds(p *gateway.Principal, f *keyFields, was, k *gateway.Key) error {
	if isAdmin(p) {
		return nil
	}
	for _, x := range []struct {
		name string
		does bool
	}{
		{"allowed_routes", !slices.Equal(was.AllowedRoutes, k.AllowedRoutes)},
		{"allowed_ips", len(was.AllowedIPs) > 0 && !slices.Equal(was.AllowedIPs, k.AllowedIPs)},
		{"permissions", asks(obj(k.Permissions)) && !bytes.Equal(was.Permissions, k.Permissions)},
		{"object_permission", asks(obj(k.ObjectPermission)) && !bytes.Equal(was.ObjectPermission, k.ObjectPermission)},
		{"spend", f.Spend.Has() && (f.Spend.Value != 0 || was.Hash != "")},
		{"metadata.allow_litellm_changed_by_header", allowsChangedBy(k.Metadata) && !allowsChangedBy(was.Metadata)},
	} {
		if x.does {
			return &gateway.Error{Kind: gateway.Forbidden, Param: x.name, Message: "Only proxy admins can set " + x.name + ". Your role=" + string(auth.RoleName(p))}
		}
	}
	if err := a.keepsLimits(p, was, k); err != nil {
		return err
	}
	if err := a.mayGroup(p, was, k); err != nil {
		return err
	}
	if err := withinCaller(p, f, was); err != nil {
		return err
	}
	if was.Blocked && !k.Blocked {
		if err := a.mayUnblock(p, was); err != nil {
			return err
		}
	}
	if k.TeamID != "" || p.User == nil || k.UserID != p.User.ID {
		return nil
	}
	if most := p.User.Limits.Budget; most != nil && f.MaxBudget.Has() && gateway.NanoUSD(f.MaxBudget.Value) > *most {
		return invalid("max_budget", "max_budget is higher than the user's - max_budget=%s; user max_budget=%s", f.MaxBudget.Value, usd(*most))
	}
	for _, model := range f.Models.Or(nil) {
		if len(p.User.Models) > 0 && !listed(p.User.Models, model) {
			return &gateway.Error{Kind: gateway.Forbidden, Param: "models", Message: fmt.Sprintf("You may not use model %s, so a key of yours cannot either. Your models=%v", model, p.User.Models)}
		}
	}
	return nil
}

// mayUnblock decides who unblocks a key: not the owner of one that is no team's,
// who may be whom it was blocked against.
func (a *API) mayUnblock(p *gateway.Principal, k *gateway.Key) error {
	if err := a.directory.MayKey(p, auth.UnblockKey, k); err != nil {
		return err
	}
	return a.notOwn(p, k, "unblock")
}

// notOwn refuses what only admins do to a key that is no team's.
func (a *API) notOwn(p *gateway.Principal, k *gateway.Key, what string) error {
	if isAdmin(p) || k.TeamID != "" || a.directory.MayKey(p, auth.UnblockKey, &gateway.Key{OrganizationID: k.OrganizationID}) == nil {
		return nil
	}
	return &gateway.Error{Kind: gateway.Forbidden, Param: "key", Message: "Only proxy admins can " + what + " a key that is no team's. Your role=" + string(auth.RoleName(p))}
}

// listed reports whether a list of models covers a model, which may be a
// pattern itself.
func listed(list []string, model string) bool {
	return slices.ContainsFunc(list, func(entry string) bool {
		return entry == model || entry == "all-proxy-models" || strings.Contains(entry, "*") && gateway.Match(entry, model, nil)
	})
}

// isAdmin reports whether p may do everything.
func isAdmin(p *gateway.Principal) bool { return p.Master || p.Role == gateway.ProxyAdmin }

// createKey stores a new key.
func (a *API) createKey(r *http.Request, p *gateway.Principal, k *gateway.Key) error {
	e := a.keyEntry(r, p, created, k)
	e.After = snapshot(a.keyRow(k))
	if err := a.store.CreateKey(store.Audited(r.Context(), e), k); err != nil {
		return keyConflict(err)
	}
	return a.changed(r.Context(), Change{Entity: KeyEntity, ID: k.Hash})
}

// keyEntry is an entry of the audit log about a key.
func (a *API) keyEntry(r *http.Request, p *gateway.Principal, action string, k *gateway.Key) *gateway.AuditEntry {
	e := a.entry(r, p, action, keyTable, k.Hash)
	e.KeyHash, e.TeamID = k.Hash, k.TeamID
	return e
}

func (a *API) generated(k *gateway.Key, secret gateway.Secret, duration string) *generated {
	return &generated{
		Key: secret.Reveal(), keyRow: a.keyRow(k), Duration: text(duration), TokenID: k.Hash,
		Kept: new(keptFields).echo(k.Metadata),
	}
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

// fillMore sets the other fields that were not sent to the configured defaults,
// and returns which.
func fillMore(b *generateBody, d *config.KeyParams) (map[string]bool, error) {
	sent := b.sent()
	sent["key_type"] = b.Type.Has() || b.AllowedRoutes.Has()
	sent["allowed_routes"] = sent["key_type"]
	filled := map[string]bool{}
	var more []jsonMember
	for _, m := range d.More {
		if !sent[m.Name] {
			filled[m.Name] = true
			more = append(more, jsonMember{m.Name, m.Value})
		}
	}
	if len(more) == 0 {
		return filled, nil
	}
	return filled, decode(joinObject(more), b)
}

// CheckDefaults refuses defaults that no new key can have.
func CheckDefaults(d *config.KeyParams, now time.Time) error {
	var b generateBody
	fill(&b.keyFields, d)
	if _, err := fillMore(&b, d); err != nil {
		return err
	}
	if b.AutoRotate.Or(false) && b.RotationInterval.Or("") == "" {
		return invalid("rotation_interval", "rotation_interval is missing: say how often a key with auto_rotate is replaced, like '30d'")
	}
	return b.check(now)
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

// bounded refuses a change of a key to what is above a configured upper bound,
// which no ceiling at all is too.
func bounded(f *keyFields, upper *config.KeyParams, now time.Time) error {
	for _, c := range []struct {
		name string
		sent bool // null
		most bool
	}{
		{"max_budget", f.MaxBudget.Sent && f.MaxBudget.Null, upper.Limits.Budget != nil},
		{"tpm_limit", f.TPM.Sent && f.TPM.Null, upper.Limits.TPM != nil},
		{"rpm_limit", f.RPM.Sent && f.RPM.Null, upper.Limits.RPM != nil},
		{"max_parallel_requests", f.Parallel.Sent && f.Parallel.Null, upper.Limits.Parallel != nil},
		{"duration", f.Duration.Sent && (f.Duration.Or("") == "" || f.Duration.Value == "-1"), upper.Duration != ""},
		{"budget_duration", f.BudgetDuration.Sent && f.BudgetDuration.Or("") == "", upper.Limits.BudgetDuration != ""},
	} {
		if c.sent && c.most {
			return invalid(c.name, "%s cannot be taken away: litellm_settings.upperbound_key_generate_params has a bound for it", c.name)
		}
	}
	// What was not sent is filled in a copy that is thrown away.
	sent := *f
	return bound(&sent, upper, now)
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
