package admin

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// accessGroupFields are the fields of POST and PUT /v1/access_group.
type accessGroupFields struct {
	Name        Opt[string]   `json:"access_group_name"`
	Description Opt[string]   `json:"description"`
	Models      Opt[[]string] `json:"access_model_names"`
	Teams       Opt[[]string] `json:"assigned_team_ids"`
	Keys        Opt[[]string] `json:"assigned_key_ids"` // keys, or the hashes of keys
	unknown
}

// check refuses what no access group can be, and makes hashes of keys.
func (f *accessGroupFields) check() error {
	f.Name.Value = strings.TrimSpace(f.Name.Value)
	if err := checkText("access_group_name", f.Name.Value); err != nil {
		return err
	}
	for i, key := range f.Keys.Value {
		f.Keys.Value[i] = keyHash(key)
	}
	for _, l := range []struct {
		name string
		ids  *Opt[[]string]
	}{{"access_model_names", &f.Models}, {"assigned_team_ids", &f.Teams}, {"assigned_key_ids", &f.Keys}} {
		if len(l.ids.Value) > maxBulk {
			return invalid(l.name, "%s: %d are too many, at most %d can be named at once", l.name, len(l.ids.Value), maxBulk)
		}
		if err := checkTexts(l.name, l.ids.Value); err != nil {
			return err
		}
		if slices.Contains(l.ids.Value, "") {
			return invalid(l.name, "%s: a name must not be empty", l.name)
		}
	}
	return nil
}

// owners refuses keys and teams that are not there.
func (a *API) owners(ctx context.Context, f *accessGroupFields) error {
	unknown := func(field, what string, ids []string, get func(string) error) error {
		var missing []string
		for _, id := range ids {
			switch err := get(id); {
			case errors.Is(err, store.ErrNotFound):
				missing = append(missing, id)
			case err != nil:
				return err
			}
		}
		if len(missing) > 0 {
			slices.Sort(missing)
			return invalid(field, "Unknown %s ids: %s", what, strings.Join(slices.Compact(missing), ", "))
		}
		return nil
	}
	return cmp.Or(
		unknown("assigned_team_ids", "team", f.Teams.Value, func(id string) error { _, err := a.store.Team(ctx, id); return err }),
		unknown("assigned_key_ids", "key", f.Keys.Value, func(hash string) error { _, err := a.store.Key(ctx, hash); return err }))
}

// apply changes in g what was sent; null empties.
func (f *accessGroupFields) apply(g *gateway.AccessGroup) {
	if f.Name.Has() {
		g.Name = f.Name.Value
	}
	setText(&g.Description, f.Description)
	setList(&g.Models, f.Models)
	setList(&g.Teams, f.Teams)
	setList(&g.Keys, f.Keys)
	for _, ids := range [...]*[]string{&g.Teams, &g.Keys} {
		*ids = slices.Compact(slices.Sorted(slices.Values(*ids)))
	}
}

// accessGroupRow is an access group as the management API shows it.
type accessGroupRow struct {
	ID          string     `json:"access_group_id"`
	Name        string     `json:"access_group_name"`
	Description *string    `json:"description"`
	Models      []string   `json:"access_model_names"`
	MCPServers  []string   `json:"access_mcp_server_ids"` // there are none here
	Agents      []string   `json:"access_agent_ids"`      // nor these
	TeamIDs     []string   `json:"assigned_team_ids"`
	KeyIDs      []string   `json:"assigned_key_ids"`
	MCPNames    []owner    `json:"access_mcp_servers"`
	AgentNames  []owner    `json:"access_agents"`
	Teams       []owner    `json:"assigned_teams"`
	Keys        []owner    `json:"assigned_keys"`
	CreatedAt   *time.Time `json:"created_at"`
	CreatedBy   *string    `json:"created_by"`
	UpdatedAt   *time.Time `json:"updated_at"`
	UpdatedBy   *string    `json:"updated_by"`
}

// owner is who has a group, and what people call it.
type owner struct {
	ID   string  `json:"id"`
	Name *string `json:"name"`
}

func (a *API) accessGroupRow(g *gateway.AccessGroup) *accessGroupRow {
	row := &accessGroupRow{
		ID: g.ID, Name: g.Name, Description: text(g.Description), Models: list(g.Models), MCPServers: []string{}, Agents: []string{},
		TeamIDs: list(g.Teams), KeyIDs: list(g.Keys), MCPNames: []owner{}, AgentNames: []owner{}, Teams: []owner{}, Keys: []owner{},
		CreatedAt: stamp(g.CreatedAt), CreatedBy: text(g.CreatedBy), UpdatedAt: stamp(g.UpdatedAt), UpdatedBy: text(g.UpdatedBy),
	}
	for _, id := range g.Teams {
		o := owner{ID: id}
		if t := a.directory.Team(id); t != nil {
			o.Name = text(t.Alias)
		}
		row.Teams = append(row.Teams, o)
	}
	for _, hash := range g.Keys {
		o := owner{ID: hash}
		if sum, ok := auth.ParseSum(hash); ok {
			if k := a.directory.Key(&sum); k != nil {
				o.Name = text(cmp.Or(k.Alias, k.Name))
			}
		}
		row.Keys = append(row.Keys, o)
	}
	return row
}

// groupChanges are the changes that a group's own change has brought to keys and
// teams.
func groupChanges(c Change, was, is *gateway.AccessGroup) []Change {
	out := []Change{c}
	touched := func(entity string, was, is []string) {
		for _, id := range slices.Concat(was, is) {
			if slices.Contains(was, id) != slices.Contains(is, id) {
				out = append(out, Change{Entity: entity, ID: id})
			}
		}
	}
	touched(KeyEntity, was.Keys, is.Keys)
	touched(TeamEntity, was.Teams, is.Teams)
	return out
}

func groupTaken(name string) *gateway.Error {
	e := invalid("access_group_name", "Access group '%s' already exists", name)
	e.Status = http.StatusConflict
	return e
}

func noGroup(err error, id string) error {
	return notFound(err, "access_group_id", "Access group '%s' not found", id)
}

// newAccessGroup makes a group and gives it to keys and teams.
func (a *API) newAccessGroup(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f accessGroupFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	if err := f.check(); err != nil {
		return nil, err
	}
	if f.Name.Or("") == "" {
		return nil, malformed("access_group_name", "access_group_name is missing: the name that lists of models can have")
	}
	if err := a.owners(ctx, &f); err != nil {
		return nil, err
	}
	g := &gateway.AccessGroup{ID: uuid.NewString(), CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now, UpdatedBy: actor(p)}
	f.apply(g)
	e := a.entry(r, p, created, accessGroupTable, g.ID)
	e.After = snapshot(a.accessGroupRow(g))
	if err := a.store.CreateAccessGroup(store.Audited(ctx, e), g); err != nil {
		return nil, taken(err, groupTaken(g.Name))
	}
	err := a.changed(ctx, groupChanges(Change{Entity: AccessGroupEntity, ID: g.ID}, &gateway.AccessGroup{}, g)...)
	return &replied{http.StatusCreated, a.accessGroupRow(g)}, err
}

// listAccessGroups shows the groups that are stored, the newest first.
func (a *API) listAccessGroups(w http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	f, page := store.AccessGroupFilter{Search: q.text("search")}, q.listPage()
	if q.err != nil {
		return nil, q.err
	}
	page.Sort, page.Desc = "created_at", true
	groups, total, err := a.store.ListAccessGroups(r.Context(), f, page)
	if err != nil {
		return nil, err
	}
	setTruncated(w.Header(), len(groups), total)
	rows := []*accessGroupRow{}
	for _, g := range groups {
		rows = append(rows, a.accessGroupRow(g))
	}
	return rows, nil
}

func (a *API) accessGroup(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	id := r.PathValue("access_group_id")
	g, err := a.store.AccessGroup(r.Context(), id)
	if err != nil {
		return nil, noGroup(err, id)
	}
	return a.accessGroupRow(g), nil
}

// updateAccessGroup changes what is sent. Keys and teams that are no longer named
// lose the group.
func (a *API) updateAccessGroup(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var f accessGroupFields
	if err := read(w, r, &f); err != nil {
		return nil, err
	}
	ctx, now, id := r.Context(), a.now(), r.PathValue("access_group_id")
	if err := f.check(); err != nil {
		return nil, err
	}
	if f.Name.Sent && f.Name.Or("") == "" {
		return nil, malformed("access_group_name", "access_group_name: a group has a name, it cannot have none")
	}
	if err := a.owners(ctx, &f); err != nil {
		return nil, err
	}
	e := a.entry(r, p, changed, accessGroupTable, id)
	var was gateway.AccessGroup
	g, err := a.store.UpdateAccessGroup(store.Audited(ctx, e), id, func(g *gateway.AccessGroup) error {
		was = *g
		e.Before = snapshot(a.accessGroupRow(g))
		f.apply(g)
		g.UpdatedAt, g.UpdatedBy = now, actor(p)
		e.After = snapshot(a.accessGroupRow(g))
		return nil
	})
	if err != nil {
		return nil, noGroup(taken(err, groupTaken(f.Name.Value)), id)
	}
	return a.accessGroupRow(g), a.changed(ctx, groupChanges(Change{Entity: AccessGroupEntity, ID: id}, &was, g)...)
}

// deleteAccessGroup deletes a group and takes it from those who have it.
func (a *API) deleteAccessGroup(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	ctx, id := r.Context(), r.PathValue("access_group_id")
	g, err := a.store.AccessGroup(ctx, id)
	if err != nil {
		return nil, noGroup(err, id)
	}
	e := a.entry(r, p, removed, accessGroupTable, id)
	e.Before = snapshot(a.accessGroupRow(g))
	if _, err := a.store.DeleteAccessGroups(store.Audited(ctx, e), []string{id}); err != nil {
		return nil, err
	}
	err = a.changed(ctx, groupChanges(Change{Entity: AccessGroupEntity, ID: id, Deleted: true}, g, &gateway.AccessGroup{})...)
	return &replied{status: http.StatusNoContent}, err
}
