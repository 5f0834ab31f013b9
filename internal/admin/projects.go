package admin

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// projectFields are the fields of /project/new and /project/update.
type projectFields struct {
	limitFields
	keptFields
	ID          Opt[string]   `json:"project_id"`
	Alias       Opt[string]   `json:"project_alias"`
	Description Opt[string]   `json:"description"`
	TeamID      Opt[string]   `json:"team_id"`
	BudgetID    Opt[string]   `json:"budget_id"`
	Models      Opt[[]string] `json:"models"`
	Tags        Opt[[]string] `json:"tags"`
	Metadata    Opt[object]   `json:"metadata"`
	Blocked     Opt[bool]     `json:"blocked"`
	unknown
}

func (f projectFields) unknownFields() map[string]jsontext.Value { return f.unknownLimits(f.Unknown) }

// ownBudget is how budgets call the limits that a project has of its own. LiteLLM
// keeps those in a budget that nobody else refers to, and its Terraform provider
// sets their duration with /budget/update.
func ownBudget(projectID string) string { return ownBudgetPrefix + projectID }

const ownBudgetPrefix = "project:"

// check refuses what no project can be.
func (f *projectFields) check(now time.Time) error {
	if f.BudgetID.Has() && f.BudgetID.Value == ownBudget(f.ID.Value) {
		f.BudgetID = Opt[string]{} // a client sends back what it was shown
	}
	if err := liftMeta(&f.Metadata, &f.finerFields, &f.Tags, nil, nil, nil); err != nil {
		return err
	}
	for _, t := range []struct{ name, value string }{
		{"project_id", f.ID.Value}, {"project_alias", f.Alias.Value}, {"team_id", f.TeamID.Value}, {"budget_id", f.BudgetID.Value},
	} {
		if err := checkText(t.name, t.value); err != nil {
			return err
		}
	}
	if err := checkTexts("models", f.Models.Value); err != nil {
		return err
	}
	if err := checkTexts("tags", f.Tags.Value); err != nil {
		return err
	}
	if err := f.keptFields.check(); err != nil {
		return err
	}
	return f.limitFields.check(now)
}

// apply changes in j what was sent; null clears.
func (f *projectFields) apply(j *gateway.Project, now time.Time) {
	setText(&j.Alias, f.Alias)
	setText(&j.Description, f.Description)
	setText(&j.TeamID, f.TeamID)
	setText(&j.BudgetID, f.BudgetID)
	setList(&j.Models, f.Models)
	setList(&j.Tags, f.Tags)
	setObject(&j.Metadata, f.Metadata)
	f.keptFields.apply(&j.Metadata)
	if f.Blocked.Sent {
		j.Blocked = f.Blocked.Or(false)
	}
	f.limitFields.apply(&j.Limits, now)
}

// projectRow is a project as the management API shows it.
type projectRow struct {
	limitsRow
	ProjectID   string         `json:"project_id"`
	Alias       *string        `json:"project_alias"`
	Description *string        `json:"description"`
	TeamID      *string        `json:"team_id"`
	BudgetID    *string        `json:"budget_id"`
	BudgetTable *budgetRow     `json:"litellm_budget_table"`
	Models      []string       `json:"models"`
	Tags        []string       `json:"tags"`
	Metadata    jsontext.Value `json:"metadata"`
	Spend       usd            `json:"spend"`
	TotalSpend  usd            `json:"total_spend"`
	ModelSpend  empty          `json:"model_spend"`
	Blocked     bool           `json:"blocked"`
	ObjPerm     none           `json:"object_permission"`
	CreatedAt   *time.Time     `json:"created_at"`
	CreatedBy   *string        `json:"created_by"`
	UpdatedAt   *time.Time     `json:"updated_at"`
	UpdatedBy   *string        `json:"updated_by"`
}

func (a *API) projectRow(j *gateway.Project) projectRow {
	now, l := a.now(), &j.Limits
	if lent := a.directory.Project(j.ID); lent != nil && j.BudgetID != "" {
		l = &lent.Limits // with those of its budget
	}
	budget := text(j.BudgetID)
	if budget == nil && !reflect.ValueOf(j.Limits).IsZero() {
		budget = text(ownBudget(j.ID))
	}
	return projectRow{
		limitsRow: a.limitsRow(&j.Limits, now, j.CreatedAt),
		ProjectID: j.ID, Alias: text(j.Alias), Description: text(j.Description), TeamID: text(j.TeamID), BudgetID: budget,
		BudgetTable: &budgetRow{budget, []string{}, a.limitsRow(l, now, j.CreatedAt)},
		Models:      list(j.Models), Tags: list(j.Tags), Metadata: metadataRow(j.Metadata, &j.Limits, shownMeta{Tags: j.Tags}),
		Spend: usd(a.live(ProjectEntity, j.ID, &j.Spend, l, now, j.CreatedAt)), TotalSpend: usd(j.Spend.Total), Blocked: j.Blocked,
		CreatedAt: stamp(j.CreatedAt), CreatedBy: text(j.CreatedBy), UpdatedAt: stamp(j.UpdatedAt), UpdatedBy: text(j.UpdatedBy),
	}
}

func (a *API) projectEntry(r *http.Request, p *gateway.Principal, action string, j *gateway.Project) *gateway.AuditEntry {
	e := a.entry(r, p, action, projectTable, j.ID)
	e.TeamID = j.TeamID
	return e
}

func (a *API) newProject(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f projectFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	if err := f.check(now); err != nil {
		return nil, err
	}
	if f.TeamID.Or("") == "" {
		return nil, malformed("team_id", "team_id is missing: a project belongs to a team")
	}
	j := &gateway.Project{ID: f.ID.Or(""), CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now, UpdatedBy: actor(p)}
	if j.ID == "" {
		j.ID = uuid.NewString()
	}
	f.apply(j, now)
	a.setSpend(&j.Spend, &j.Limits, gateway.NanoUSD(f.Spend.Or(0)), now, now)
	j.Spend.Total = j.Spend.Window
	if err := a.directory.MayProject(p, auth.Create, j.ID, j); err != nil {
		return nil, err
	}
	if err := a.withinTeam(ctx, p, &f, j); err != nil {
		return nil, err
	}
	e := a.projectEntry(r, p, created, j)
	e.After = snapshot(a.projectRow(j))
	if err := a.store.CreateProject(store.Audited(ctx, e), j); err != nil {
		if _, taken := errors.AsType[store.ErrConflict](err); taken {
			return nil, invalid("project_id", "Project id = %s already exists. Please use a different project id.", j.ID)
		}
		return nil, err
	}
	if err := a.changed(ctx, Change{Entity: ProjectEntity, ID: j.ID}); err != nil {
		return nil, err
	}
	setUnused(w.Header(), f.unused()...)
	row := a.projectRow(j)
	return &row, nil
}

// withinTeam refuses a project that may more than its team, and what refers to
// nothing.
func (a *API) withinTeam(ctx context.Context, p *gateway.Principal, f *projectFields, j *gateway.Project) error {
	t, err := a.teamFor(ctx, p, auth.See, j.TeamID)
	if err != nil {
		return err
	}
	for _, model := range j.Models {
		if len(t.Models) > 0 && !listed(t.Models, model) {
			return invalid("models", "Model '%s' not in team's allowed models. Team allowed models=%v", model, t.Models)
		}
	}
	if most := t.Limits.Budget; most != nil && j.Limits.Budget != nil && *j.Limits.Budget > *most {
		return invalid("max_budget", "Project max_budget (%s) exceeds team's max_budget (%s)", usd(*j.Limits.Budget), usd(*most))
	}
	for _, l := range []struct {
		name       string
		mine, most *int64
	}{{"tpm_limit", j.Limits.TPM, t.Limits.TPM}, {"rpm_limit", j.Limits.RPM, t.Limits.RPM}} {
		if l.mine != nil && l.most != nil && *l.mine > *l.most {
			return invalid(l.name, "Project %s (%d) exceeds team's %s (%d)", l.name, *l.mine, l.name, *l.most)
		}
	}
	return a.budgetExists(ctx, "budget_id", f.BudgetID.Or(""))
}

// projectFor returns a project if the caller may do this to it.
func (a *API) projectFor(ctx context.Context, p *gateway.Principal, do auth.Act, field, id string) (*gateway.Project, error) {
	j, err := a.store.Project(ctx, id)
	return permitted(j, err, a.directory.MayProject(p, do, id, j), notFound(err, field, "Project not found, project_id=%s", id))
}

func (a *API) updateProject(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f projectFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	if err := f.check(a.now()); err != nil {
		return nil, err
	}
	j, err := a.changeProject(r, p, &f)
	if err != nil {
		return nil, err
	}
	setUnused(w.Header(), f.unused()...)
	row := a.projectRow(j)
	return &row, nil
}

// changeProject changes the fields that were sent. f has been checked.
func (a *API) changeProject(r *http.Request, p *gateway.Principal, f *projectFields) (*gateway.Project, error) {
	ctx, now := r.Context(), a.now()
	id := f.ID.Or("")
	switch {
	case id == "":
		return nil, malformed("project_id", "project_id is missing: say which project to change")
	case f.TeamID.Sent && f.TeamID.Or("") == "":
		return nil, invalid("team_id", "team_id: a project belongs to a team, it cannot have none")
	}
	have, err := a.projectFor(ctx, p, auth.Change, "project_id", id)
	if err != nil {
		return nil, err
	}
	if f.touchesSpend() {
		if err := a.flush(ctx); err != nil {
			return nil, err
		}
	}
	e := a.projectEntry(r, p, changed, have)
	j, err := a.store.UpdateProject(store.Audited(ctx, e), id, func(j *gateway.Project) error {
		e.Before = snapshot(a.projectRow(j))
		respend := f.respend(a, &j.Spend, &j.Limits, now, j.CreatedAt)
		f.apply(j, now)
		if err := a.directory.MayProject(p, auth.Change, id, j); err != nil {
			return err
		}
		if err := a.withinTeam(ctx, p, f, j); err != nil {
			return err
		}
		respend()
		j.UpdatedAt, j.UpdatedBy = now, actor(p)
		e.After = snapshot(a.projectRow(j))
		return nil
	})
	if err != nil {
		return nil, notFound(err, "project_id", "Project not found, project_id=%s", id)
	}
	return j, a.changed(ctx, Change{Entity: ProjectEntity, ID: id, Spend: f.Spend.Sent})
}

// projectIDsBody is the body of DELETE /project/delete.
type projectIDsBody struct {
	IDs Opt[[]string] `json:"project_ids"`
	unknown
}

// deleteProjects deletes projects that no key is in.
func (a *API) deleteProjects(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b projectIDsBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx := r.Context()
	ids := slices.Compact(slices.Sorted(slices.Values(b.IDs.Value)))
	switch n := len(ids); {
	case n == 0:
		return nil, invalid("project_ids", "project_ids is missing: pass a list of ids of projects")
	case n > maxBulk:
		return nil, invalid("project_ids", "%d projects are too many for one call, at most %d are deleted at once", n, maxBulk)
	}
	var entries []*gateway.AuditEntry
	var changes []Change
	rows := []projectRow{}
	for _, id := range ids {
		j, err := a.projectFor(ctx, p, auth.Remove, "project_ids", id)
		if err != nil {
			return nil, err
		}
		_, keys, err := a.store.ListKeys(ctx, store.KeyFilter{ProjectID: id}, store.Page{Limit: 1})
		if err != nil {
			return nil, err
		}
		if keys > 0 {
			return nil, invalid("project_ids", "Cannot delete project %s. %d key(s) are associated with it. Please delete or reassign the keys first.", id, keys)
		}
		e := a.projectEntry(r, p, removed, j)
		e.Before = snapshot(a.projectRow(j))
		entries = append(entries, e)
		changes = append(changes, Change{Entity: ProjectEntity, ID: id, Deleted: true})
		rows = append(rows, a.projectRow(j))
	}
	if _, err := a.store.DeleteProjects(store.Audited(ctx, entries...), ids); err != nil {
		return nil, err
	}
	return rows, a.changed(ctx, changes...)
}

func (a *API) projectInfo(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := q.text("project_id")
	if q.err != nil {
		return nil, q.err
	}
	if id == "" {
		return nil, malformed("project_id", "project_id is missing: say which project to show with ?project_id=")
	}
	j, err := a.projectFor(r.Context(), p, auth.See, "project_id", id)
	if err != nil {
		return nil, err
	}
	row := a.projectRow(j)
	return &row, nil
}

// listProjects shows the projects of the teams that the caller is in, up to a
// thousand.
func (a *API) listProjects(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	f := store.ProjectFilter{TeamID: q.text("team_id"), Search: q.text("search")}
	if q.err != nil {
		return nil, q.err
	}
	if v := a.directory.View(p); !v.All {
		f.TeamIDs = list(v.Teams)
		for _, o := range v.Organizations {
			teams, _, err := a.store.ListTeams(r.Context(), store.TeamFilter{OrganizationID: o}, store.Page{Limit: maxTeams})
			if err != nil {
				return nil, err
			}
			for _, t := range teams {
				f.TeamIDs = append(f.TeamIDs, t.ID)
			}
		}
	}
	projects, total, err := a.store.ListProjects(r.Context(), f, store.Page{Limit: maxTeams, Desc: true})
	if err != nil {
		return nil, err
	}
	setTruncated(w.Header(), len(projects), total)
	rows := []projectRow{}
	for _, j := range projects {
		rows = append(rows, a.projectRow(j))
	}
	return rows, nil
}
