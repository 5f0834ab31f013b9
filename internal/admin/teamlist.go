package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

type teamInfo struct {
	TeamID      string       `json:"team_id"`
	TeamInfo    teamDetail   `json:"team_info"`
	Keys        []keyRow     `json:"keys"`
	Memberships []membership `json:"team_memberships"`
}

type teamDetail struct {
	teamRow
	usage
	MemberBudget       *sharedBudget `json:"team_member_budget_table"`
	OrganizationModels []string      `json:"organization_models"`
	MayEdit            bool          `json:"caller_edit_access"`
}

func (a *API) teamInfo(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := q.text("team_id")
	limit := q.number("key_limit", maxKeys, 0, maxKeys)
	if q.err != nil {
		return nil, q.err
	}
	if id == "" {
		id = p.TeamID() // a key's own team
	}
	if id == "" {
		return nil, malformed("team_id", "team_id is missing: say which team to show with ?team_id=")
	}
	t, err := a.teamFor(r.Context(), p, auth.See, id)
	if err != nil {
		return nil, err
	}
	u, err := a.usage(r.Context(), store.Team, id, &t.Limits, t.CreatedAt)
	if err != nil {
		return nil, err
	}
	out := &teamInfo{
		TeamID: id, Keys: []keyRow{}, Memberships: a.memberships(t),
		TeamInfo: teamDetail{
			teamRow: a.teamRow(t), usage: u, OrganizationModels: []string{}, MemberBudget: a.sharedBudget(t.MemberBudgetID),
			MayEdit: a.directory.MayTeam(p, auth.Change, id, t) == nil,
		},
	}
	if o := a.directory.Organization(t.OrganizationID); o != nil {
		out.TeamInfo.OrganizationModels = list(o.Models)
	}
	if limit == 0 {
		return out, nil
	}
	keys, total, err := a.store.ListKeys(r.Context(), store.KeyFilter{TeamID: id}, store.Page{Sort: "created_at", Desc: true, Limit: limit})
	if err != nil {
		return nil, err
	}
	setTruncated(w.Header(), len(keys), total)
	for _, k := range keys {
		if a.directory.MayKey(p, auth.ListKeys, k) == nil {
			out.Keys = append(out.Keys, a.keyRow(k))
		}
	}
	return out, nil
}

// seenTeams narrows a filter to the teams that the caller may see; false if
// there are none.
func (a *API) seenTeams(f *store.TeamFilter, p *gateway.Principal, user string) bool {
	v := a.directory.View(p)
	if user != "" {
		ids := []string{}
		if u := a.directory.User(user); u != nil {
			ids = slices.Clone(u.Teams)
		}
		f.IDs = both(f.IDs, ids)
	}
	if v.All {
		return f.IDs == nil || len(f.IDs) > 0
	}
	f.Of = &store.TeamOwners{IDs: v.Teams, OrganizationIDs: v.Organizations}
	if v.Team != "" {
		f.Of.IDs = append(slices.Clone(v.Teams), v.Team)
	}
	return (f.IDs == nil || len(f.IDs) > 0) && len(f.Of.IDs)+len(f.Of.OrganizationIDs) > 0
}

// both returns what is in both lists; a nil list is everything.
func both(a, b []string) []string {
	if a == nil {
		return b
	}
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

type listedTeam struct {
	teamRow
	Memberships []membership `json:"team_memberships"`
	Keys        []keyRow     `json:"keys"`
}

// listTeams shows teams with their members and keys, up to a thousand of each.
func (a *API) listTeams(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	user := q.text("user_id")
	f := store.TeamFilter{OrganizationID: q.text("organization_id")}
	if q.err != nil {
		return nil, q.err
	}
	if v := a.directory.View(p); !v.All && user != "" && user != v.UserID && len(v.Organizations) == 0 {
		return nil, &gateway.Error{
			Kind: gateway.Unauthenticated, Param: "user_id",
			Message: fmt.Sprintf("Only admin users can query all teams/other teams. Your user role=%s", auth.RoleName(p)),
		}
	}
	out := []listedTeam{}
	if !a.seenTeams(&f, p, user) {
		return out, nil
	}
	teams, total, err := a.store.ListTeams(r.Context(), f, store.Page{Limit: maxTeams})
	if err != nil {
		return nil, err
	}
	if len(teams) < total {
		w.Header().Set(TruncatedHeader, fmt.Sprintf("%d of %d teams", len(teams), total))
	}
	keys, err := a.keysOfTeams(r, p, teams)
	if err != nil {
		return nil, err
	}
	for _, t := range teams {
		rows := keys[t.ID]
		if rows == nil {
			rows = []keyRow{}
		}
		out = append(out, listedTeam{a.teamRow(t), a.memberships(t), rows})
	}
	return out, nil
}

// maxTeams is how many teams a list without pages shows.
const maxTeams = 1000

// keysOfTeams returns the keys of teams by team, up to maxKeys.
func (a *API) keysOfTeams(r *http.Request, p *gateway.Principal, teams []*gateway.Team) (map[string][]keyRow, error) {
	if len(teams) == 0 {
		return nil, nil
	}
	ids := make([]string, len(teams))
	for i, t := range teams {
		ids[i] = t.ID
	}
	keys, _, err := a.store.ListKeys(r.Context(), store.KeyFilter{TeamIDs: ids}, store.Page{Limit: maxKeys, Desc: true})
	if err != nil {
		return nil, err
	}
	out := map[string][]keyRow{}
	for _, k := range keys {
		if a.directory.MayKey(p, auth.ListKeys, k) == nil {
			out[k.TeamID] = append(out[k.TeamID], a.keyRow(k))
		}
	}
	return out, nil
}

type teamPage struct {
	Teams      []countedTeam `json:"teams"`
	Total      int           `json:"total"`
	Page       int           `json:"page"`
	PageSize   int           `json:"page_size"`
	TotalPages int           `json:"total_pages"`
}

type countedTeam struct {
	teamRow
	Members int `json:"members_count"`
	Keys    int `json:"keys_count"`
}

func (a *API) pageTeams(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("page_size", 10, 1, 100)
	f := store.TeamFilter{OrganizationID: q.text("organization_id"), AliasContains: q.text("team_alias"), Search: q.text("search")}
	if id := q.text("team_id"); id != "" {
		f.IDs = []string{id}
	}
	user := q.text("user_id")
	order := store.Page{
		Offset: (page - 1) * size, Limit: size,
		Sort: q.oneOf("sort_by", "created_at", "team_id", "team_alias", "created_at", "updated_at", "spend", "max_budget"),
		Desc: q.oneOf("sort_order", "asc", "asc", "desc") == "desc",
	}
	gone := q.text("status") == "deleted"
	if q.err != nil {
		return nil, q.err
	}
	out := &teamPage{Teams: []countedTeam{}, Page: page, PageSize: size}
	sees := a.seenTeams(&f, p, user)
	switch {
	case gone && sees:
		return a.pageDeletedTeams(r.Context(), &f, order, &deletedTeamPage{Teams: []deletedTeamRow{}, Page: page, PageSize: size})
	case !sees:
		return out, nil
	}
	teams, total, err := a.store.ListTeams(r.Context(), f, order)
	if err != nil {
		return nil, err
	}
	out.Total, out.TotalPages = total, (total+size-1)/size
	ids := make([]string, len(teams))
	for i, t := range teams {
		ids[i] = t.ID
	}
	counts, err := a.store.CountKeys(r.Context(), store.KeysOfTeams, ids)
	if err != nil {
		return nil, err
	}
	for _, t := range teams {
		out.Teams = append(out.Teams, countedTeam{a.teamRow(t), len(t.Members), counts[t.ID]})
	}
	return out, nil
}

// findTeams shows teams to choose from.
func (a *API) findTeams(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("page_size", 50, 1, 100)
	f := store.TeamFilter{AliasContains: q.text("team_alias"), Search: q.text("team_id")}
	if q.err != nil {
		return nil, q.err
	}
	out := []teamRow{}
	if !a.seenTeams(&f, p, "") {
		return out, nil
	}
	teams, _, err := a.store.ListTeams(r.Context(), f, store.Page{Offset: (page - 1) * size, Limit: size, Sort: "team_alias"})
	if err != nil {
		return nil, err
	}
	for _, t := range teams {
		out = append(out, a.teamRow(t))
	}
	return out, nil
}

// availableTeams are those that the caller may join by itself and is not in.
func (a *API) availableTeams(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	out := []teamRow{}
	for _, id := range a.o.Settings().Users.OpenTeams {
		t, err := a.store.Team(r.Context(), id)
		switch {
		case errors.Is(err, store.ErrNotFound): // the configuration names one that is not there
		case err != nil:
			return nil, err
		case memberIn(t, p.UserID()) == nil:
			out = append(out, a.teamRow(t))
		}
	}
	return out, nil
}

// joinsItself reports whether the caller asks for nothing but to come into a
// team that is open to users.
func (a *API) joinsItself(p *gateway.Principal, b *addMembersBody) bool {
	list := b.Member.Value.members
	return slices.Contains(a.o.Settings().Users.OpenTeams, b.TeamID.Value) && p.User != nil && len(list) == 1 && list[0].UserID == p.User.ID && list[0].Role == "user" &&
		!b.MaxBudget.Has() && !b.Models.Has() && !b.TPM.Has() && !b.RPM.Has() && !b.Raise.Has() && !b.Duration.Has()
}

type permissions struct {
	TeamID    string   `json:"team_id"`
	Has       []string `json:"team_member_permissions"`
	Available []string `json:"all_available_permissions"`
}

func (a *API) listPermissions(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := q.text("team_id")
	if q.err != nil {
		return nil, q.err
	}
	if id == "" {
		return nil, malformed("team_id", "team_id is missing: say which team with ?team_id=")
	}
	t, err := a.teamFor(r.Context(), p, auth.See, id)
	if err != nil {
		return nil, err
	}
	return &permissions{t.ID, list(t.MemberPermissions), auth.MemberPermissions()}, nil
}

// checkPermissions refuses what members cannot be allowed.
func checkPermissions(field string, values []string) error {
	all := auth.MemberPermissions()
	for _, v := range values {
		if !slices.Contains(all, v) {
			return invalid(field, "%s: '%s' is nothing that members can be allowed, want some of %v", field, shorten([]byte(v)), all)
		}
	}
	return nil
}

// permissionsBody is the body of POST /team/permissions_update.
type permissionsBody struct {
	TeamID      Opt[string]   `json:"team_id"`
	Permissions Opt[[]string] `json:"team_member_permissions"`
	unknown
}

func (a *API) updatePermissions(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b permissionsBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	switch {
	case b.TeamID.Or("") == "":
		return nil, malformed("team_id", "team_id is missing: say which team")
	case !b.Permissions.Sent:
		return nil, malformed("team_member_permissions", "team_member_permissions is missing: pass a list, [] for none")
	}
	if err := checkPermissions("team_member_permissions", b.Permissions.Value); err != nil {
		return nil, err
	}
	if _, err := a.teamFor(r.Context(), p, auth.Change, b.TeamID.Value); err != nil {
		return nil, err
	}
	t, err := a.editTeam(r, p, b.TeamID.Value, nil, func(t *gateway.Team) error {
		setList(&t.MemberPermissions, b.Permissions)
		return nil
	})
	if err != nil {
		return nil, err
	}
	row := a.teamRow(t)
	return &row, nil
}

// bulkPermissionsBody is the body of POST /team/permissions_bulk_update.
type bulkPermissionsBody struct {
	Permissions Opt[[]string] `json:"permissions"`
	TeamIDs     Opt[[]string] `json:"team_ids"`
	AllTeams    Opt[bool]     `json:"apply_to_all_teams"`
	unknown
}

type permissionsAdded struct {
	Message string   `json:"message"`
	Updated int      `json:"teams_updated"`
	Added   []string `json:"permissions_appended"`
}

func (a *API) addPermissions(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b bulkPermissionsBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ids := b.TeamIDs.Or(nil)
	switch {
	case len(b.Permissions.Value) == 0:
		return nil, malformed("permissions", "permissions is missing: pass a list of what members may do")
	case b.AllTeams.Or(false) == (len(ids) > 0):
		return nil, invalid("team_ids", "Pass either team_ids or apply_to_all_teams")
	case len(ids) > maxBulk:
		return nil, invalid("team_ids", "%d teams are too many for one call, at most %d are changed at once", len(ids), maxBulk)
	}
	if err := checkPermissions("permissions", b.Permissions.Value); err != nil {
		return nil, err
	}
	if b.AllTeams.Or(false) {
		if err := a.directory.MayAdmin(p, auth.Change); err != nil {
			return nil, err
		}
		for page := 0; ; page++ {
			teams, total, err := a.store.ListTeams(r.Context(), store.TeamFilter{}, store.Page{Offset: page * maxTeams, Limit: maxTeams, Sort: "team_id"})
			if err != nil {
				return nil, err
			}
			for _, t := range teams {
				ids = append(ids, t.ID)
			}
			if len(teams) == 0 || len(ids) >= total {
				break
			}
		}
	}
	for _, id := range ids {
		if _, err := a.teamFor(r.Context(), p, auth.Change, id); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		_, err := a.editTeam(r, p, id, nil, func(t *gateway.Team) error {
			for _, v := range b.Permissions.Value {
				if !slices.Contains(t.MemberPermissions, v) {
					t.MemberPermissions = append(t.MemberPermissions, v)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return &permissionsAdded{fmt.Sprintf("Updated %d teams", len(ids)), len(ids), b.Permissions.Value}, nil
}
