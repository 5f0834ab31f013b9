package admin

import (
	"net/http"
	"slices"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// keyList is one page of keys: hashes, or rows where asked for.
type keyList struct {
	Keys        any `json:"keys"` // []string, []keyRow, []keyRowWithUser or []deletedKeyRow
	TotalCount  int `json:"total_count"`
	CurrentPage int `json:"current_page"`
	TotalPages  int `json:"total_pages"`
	// Next is what to pass as after for the page behind this one, at a cost that
	// does not grow with the pages before. It is null at the end.
	Next *string `json:"next"`
}

// keyRowWithUser is a key with its user, for expand=user.
type keyRowWithUser struct {
	keyRow
	User *userRow `json:"user"`
}

func (a *API) listKeys(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("size", 10, 1, 100)
	full := q.flag("return_full_object", false)
	expand := q.oneOf("expand", "", "user")
	f := store.KeyFilter{
		UserID: q.text("user_id"), TeamID: q.text("team_id"), OrganizationID: q.text("organization_id"), ProjectID: q.text("project_id"),
		Hash: keyHash(q.text("key_hash")), Search: q.text("search"),
	}
	if alias := q.text("key_alias"); q.flag("substring_matching", false) {
		f.AliasContains = alias
	} else {
		f.Alias = alias
	}
	teamKeys, createdKeys := q.flag("include_team_keys", false), q.flag("include_created_by_keys", false)
	var next string
	order := store.Page{
		Offset: (page - 1) * size, Limit: size, After: q.long("after"), Next: &next,
		Sort: q.oneOf("sort_by", "created_at", "spend", "max_budget", "created_at", "updated_at", "token", "key_alias"),
		Desc: q.oneOf("sort_order", "desc", "asc", "desc") == "desc",
	}
	gone := q.text("status") == "deleted"
	agent := q.text("agent_id")
	f.AccessGroupID = q.text("access_group_id")
	if q.err != nil {
		return nil, q.err
	}
	out := &keyList{Keys: []string{}, CurrentPage: page}
	if agent != "" {
		return out, nil // no key is an agent's
	}
	a.widen(&f, p, teamKeys, createdKeys)
	if gone {
		return a.listDeletedKeys(r, p, &f, order, out, full, expand != "")
	}
	keys, total, err := a.store.ListKeys(r.Context(), f, order)
	if err != nil {
		return nil, err
	}
	out.TotalCount, out.TotalPages, out.Next = total, (total+size-1)/size, text(next)
	switch {
	case expand != "":
		out.Keys, err = a.keysWithUsers(r, p, keys)
		return out, err
	case full:
		out.Keys = a.keyRows(keys)
		return out, nil
	}
	hashes := make([]string, len(keys))
	for i, k := range keys {
		hashes[i] = k.Hash
	}
	out.Keys = hashes
	return out, nil
}

// widen adds to a filter by user the keys of teams and those that the user has
// made, and keeps callers who may not see every key to those they may see.
func (a *API) widen(f *store.KeyFilter, p *gateway.Principal, teamKeys, createdKeys bool) {
	v := a.directory.View(p)
	if !v.All {
		f.Of = &store.KeyOwners{UserID: v.UserID, Hash: v.Key}
		if teamKeys || f.TeamID != "" || f.OrganizationID != "" || f.ProjectID != "" || f.Hash != "" || f.Alias != "" || f.AliasContains != "" {
			f.Of.TeamIDs, f.Of.OrganizationIDs = slices.Clone(v.Administers), v.Organizations
			for _, id := range v.Teams {
				if t := a.directory.Team(id); t != nil && slices.Contains(t.MemberPermissions, string(auth.ListKeys)) {
					f.Of.TeamIDs = append(f.Of.TeamIDs, id)
				}
			}
		}
		if createdKeys {
			f.Of.CreatedBy = v.UserID
		}
		return
	}
	if f.UserID == "" {
		return
	}
	if u := a.directory.User(f.UserID); teamKeys && u != nil {
		for _, id := range u.Teams {
			if m := a.directory.Member(id, u.ID); m != nil && m.Role == "admin" {
				f.TeamIDs = append(f.TeamIDs, id)
			}
		}
	}
	if createdKeys {
		f.OrCreatedBy = f.UserID
	}
}

func (a *API) keysWithUsers(r *http.Request, p *gateway.Principal, keys []*gateway.Key) ([]keyRowWithUser, error) {
	var ids []string
	for _, k := range keys {
		if k.UserID != "" && !slices.Contains(ids, k.UserID) {
			ids = append(ids, k.UserID)
		}
	}
	users := map[string]*userRow{}
	if len(ids) > 0 {
		found, _, err := a.store.ListUsers(r.Context(), store.UserFilter{IDs: ids}, store.Page{Limit: len(ids)})
		if err != nil {
			return nil, err
		}
		for _, u := range found {
			row := a.seenUser(p, u)
			users[u.ID] = &row
		}
	}
	rows := make([]keyRowWithUser, len(keys))
	for i, k := range keys {
		rows[i] = keyRowWithUser{a.keyRow(k), users[k.UserID]}
	}
	return rows, nil
}

// keyAliases is one page of the aliases of keys.
type keyAliases struct {
	Aliases     []string `json:"aliases"`
	TotalCount  int      `json:"total_count"`
	CurrentPage int      `json:"current_page"`
	TotalPages  int      `json:"total_pages"`
	Size        int      `json:"size"`
}

func (a *API) listKeyAliases(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("size", 50, 1, 100)
	f := store.KeyFilter{TeamID: q.text("team_id"), AliasContains: q.text("search"), HasAlias: true}
	if q.err != nil {
		return nil, q.err
	}
	a.widen(&f, p, true, false)
	keys, total, err := a.store.ListKeys(r.Context(), f, store.Page{Offset: (page - 1) * size, Limit: size, Sort: "key_alias"})
	if err != nil {
		return nil, err
	}
	out := &keyAliases{Aliases: []string{}, TotalCount: total, CurrentPage: page, TotalPages: (total + size - 1) / size, Size: size}
	for _, k := range keys {
		out.Aliases = append(out.Aliases, k.Alias)
	}
	return out, nil
}
