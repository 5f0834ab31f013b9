package admin

import (
	"net/http"
	"slices"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// maxDelete is how many keys one call may delete.
const maxDelete = 1000

type keyInfo struct {
	Key  string `json:"key"`
	Info keyRow `json:"info"`
}

func (a *API) keyInfo(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	q := readQuery(r)
	key := q.text("key")
	if q.err != nil {
		return nil, q.err
	}
	if key == "" {
		key = p.KeyHash()
	}
	if key == "" {
		return nil, invalid("key", "key is missing: the master key is not a virtual key, say which key to show with ?key=")
	}
	k, err := a.store.Key(r.Context(), keyHash(key))
	if err != nil {
		return nil, notFound(err, "key", "Key not found in database")
	}
	row := a.keyRow(k)
	row.Token = ""
	return &keyInfo{Key: key, Info: row}, nil
}

// updateBody is the body of POST /key/update.
type updateBody struct {
	keyFields
}

// updated is a changed key; Key is what the caller called it.
type updated struct {
	Key string `json:"key"`
	keyRow
}

func (a *API) updateKey(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b updateBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	if err := b.check(now); err != nil {
		return nil, err
	}
	called, hash := b.Key.Or(""), ""
	switch alias := b.Alias.Or(""); {
	case called != "":
		hash = keyHash(called)
	case alias != "":
		// Without a key the alias says which one, and is not a new one.
		k, err := a.store.KeyByAlias(ctx, alias)
		if err != nil {
			return nil, notFound(err, "key_alias", "Key not found in database, passed key_alias=%s", alias)
		}
		called, hash, b.Alias = k.Hash, k.Hash, Opt[string]{}
	default:
		return nil, malformed("key", "key is missing: pass the key, its hash, or key_alias")
	}
	if err := checkText("key", called); err != nil {
		return nil, err
	}
	if team := b.TeamID.Or(""); team != "" {
		if _, err := a.team(ctx, team); err != nil {
			return nil, err
		}
	}
	if b.Spend.Sent || b.BudgetDuration.Sent {
		// What is still to be booked belongs to the spend that is replaced.
		if err := a.flush(ctx); err != nil {
			return nil, err
		}
	}
	k, err := a.store.UpdateKey(ctx, hash, func(k *gateway.Key) error {
		before, duration := a.spent(&k.Spend, &k.Limits, now, k.CreatedAt), k.Limits.BudgetDuration
		if err := b.apply(k, now); err != nil {
			return err
		}
		switch {
		case b.Spend.Sent:
			a.setSpend(&k.Spend, &k.Limits, gateway.NanoUSD(b.Spend.Or(0)), now, k.CreatedAt)
		case k.Limits.BudgetDuration != duration:
			// The new window begins elsewhere; what was spent stays spent.
			a.setSpend(&k.Spend, &k.Limits, before, now, k.CreatedAt)
		}
		k.UpdatedAt, k.UpdatedBy = now, actor(p)
		return nil
	})
	if err != nil {
		return nil, keyConflict(notFound(err, "key", "Key not found in database"))
	}
	if err := a.changed(ctx, Change{Entity: KeyEntity, ID: hash, Spend: b.Spend.Sent}); err != nil {
		return nil, err
	}
	return &updated{Key: called, keyRow: a.keyRow(k)}, nil
}

// deleteBody is the body of POST /key/delete.
type deleteBody struct {
	Keys    Opt[[]string] `json:"keys"`
	Aliases Opt[[]string] `json:"key_aliases"`
	unknown
}

type deleted struct {
	DeletedKeys []string `json:"deleted_keys"`
}

func (a *API) deleteKeys(w http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	var b deleteBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx := r.Context()
	switch n := len(b.Keys.Value) + len(b.Aliases.Value); {
	case n == 0:
		return nil, invalid("keys", "No keys to delete: pass keys or key_aliases, a list with at least one of them")
	case n > maxDelete:
		return nil, invalid("keys", "%d keys are too many for one call, at most %d are deleted at once", n, maxDelete)
	}
	called := map[string]string{} // hash to what the caller called the key
	var hashes []string
	add := func(hash, name string) {
		if _, twice := called[hash]; !twice {
			hashes = append(hashes, hash)
			called[hash] = name
		}
	}
	for _, key := range b.Keys.Value {
		add(keyHash(key), key)
	}
	for _, alias := range b.Aliases.Value {
		k, err := a.store.KeyByAlias(ctx, alias)
		if err != nil {
			return nil, notFound(err, "key_aliases", "No keys found: there is no key with alias %s", shorten([]byte(alias)))
		}
		add(k.Hash, alias)
	}
	gone, err := a.store.DeleteKeys(ctx, hashes)
	if err != nil {
		return nil, err
	}
	if len(gone) == 0 {
		return nil, &gateway.Error{Kind: gateway.NotFound, Param: "keys", Message: "No keys found"}
	}
	out := deleted{}
	var changes []Change
	for _, hash := range hashes {
		if slices.Contains(gone, hash) {
			out.DeletedKeys = append(out.DeletedKeys, called[hash])
			changes = append(changes, Change{Entity: KeyEntity, ID: hash, Deleted: true})
		}
	}
	if err := a.changed(ctx, changes...); err != nil {
		return nil, err
	}
	return &out, nil
}

// keyBody is the body of POST /key/block and /key/unblock.
type keyBody struct {
	Key Opt[string] `json:"key"`
	unknown
}

func (a *API) blockKey(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.setBlocked(w, r, p, true)
}

func (a *API) unblockKey(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.setBlocked(w, r, p, false)
}

func (a *API) setBlocked(w http.ResponseWriter, r *http.Request, p *gateway.Principal, blocked bool) (any, error) {
	var b keyBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	key := b.Key.Or("")
	switch {
	case key == "":
		return nil, malformed("key", "key is missing: pass the key or its hash")
	case !isKey(key):
		return nil, invalid("key", "Invalid key format.")
	}
	hash, now := keyHash(key), a.now()
	k, err := a.store.UpdateKey(r.Context(), hash, func(k *gateway.Key) error {
		k.Blocked, k.UpdatedAt, k.UpdatedBy = blocked, now, actor(p)
		return nil
	})
	if err != nil {
		return nil, notFound(err, "key", "Key not found.")
	}
	if err := a.changed(r.Context(), Change{Entity: KeyEntity, ID: hash}); err != nil {
		return nil, err
	}
	row := a.keyRow(k)
	return &row, nil
}

// keyList is one page of keys: hashes, or rows where asked for.
type keyList struct {
	Keys        any `json:"keys"` // []string or []keyRow
	TotalCount  int `json:"total_count"`
	CurrentPage int `json:"current_page"`
	TotalPages  int `json:"total_pages"`
}

func (a *API) listKeys(_ http.ResponseWriter, r *http.Request, _ *gateway.Principal) (any, error) {
	q := readQuery(r)
	page, size := q.number("page", 1, 1, 1_000_000), q.number("size", 10, 1, 100)
	full := q.flag("return_full_object", false)
	f := store.KeyFilter{
		UserID: q.text("user_id"), TeamID: q.text("team_id"), OrganizationID: q.text("organization_id"),
		Hash: keyHash(q.text("key_hash")), Search: q.text("search"),
	}
	if alias := q.text("key_alias"); q.flag("substring_matching", false) {
		f.AliasContains = alias
	} else {
		f.Alias = alias
	}
	order := store.Page{
		Offset: (page - 1) * size, Limit: size,
		Sort: q.oneOf("sort_by", "created_at", "spend", "max_budget", "created_at", "updated_at", "token", "key_alias"),
		Desc: q.oneOf("sort_order", "desc", "asc", "desc") == "desc",
	}
	// Deleted keys are gone here, so there is never one to list.
	gone := q.text("status") == "deleted"
	if q.err != nil {
		return nil, q.err
	}
	if gone {
		return &keyList{Keys: []string{}, CurrentPage: page}, nil
	}
	keys, total, err := a.store.ListKeys(r.Context(), f, order)
	if err != nil {
		return nil, err
	}
	out := &keyList{TotalCount: total, CurrentPage: page, TotalPages: (total + size - 1) / size}
	if full {
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

func (a *API) keyRows(keys []*gateway.Key) []keyRow {
	rows := make([]keyRow, len(keys))
	for i, k := range keys {
		rows[i] = a.keyRow(k)
	}
	return rows
}
