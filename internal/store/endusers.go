package store

import (
	"context"
	"slices"
	"time"

	"penstock/internal/gateway"
)

var endUsers = &entity[gateway.EndUser]{
	kind: "end_user", table: "end_users", idField: "id",
	id:     func(e *gateway.EndUser) string { return e.ID },
	fields: endUserFields, tallied: true, words: wordTable{"end_users", "n"},
	scope: EndUser,
	spend: func(e *gateway.EndUser) *gateway.Spend { return &e.Spend },
	sort: map[string]order[gateway.EndUser]{
		"created_at": byTime("created_at", func(e *gateway.EndUser) time.Time { return e.CreatedAt }),
		"updated_at": byTime("updated_at", func(e *gateway.EndUser) time.Time { return e.UpdatedAt }),
		"spend":      byTotal(func(e *gateway.EndUser) *gateway.Spend { return &e.Spend }),
		"max_budget": byBudget(func(e *gateway.EndUser) *gateway.Limits { return &e.Limits }),
		"user_id":    byText("id", func(e *gateway.EndUser) string { return e.ID }),
		"alias":      byText("alias", func(e *gateway.EndUser) string { return e.Alias }),
	},
}

func endUserFields(e *gateway.EndUser) []field {
	return slices.Concat(
		[]field{
			id("id", "user_id", &e.ID), text("alias", "alias", &e.Alias), text("region", "allowed_model_region", &e.Region),
			text("default_model", "default_model", &e.DefaultModel), id("budget_id", "budget_id", &e.BudgetID), list("models", "models", &e.Models),
		},
		limitFields(&e.Limits),
		[]field{flag("blocked", &e.Blocked), moment("created_at", &e.CreatedAt), moment("updated_at", &e.UpdatedAt)})
}

// CreateEndUser writes a new end user. A taken id is an ErrConflict; text
// that no database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateEndUser(ctx context.Context, e *gateway.EndUser) error {
	return endUsers.create(ctx, db, e)
}

// EndUser returns the end user with the id, or ErrNotFound.
func (db *DB) EndUser(ctx context.Context, id string) (*gateway.EndUser, error) {
	return endUsers.byID(ctx, db.r, id)
}

// UpdateEndUser is to end users what UpdateKey is to keys.
func (db *DB) UpdateEndUser(ctx context.Context, id string, change func(*gateway.EndUser) error) (*gateway.EndUser, error) {
	return endUsers.update(ctx, db, id, change)
}

// DeleteEndUsers deletes end users and returns the ids that were there, sorted.
func (db *DB) DeleteEndUsers(ctx context.Context, ids []string) ([]string, error) {
	return endUsers.delete(ctx, db, ids)
}

// EndUserFilter selects end users; what is empty selects nothing away.
type EndUserFilter struct {
	IDs      []string // of these; nil: of all
	BudgetID string
	Search   string // part of id or alias, in any case of ASCII letters
}

// ListEndUsers returns one page of the end users that f selects, and how many f
// selects in all, counted as keys are. Orders: created_at, updated_at, spend,
// max_budget, user_id, alias.
func (db *DB) ListEndUsers(ctx context.Context, f EndUserFilter, p Page) ([]*gateway.EndUser, int, error) {
	var w where
	if f.IDs != nil {
		w.in("id", f.IDs)
	}
	w.is("budget_id", f.BudgetID)
	w.contains(f.Search, "id", "alias")
	endUsers.finds(&w, db.d, f.Search, nil, "id", "alias")
	return endUsers.list(ctx, db, w, p)
}

// AllEndUsers calls yield with every end user, in no order. An error of yield ends
// it and is returned.
func (db *DB) AllEndUsers(ctx context.Context, yield func(*gateway.EndUser) error) error {
	return endUsers.each(ctx, db.r, endUsers.selectSQL(), nil, yield)
}
