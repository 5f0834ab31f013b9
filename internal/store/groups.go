package store

import (
	"context"
	"slices"
	"time"

	"penstock/internal/gateway"
)

var accessGroups = &entity[gateway.AccessGroup]{
	kind: "access_group", table: "access_groups", idField: "id",
	id:     func(g *gateway.AccessGroup) string { return g.ID },
	fields: accessGroupFields,
	scope:  AccessGroup,
	spend:  func(g *gateway.AccessGroup) *gateway.Spend { return &g.Spend },
	unique: []unique[gateway.AccessGroup]{{"name", "name", func(g *gateway.AccessGroup) string { return g.Name }}},
	sort: map[string]order[gateway.AccessGroup]{
		"created_at":        byTime("created_at", func(g *gateway.AccessGroup) time.Time { return g.CreatedAt }),
		"updated_at":        byTime("updated_at", func(g *gateway.AccessGroup) time.Time { return g.UpdatedAt }),
		"spend":             bySpend(func(g *gateway.AccessGroup) *gateway.Spend { return &g.Spend }),
		"max_budget":        byBudget(func(g *gateway.AccessGroup) *gateway.Limits { return &g.Limits }),
		"access_group_id":   byText("id", func(g *gateway.AccessGroup) string { return g.ID }),
		"access_group_name": byText("name", func(g *gateway.AccessGroup) string { return g.Name }),
	},
}

func accessGroupFields(g *gateway.AccessGroup) []field {
	return slices.Concat(
		[]field{
			id("id", "access_group_id", &g.ID), id("name", "access_group_name", &g.Name), text("description", "description", &g.Description),
			list("models", "access_model_names", &g.Models), list("teams", "assigned_team_ids", &g.Teams), list("keys", "assigned_key_ids", &g.Keys),
			id("budget_id", "budget_id", &g.BudgetID),
		},
		limitFields(&g.Limits), authorship(&g.CreatedAt, &g.CreatedBy, &g.UpdatedAt, &g.UpdatedBy))
}

// CreateAccessGroup writes a new access group. A taken id or name is an ErrConflict; text
// that no database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateAccessGroup(ctx context.Context, g *gateway.AccessGroup) error {
	return accessGroups.create(ctx, db, g)
}

// AccessGroup returns the access group with the id, or ErrNotFound.
func (db *DB) AccessGroup(ctx context.Context, id string) (*gateway.AccessGroup, error) {
	return accessGroups.byID(ctx, db.r, id)
}

// UpdateAccessGroup is to access groups what UpdateKey is to keys.
func (db *DB) UpdateAccessGroup(ctx context.Context, id string, change func(*gateway.AccessGroup) error) (*gateway.AccessGroup, error) {
	return accessGroups.update(ctx, db, id, change)
}

// DeleteAccessGroups deletes access groups and returns the ids that were there, sorted.
func (db *DB) DeleteAccessGroups(ctx context.Context, ids []string) ([]string, error) {
	return accessGroups.delete(ctx, db, ids)
}

// AccessGroupFilter selects access groups; what is empty selects nothing away.
type AccessGroupFilter struct {
	IDs    []string // of these; nil: of all
	Name   string
	Search string // part of id or name, in any case of ASCII letters
}

// ListAccessGroups returns one page of the access groups that f selects, and how many f
// selects in all. Orders: created_at, updated_at, spend, max_budget, access_group_id, access_group_name.
func (db *DB) ListAccessGroups(ctx context.Context, f AccessGroupFilter, p Page) ([]*gateway.AccessGroup, int, error) {
	var w where
	if f.IDs != nil {
		w.in("id", f.IDs)
	}
	w.is("name", f.Name)
	w.contains(f.Search, "id", "name")
	return accessGroups.list(ctx, db, w, p)
}

// AllAccessGroups calls yield with every access group, in no order. An error of yield ends
// it and is returned.
func (db *DB) AllAccessGroups(ctx context.Context, yield func(*gateway.AccessGroup) error) error {
	return accessGroups.each(ctx, db.r, accessGroups.selectSQL(), nil, yield)
}
