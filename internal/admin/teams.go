package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

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
