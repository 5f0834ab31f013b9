package admin

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// Here an access group is a name that deployments have (model_info.access_groups).
// Those of the database are changed here, those of the configuration there.

// modelAccessBody is the body of POST /access_group/new and PUT
// /access_group/{access_group}/update.
type modelAccessBody struct {
	Group Opt[string]   `json:"access_group"`
	Names Opt[[]string] `json:"model_names"`
	IDs   Opt[[]string] `json:"model_ids"`
	unknown
}

// check refuses a body that names no models.
func (b *modelAccessBody) check() error {
	for _, l := range []struct {
		name string
		ids  []string
	}{{"model_names", b.Names.Value}, {"model_ids", b.IDs.Value}} {
		if len(l.ids) > maxBulk {
			return invalid(l.name, "%s: %d are too many, at most %d can be named at once", l.name, len(l.ids), maxBulk)
		}
		if err := checkTexts(l.name, l.ids); err != nil {
			return err
		}
	}
	if len(b.Names.Value)+len(b.IDs.Value) == 0 {
		return invalid("model_names", "Either model_names or model_ids must be provided and non-empty")
	}
	return nil
}

// modelAccessDone says which deployments a group has now.
type modelAccessDone struct {
	Group   string    `json:"access_group"`
	Names   *[]string `json:"model_names"`
	IDs     *[]string `json:"model_ids"`
	Updated int       `json:"models_updated"`
}

type modelAccessGone struct {
	Group   string `json:"access_group"`
	Updated int    `json:"models_updated"`
	Message string `json:"message"`
}

// modelAccessRow is an access group of deployments.
type modelAccessRow struct {
	Group       string         `json:"access_group"`
	Names       []string       `json:"model_names"`
	Deployments int            `json:"deployment_count"`
	Spend       usd            `json:"spend"`
	Budget      *groupBudgetOf `json:"budget"`
}

type modelAccessList struct {
	Groups []*modelAccessRow `json:"access_groups"`
}

// groupBudgetOf is the budget of an access group.
type groupBudgetOf struct {
	ID         *string    `json:"budget_id"`
	MaxBudget  *usd       `json:"max_budget"`
	SoftBudget *usd       `json:"soft_budget"`
	Duration   *string    `json:"budget_duration"`
	ResetAt    *time.Time `json:"budget_reset_at"`
}

type groupBudgetRow struct {
	Group  string         `json:"access_group"`
	Spend  usd            `json:"spend"`
	Budget *groupBudgetOf `json:"budget"`
}

type groupBudgetGone struct {
	Group   string `json:"access_group"`
	Deleted bool   `json:"budget_deleted"`
	Message string `json:"message"`
}

// groupBudgetFields is the body of PUT /access_group/{access_group}/budget. It
// takes no other fields, as with LiteLLM.
type groupBudgetFields struct {
	BudgetID       Opt[string] `json:"budget_id"`
	MaxBudget      Opt[usd]    `json:"max_budget"`
	SoftBudget     Opt[usd]    `json:"soft_budget"`
	BudgetDuration Opt[string] `json:"budget_duration"`
	unknown
}

// modelAccess are the access groups of the deployments that are served.
func (a *API) modelAccess() map[string]*modelAccessRow {
	groups := map[string]*modelAccessRow{}
	for _, m := range a.o.Models() {
		for _, name := range m.Deployment.AccessGroups {
			g := groups[name]
			if g == nil {
				g = &modelAccessRow{Group: name, Names: []string{}}
				groups[name] = g
			}
			g.Deployments++
			if public := publicName(m.Deployment); !slices.Contains(g.Names, public) {
				g.Names = append(g.Names, public)
			}
		}
	}
	for _, g := range groups {
		slices.Sort(g.Names)
	}
	return groups
}

// budgeted adds to a group what it may spend, and has.
func (a *API) budgeted(ctx context.Context, g *modelAccessRow) (*modelAccessRow, error) {
	b, err := a.store.GroupBudget(ctx, g.Group)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return g, nil
	case err != nil:
		return nil, err
	}
	row := a.groupBudgetRow(b)
	g.Spend, g.Budget = row.Spend, row.Budget
	return g, nil
}

func (a *API) groupBudgetRow(b *gateway.GroupBudget) *groupBudgetRow {
	t := a.budgetTable(b.BudgetID, &b.Limits, b.CreatedAt)
	row := &groupBudgetRow{Group: b.Name, Spend: a.spend(GroupBudgetEntity, b.Name, &b.Spend, &b.Limits, b.BudgetID, b.CreatedAt)}
	if t != nil {
		row.Budget = &groupBudgetOf{t.BudgetID, t.MaxBudget, t.SoftBudget, t.BudgetDuration, t.BudgetResetAt}
	}
	return row
}

func noModelGroup(group string) error {
	return &gateway.Error{Kind: gateway.NotFound, Param: "access_group", Message: "Access group '" + group + "' not found"}
}

func (a *API) listModelAccess(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	groups := a.modelAccess()
	out := &modelAccessList{Groups: []*modelAccessRow{}}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		g, err := a.budgeted(r.Context(), groups[name])
		if err != nil {
			return nil, err
		}
		out.Groups = append(out.Groups, g)
	}
	return out, nil
}

func (a *API) modelAccessInfo(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	name := r.PathValue("access_group")
	g := a.modelAccess()[name]
	if g == nil {
		return nil, noModelGroup(name)
	}
	return a.budgeted(r.Context(), g)
}

// newModelAccess gives deployments a new group.
func (a *API) newModelAccess(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b modelAccessBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	group := b.Group.Or("")
	if strings.TrimSpace(group) == "" {
		return nil, invalid("access_group", "access_group is required and cannot be empty")
	}
	if err := checkText("access_group", group); err != nil {
		return nil, err
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	return a.setModelAccess(r, p, group, created, &b, func(has bool) error {
		if !has {
			return nil
		}
		e := invalid("access_group", "Access group '%s' already exists. Use PUT /access_group/%s/update to modify it.", group, group)
		e.Status = http.StatusConflict
		return e
	})
}

// updateModelAccess has the group be that of the deployments that are named, and
// of no others in the database.
func (a *API) updateModelAccess(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b modelAccessBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	group := r.PathValue("access_group")
	return a.setModelAccess(r, p, group, changed, &b, func(has bool) error {
		if has {
			return nil
		}
		return noModelGroup(group)
	})
}

// setModelAccess gives the group to the stored deployments that b names and takes
// it from others, all or nothing. may decides by whether there is such a group.
func (a *API) setModelAccess(r *http.Request, p *gateway.Principal, group, action string, b *modelAccessBody, may func(has bool) error) (any, error) {
	if err := a.storesModels(); err != nil {
		return nil, err
	}
	served := a.o.Models()
	if len(b.IDs.Value) == 0 { // ids are more precise, and go before names
		var missing []string
		for _, name := range b.Names.Value {
			if !slices.ContainsFunc(served, func(m Model) bool { return publicName(m.Deployment) == name || m.Deployment.Group == name }) {
				missing = append(missing, name)
			}
		}
		if len(missing) > 0 {
			return nil, invalid("model_names", "Model(s) not found: %s", strings.Join(missing, ", "))
		}
	}
	has := slices.ContainsFunc(served, func(m Model) bool { return slices.Contains(m.Deployment.AccessGroups, group) })
	ids, given, err := a.editModelAccess(r, p, group, action, func(stored []*gateway.StoredModel) (map[string]bool, error) {
		if err := may(has || slices.ContainsFunc(stored, func(m *gateway.StoredModel) bool { return slices.Contains(groupsIn(m.Info), group) })); err != nil {
			return nil, err
		}
		return b.named(stored)
	})
	if err != nil {
		return nil, err
	}
	return &modelAccessDone{group, b.Names.Ptr(), b.IDs.Ptr(), given}, a.modelsChanged(r.Context(), ids)
}

// named returns the ids of the stored deployments that b names.
func (b *modelAccessBody) named(stored []*gateway.StoredModel) (map[string]bool, error) {
	ids := map[string]bool{}
	for _, id := range b.IDs.Value {
		if !slices.ContainsFunc(stored, func(m *gateway.StoredModel) bool { return m.ID == id }) {
			return nil, invalid("model_ids", "Deployment with model_id '%s' not found in Database.", id)
		}
		ids[id] = true
	}
	if len(ids) > 0 {
		return ids, nil
	}
	for _, name := range b.Names.Value {
		found := false
		for _, m := range stored {
			if m.Name == name || m.TeamID != "" && textOf(m.Info, "team_public_model_name") == name {
				ids[m.ID], found = true, true
			}
		}
		if !found {
			return nil, invalid("model_names", "Can't find model '%s' in Database. Access group management is only supported for database models.", name)
		}
	}
	return ids, nil
}

// editModelAccess has the group be that of the stored deployments that choose
// names. It returns the ids of those that were changed, and how many were given
// the group.
func (a *API) editModelAccess(r *http.Request, p *gateway.Principal, group, action string, choose func([]*gateway.StoredModel) (map[string]bool, error)) (ids []string, given int, err error) {
	e := a.entry(r, p, action, modelTable, group)
	row := func(stored []*gateway.StoredModel) []byte {
		var have []string
		for _, m := range stored {
			if slices.Contains(groupsIn(m.Info), group) {
				have = append(have, m.ID)
			}
		}
		return snapshot(&modelAccessDone{Group: group, IDs: &have, Updated: len(have)})
	}
	ids, err = a.store.EditStoredModels(store.Audited(r.Context(), e), func(stored []*gateway.StoredModel) ([]*gateway.StoredModel, error) {
		want, err := choose(stored)
		if err != nil {
			return nil, err
		}
		e.Before, given = row(stored), 0
		var edited []*gateway.StoredModel
		for _, m := range stored {
			have := groupsIn(m.Info)
			if slices.Contains(have, group) == want[m.ID] {
				continue
			}
			have = slices.DeleteFunc(have, func(s string) bool { return s == group })
			if want[m.ID] {
				have = append(have, group)
				given++
			}
			m.Info = withGroups(m.Info, have)
			m.UpdatedAt, m.UpdatedBy = a.now(), actor(p)
			edited = append(edited, m)
		}
		e.After = row(stored)
		return edited, nil
	})
	return ids, given, err
}

func (a *API) modelsChanged(ctx context.Context, ids []string) error {
	changes := make([]Change, len(ids))
	for i, id := range ids {
		changes[i] = Change{Entity: ModelEntity, ID: id}
	}
	if len(changes) == 0 {
		return nil
	}
	return a.changed(ctx, changes...)
}

// groupsIn are the access groups that a model_info has.
func groupsIn(info []byte) []string {
	var i struct {
		Groups []string `json:"access_groups"`
	}
	if len(info) == 0 || json.Unmarshal(info, &i) != nil {
		return nil // no list of names: the model is served without a group
	}
	return i.Groups
}

// withGroups returns model_info with these access groups.
func withGroups(info []byte, groups []string) []byte {
	if len(groups) == 0 {
		return setMember(obj(info), "access_groups", jsontext.Value("[]"))
	}
	raw, err := json.Marshal(groups)
	if err != nil {
		return info // broken UTF-8, which no decoder lets in
	}
	return setMember(obj(info), "access_groups", raw)
}

// deleteModelAccess takes a group from all deployments, with its budget.
func (a *API) deleteModelAccess(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	ctx, group := r.Context(), r.PathValue("access_group")
	has := false
	for _, m := range a.o.Models() {
		if !slices.Contains(m.Deployment.AccessGroups, group) {
			continue
		}
		if has = true; !m.Deployment.Stored {
			return nil, invalid("access_group", "Access group '%s' is one of model '%s' in the configuration: take it from its model_info.access_groups there.", group, publicName(m.Deployment))
		}
	}
	if err := a.storesModels(); err != nil && has {
		return nil, err
	}
	ids, _, err := a.editModelAccess(r, p, group, removed, func(stored []*gateway.StoredModel) (map[string]bool, error) {
		if !has && !slices.ContainsFunc(stored, func(m *gateway.StoredModel) bool { return slices.Contains(groupsIn(m.Info), group) }) {
			return nil, noModelGroup(group)
		}
		return nil, nil
	})
	if err != nil {
		return nil, err
	}
	if err := a.modelsChanged(ctx, ids); err != nil {
		return nil, err
	}
	// A stored group of the name keeps its budget: it is still spent through it.
	if g := a.directory.AccessGroup(group); g == nil || g.Name != group {
		if _, err := a.dropGroupBudget(r, p, group); err != nil {
			return nil, err
		}
	}
	return &modelAccessGone{group, len(ids), "Access group '" + group + "' deleted successfully"}, nil
}

// knownGroup refuses a name that is no access group's, of deployments or stored.
func (a *API) knownGroup(ctx context.Context, group string) error {
	if a.modelAccess()[group] != nil {
		return nil
	}
	_, n, err := a.store.ListAccessGroups(ctx, store.AccessGroupFilter{Name: group}, store.Page{Limit: 1})
	if err == nil && (n == 0 || group == "") {
		return noModelGroup(group)
	}
	return err
}

func (a *API) groupBudget(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	ctx, group := r.Context(), r.PathValue("access_group")
	b, err := a.store.GroupBudget(ctx, group)
	switch {
	case err == nil:
		return a.groupBudgetRow(b), nil
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	if err := a.knownGroup(ctx, group); err != nil {
		return nil, err
	}
	return &groupBudgetRow{Group: group}, nil
}

// setGroupBudget sets what may be spent through a group; null clears.
func (a *API) setGroupBudget(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f groupBudgetFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	if names := slices.Sorted(maps.Keys(f.Unknown)); len(names) > 0 {
		return nil, malformed(names[0], "%s: there is no such field of an access group's budget", strings.Join(names, ", "))
	}
	if !f.BudgetID.Sent && !f.MaxBudget.Sent && !f.SoftBudget.Sent && !f.BudgetDuration.Sent {
		return nil, invalid("max_budget", "One of max_budget, soft_budget, budget_duration or budget_id is required")
	}
	ctx, now, group := r.Context(), a.now(), r.PathValue("access_group")
	l := &limitFields{MaxBudget: f.MaxBudget, SoftBudget: f.SoftBudget, BudgetDuration: f.BudgetDuration}
	if err := l.check(now); err != nil {
		return nil, err
	}
	if err := l.oneBudget(f.BudgetID); err != nil {
		return nil, err
	}
	if err := checkText("budget_id", f.BudgetID.Value); err != nil {
		return nil, err
	}
	if err := a.budgetExists(ctx, "budget_id", f.BudgetID.Or("")); err != nil {
		return nil, err
	}
	if err := a.knownGroup(ctx, group); err != nil {
		return nil, err
	}
	if err := a.settle(r, l); err != nil {
		return nil, err
	}
	apply := func(b *gateway.GroupBudget) {
		switch {
		case f.BudgetID.Has(): // instead of a budget of its own
			b.BudgetID, b.Limits = f.BudgetID.Value, gateway.Limits{}
		case f.BudgetID.Sent || f.MaxBudget.Has():
			b.BudgetID = ""
		}
		l.apply(&b.Limits, now)
		b.UpdatedAt, b.UpdatedBy = now, actor(p)
	}
	e := a.entry(r, p, changed, groupBudgetTable, group)
	b, err := a.store.UpdateGroupBudget(store.Audited(ctx, e), group, func(b *gateway.GroupBudget) error {
		e.Before = snapshot(a.groupBudgetRow(b))
		respend := l.respend(a, &b.Spend, &b.Limits, now, b.CreatedAt)
		apply(b)
		respend()
		e.After = snapshot(a.groupBudgetRow(b))
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		b = &gateway.GroupBudget{Name: group, CreatedAt: now, CreatedBy: actor(p)}
		apply(b)
		e = a.entry(r, p, created, groupBudgetTable, group)
		e.After = snapshot(a.groupBudgetRow(b))
		if err = a.store.CreateGroupBudget(store.Audited(ctx, e), b); err == nil {
			b, err = a.store.GroupBudget(ctx, group) // with what was spent before
		}
		err = taken(err, &gateway.Error{Kind: gateway.Unavailable, Message: "somebody else has set the budget meanwhile: look at it and try again"})
	}
	if err != nil {
		return nil, err
	}
	if err := a.changed(ctx, Change{Entity: GroupBudgetEntity, ID: group}); err != nil {
		return nil, err
	}
	return a.groupBudgetRow(b), nil
}

// dropGroupBudget deletes the budget of a group and reports whether it had one.
func (a *API) dropGroupBudget(r *http.Request, p *gateway.Principal, group string) (bool, error) {
	ctx := r.Context()
	b, err := a.store.GroupBudget(ctx, group)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	e := a.entry(r, p, removed, groupBudgetTable, group)
	e.Before = snapshot(a.groupBudgetRow(b))
	if _, err := a.store.DeleteGroupBudgets(store.Audited(ctx, e), []string{group}); err != nil {
		return false, err
	}
	return true, a.changed(ctx, Change{Entity: GroupBudgetEntity, ID: group, Deleted: true})
}

func (a *API) deleteGroupBudget(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	group := r.PathValue("access_group")
	dropped, err := a.dropGroupBudget(r, p, group)
	if err != nil {
		return nil, err
	}
	if dropped {
		return &groupBudgetGone{group, true, "Budget for access group '" + group + "' deleted successfully"}, nil
	}
	if err := a.knownGroup(r.Context(), group); err != nil {
		return nil, err
	}
	return &groupBudgetGone{group, false, "Access group '" + group + "' has no budget to delete"}, nil
}
