package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock/internal/gateway"
)

var accessGroups = &entity[gateway.AccessGroup]{
	kind: "access_group", table: "access_groups", idField: "id",
	id:     func(g *gateway.AccessGroup) string { return g.ID },
	fields: accessGroupFields,
	unique: []unique[gateway.AccessGroup]{{"name", "name", func(g *gateway.AccessGroup) string { return g.Name }}},
	sort: map[string]order[gateway.AccessGroup]{
		"created_at":        byTime("created_at", func(g *gateway.AccessGroup) time.Time { return g.CreatedAt }),
		"updated_at":        byTime("updated_at", func(g *gateway.AccessGroup) time.Time { return g.UpdatedAt }),
		"access_group_id":   byText("id", func(g *gateway.AccessGroup) string { return g.ID }),
		"access_group_name": byText("name", func(g *gateway.AccessGroup) string { return g.Name }),
	},
}

// accessGroupFields leaves columns empty that the release before has: who has a
// group stands in access_group_owners, and its budget in access_group_budgets.
func accessGroupFields(g *gateway.AccessGroup) []field {
	return slices.Concat(
		[]field{
			id("id", "access_group_id", &g.ID), id("name", "access_group_name", &g.Name), text("description", "description", &g.Description),
			list("models", "access_model_names", &g.Models), list("teams", "assigned_team_ids", new([]string)), list("keys", "assigned_key_ids", new([]string)),
			id("budget_id", "budget_id", new(string)),
		},
		limitFields(new(gateway.Limits)), authorship(&g.CreatedAt, &g.CreatedBy, &g.UpdatedAt, &g.UpdatedBy))
}

// CreateAccessGroup writes a new access group and gives it to the keys and teams
// that it names; those that are not there are left out. A taken id or name is an
// ErrConflict; text that no database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateAccessGroup(ctx context.Context, g *gateway.AccessGroup) error {
	return db.change(ctx, func(tx *sql.Tx, f *feed) error {
		if err := accessGroups.insert(ctx, db, tx, f, g); err != nil {
			return err
		}
		return db.assign(ctx, tx, f, g, &gateway.AccessGroup{})
	})
}

// AccessGroup returns the access group with the id, or ErrNotFound.
func (db *DB) AccessGroup(ctx context.Context, id string) (*gateway.AccessGroup, error) {
	g, err := accessGroups.byID(ctx, db.r, id)
	if err != nil {
		return nil, err
	}
	return g, fillOwners(ctx, db.r, []*gateway.AccessGroup{g})
}

// UpdateAccessGroup is to access groups what UpdateKey is to keys. Keys and teams
// that change adds to the group, or takes from it, get it or lose it.
func (db *DB) UpdateAccessGroup(ctx context.Context, id string, change func(*gateway.AccessGroup) error) (*gateway.AccessGroup, error) {
	var out *gateway.AccessGroup
	err := db.change(ctx, func(tx *sql.Tx, f *feed) error {
		// Groups are locked before keys and teams everywhere.
		g, err := accessGroups.locked(ctx, db, tx, id)
		if err != nil {
			return err
		}
		if err := fillOwners(ctx, tx, []*gateway.AccessGroup{g}); err != nil {
			return err
		}
		was := &gateway.AccessGroup{Keys: slices.Clone(g.Keys), Teams: slices.Clone(g.Teams)}
		if err := change(g); err != nil {
			return err
		}
		if g.ID != id {
			return fmt.Errorf("update access group %q: its id cannot change", shown(id))
		}
		out = g
		if err := accessGroups.put(ctx, db, tx, f, g); err != nil {
			return err
		}
		return db.assign(ctx, tx, f, g, was)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteAccessGroups deletes access groups, takes them from the keys and teams
// that had them, and returns the ids that were there, sorted.
func (db *DB) DeleteAccessGroups(ctx context.Context, ids []string) ([]string, error) {
	var gone []string
	err := db.change(ctx, func(tx *sql.Tx, f *feed) (err error) {
		if gone, err = accessGroups.remove(ctx, db, tx, f, "id", ids); err != nil {
			return err
		}
		for _, id := range gone {
			was := &gateway.AccessGroup{ID: id}
			if err := fillOwners(ctx, tx, []*gateway.AccessGroup{was}); err != nil {
				return err
			}
			if err := db.assign(ctx, tx, f, &gateway.AccessGroup{ID: id}, was); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// assign gives the group to the keys and teams that it names and was did not,
// and takes it from those that only was did. Each of them says which groups it
// has; a trigger keeps access_group_owners by that.
func (db *DB) assign(ctx context.Context, tx *sql.Tx, f *feed, g, was *gateway.AccessGroup) error {
	set := func(ids *[]string, has bool) {
		*ids = slices.DeleteFunc(slices.Clone(*ids), func(s string) bool { return s == g.ID })
		if has {
			*ids = append(*ids, g.ID)
		}
	}
	for _, hash := range changedIn(g.Keys, was.Keys) {
		k, err := keys.locked(ctx, db, tx, hash)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		set(&k.AccessGroupIDs, slices.Contains(g.Keys, hash))
		if err := keys.put(ctx, db, tx, f, k); err != nil {
			return err
		}
	}
	for _, id := range changedIn(g.Teams, was.Teams) {
		t, err := teams.locked(ctx, db, tx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		set(&t.AccessGroupIDs, slices.Contains(g.Teams, id))
		if err := teams.put(ctx, db, tx, f, t); err != nil {
			return err
		}
	}
	return nil
}

// changedIn returns what is in one of two lists of ids and not in the other, sorted.
func changedIn(a, b []string) []string {
	in := map[string]int{}
	for _, id := range possible(a) {
		in[id]++
	}
	for _, id := range possible(b) {
		in[id]--
	}
	var out []string
	for id, n := range in {
		if n != 0 {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// fillOwners fills in which keys and teams have the groups.
func fillOwners(ctx context.Context, q querier, groups []*gateway.AccessGroup) error {
	for chunk := range slices.Chunk(groups, fillAtOnce) {
		byID := make(map[string]*gateway.AccessGroup, len(chunk))
		ids := make([]string, len(chunk))
		for i, g := range chunk {
			byID[g.ID], ids[i] = g, g.ID
			g.Keys, g.Teams = nil, nil
		}
		var w where
		w.in("group_id", ids)
		if w.bad != nil {
			return w.bad
		}
		rows, err := q.QueryContext(ctx, "SELECT group_id, kind, owner FROM access_group_owners"+w.sql()+" ORDER BY group_id, kind, owner", w.args...)
		err = results(rows, err, func(r *sql.Rows) error {
			var id, kind, owner string
			if err := r.Scan(&id, &kind, &owner); err != nil {
				return err
			}
			if g := byID[id]; kind == keys.kind {
				g.Keys = append(g.Keys, owner)
			} else {
				g.Teams = append(g.Teams, owner)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read who has access groups: %w", err)
		}
	}
	return nil
}

// AccessGroupFilter selects access groups; what is empty selects nothing away.
type AccessGroupFilter struct {
	IDs    []string // of these; nil: of all
	Name   string
	Search string // part of id or name, in any case of ASCII letters
}

// ListAccessGroups returns one page of the access groups that f selects, and how many f
// selects in all. Orders: created_at, updated_at, access_group_id, access_group_name.
func (db *DB) ListAccessGroups(ctx context.Context, f AccessGroupFilter, p Page) ([]*gateway.AccessGroup, int, error) {
	var w where
	if f.IDs != nil {
		w.in("id", f.IDs)
	}
	w.is("name", f.Name)
	w.contains(f.Search, "id", "name")
	list, n, err := accessGroups.list(ctx, db, w, p)
	if err == nil {
		err = fillOwners(ctx, db.r, list)
	}
	return list, n, err
}

// AllAccessGroups calls yield with every access group, in no order and without
// saying who has it: keys and teams say that themselves. An error of yield ends
// it and is returned.
func (db *DB) AllAccessGroups(ctx context.Context, yield func(*gateway.AccessGroup) error) error {
	return accessGroups.each(ctx, db.r, accessGroups.selectSQL(), nil, yield)
}

var groupBudgets = &entity[gateway.GroupBudget]{
	kind: "access_group_budget", table: "access_group_budgets", idField: "name",
	id: func(b *gateway.GroupBudget) string { return b.Name },
	fields: func(b *gateway.GroupBudget) []field {
		return slices.Concat(
			[]field{id("name", "access_group", &b.Name), id("budget_id", "budget_id", &b.BudgetID)},
			limitFields(&b.Limits), authorship(&b.CreatedAt, &b.CreatedBy, &b.UpdatedAt, &b.UpdatedBy))
	},
	scope: AccessGroup,
	spend: func(b *gateway.GroupBudget) *gateway.Spend { return &b.Spend },
	sort: map[string]order[gateway.GroupBudget]{
		"name":       byText("name", func(b *gateway.GroupBudget) string { return b.Name }),
		"created_at": byTime("created_at", func(b *gateway.GroupBudget) time.Time { return b.CreatedAt }),
		"updated_at": byTime("updated_at", func(b *gateway.GroupBudget) time.Time { return b.UpdatedAt }),
		"spend":      byTotal(func(b *gateway.GroupBudget) *gateway.Spend { return &b.Spend }),
		"max_budget": byBudget(func(b *gateway.GroupBudget) *gateway.Limits { return &b.Limits }),
	},
}

// CreateGroupBudget writes the budget of an access group that has none. A taken
// name is an ErrConflict.
func (db *DB) CreateGroupBudget(ctx context.Context, b *gateway.GroupBudget) error {
	return groupBudgets.create(ctx, db, b)
}

// GroupBudget returns the budget of the access group, or ErrNotFound.
func (db *DB) GroupBudget(ctx context.Context, group string) (*gateway.GroupBudget, error) {
	return groupBudgets.byID(ctx, db.r, group)
}

// UpdateGroupBudget is to budgets of access groups what UpdateKey is to keys.
func (db *DB) UpdateGroupBudget(ctx context.Context, group string, change func(*gateway.GroupBudget) error) (*gateway.GroupBudget, error) {
	return groupBudgets.update(ctx, db, group, change)
}

// DeleteGroupBudgets deletes the budgets of access groups and returns the names
// of those that had one, sorted. What was spent stays in the books.
func (db *DB) DeleteGroupBudgets(ctx context.Context, groups []string) ([]string, error) {
	return groupBudgets.delete(ctx, db, groups)
}

// GroupBudgetFilter selects budgets of access groups; what is empty selects
// nothing away.
type GroupBudgetFilter struct {
	Names  []string // of these; nil: of all
	Search string   // part of the name, in any case of ASCII letters
}

// ListGroupBudgets returns one page of the budgets of access groups that f
// selects, and how many f selects in all. Orders: name, created_at, updated_at,
// spend, max_budget.
func (db *DB) ListGroupBudgets(ctx context.Context, f GroupBudgetFilter, p Page) ([]*gateway.GroupBudget, int, error) {
	var w where
	if f.Names != nil {
		w.in("name", f.Names)
	}
	w.contains(f.Search, "name")
	return groupBudgets.list(ctx, db, w, p)
}

// AllGroupBudgets calls yield with every budget of an access group, in no order.
// An error of yield ends it and is returned.
func (db *DB) AllGroupBudgets(ctx context.Context, yield func(*gateway.GroupBudget) error) error {
	return groupBudgets.each(ctx, db.r, groupBudgets.selectSQL(), nil, yield)
}
