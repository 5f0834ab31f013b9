package admin

import (
	"context"
	"errors"
	"net/http"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

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
	if err := b.check(a.now()); err != nil {
		return nil, err
	}
	called, k, err := a.changeKey(r, p, auth.UpdateKey, &b.keyFields)
	if err != nil {
		return nil, err
	}
	setUnused(w.Header(), a.unusedOf(&b.keyFields)...)
	return &updated{Key: called, keyRow: a.keyRow(k)}, nil
}

// namedKey returns the hash of the key that f names, and what f calls it. An
// alias without a key says which one, and is not a new one.
func (a *API) namedKey(ctx context.Context, p *gateway.Principal, do auth.KeyAct, f *keyFields) (called, hash string, err error) {
	called = f.Key.Or("")
	alias := f.Alias.Or("")
	switch {
	case called != "":
		return called, keyHash(called), checkText("key", called)
	case alias == "":
		return "", "", malformed("key", "key is missing: pass the key, its hash, or key_alias")
	}
	k, err := a.store.KeyByAlias(ctx, alias)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", "", err
	}
	if err := a.directory.MayKey(p, do, k); err != nil {
		return "", "", err
	}
	if k == nil {
		return "", "", notFound(err, "key_alias", "Key not found in database, passed key_alias=%s", alias)
	}
	f.Alias = Opt[string]{}
	return k.Hash, k.Hash, nil
}

// changeKey changes the fields that were sent of the key that f names. f has
// been checked.
func (a *API) changeKey(r *http.Request, p *gateway.Principal, do auth.KeyAct, f *keyFields) (called string, k *gateway.Key, err error) {
	ctx, now := r.Context(), a.now()
	called, hash, err := a.namedKey(ctx, p, do, f)
	if err != nil {
		return "", nil, err
	}
	if err := bounded(f, &a.o.Settings().Rules.Upper, now); err != nil {
		return "", nil, err
	}
	// Strangers must not learn by references whether there is a key.
	if _, err := a.keyFor(ctx, p, do, hash, "Key not found in database"); err != nil {
		return "", nil, err
	}
	if err := a.references(ctx, p, f); err != nil {
		return "", nil, err
	}
	if f.touchesSpend() {
		// What is still to be booked belongs to the spend that is replaced.
		if err := a.flush(ctx); err != nil {
			return "", nil, err
		}
	}
	e := a.keyEntry(r, p, changed, &gateway.Key{Hash: hash})
	k, err = a.store.UpdateKey(store.Audited(ctx, e), hash, func(k *gateway.Key) error {
		if err := a.directory.MayKey(p, do, k); err != nil {
			return err
		}
		was := *k
		e.Before, e.TeamID = snapshot(a.keyRow(k)), k.TeamID
		respend := f.respend(a, &k.Spend, &k.Limits, now, k.CreatedAt)
		if err := f.apply(k, now); err != nil {
			return err
		}
		logging, err := a.setLogging(p, k.Logging, &f.logs, keyPlace(hash), keyPlace(hash))
		if err != nil {
			return err
		}
		k.Logging = logging
		if err := a.projectOf(ctx, p, f, k); err != nil {
			return err
		}
		// It may have been moved to where the caller has no say.
		if err := a.directory.MayKey(p, do, k); err != nil {
			return err
		}
		if err := a.ownBounds(p, f, &was, k); err != nil {
			return err
		}
		respend()
		k.UpdatedAt, k.UpdatedBy = now, actor(p)
		e.After = snapshot(a.keyRow(k))
		return nil
	})
	if err != nil {
		return "", nil, keyConflict(notFound(err, "key", "Key not found in database"))
	}
	return called, k, a.changed(ctx, Change{Entity: KeyEntity, ID: hash, Spend: f.Spend.Sent})
}

// keyFor returns the key with the hash if the caller may do this to it. Only who
// may see every key is told that one does not exist.
func (a *API) keyFor(ctx context.Context, p *gateway.Principal, do auth.KeyAct, hash, missing string) (*gateway.Key, error) {
	k, err := a.store.Key(ctx, hash)
	return permitted(k, err, a.directory.MayKey(p, do, k), notFound(err, "key", "%s", missing))
}

// maxBulk is how many objects one call may change.
const maxBulk = 500

// bulkKeysBody is the body of POST /key/bulk_update.
type bulkKeysBody struct {
	Keys Opt[keyUpdates] `json:"keys"`
	unknown
}

type keyUpdates []updateBody

func (keyUpdates) want() string { return "a list of objects with a key and the fields to change" }

// bulkUpdated says what became of each key.
type bulkUpdated struct {
	Total  int         `json:"total_requested"`
	Done   []bulkDone  `json:"successful_updates"`
	Failed []bulkFault `json:"failed_updates"`
}

type bulkDone struct {
	Key  string `json:"key"`
	Info keyRow `json:"key_info"`
}

type bulkFault struct {
	Key    string  `json:"key"`
	Info   *keyRow `json:"key_info"`
	Reason string  `json:"failed_reason"`
}

func (a *API) bulkUpdateKeys(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b bulkKeysBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	updates := b.Keys.Or(nil)
	if len(updates) == 0 {
		return nil, invalid("keys", "keys is missing: pass a list of objects with a key and the fields to change")
	}
	return a.changeKeys(w, r, p, auth.BulkUpdateKeys, updates)
}

func (a *API) changeKeys(w http.ResponseWriter, r *http.Request, p *gateway.Principal, do auth.KeyAct, updates keyUpdates) (any, error) {
	if n := len(updates); n > maxBulk {
		return nil, invalid("keys", "%d keys are too many for one call, at most %d are changed at once", n, maxBulk)
	}
	setUnknown(w.Header(), nested(nil, "keys", updates))
	out := &bulkUpdated{Total: len(updates), Done: []bulkDone{}, Failed: []bulkFault{}}
	for i := range updates {
		f := &updates[i].keyFields
		err := f.check(a.now())
		called := f.Key.Or("")
		var k *gateway.Key
		if err == nil {
			_, k, err = a.changeKey(r, p, do, f)
		}
		if err != nil {
			e := gateway.AsError(err)
			if code, _ := status(e); code >= 500 {
				return nil, err
			}
			out.Failed = append(out.Failed, bulkFault{Key: called, Reason: e.Message})
			continue
		}
		out.Done = append(out.Done, bulkDone{called, a.keyRow(k)})
	}
	return out, nil
}

// teamKeysBody is the body of POST /team/key/bulk_update.
type teamKeysBody struct {
	TeamID Opt[string]    `json:"team_id"`
	Keys   Opt[[]string]  `json:"key_ids"`
	All    Opt[bool]      `json:"all_keys_in_team"`
	Update Opt[keyUpdate] `json:"update_fields"`
	unknown
}

type keyUpdate struct{ updateBody }

func (keyUpdate) want() string { return "an object with the fields to change" }

func (a *API) bulkUpdateTeamKeys(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b teamKeysBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, id := r.Context(), b.TeamID.Or("")
	if id == "" {
		return nil, malformed("team_id", "team_id is missing: say whose keys to change")
	}
	if _, err := a.teamFor(ctx, p, auth.See, id); err != nil {
		return nil, err
	}
	var hashes []string
	switch {
	case b.All.Or(false):
		keys, _, err := a.store.ListKeys(ctx, store.KeyFilter{TeamID: id}, store.Page{Limit: maxBulk + 1})
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			hashes = append(hashes, k.Hash)
		}
	case len(b.Keys.Value) > 0:
		hashes = b.Keys.Value
	default:
		return nil, invalid("key_ids", "key_ids is missing: say which keys of the team to change, or set all_keys_in_team")
	}
	updates := make(keyUpdates, len(hashes))
	for i, hash := range hashes {
		updates[i] = b.Update.Value.updateBody
		updates[i].Key = Opt[string]{Sent: true, Value: hash}
		k, err := a.store.Key(ctx, keyHash(hash))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if k == nil || k.TeamID != id {
			return nil, invalid("key_ids", "%s is no key of team %s", masked(hash), id)
		}
	}
	return a.changeKeys(w, r, p, auth.TeamKeysUpdate, updates)
}
