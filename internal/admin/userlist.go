package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

type userInfo struct {
	UserID   *string     `json:"user_id"`
	UserInfo *userDetail `json:"user_info"`
	Keys     []keyRow    `json:"keys"`
	Teams    []teamRow   `json:"teams"`
}

type userDetail struct {
	userRow
	usage
}

func (a *API) userDetail(ctx context.Context, u *gateway.User) (*userDetail, error) {
	used, err := a.usage(ctx, store.User, u.ID, &u.Limits, u.CreatedAt)
	return &userDetail{a.userRow(u), used}, err
}

// seenUser is a user as the caller may see it: a stranger's name, and no more.
func (a *API) seenUser(p *gateway.Principal, u *gateway.User) userRow {
	if a.directory.MayUser(p, auth.See, u.ID, u) != nil {
		u = &gateway.User{ID: u.ID, Alias: u.Alias, Email: u.Email}
	}
	return a.userRow(u)
}

// userFor returns a user that the caller may see; without an id, the caller.
func (a *API) userFor(ctx context.Context, p *gateway.Principal, id string) (*gateway.User, error) {
	if id == "" {
		id = p.UserID()
	}
	if id == "" {
		return nil, malformed("user_id", "user_id is missing: your key is no user's, say which user to show with ?user_id=")
	}
	u, err := a.store.User(ctx, id)
	if errors.Is(err, store.ErrNotFound) && id == gateway.MasterUserID {
		// It owns the keys that the master key made, and is nowhere stored.
		u, err = &gateway.User{ID: id, Role: gateway.ProxyAdmin}, nil
	}
	return permitted(u, err, a.directory.MayUser(p, auth.See, id, u), notFound(err, "user_id", "User %s not found", id))
}

// userInfo shows a user; without a user_id, the caller, who for admins is
// everybody.
func (a *API) userInfo(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := q.text("user_id")
	if q.err != nil {
		return nil, q.err
	}
	ctx := r.Context()
	out := &userInfo{Teams: []teamRow{}, Keys: []keyRow{}}
	var teams []*gateway.Team
	f := store.KeyFilter{}
	if id != "" || !isAdmin(p) {
		u, err := a.userFor(ctx, p, id)
		if err != nil {
			return nil, err
		}
		if out.UserInfo, err = a.userDetail(ctx, u); err != nil {
			return nil, err
		}
		out.UserID, f.UserID = text(u.ID), u.ID
		for _, team := range u.Teams {
			t, err := a.store.Team(ctx, team)
			switch {
			case errors.Is(err, store.ErrNotFound): // deleted meanwhile
			case err != nil:
				return nil, err
			default:
				teams = append(teams, t)
			}
		}
	} else {
		var err error
		if teams, _, err = a.store.ListTeams(ctx, store.TeamFilter{}, store.Page{Limit: maxTeams}); err != nil {
			return nil, err
		}
	}
	for _, t := range teams {
		if a.directory.MayTeam(p, auth.See, t.ID, t) == nil {
			out.Teams = append(out.Teams, a.teamRow(t))
		}
	}
	keys, err := a.keysOf(ctx, w, f, store.Page{Sort: "created_at", Desc: true})
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if a.directory.MayKey(p, auth.ListKeys, k) == nil {
			out.Keys = append(out.Keys, a.keyRow(k))
		}
	}
	return out, nil
}

func (a *API) userInfoV2(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	id := q.text("user_id")
	if q.err != nil {
		return nil, q.err
	}
	u, err := a.userFor(r.Context(), p, id)
	if err != nil {
		return nil, err
	}
	return a.userDetail(r.Context(), u)
}

type userPage struct {
	Users      []countedUser `json:"users"`
	Total      int           `json:"total"`
	Page       int           `json:"page"`
	PageSize   int           `json:"page_size"`
	TotalPages int           `json:"total_pages"`
}

type countedUser struct {
	userRow
	Keys int `json:"key_count"`
}

func (a *API) listUsers(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("page_size", 25, 1, 100)
	f := store.UserFilter{EmailContains: q.text("user_email"), Role: gateway.Role(q.text("role")), Search: q.text("search")}
	f.IDs, f.SSOIDs = csv(q.long("user_ids")), csv(q.long("sso_user_ids"))
	team, organizations := q.text("team"), csv(q.long("organization_ids"))
	order := store.Page{
		Offset: (page - 1) * size, Limit: size,
		Sort: q.oneOf("sort_by", "created_at", "user_id", "user_email", "user_alias", "user_role", "created_at", "updated_at", "spend", "max_budget"),
		Desc: q.oneOf("sort_order", "asc", "asc", "desc") == "desc",
	}
	if q.err != nil {
		return nil, q.err
	}
	if len(f.IDs) > maxKeys || len(f.SSOIDs) > maxKeys {
		return nil, invalid("user_ids", "at most %d users can be asked for by their ids", maxKeys)
	}
	out := &userPage{Users: []countedUser{}, Page: page, PageSize: size}
	if team != "" {
		t, err := a.teamFor(r.Context(), p, auth.See, team)
		if err != nil {
			return nil, err
		}
		f.IDs = both(f.IDs, peopleIn(t.Members))
	}
	if organizations != nil {
		f.IDs = both(f.IDs, a.peopleOf(organizations))
	}
	if v := a.directory.View(p); !v.All {
		f.IDs = both(f.IDs, append(a.peopleOf(v.Organizations), v.UserID))
	}
	if f.IDs != nil && len(f.IDs) == 0 {
		return out, nil
	}
	users, total, err := a.store.ListUsers(r.Context(), f, order)
	if err != nil {
		return nil, err
	}
	out.Total, out.TotalPages = total, (total+size-1)/size
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	counts, err := a.store.CountKeys(r.Context(), store.KeysOfUsers, ids)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		out.Users = append(out.Users, countedUser{a.userRow(u), counts[u.ID]})
	}
	return out, nil
}

func peopleIn(ms []gateway.Member) []string {
	ids := make([]string, len(ms))
	for i, m := range ms {
		ids[i] = m.UserID
	}
	return ids
}

// peopleOf are the members of organizations.
func (a *API) peopleOf(organizations []string) []string {
	ids := []string{}
	for _, id := range organizations {
		if o := a.directory.Organization(id); o != nil {
			ids = append(ids, peopleIn(o.Members)...)
		}
	}
	return ids
}

// csv returns the parts of a list with commas, nil for "".
func csv(text string) []string {
	if text == "" {
		return nil
	}
	out := []string{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// foundUser is a user to choose.
type foundUser struct {
	UserID string  `json:"user_id"`
	Email  *string `json:"user_email"`
}

// findUsers shows users to choose from.
func (a *API) findUsers(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("page_size", 50, 1, 100)
	f := store.UserFilter{EmailContains: q.text("user_email"), Search: q.text("user_id")}
	if q.err != nil {
		return nil, q.err
	}
	out := []foundUser{}
	if v := a.directory.View(p); !v.All {
		f.IDs = slices.DeleteFunc(append(a.peopleOf(v.Organizations), v.UserID), func(s string) bool { return s == "" })
		if len(f.IDs) == 0 {
			return out, nil
		}
	}
	users, _, err := a.store.ListUsers(r.Context(), f, store.Page{Offset: (page - 1) * size, Limit: size, Desc: true})
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		out = append(out, foundUser{u.ID, text(u.Email)})
	}
	return out, nil
}

type roleText struct {
	Description string `json:"description"`
	Label       string `json:"ui_label"`
}

type availableRoles struct {
	ProxyAdmin         roleText `json:"proxy_admin"`
	ProxyAdminViewer   roleText `json:"proxy_admin_viewer"`
	InternalUser       roleText `json:"internal_user"`
	InternalUserViewer roleText `json:"internal_user_viewer"`
}

func (a *API) availableRoles(http.ResponseWriter, *http.Request, *gateway.Principal) (any, error) {
	return &availableRoles{
		ProxyAdmin:         roleText{"admin over litellm proxy, has all permissions", "Admin (All Permissions)"},
		ProxyAdminViewer:   roleText{"view all keys, view all spend", "Admin (View Only)"},
		InternalUser:       roleText{"view/create/delete their own keys, view their own spend", "Internal User (Create/Delete/View)"},
		InternalUserViewer: roleText{"view their own keys, view their own spend", "Internal User (View Only)"},
	}, nil
}
