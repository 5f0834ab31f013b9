package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"penstock/internal/gateway"
)

func keySort() map[string]string {
	m := maps.Clone(commonSort)
	m["key_alias"] = "alias"
	m["token"] = "hash"
	return m
}

var keys = &entity[gateway.Key]{
	kind: "key", table: "keys", idField: "hash",
	columns: slices.Concat(
		[]string{"hash", "name", "alias", "user_id", "team_id", "org_id", "models", "aliases"},
		limitColumns,
		[]string{
			"expires", "blocked", "allowed_routes", "key_type", "tags", "metadata", "permissions",
			"created_at", "created_by", "updated_at", "updated_by", "last_active",
		}),
	id:   func(k *gateway.Key) string { return k.Hash },
	args: keyArgs,
	scan: scanKey,
	sort: keySort(),
}

func keyArgs(k *gateway.Key) ([]any, error) {
	err := checkIDs(named{"hash", k.Hash}, named{"key_alias", k.Alias}, named{"user_id", k.UserID},
		named{"team_id", k.TeamID}, named{"organization_id", k.OrganizationID})
	if err != nil {
		return nil, err
	}
	err = checkTexts(named{"key_name", k.Name}, named{"budget_duration", k.Limits.BudgetDuration}, named{"key_type", k.Type},
		named{"created_by", k.CreatedBy}, named{"updated_by", k.UpdatedBy})
	if err != nil {
		return nil, err
	}
	models, err := encodeList("models", k.Models)
	if err != nil {
		return nil, err
	}
	aliases, err := encodeMap("aliases", k.Aliases)
	if err != nil {
		return nil, err
	}
	routes, err := encodeList("allowed_routes", k.AllowedRoutes)
	if err != nil {
		return nil, err
	}
	tags, err := encodeList("tags", k.Tags)
	if err != nil {
		return nil, err
	}
	metadata, err := encodeObject("metadata", k.Metadata)
	if err != nil {
		return nil, err
	}
	permissions, err := encodeObject("permissions", k.Permissions)
	if err != nil {
		return nil, err
	}
	return slices.Concat(
		[]any{k.Hash, k.Name, k.Alias, k.UserID, k.TeamID, k.OrganizationID, models, aliases},
		limitArgs(&k.Limits, &k.Spend),
		[]any{
			micros(k.Expires), k.Blocked, routes, k.Type, tags, metadata, permissions,
			micros(k.CreatedAt), k.CreatedBy, micros(k.UpdatedAt), k.UpdatedBy, micros(k.LastActive),
		}), nil
}

func scanKey(r row) (*gateway.Key, error) {
	var k gateway.Key
	var l limitScan
	var models, aliases, routes, tags, metadata, permissions string
	var expires, created, updated, active int64
	err := r.Scan(slices.Concat(
		[]any{&k.Hash, &k.Name, &k.Alias, &k.UserID, &k.TeamID, &k.OrganizationID, &models, &aliases},
		l.dest(&k.Limits, &k.Spend),
		[]any{
			&expires, &k.Blocked, &routes, &k.Type, &tags, &metadata, &permissions,
			&created, &k.CreatedBy, &updated, &k.UpdatedBy, &active,
		})...)
	if err != nil {
		return nil, err
	}
	for _, c := range []struct {
		name, text string
		into       any
	}{{"models", models, &k.Models}, {"aliases", aliases, &k.Aliases}, {"allowed_routes", routes, &k.AllowedRoutes}, {"tags", tags, &k.Tags}} {
		if err := decode(c.name, c.text, c.into); err != nil {
			return nil, err
		}
	}
	l.store(&k.Limits, &k.Spend)
	k.Metadata, k.Permissions = decodeObject(metadata), decodeObject(permissions)
	k.Expires, k.CreatedAt, k.UpdatedAt, k.LastActive = instant(expires), instant(created), instant(updated), instant(active)
	return &k, nil
}

// CreateKey writes a new key. A taken hash or alias is an ErrConflict; text
// that no database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateKey(ctx context.Context, k *gateway.Key) error { return keys.create(ctx, db, k) }

// Key returns the key with the hash, or ErrNotFound.
func (db *DB) Key(ctx context.Context, hash string) (*gateway.Key, error) {
	return keys.byID(ctx, db.r, hash, "")
}

// KeyByAlias returns the key with the alias, or ErrNotFound.
func (db *DB) KeyByAlias(ctx context.Context, alias string) (*gateway.Key, error) {
	return keys.get(ctx, db.r, "alias", "alias = $1 AND alias <> ''", alias)
}

// UpdateKey lets change change the stored key and returns the new one. Nothing
// else can write the key meanwhile, the booking of its spend included, so
// change may read any field. It may run more than once, each time on a freshly
// read key; its error is returned as it is. Errors are ErrNotFound and those
// of CreateKey.
func (db *DB) UpdateKey(ctx context.Context, hash string, change func(*gateway.Key) error) (*gateway.Key, error) {
	return keys.update(ctx, db, hash, change)
}

// DeleteKeys deletes keys and returns the hashes of those that were there, sorted.
func (db *DB) DeleteKeys(ctx context.Context, hashes []string) ([]string, error) {
	var gone []string
	err := db.change(ctx, func(tx *sql.Tx, f *feed) (err error) {
		gone, err = keys.remove(ctx, tx, f, "hash", hashes)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// KeyFilter selects keys; what is empty selects nothing away.
type KeyFilter struct {
	Hash           string
	Alias          string
	UserID         string
	TeamID         string
	OrganizationID string
	CreatedBy      string
	// TeamIDs widens UserID: keys of the user or of one of these teams.
	TeamIDs []string
	// AliasContains and Search match a part, in any case of ASCII letters;
	// Search looks at alias, name, hash and user.
	AliasContains string
	Search        string
}

// ListKeys returns one page of the keys that f selects, and how many f selects
// in all. Orders: created_at, updated_at, spend, max_budget, key_alias, token.
func (db *DB) ListKeys(ctx context.Context, f KeyFilter, p Page) ([]*gateway.Key, int, error) {
	var w where
	w.is("hash", f.Hash)
	w.is("alias", f.Alias)
	w.is("team_id", f.TeamID)
	w.is("org_id", f.OrganizationID)
	w.is("created_by", f.CreatedBy)
	w.contains(f.AliasContains, "alias")
	w.contains(f.Search, "alias", "name", "hash", "user_id")
	if len(f.TeamIDs) == 0 {
		w.is("user_id", f.UserID)
	} else {
		w.either(func(w *where) {
			w.is("user_id", f.UserID)
			w.in("team_id", f.TeamIDs)
		})
	}
	return keys.list(ctx, db, w, p)
}

// AllKeys calls yield with every key, in no order, without holding them all in
// memory. An error of yield ends it and is returned.
func (db *DB) AllKeys(ctx context.Context, yield func(*gateway.Key) error) error {
	return keys.each(ctx, db.r, keys.selectSQL(), nil, yield)
}
