package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/internal/gateway"
)

var keys = &entity[gateway.Key]{
	owned: func(v *gateway.Key) gateway.NanoUSD { return v.Spend.Total },
	kind:  "key", table: "keys", idField: "hash",
	id:     func(k *gateway.Key) string { return k.Hash },
	fields: keyFields, tallied: true, spendScopes: []string{"org_id", "team_id"}, archive: "deleted_keys", words: wordTable{"keys", "id"},
	unique: []unique[gateway.Key]{{"alias", "alias", func(k *gateway.Key) string { return k.Alias }}},
	sort: map[string]order[gateway.Key]{
		"created_at": byTime("created_at", func(k *gateway.Key) time.Time { return k.CreatedAt }),
		"updated_at": byTime("updated_at", func(k *gateway.Key) time.Time { return k.UpdatedAt }),
		"spend":      bySpend(func(k *gateway.Key) *gateway.Spend { return &k.Spend }),
		"max_budget": byBudget(func(k *gateway.Key) *gateway.Limits { return &k.Limits }),
		"alias":      byText("alias", func(k *gateway.Key) string { return k.Alias }),
		"key_alias":  byText("alias", func(k *gateway.Key) string { return k.Alias }),
		"token":      byText("hash", func(k *gateway.Key) string { return k.Hash }),
	},
}

func keyFields(k *gateway.Key) []field {
	return slices.Concat(
		[]field{
			id("hash", "hash", &k.Hash), text("name", "key_name", &k.Name), id("alias", "key_alias", &k.Alias), id("user_id", "user_id", &k.UserID),
			id("team_id", "team_id", &k.TeamID), id("org_id", "organization_id", &k.OrganizationID), id("project_id", "project_id", &k.ProjectID),
			id("budget_id", "budget_id", &k.BudgetID), id("service_account_id", "service_account_id", &k.ServiceAccountID),
			list("models", "models", &k.Models), mapping("aliases", "aliases", &k.Aliases),
		},
		limitFields(&k.Limits), spendFields(&k.Spend),
		[]field{
			moment("expires", &k.Expires), flag("blocked", &k.Blocked), list("allowed_routes", "allowed_routes", &k.AllowedRoutes),
			text("key_type", "key_type", &k.Type), list("tags", "tags", &k.Tags), object("metadata", "metadata", &k.Metadata),
			object("permissions", "permissions", &k.Permissions), moment("rotate_at", &k.Rotation.Next),
			packed("details",
				func() (keyDetails, error) { return packKey(k) },
				func(d *keyDetails) { d.unpack(k) }),
			logging(&k.Logging),
			moment("last_active", &k.LastActive),
		},
		authorship(&k.CreatedAt, &k.CreatedBy, &k.UpdatedAt, &k.UpdatedBy))
}

// keyDetails is the stored form of what few keys have.
type keyDetails struct {
	EndUserBudget    string              `json:"end_user_budget_id,omitzero"`
	AccessGroups     []string            `json:"access_group_ids,omitempty"`
	BudgetFallbacks  map[string][]string `json:"budget_fallbacks,omitempty"`
	AllowedIPs       []string            `json:"allowed_ips,omitempty"`
	EnforcedParams   []string            `json:"enforced_params,omitempty"`
	CacheControls    []string            `json:"allowed_cache_controls,omitempty"`
	RouterSettings   string              `json:"router_settings,omitzero"`
	ObjectPermission string              `json:"object_permission,omitzero"`
	AutoRotate       bool                `json:"auto_rotate,omitzero"`
	RotationInterval string              `json:"rotation_interval,omitzero"`
	RotationCount    int64               `json:"rotation_count,omitzero"`
	LastRotation     int64               `json:"last_rotation_at,omitzero"` // microseconds
}

func packKey(k *gateway.Key) (keyDetails, error) {
	d := keyDetails{
		EndUserBudget: k.EndUserBudgetID, AccessGroups: k.AccessGroupIDs, BudgetFallbacks: k.BudgetFallbacks,
		AllowedIPs: k.AllowedIPs, EnforcedParams: k.EnforcedParams, CacheControls: k.CacheControls,
		RouterSettings: string(k.RouterSettings), ObjectPermission: string(k.ObjectPermission),
		AutoRotate: k.Rotation.Auto, RotationInterval: k.Rotation.Interval, RotationCount: k.Rotation.Count, LastRotation: micros(k.Rotation.Last),
	}
	err := checkIDs(named{"end_user_budget_id", k.EndUserBudgetID})
	if err == nil {
		err = checkObjects(named{"router_settings", string(k.RouterSettings)}, named{"object_permission", string(k.ObjectPermission)})
	}
	return d, err
}

func (d *keyDetails) unpack(k *gateway.Key) {
	k.EndUserBudgetID, k.AccessGroupIDs, k.BudgetFallbacks = d.EndUserBudget, d.AccessGroups, d.BudgetFallbacks
	k.AllowedIPs, k.EnforcedParams, k.CacheControls = d.AllowedIPs, d.EnforcedParams, d.CacheControls
	k.RouterSettings, k.ObjectPermission = decodeObject(d.RouterSettings), decodeObject(d.ObjectPermission)
	k.Rotation.Auto, k.Rotation.Interval, k.Rotation.Count, k.Rotation.Last = d.AutoRotate, d.RotationInterval, d.RotationCount, instant(d.LastRotation)
}

// CreateKey writes a new key. A taken hash or alias is an ErrConflict; text
// that no database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateKey(ctx context.Context, k *gateway.Key) error { return keys.create(ctx, db, k) }

// Key returns the key with the hash, or ErrNotFound.
func (db *DB) Key(ctx context.Context, hash string) (*gateway.Key, error) {
	return keys.byID(ctx, db.r, hash)
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

// DeleteKeys deletes keys, which stay in the archive (see ListDeletedKeys), and returns the hashes of those that were there, sorted.
func (db *DB) DeleteKeys(ctx context.Context, hashes []string) ([]string, error) {
	return keys.delete(ctx, db, hashes)
}

// KeyFilter selects keys; what is empty selects nothing away.
type KeyFilter struct {
	Hash           string
	Alias          string
	UserID         string
	TeamID         string
	OrganizationID string
	ProjectID      string
	BudgetID       string
	CreatedBy      string
	// ServiceAccounts wants keys of service accounts only.
	ServiceAccounts bool
	// TeamIDs and OrCreatedBy widen UserID: keys of the user, of one of these
	// teams, or made by this user.
	TeamIDs     []string
	OrCreatedBy string
	// Of wants only keys that belong to one of these.
	Of *KeyOwners
	// HasAlias wants only keys that have one.
	HasAlias bool
	// AccessGroupID wants keys that have the group.
	AccessGroupID string
	// AliasContains is a part of the alias, and Search a part of alias or user,
	// both in any case of ASCII letters. Search also finds the name or its last
	// four characters, and the first eight or more characters of the hash.
	AliasContains string
	Search        string
}

// KeyOwners are whose keys somebody may see; what is empty owns nothing.
type KeyOwners struct {
	UserID          string
	Hash            string // one key itself
	CreatedBy       string
	TeamIDs         []string
	OrganizationIDs []string // with the keys of their teams
}

func (o *KeyOwners) only(w *where) {
	w.is("user_id", o.UserID)
	w.is("hash", o.Hash)
	w.is("created_by", o.CreatedBy)
	if len(o.TeamIDs) > 0 {
		w.in("team_id", o.TeamIDs)
	}
	if len(o.OrganizationIDs) > 0 {
		w.in("org_id", o.OrganizationIDs)
		var of where
		of.args = w.args
		of.in("org_id", o.OrganizationIDs)
		w.args, w.bad = of.args, cmp.Or(w.bad, of.bad)
		w.parts = append(w.parts, "team_id IN (SELECT id FROM teams"+of.sql()+")")
	}
	if len(w.parts) == 0 {
		w.parts = append(w.parts, "1 = 0")
	}
}

// ListKeys returns one page of the keys that f selects, and how many f selects
// in all; of a search for parts it counts no more than 3,000, or about 500 if the part has one or two characters, of other filters no
// more than 100,000. Orders:
// created_at, updated_at, spend, max_budget, key_alias, token.
func (db *DB) ListKeys(ctx context.Context, f KeyFilter, p Page) ([]*gateway.Key, int, error) {
	w := f.where()
	if f.HasAlias && len(w.parts) == 1 && f.Search == "" && p.Sort == "key_alias" && !p.Desc && p.After == "" {
		// They are the end of the whole list, of which more is known.
		unnamed, err := db.unnamedKeys(ctx)
		if err != nil {
			return nil, 0, err
		}
		p.Offset = max(p.Offset, 0) + unnamed
		list, total, err := keys.list(ctx, db, where{}, p)
		return list, max(total-unnamed, 0), err
	}
	w.search(db.d, f)
	return keys.list(ctx, db, w, p)
}

// unnamedKeys returns how many keys have no alias.
func (db *DB) unnamedKeys(ctx context.Context) (int, error) {
	m, _, err := keys.mark(ctx, db, keys.sort["alias"], 0, "text = $2", "")
	if err != nil {
		return 0, err
	}
	var n int
	if err := db.r.QueryRowContext(ctx, "SELECT COUNT(*) FROM keys WHERE alias = '' AND hash >= $1", m.id).Scan(&n); err != nil {
		return 0, fmt.Errorf("count keys: %w", err)
	}
	return m.at + n, nil
}

// where wants what f selects, but for what it searches for.
func (f *KeyFilter) where() where {
	var w where
	w.is("hash", f.Hash)
	w.is("alias", f.Alias)
	w.is("team_id", f.TeamID)
	w.is("org_id", f.OrganizationID)
	w.is("project_id", f.ProjectID)
	w.is("budget_id", f.BudgetID)
	w.is("created_by", f.CreatedBy)
	if f.ServiceAccounts {
		w.parts = append(w.parts, "service_account_id <> ''")
	}
	w.contains(f.AliasContains, "alias")
	w.either(func(w *where) {
		w.is("user_id", f.UserID)
		if len(f.TeamIDs) > 0 {
			w.in("team_id", f.TeamIDs)
		}
		w.is("created_by", f.OrCreatedBy)
	})
	if f.Of != nil {
		w.either(f.Of.only)
	}
	if f.HasAlias {
		w.parts = append(w.parts, "alias <> ''")
	}
	if f.AccessGroupID != "" {
		var of where
		of.args = w.args
		of.is("group_id", f.AccessGroupID)
		of.is("kind", keys.kind)
		w.args, w.bad = of.args, cmp.Or(w.bad, of.bad)
		w.parts = append(w.parts, "hash IN (SELECT owner FROM access_group_owners"+of.sql()+")")
	}
	return w
}

// found wants one of the places where f.Search may be found.
func (f *KeyFilter) found(w *where) {
	w.contains(f.Search, "alias", "user_id")
	for _, name := range keyNames(f.Search) {
		w.is("name", name)
	}
	if hashPart(f.Search) {
		w.parts = append(w.parts, "hash LIKE "+w.arg(f.Search+"%"))
	}
}

// KeysOf says whose keys are counted.
type KeysOf string

// Whose keys there are.
const (
	KeysOfTeams KeysOf = "team_id"
	KeysOfUsers KeysOf = "user_id"
)

// CountKeys returns how many keys each of ids has; who has none is not in it.
func (db *DB) CountKeys(ctx context.Context, of KeysOf, ids []string) (map[string]int, error) {
	out := map[string]int{}
	for chunk := range slices.Chunk(possible(ids), fillAtOnce) {
		var w where
		w.in(string(of), chunk)
		rows, err := db.r.QueryContext(ctx, "SELECT "+string(of)+", COUNT(*) FROM keys"+w.sql()+" GROUP BY "+string(of), w.args...) //nolint:gosec // G202: the text is ours, values are parameters
		err = results(rows, err, func(r *sql.Rows) error {
			var id string
			var n int
			err := r.Scan(&id, &n)
			out[id] = n
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("count keys: %w", err)
		}
	}
	return out, nil
}

// AllKeys calls yield with every key, in no order, without holding them all in
// memory. An error of yield ends it and is returned.
func (db *DB) AllKeys(ctx context.Context, yield func(*gateway.Key) error) error {
	return keys.each(ctx, db.r, keys.selectSQL(), nil, yield)
}

// search wants what f searches for, and says how an index finds it.
func (w *where) search(d dialect, f KeyFilter) {
	if f.Search == "" {
		keys.finds(w, d, f.AliasContains, nil, "alias")
		return
	}
	w.either(f.found)
	keys.finds(w, d, f.Search, func(w *where) []string {
		var found []string
		for _, name := range keyNames(f.Search) {
			found = append(found, "SELECT hash FROM keys WHERE name = "+w.arg(name))
		}
		if hashPart(f.Search) {
			found = append(found, "SELECT hash FROM keys WHERE hash >= "+w.arg(f.Search)+" AND hash < "+w.arg(f.Search+"g"))
		}
		return found
	}, "alias", "user_id")
}

// keyNames are the names of keys that a search may mean.
func keyNames(search string) []string {
	if len(search) == 4 {
		return []string{search, "sk-..." + search}
	}
	return []string{search}
}

// hashPart reports whether s can be the beginning of a hash that somebody looks
// for.
func hashPart(s string) bool {
	return len(s) >= 8 && strings.Trim(s, "0123456789abcdef") == ""
}
