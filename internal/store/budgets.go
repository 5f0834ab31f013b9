package store

import (
	"context"
	"slices"
	"time"

	"penstock/internal/gateway"
)

var budgets = &entity[gateway.Budget]{
	kind: "budget", table: "budgets", idField: "id",
	id:     func(b *gateway.Budget) string { return b.ID },
	fields: budgetFields,
	sort: map[string]order[gateway.Budget]{
		"created_at": byTime("created_at", func(b *gateway.Budget) time.Time { return b.CreatedAt }),
		"updated_at": byTime("updated_at", func(b *gateway.Budget) time.Time { return b.UpdatedAt }),
		"max_budget": byBudget(func(b *gateway.Budget) *gateway.Limits { return &b.Limits }),
		"budget_id":  byText("id", func(b *gateway.Budget) string { return b.ID }),
	},
}

func budgetFields(b *gateway.Budget) []field {
	return slices.Concat(
		[]field{id("id", "budget_id", &b.ID), list("allowed_models", "allowed_models", &b.AllowedModels)},
		limitFields(&b.Limits), authorship(&b.CreatedAt, &b.CreatedBy, &b.UpdatedAt, &b.UpdatedBy))
}

// CreateBudget writes a new budget. A taken id is an ErrConflict; text
// that no database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateBudget(ctx context.Context, b *gateway.Budget) error {
	return budgets.create(ctx, db, b)
}

// Budget returns the budget with the id, or ErrNotFound.
func (db *DB) Budget(ctx context.Context, id string) (*gateway.Budget, error) {
	return budgets.byID(ctx, db.r, id)
}

// UpdateBudget is to budgets what UpdateKey is to keys.
func (db *DB) UpdateBudget(ctx context.Context, id string, change func(*gateway.Budget) error) (*gateway.Budget, error) {
	return budgets.update(ctx, db, id, change)
}

// DeleteBudgets deletes budgets and returns the ids that were there, sorted.
// Who referred to one has no ceilings from it any more.
func (db *DB) DeleteBudgets(ctx context.Context, ids []string) ([]string, error) {
	return budgets.delete(ctx, db, ids)
}

// BudgetFilter selects budgets; what is empty selects nothing away.
type BudgetFilter struct {
	IDs    []string // of these; nil: of all
	Search string   // part of the id, in any case of ASCII letters
}

// ListBudgets returns one page of the budgets that f selects, and how many f
// selects in all. Orders: created_at, updated_at, max_budget, budget_id.
func (db *DB) ListBudgets(ctx context.Context, f BudgetFilter, p Page) ([]*gateway.Budget, int, error) {
	var w where
	if f.IDs != nil {
		w.in("id", f.IDs)
	}
	w.contains(f.Search, "id")
	return budgets.list(ctx, db, w, p)
}

// AllBudgets calls yield with every budget, in no order. An error of yield ends
// it and is returned.
func (db *DB) AllBudgets(ctx context.Context, yield func(*gateway.Budget) error) error {
	return budgets.each(ctx, db.r, budgets.selectSQL(), nil, yield)
}
