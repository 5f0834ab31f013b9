package admin

import (
	"errors"
	"net/http"
	"slices"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// maxDelete is how many keys one call may delete.
const maxDelete = 1000

type keyInfo struct {
	Key  string    `json:"key"`
	Info keyDetail `json:"info"`
}

type keyDetail struct {
	seenKey
	usage
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
	shown, k, err := a.seenKey(r.Context(), p, keyHash(key))
	if err != nil {
		return nil, err
	}
	out := &keyInfo{Key: key, Info: keyDetail{seenKey: *shown}}
	if k != nil {
		out.Info.usage, err = a.usage(r.Context(), store.Key, k.Hash, &k.Limits, k.CreatedAt)
	}
	return out, err
}

// keysBody is the body of POST /v2/key/info.
type keysBody struct {
	Keys Opt[[]string] `json:"keys"`
	unknown
}

type keyInfos struct {
	Keys []string  `json:"key"`
	Info []seenKey `json:"info"`
}

// keyInfos shows those of the keys that are or were there and that the caller may
// see.
func (a *API) keyInfos(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b keysBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	if n := len(b.Keys.Value); n > maxKeys {
		return nil, invalid("keys", "%d keys are too many for one call, at most %d are shown at once", n, maxKeys)
	}
	keys := b.Keys.Or(nil)
	if len(keys) == 0 && p.Key != nil {
		keys = []string{p.Key.Hash}
	}
	if len(keys) == 0 {
		return nil, invalid("keys", "keys is missing: pass a list of keys or of their hashes")
	}
	out := &keyInfos{Keys: keys, Info: []seenKey{}}
	for _, key := range keys {
		shown, _, err := a.seenKey(r.Context(), p, keyHash(key))
		switch e := gateway.AsError(err); {
		case err == nil:
			out.Info = append(out.Info, *shown)
		case e.Kind != gateway.NotFound && e.Kind != gateway.Forbidden:
			return nil, err
		}
	}
	return out, nil
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

func (a *API) deleteKeys(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
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
	var entries []*gateway.AuditEntry
	add := func(k *gateway.Key, name string) {
		if _, twice := called[k.Hash]; !twice {
			hashes = append(hashes, k.Hash)
			called[k.Hash] = name
			e := a.keyEntry(r, p, removed, k)
			e.Before = snapshot(a.keyRow(k))
			entries = append(entries, e)
		}
	}
	for _, key := range b.Keys.Value {
		k, err := a.store.Key(ctx, keyHash(key))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err := a.directory.MayKey(p, auth.DeleteKey, k); err != nil {
			return nil, err
		}
		if k != nil {
			add(k, key)
		}
	}
	for _, alias := range b.Aliases.Value {
		k, err := a.store.KeyByAlias(ctx, alias)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err := a.directory.MayKey(p, auth.DeleteKey, k); err != nil {
			return nil, err
		}
		if k == nil {
			return nil, notFound(err, "key_aliases", "No keys found: there is no key with alias %s", shorten([]byte(alias)))
		}
		add(k, alias)
	}
	gone, err := a.store.DeleteKeys(a.deleting(store.Audited(ctx, entries...), r, p), hashes)
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
	return a.setBlocked(w, r, p, auth.BlockKey, true)
}

func (a *API) unblockKey(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	return a.setBlocked(w, r, p, auth.UnblockKey, false)
}

func (a *API) setBlocked(w http.ResponseWriter, r *http.Request, p *gateway.Principal, do auth.KeyAct, block bool) (any, error) {
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
	ctx, hash, now := r.Context(), keyHash(key), a.now()
	have, err := a.keyFor(ctx, p, do, hash, "Key not found.")
	if err != nil {
		return nil, err
	}
	action := blocked
	if !block {
		action = unblocked
		if err := a.mayUnblock(p, have); err != nil {
			return nil, err
		}
	}
	e := a.keyEntry(r, p, action, have)
	k, err := a.store.UpdateKey(store.Audited(ctx, e), hash, func(k *gateway.Key) error {
		e.Before = snapshot(a.keyRow(k))
		k.Blocked, k.UpdatedAt, k.UpdatedBy = block, now, actor(p)
		e.After = snapshot(a.keyRow(k))
		return nil
	})
	if err != nil {
		return nil, notFound(err, "key", "Key not found.")
	}
	if err := a.changed(ctx, Change{Entity: KeyEntity, ID: hash}); err != nil {
		return nil, err
	}
	row := a.keyRow(k)
	return &row, nil
}

func (a *API) keyRows(keys []*gateway.Key) []keyRow {
	rows := make([]keyRow, len(keys))
	for i, k := range keys {
		rows[i] = a.keyRow(k)
	}
	return rows
}
