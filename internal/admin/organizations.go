package admin

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// organizationFields are the fields of /organization/new and /organization/update.
type organizationFields struct {
	limitFields
	ID               Opt[string]   `json:"organization_id"`
	Alias            Opt[string]   `json:"organization_alias"`
	BudgetID         Opt[string]   `json:"budget_id"`
	Models           Opt[[]string] `json:"models"`
	Metadata         Opt[object]   `json:"metadata"`
	ObjectPermission Opt[object]   `json:"object_permission"`
	unknown
}

func (f organizationFields) unknownFields() map[string]jsontext.Value {
	return f.unknownLimits(f.Unknown)
}

// check refuses what no organization can be.
func (f *organizationFields) check(now time.Time) error {
	if err := liftMeta(&f.Metadata, &f.finerFields, nil, nil, nil, nil); err != nil {
		return err
	}
	for _, t := range []struct{ name, value string }{
		{"organization_id", f.ID.Value}, {"organization_alias", f.Alias.Value}, {"budget_id", f.BudgetID.Value},
	} {
		if err := checkText(t.name, t.value); err != nil {
			return err
		}
	}
	if err := checkTexts("models", f.Models.Value); err != nil {
		return err
	}
	if err := f.oneBudget(f.BudgetID); err != nil {
		return err
	}
	return f.limitFields.check(now)
}

// apply changes in o what was sent; null clears.
func (f *organizationFields) apply(o *gateway.Organization, now time.Time) {
	setText(&o.Alias, f.Alias)
	setText(&o.BudgetID, f.BudgetID)
	setList(&o.Models, f.Models)
	setObject(&o.Metadata, f.Metadata)
	setObject(&o.ObjectPermission, f.ObjectPermission)
	f.limitFields.apply(&o.Limits, now)
}

// unused names the fields that were sent and that nothing acts on.
func (f *organizationFields) unused() []string {
	if f.ObjectPermission.Has() && asks(jsontext.Value(f.ObjectPermission.Value)) {
		return []string{"object_permission"}
	}
	return nil
}

// organizationRow is an organization as the management API shows it.
type organizationRow struct {
	limitsRow
	ID          string         `json:"organization_id"`
	Alias       *string        `json:"organization_alias"`
	BudgetID    *string        `json:"budget_id"`
	Spend       usd            `json:"spend"`
	TotalSpend  usd            `json:"total_spend"`
	ModelSpend  empty          `json:"model_spend"`
	Metadata    jsontext.Value `json:"metadata"`
	Models      []string       `json:"models"`
	BudgetTable *budgetRow     `json:"litellm_budget_table"`
	ObjPermID   none           `json:"object_permission_id"`
	ObjPerm     jsontext.Value `json:"object_permission"`
	CreatedAt   *time.Time     `json:"created_at"`
	CreatedBy   *string        `json:"created_by"`
	UpdatedAt   *time.Time     `json:"updated_at"`
	UpdatedBy   *string        `json:"updated_by"`
}

func (a *API) organizationRow(o *gateway.Organization) organizationRow {
	return organizationRow{
		limitsRow: a.limitsRow(&o.Limits, a.now(), o.CreatedAt),
		ID:        o.ID, Alias: text(o.Alias), BudgetID: text(o.BudgetID), TotalSpend: usd(o.Spend.Total),
		Spend:    a.spend(OrganizationEntity, o.ID, &o.Spend, &o.Limits, o.BudgetID, o.CreatedAt),
		Metadata: metadataRow(o.Metadata, &o.Limits, shownMeta{}), Models: list(o.Models), BudgetTable: a.budgetTable(o.BudgetID, &o.Limits, o.CreatedAt),
		ObjPerm: objOrNull(o.ObjectPermission), CreatedAt: stamp(o.CreatedAt), CreatedBy: text(o.CreatedBy), UpdatedAt: stamp(o.UpdatedAt), UpdatedBy: text(o.UpdatedBy),
	}
}

// organizationFor returns an organization if the caller may do this to it.
func (a *API) organizationFor(ctx context.Context, p *gateway.Principal, do auth.Act, field, id string) (*gateway.Organization, error) {
	o, err := a.store.Organization(ctx, id)
	return permitted(o, err, a.directory.MayOrganization(p, do, id, o), notFound(err, field, "Organization not found, passed organization_id=%s", id))
}

func (a *API) newOrganization(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f organizationFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	if err := f.check(now); err != nil {
		return nil, err
	}
	if f.Alias.Or("") == "" {
		return nil, malformed("organization_alias", "organization_alias is missing: give the organization a name")
	}
	o := &gateway.Organization{ID: f.ID.Or(""), CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now, UpdatedBy: actor(p)}
	if o.ID == "" {
		o.ID = uuid.NewString()
	}
	f.apply(o, now)
	a.setSpend(&o.Spend, &o.Limits, gateway.NanoUSD(f.Spend.Or(0)), now, now)
	o.Spend.Total = o.Spend.Window
	if err := a.directory.MayOrganization(p, auth.Create, o.ID, o); err != nil {
		return nil, err
	}
	if err := a.budgetExists(ctx, "budget_id", f.BudgetID.Or("")); err != nil {
		return nil, err
	}
	e := a.entry(r, p, created, organizationTable, o.ID)
	e.After = snapshot(a.organizationRow(o))
	if err := a.store.CreateOrganization(store.Audited(ctx, e), o); err != nil {
		return nil, taken(err, invalid("organization_id", "Organization id = %s already exists. Please use a different organization id.", o.ID))
	}
	if err := a.changed(ctx, Change{Entity: OrganizationEntity, ID: o.ID, Spend: f.Spend.Has()}); err != nil {
		return nil, err
	}
	setUnused(w.Header(), f.unused()...)
	row := a.organizationRow(o)
	return &row, nil
}

func (a *API) updateOrganization(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f organizationFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	return a.changeOrganization(w, r, p, &f)
}

// patchOrganization is an update that does not take fields it does not know.
func (a *API) patchOrganization(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f organizationFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	if names := slices.Sorted(maps.Keys(f.unknownFields())); len(names) > 0 {
		return nil, malformed(names[0], "%s: there is no such field of an organization", strings.Join(names, ", "))
	}
	if id := f.ID.Or(""); id != "" && id != r.PathValue("organization_id") {
		return nil, malformed("organization_id", "organization_id: the body names another organization than the address")
	}
	f.ID = Opt[string]{Sent: true, Value: r.PathValue("organization_id")}
	return a.changeOrganization(w, r, p, &f)
}

func (a *API) changeOrganization(w http.ResponseWriter, r *http.Request, p *gateway.Principal, f *organizationFields) (any, error) {
	ctx, now, id := r.Context(), a.now(), f.ID.Or("")
	if err := f.check(now); err != nil {
		return nil, err
	}
	switch {
	case id == "":
		return nil, malformed("organization_id", "organization_id is missing: say which organization to change")
	case f.Alias.Sent && f.Alias.Or("") == "":
		return nil, invalid("organization_alias", "organization_alias: an organization has a name, it cannot have none")
	}
	if _, err := a.organizationFor(ctx, p, auth.Change, "organization_id", id); err != nil {
		return nil, err
	}
	if err := a.prepare(r, &f.limitFields, f.BudgetID); err != nil {
		return nil, err
	}
	o, err := a.editOrganization(r, p, id, func(o *gateway.Organization) error {
		respend := f.respend(a, &o.Spend, &o.Limits, now, o.CreatedAt)
		f.apply(o, now)
		respend()
		return nil
	})
	if err != nil {
		return nil, err
	}
	if f.Spend.Sent {
		if err := a.changed(ctx, Change{Entity: OrganizationEntity, ID: id, Spend: true}); err != nil {
			return nil, err
		}
	}
	setUnused(w.Header(), f.unused()...)
	row := a.organizationRow(o)
	return &row, nil
}

// editOrganization changes an organization and tells of it.
func (a *API) editOrganization(r *http.Request, p *gateway.Principal, id string, edit func(*gateway.Organization) error) (*gateway.Organization, error) {
	ctx := r.Context()
	e := a.entry(r, p, changed, organizationTable, id)
	o, err := a.store.UpdateOrganization(store.Audited(ctx, e), id, func(o *gateway.Organization) error {
		e.Before = snapshot(a.organizationWithPeople(o))
		if err := edit(o); err != nil {
			return err
		}
		o.UpdatedAt, o.UpdatedBy = a.now(), actor(p)
		e.After = snapshot(a.organizationWithPeople(o))
		return nil
	})
	if err != nil {
		return nil, notFound(err, "organization_id", "Organization not found, passed organization_id=%s", id)
	}
	return o, a.changed(ctx, Change{Entity: OrganizationEntity, ID: id})
}

// organizationIDsBody is the body of DELETE /organization/delete.
type organizationIDsBody struct {
	IDs Opt[[]string] `json:"organization_ids"`
	unknown
}

// deleteOrganizations deletes organizations with their teams and keys.
func (a *API) deleteOrganizations(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b organizationIDsBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ids, err := idList("organization_ids", b.IDs.Value)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	var entries []*gateway.AuditEntry
	var changes []Change
	rows := []organizationRow{}
	seen := map[Change]bool{}
	gone := func(es []*gateway.AuditEntry, cs []Change) {
		for _, c := range cs {
			if !seen[c] {
				seen[c] = true
				changes = append(changes, c)
			}
		}
		for _, e := range es { // a key of a team is the organization's too
			if !slices.ContainsFunc(entries, func(have *gateway.AuditEntry) bool { return have.Table == e.Table && have.ObjectID == e.ObjectID }) {
				entries = append(entries, e)
			}
		}
	}
	for _, id := range ids {
		o, err := a.organizationFor(ctx, p, auth.Remove, "organization_ids", id)
		if err != nil {
			return nil, err
		}
		e := a.entry(r, p, removed, organizationTable, id)
		e.Before = snapshot(a.organizationWithPeople(o))
		gone([]*gateway.AuditEntry{e}, []Change{{Entity: OrganizationEntity, ID: id, Deleted: true}})
		for _, m := range o.Members {
			gone(nil, []Change{{Entity: UserEntity, ID: m.UserID}})
		}
		rows = append(rows, a.organizationRow(o))
		keys, keyChanges, err := a.keysGone(r, p, store.KeyFilter{OrganizationID: id})
		if err != nil {
			return nil, err
		}
		gone(keys, keyChanges)
		teams, err := a.teamsOf(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, t := range teams {
			es, cs, err := a.teamGone(r, p, t)
			if err != nil {
				return nil, err
			}
			gone(es, cs)
		}
	}
	if _, err := a.store.DeleteOrganizations(a.deleting(store.Audited(ctx, entries...), r, p), ids); err != nil {
		return nil, err
	}
	return rows, a.changed(ctx, changes...)
}

// teamsOf returns all teams of an organization.
func (a *API) teamsOf(ctx context.Context, id string) ([]*gateway.Team, error) {
	var out []*gateway.Team
	for {
		teams, total, err := a.store.ListTeams(ctx, store.TeamFilter{OrganizationID: id}, store.Page{Offset: len(out), Limit: maxTeams, Sort: "team_id"})
		if err != nil {
			return nil, err
		}
		if out = append(out, teams...); len(teams) == 0 || len(out) >= total {
			return out, nil
		}
	}
}
