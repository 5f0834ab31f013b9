package admin

import (
	"errors"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// teamFields are the fields of /team/new and /team/update that we honour.
type teamFields struct {
	limitFields
	keptFields
	ID                   Opt[string]            `json:"team_id"`
	Alias                Opt[string]            `json:"team_alias"`
	OrganizationID       Opt[string]            `json:"organization_id"`
	Models               Opt[[]string]          `json:"models"`
	ModelAliases         Opt[map[string]string] `json:"model_aliases"`
	AccessGroupIDs       Opt[[]string]          `json:"access_group_ids"`
	Blocked              Opt[bool]              `json:"blocked"`
	Metadata             Opt[object]            `json:"metadata"`
	Tags                 Opt[[]string]          `json:"tags"`
	EnforcedParams       Opt[[]string]          `json:"enforced_params"`
	AllowedIPs           Opt[[]string]          `json:"allowed_ips"`
	MemberPermissions    Opt[[]string]          `json:"team_member_permissions"`
	MemberModels         Opt[[]string]          `json:"default_team_member_models"`
	RouterSettings       Opt[object]            `json:"router_settings"`
	ObjectPermission     Opt[object]            `json:"object_permission"`
	MemberBudget         Opt[usd]               `json:"team_member_budget"`
	MemberBudgetDuration Opt[string]            `json:"team_member_budget_duration"`
	MemberRPM            Opt[count]             `json:"team_member_rpm_limit"`
	MemberTPM            Opt[count]             `json:"team_member_tpm_limit"`
	MemberKeyDuration    Opt[string]            `json:"team_member_key_duration"`
	logs                 logFields              // of the metadata
	unknown
}

func (f teamFields) unknownFields() map[string]jsontext.Value { return f.unknownLimits(f.Unknown) }

// check refuses what no team can be.
func (f *teamFields) check(now time.Time) error {
	if err := liftMeta(&f.Metadata, &f.finerFields, &f.Tags, &f.EnforcedParams, nil, &f.logs); err != nil {
		return err
	}
	for _, t := range []struct{ name, value string }{
		{"team_id", f.ID.Value}, {"team_alias", f.Alias.Value}, {"organization_id", f.OrganizationID.Value},
	} {
		if err := checkText(t.name, t.value); err != nil {
			return err
		}
	}
	for _, t := range []struct {
		name   string
		values []string
	}{
		{"models", f.Models.Value},
		{"tags", f.Tags.Value},
		{"enforced_params", f.EnforcedParams.Value},
		{"access_group_ids", f.AccessGroupIDs.Value},
		{"default_team_member_models", f.MemberModels.Value},
	} {
		if err := checkTexts(t.name, t.values); err != nil {
			return err
		}
	}
	if err := checkMap("model_aliases", f.ModelAliases.Value); err != nil {
		return err
	}
	if err := checkIPs(f.AllowedIPs.Value); err != nil {
		return err
	}
	if err := checkPermissions("team_member_permissions", f.MemberPermissions.Value); err != nil {
		return err
	}
	if err := checkWindow("team_member_budget_duration", f.MemberBudgetDuration.Or(""), now); err != nil {
		return err
	}
	if text := f.MemberKeyDuration.Or(""); text != "" {
		if _, err := lifetime(text, now); err != nil {
			return invalid(memberKeyField, "Invalid %s '%s': %v", memberKeyField, shorten([]byte(text)), err)
		}
	}
	if err := f.keptFields.check(); err != nil {
		return err
	}
	return f.limitFields.check(now)
}

// apply changes in t what was sent; null clears.
func (f *teamFields) apply(t *gateway.Team, now time.Time) error {
	setText(&t.Alias, f.Alias)
	setText(&t.OrganizationID, f.OrganizationID)
	setList(&t.Models, f.Models)
	setList(&t.AccessGroupIDs, f.AccessGroupIDs)
	setList(&t.Tags, f.Tags)
	setList(&t.EnforcedParams, f.EnforcedParams)
	setList(&t.AllowedIPs, f.AllowedIPs)
	setList(&t.MemberPermissions, f.MemberPermissions)
	setList(&t.MemberModels, f.MemberModels)
	setObject(&t.Metadata, f.Metadata)
	setObject(&t.RouterSettings, f.RouterSettings)
	setObject(&t.ObjectPermission, f.ObjectPermission)
	f.keptFields.apply(&t.Metadata)
	if f.MemberKeyDuration.Sent {
		t.Metadata = setMember(t.Metadata, memberKeyField, quote(f.MemberKeyDuration.Or("")))
	}
	if f.ModelAliases.Sent {
		t.ModelAliases = f.ModelAliases.Or(nil)
	}
	if f.Blocked.Sent {
		t.Blocked = f.Blocked.Or(false)
	}
	f.limitFields.apply(&t.Limits, now)
	if soft, most := t.Limits.SoftBudget, t.Limits.Budget; soft != nil && most != nil && *soft >= *most && (f.SoftBudget.Sent || f.MaxBudget.Sent) {
		return invalid("soft_budget", "soft_budget (%v) must be strictly lower than max_budget (%v)", usd(*soft), usd(*most))
	}
	return nil
}

// memberKeyField in a team's metadata is how long the keys live that members
// make in it, if they do not say so.
const memberKeyField = "team_member_key_duration"

// memberKeys fills in how long a key of a member of a team lives.
func (a *API) memberKeys(f *keyFields, k *gateway.Key, now time.Time) error {
	t := a.directory.Team(k.TeamID)
	if f.Duration.Sent || t == nil || len(t.Metadata) == 0 || memberIn(t, k.UserID) == nil {
		return nil
	}
	var m struct {
		Duration string `json:"team_member_key_duration"`
	}
	if json.Unmarshal(t.Metadata, &m) != nil || m.Duration == "" {
		return nil
	}
	f.Duration = Opt[string]{Sent: true, Value: m.Duration}
	end, err := f.expires(now)
	k.Expires = end
	return err
}

// unused names the fields that were sent and that nothing acts on.
func (f *teamFields) unused() []string {
	names := append(f.keptFields.unused(), f.logs.unused()...)
	if f.ObjectPermission.Has() && asks(jsontext.Value(f.ObjectPermission.Value)) {
		names = append(names, "object_permission")
	}
	return names
}

// givesMembers reports whether a body says what members have who have nothing of
// their own.
func (f *teamFields) givesMembers() bool {
	return f.MemberBudget.Sent || f.MemberBudgetDuration.Sent || f.MemberRPM.Sent || f.MemberTPM.Sent
}

// referToBudget has a team refer to the budget that memberBudget writes.
func (f *teamFields) referToBudget(t *gateway.Team) {
	if f.givesMembers() && t.MemberBudgetID == "" {
		t.MemberBudgetID = uuid.NewString()
	}
}

// memberBudget keeps what members have who have nothing of their own, in the
// budget that the team refers to. The team has been written: what was refused
// about it changes no budget.
func (a *API) memberBudget(r *http.Request, p *gateway.Principal, f *teamFields, t *gateway.Team, now time.Time) error {
	if !f.givesMembers() {
		return nil
	}
	set := func(b *gateway.Budget) {
		setMoney(&b.Limits.Budget, f.MemberBudget)
		setText(&b.Limits.BudgetDuration, f.MemberBudgetDuration)
		setCount(&b.Limits.RPM, f.MemberRPM)
		setCount(&b.Limits.TPM, f.MemberTPM)
		b.UpdatedAt, b.UpdatedBy = now, actor(p)
	}
	ctx, id := r.Context(), t.MemberBudgetID
	e := a.entry(r, p, changed, budgetTable, id)
	e.TeamID = t.ID
	_, err := a.store.UpdateBudget(store.Audited(ctx, e), id, func(b *gateway.Budget) error {
		e.Before = snapshot(a.budgetOf(b))
		set(b)
		e.After = snapshot(a.budgetOf(b))
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		b := &gateway.Budget{ID: id, CreatedAt: now, CreatedBy: actor(p)}
		set(b)
		e := a.entry(r, p, created, budgetTable, id)
		e.TeamID, e.After = t.ID, snapshot(a.budgetOf(b))
		err = a.store.CreateBudget(store.Audited(ctx, e), b)
	}
	if err != nil {
		return err
	}
	return a.changed(ctx, Change{Entity: BudgetEntity, ID: id})
}
