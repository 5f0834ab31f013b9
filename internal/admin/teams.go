package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"penstock/internal/auth"
	"penstock/internal/config"
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

// teamBody is the body of POST /team/new.
type teamBody struct {
	teamFields
	Admins  Opt[[]string] `json:"admins"` // an older way to say who is in it
	Plain   Opt[[]string] `json:"members"`
	Members Opt[members]  `json:"members_with_roles"`
}

func (b teamBody) unknownFields() map[string]jsontext.Value {
	return nested(b.teamFields.unknownFields(), "members_with_roles", b.Members.Value)
}

func (b *teamBody) check(now time.Time) error {
	for role, ids := range map[string][]string{"admin": b.Admins.Value, "user": b.Plain.Value} {
		for _, id := range ids {
			b.Members.Value = append(b.Members.Value, member{Role: role, UserID: id})
		}
	}
	if err := checkMembers("members_with_roles", b.Members.Value); err != nil {
		return err
	}
	return b.teamFields.check(now)
}

func (a *API) newTeam(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b teamBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	fillTeam(&b.teamFields, &a.o.Settings().Teams)
	if err := b.check(now); err != nil {
		return nil, err
	}
	t := &gateway.Team{ID: b.ID.Or(""), CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now, UpdatedBy: actor(p)}
	if t.ID == "" {
		t.ID = uuid.NewString()
	}
	err := b.apply(t, now)
	if err == nil {
		t.Logging, err = a.setLogging(p, nil, &b.logs, teamPlace(t.ID), teamPlace(t.ID))
	}
	if err != nil {
		return nil, err
	}
	a.setSpend(&t.Spend, &t.Limits, gateway.NanoUSD(b.Spend.Or(0)), now, now)
	t.Spend.Total = t.Spend.Window
	if err := a.directory.MayTeam(p, auth.Create, t.ID, t); err != nil {
		return nil, err
	}
	if err := a.withinOrganization(ctx, t); err != nil {
		return nil, err
	}
	// Before users are made for a team that cannot be.
	_, err = a.store.Team(ctx, t.ID)
	if err := free(err, store.ErrConflict{Field: "id", Value: t.ID}); err != nil {
		return nil, teamConflict(err)
	}
	for i := range b.Members.Value {
		m := &b.Members.Value[i]
		u, err := a.ensureUser(r, p, m, now)
		if err != nil {
			return nil, err
		}
		add(t, gateway.Member{UserID: u.ID, Email: u.Email, Role: m.Role, Models: slices.Clone(t.MemberModels)})
	}
	// Whoever makes a team leads it.
	add(t, gateway.Member{UserID: actor(p), Role: "admin"})
	b.referToBudget(t)
	e := a.teamEntry(r, p, created, t.ID)
	e.After = snapshot(a.teamRow(t))
	if err := a.store.CreateTeam(store.Audited(ctx, e), t); err != nil {
		return nil, teamConflict(err)
	}
	if err := a.memberBudget(r, p, &b.teamFields, t, now); err != nil {
		return nil, err
	}
	changes := []Change{{Entity: TeamEntity, ID: t.ID}}
	for _, m := range t.Members {
		known, err := a.enter(ctx, m.UserID, t.ID, now)
		if err != nil {
			return nil, err
		}
		if known {
			changes = append(changes, Change{Entity: UserEntity, ID: m.UserID})
		}
	}
	if err := a.changed(ctx, changes...); err != nil {
		return nil, err
	}
	setUnused(w.Header(), b.unused()...)
	row := a.teamRow(t)
	return &row, nil
}

// fillTeam sets what was not sent to the configured defaults.
func fillTeam(f *teamFields, d *config.TeamRules) {
	fillLimits(&f.limitFields, &d.Limits)
	fillOpt(&f.OrganizationID, text(d.OrganizationID))
	if d.Models != nil && len(f.Models.Or(nil)) == 0 {
		f.Models = Opt[[]string]{Sent: true, Value: slices.Clone(d.Models)}
	}
	if d.MemberPermissions != nil && !f.MemberPermissions.Has() {
		f.MemberPermissions = Opt[[]string]{Sent: true, Value: slices.Clone(d.MemberPermissions)}
	}
}

// teamEntry is an entry of the audit log about a team.
func (a *API) teamEntry(r *http.Request, p *gateway.Principal, action, id string) *gateway.AuditEntry {
	e := a.entry(r, p, action, teamTable, id)
	e.TeamID = id
	return e
}

// withinOrganization refuses a team that may more than its organization.
func (a *API) withinOrganization(ctx context.Context, t *gateway.Team) error {
	if t.OrganizationID == "" {
		return nil
	}
	o, err := a.store.Organization(ctx, t.OrganizationID)
	if err != nil {
		return notFound(err, "organization_id", "Organization not found for organization_id=%s", t.OrganizationID)
	}
	if lent := a.directory.Organization(o.ID); lent != nil {
		o = lent // with the limits of its budget
	}
	if len(o.Models) > 0 {
		for _, model := range t.Models { // without any it has all of the organization's
			if !listed(o.Models, model) {
				return invalid("models", "Model '%s' not allowed for organization %s. Organization's models=%v", model, o.ID, o.Models)
			}
		}
	}
	if most := o.Limits.Budget; most != nil && t.Limits.Budget != nil && *t.Limits.Budget > *most {
		return invalid("max_budget", "Team max_budget (%s) exceeds organization's max_budget (%s). Organization=%s", usd(*t.Limits.Budget), usd(*most), o.ID)
	}
	for _, l := range []struct {
		name       string
		mine, most *int64
	}{{"tpm_limit", t.Limits.TPM, o.Limits.TPM}, {"rpm_limit", t.Limits.RPM, o.Limits.RPM}} {
		if l.mine != nil && l.most != nil && *l.mine > *l.most {
			return invalid(l.name, "Team %s (%d) exceeds organization's %s (%d). Organization=%s", l.name, *l.mine, l.name, *l.most, o.ID)
		}
	}
	return nil
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

type teamUpdated struct {
	TeamID string  `json:"team_id"`
	Data   teamRow `json:"data"`
}

func (a *API) updateTeam(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f teamFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	if id := r.PathValue("team_id"); id != "" {
		f.ID = Opt[string]{Sent: true, Value: id}
	}
	if f.ID.Or("") == "" {
		return nil, malformed("team_id", "team_id is missing: say which team to change")
	}
	now := a.now()
	if err := f.check(now); err != nil {
		return nil, err
	}
	ctx, id := r.Context(), f.ID.Value
	if _, err := a.teamFor(ctx, p, auth.Change, id); err != nil {
		return nil, err
	}
	t, err := a.editTeam(r, p, id, &f.limitFields, func(t *gateway.Team) error {
		f.referToBudget(t)
		logging, err := a.setLogging(p, t.Logging, &f.logs, teamPlace(id), teamPlace(id))
		if err != nil {
			return err
		}
		t.Logging = logging
		return f.apply(t, now)
	})
	if err != nil {
		return nil, err
	}
	if err := a.memberBudget(r, p, &f, t, now); err != nil {
		return nil, err
	}
	setUnused(w.Header(), f.unused()...)
	return &teamUpdated{TeamID: id, Data: a.teamRow(t)}, nil
}

// editTeam changes a team that the caller may change, before and after. limits,
// which may be nil, say what becomes of its spend.
func (a *API) editTeam(r *http.Request, p *gateway.Principal, id string, limits *limitFields, change func(*gateway.Team) error) (*gateway.Team, error) {
	return a.editTeamAs(r, p, changed, id, limits, change)
}

func (a *API) editTeamAs(r *http.Request, p *gateway.Principal, action, id string, limits *limitFields, change func(*gateway.Team) error) (*gateway.Team, error) {
	return a.editTeamBy(r, p, action, id, limits, func(ctx context.Context, change func(*gateway.Team) error) (*gateway.Team, error) {
		return a.store.UpdateTeam(ctx, id, change)
	}, change)
}

// editTeamBy is editTeam for a write that update makes, with an action for the
// audit log.
func (a *API) editTeamBy(r *http.Request, p *gateway.Principal, action, id string, limits *limitFields,
	update func(context.Context, func(*gateway.Team) error) (*gateway.Team, error), change func(*gateway.Team) error,
) (*gateway.Team, error) {
	ctx, now := r.Context(), a.now()
	if limits == nil {
		limits = new(limitFields)
	}
	if limits.touchesSpend() {
		if err := a.flush(ctx); err != nil {
			return nil, err
		}
	}
	e := a.teamEntry(r, p, action, id)
	t, err := update(store.Audited(ctx, e), func(t *gateway.Team) error {
		if err := a.directory.MayTeam(p, auth.Change, id, t); err != nil {
			return err
		}
		was := *t
		was.Members = slices.Clone(t.Members)
		e.Before = snapshot(a.teamRow(t))
		respend := limits.respend(a, &t.Spend, &t.Limits, now, t.CreatedAt)
		if err := change(t); err != nil {
			return err
		}
		if err := a.mayTurnInto(ctx, p, limits, &was, t); err != nil {
			return err
		}
		respend()
		t.UpdatedAt, t.UpdatedBy = now, actor(p)
		e.After = snapshot(a.teamRow(t))
		return nil
	})
	if err != nil {
		return nil, notFound(err, "team_id", "Team not found, passed team_id=%s", id)
	}
	return t, a.changed(ctx, Change{Entity: TeamEntity, ID: id, Spend: limits.Spend.Sent})
}

// mayTurnInto decides about a team as it will be. Its own admins are bound by
// what they were given: only proxy admins and the organization's admins raise a
// team's limits, unblock it or move it.
func (a *API) mayTurnInto(ctx context.Context, p *gateway.Principal, f *limitFields, was, t *gateway.Team) error {
	within := func() error {
		if was.OrganizationID == t.OrganizationID && slices.Equal(was.Models, t.Models) && !f.MaxBudget.Sent && !f.TPM.Sent && !f.RPM.Sent {
			return nil
		}
		return a.withinOrganization(ctx, t)
	}
	if a.directory.MayTeam(p, auth.Remove, was.ID, was) == nil { // who could delete it
		if err := a.directory.MayTeam(p, auth.Change, t.ID, t); err != nil {
			return err
		}
		return within()
	}
	for _, x := range []struct {
		name string
		does bool
	}{
		{"organization_id", was.OrganizationID != t.OrganizationID},
		{"blocked", was.Blocked && !t.Blocked && !a.blockedByItsAdmin(ctx, was)},
		{"spend", f.Spend.Sent},
		{"max_budget", raised(was.Limits.Budget, t.Limits.Budget)},
		{"tpm_limit", raised(was.Limits.TPM, t.Limits.TPM)},
		{"rpm_limit", raised(was.Limits.RPM, t.Limits.RPM)},
		{"tpd_limit", raised(was.Limits.TPD, t.Limits.TPD)},
		{"max_parallel_requests", raised(was.Limits.Parallel, t.Limits.Parallel)},
		{"budget_duration", was.Limits.Budget != nil && was.Limits.BudgetDuration != t.Limits.BudgetDuration},
		{"budget_limits", len(was.Limits.Budgets) > 0 && !slices.Equal(was.Limits.Budgets, t.Limits.Budgets)},
		{"model_max_budget", modelsRaised(was.Limits.Models, t.Limits.Models)},
		{"enforce", t.Limits.Shadow && !was.Limits.Shadow},
		{"temp_budget_increase", t.Limits.Raise > was.Limits.Raise || t.Limits.RaiseUntil.After(was.Limits.RaiseUntil)},
		{"models", len(was.Models) > 0 && (len(t.Models) == 0 || slices.ContainsFunc(t.Models, func(m string) bool { return m != noModels && !listed(was.Models, m) }))},
		{"access_group_ids", slices.ContainsFunc(t.AccessGroupIDs, func(group string) bool { return !slices.Contains(was.AccessGroupIDs, group) })},
		{"metadata.allow_litellm_changed_by_header", allowsChangedBy(t.Metadata) && !allowsChangedBy(was.Metadata)},
	} {
		if x.does {
			return &gateway.Error{
				Kind: gateway.Forbidden, Param: x.name,
				Message: fmt.Sprintf("Only proxy admins and admins of the team's organization can raise or move this: %s. team_id=%s", x.name, was.ID),
			}
		}
	}
	return within()
}

// raised reports whether a ceiling is higher than it was; none is the highest.
func raised[N ~int64](was, now *N) bool {
	return was != nil && (now == nil || *now > *was)
}

// modelsRaised reports whether a ceiling on a model is higher than it was.
func modelsRaised(was, now map[string]gateway.ModelLimits) bool {
	for name, w := range was {
		n := now[name]
		b := w.Budget
		if raised(w.RPM, n.RPM) || raised(w.TPM, n.TPM) || raised(w.InputTPM, n.InputTPM) || raised(w.OutputTPM, n.OutputTPM) ||
			b != nil && (n.Budget == nil || n.Budget.Amount > b.Amount || n.Budget.Duration != b.Duration) {
			return true
		}
	}
	return false
}

// teamFor returns a team if the caller may do this to it. Only who may see every
// team is told that one does not exist.
func (a *API) teamFor(ctx context.Context, p *gateway.Principal, do auth.Act, id string) (*gateway.Team, error) {
	t, err := a.store.Team(ctx, id)
	return permitted(t, err, a.directory.MayTeam(p, do, id, t), notFound(err, "team_id", "Team not found, passed team_id=%s", id))
}

// teamIDBody is the body of POST /team/block and its like.
type teamIDBody struct {
	ID Opt[string] `json:"team_id"`
	unknown
}

func (a *API) blockTeam(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.setTeamBlocked(w, r, p, true)
}

func (a *API) unblockTeam(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.setTeamBlocked(w, r, p, false)
}

func (a *API) setTeamBlocked(w http.ResponseWriter, r *http.Request, p *gateway.Principal, block bool) (any, error) {
	var b teamIDBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	id := b.ID.Or("")
	if id == "" {
		return nil, malformed("team_id", "team_id is missing: say which team")
	}
	if _, err := a.teamFor(r.Context(), p, auth.Change, id); err != nil {
		return nil, err
	}
	action := blocked
	if !block {
		action = unblocked
	}
	t, err := a.editTeamAs(r, p, action, id, nil, func(t *gateway.Team) error { t.Blocked = block; return nil })
	if err != nil {
		return nil, err
	}
	row := a.teamRow(t)
	return &row, nil
}

// teamIDsBody is the body of POST /team/delete.
type teamIDsBody struct {
	IDs Opt[[]string] `json:"team_ids"`
	unknown
}

type teamsDeleted struct {
	Deleted []string `json:"deleted_teams"`
}

// deleteTeams deletes teams with their keys and projects.
func (a *API) deleteTeams(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b teamIDsBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx := r.Context()
	ids := slices.Compact(slices.Sorted(slices.Values(b.IDs.Value)))
	switch n := len(ids); {
	case n == 0:
		return nil, invalid("team_ids", "team_ids is missing: pass a list of ids of teams")
	case n > maxBulk:
		return nil, invalid("team_ids", "%d teams are too many for one call, at most %d are deleted at once", n, maxBulk)
	}
	var entries []*gateway.AuditEntry
	var changes []Change
	for _, id := range ids {
		t, err := a.teamFor(ctx, p, auth.Remove, id)
		if err != nil {
			return nil, err
		}
		teamEntries, teamChanges, err := a.teamGone(r, p, t)
		if err != nil {
			return nil, err
		}
		entries, changes = append(entries, teamEntries...), append(changes, teamChanges...)
	}
	gone, err := a.store.DeleteTeams(a.deleting(store.Audited(ctx, entries...), r, p), ids)
	if err != nil {
		return nil, err
	}
	return &teamsDeleted{Deleted: gone}, a.changed(ctx, changes...)
}

// teamGone returns what is to be told of a team that is about to be deleted, with
// its keys and projects.
func (a *API) teamGone(r *http.Request, p *gateway.Principal, t *gateway.Team) ([]*gateway.AuditEntry, []Change, error) {
	e := a.teamEntry(r, p, removed, t.ID)
	e.Before = snapshot(a.teamRow(t))
	entries, changes := []*gateway.AuditEntry{e}, []Change{{Entity: TeamEntity, ID: t.ID, Deleted: true}}
	for _, m := range t.Members {
		changes = append(changes, Change{Entity: UserEntity, ID: m.UserID})
	}
	keyEntries, keyChanges, err := a.keysGone(r, p, store.KeyFilter{TeamID: t.ID})
	if err != nil {
		return nil, nil, err
	}
	entries, changes = append(entries, keyEntries...), append(changes, keyChanges...)
	projects, _, err := a.store.ListProjects(r.Context(), store.ProjectFilter{TeamID: t.ID}, store.Page{Limit: 10_000})
	if err != nil {
		return nil, nil, err
	}
	for _, j := range projects {
		e := a.projectEntry(r, p, removed, j)
		e.Before = snapshot(a.projectRow(j))
		entries = append(entries, e)
		changes = append(changes, Change{Entity: ProjectEntity, ID: j.ID, Deleted: true})
	}
	return entries, changes, nil
}

// keysGone returns what is to be told of keys that are about to be deleted with
// whom they belong to.
func (a *API) keysGone(r *http.Request, p *gateway.Principal, f store.KeyFilter) ([]*gateway.AuditEntry, []Change, error) {
	var entries []*gateway.AuditEntry
	var changes []Change
	after := ""
	for {
		next := ""
		keys, _, err := a.store.ListKeys(r.Context(), f, store.Page{Limit: maxKeys, After: after, Next: &next})
		if err != nil {
			return nil, nil, err
		}
		for _, k := range keys {
			e := a.keyEntry(r, p, removed, k)
			e.Before = snapshot(a.keyRow(k))
			entries = append(entries, e)
			changes = append(changes, Change{Entity: KeyEntity, ID: k.Hash, Deleted: true})
		}
		if after = next; after == "" {
			return entries, changes, nil
		}
	}
}

// teamModelsBody is the body of POST /team/model/add and /team/model/delete.
type teamModelsBody struct {
	ID     Opt[string]   `json:"team_id"`
	Models Opt[[]string] `json:"models"`
	unknown
}

// noModels in a list of models has it not be empty, which would allow all.
const noModels = "no-default-models"

func (a *API) addTeamModels(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.editTeamModels(w, r, p, func(have, models []string) []string {
		have = slices.DeleteFunc(have, func(m string) bool { return m == noModels })
		for _, m := range models {
			if !slices.Contains(have, m) {
				have = append(have, m)
			}
		}
		return have
	})
}

func (a *API) deleteTeamModels(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.editTeamModels(w, r, p, func(have, models []string) []string {
		return slices.DeleteFunc(slices.Clone(have), func(m string) bool { return slices.Contains(models, m) })
	})
}

func (a *API) editTeamModels(w http.ResponseWriter, r *http.Request, p *gateway.Principal, edit func(have, models []string) []string) (any, error) {
	var b teamModelsBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	id := b.ID.Or("")
	switch {
	case id == "":
		return nil, malformed("team_id", "team_id is missing: say which team")
	case len(b.Models.Value) == 0:
		return nil, malformed("models", "models is missing: pass a list of models")
	}
	if err := checkTexts("models", b.Models.Value); err != nil {
		return nil, err
	}
	if _, err := a.teamFor(r.Context(), p, auth.Change, id); err != nil {
		return nil, err
	}
	t, err := a.editTeam(r, p, id, nil, func(t *gateway.Team) error {
		left := edit(slices.Clone(t.Models), b.Models.Value)
		if len(t.Models) > 0 && len(left) == 0 {
			// An empty list is every model: the opposite of what was asked for.
			left = []string{noModels}
		}
		t.Models = left
		return nil
	})
	if err != nil {
		return nil, err
	}
	row := a.teamRow(t)
	return &row, nil
}
