package store

import (
	"context"
	"slices"
	"time"

	"penstock/internal/gateway"
)

var tags = &entity[gateway.Tag]{
	kind: "tag", table: "tags", idField: "name",
	id:     func(t *gateway.Tag) string { return t.Name },
	fields: tagFields,
	scope:  Tag,
	spend:  func(t *gateway.Tag) *gateway.Spend { return &t.Spend },
	sort: map[string]order[gateway.Tag]{
		"created_at": byTime("created_at", func(t *gateway.Tag) time.Time { return t.CreatedAt }),
		"updated_at": byTime("updated_at", func(t *gateway.Tag) time.Time { return t.UpdatedAt }),
		"spend":      byTotal(func(t *gateway.Tag) *gateway.Spend { return &t.Spend }),
		"max_budget": byBudget(func(t *gateway.Tag) *gateway.Limits { return &t.Limits }),
		"name":       byText("name", func(t *gateway.Tag) string { return t.Name }),
	},
}

func tagFields(t *gateway.Tag) []field {
	return slices.Concat(
		[]field{
			id("name", "name", &t.Name), text("description", "description", &t.Description), list("models", "models", &t.Models),
			id("budget_id", "budget_id", &t.BudgetID),
		},
		limitFields(&t.Limits),
		[]field{moment("created_at", &t.CreatedAt), text("created_by", "created_by", &t.CreatedBy), moment("updated_at", &t.UpdatedAt)})
}

// CreateTag writes a new tag. A taken name is an ErrConflict; text
// that no database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateTag(ctx context.Context, t *gateway.Tag) error {
	return tags.create(ctx, db, t)
}

// Tag returns the tag with the name, or ErrNotFound.
func (db *DB) Tag(ctx context.Context, name string) (*gateway.Tag, error) {
	return tags.byID(ctx, db.r, name)
}

// UpdateTag is to tags what UpdateKey is to keys.
func (db *DB) UpdateTag(ctx context.Context, name string, change func(*gateway.Tag) error) (*gateway.Tag, error) {
	return tags.update(ctx, db, name, change)
}

// DeleteTags deletes tags and returns the names that were there, sorted.
func (db *DB) DeleteTags(ctx context.Context, names []string) ([]string, error) {
	return tags.delete(ctx, db, names)
}

// TagFilter selects tags; what is empty selects nothing away.
type TagFilter struct {
	Names    []string // of these; nil: of all
	BudgetID string
	Search   string // part of the name, in any case of ASCII letters
}

// ListTags returns one page of the tags that f selects, and how many f
// selects in all. Orders: created_at, updated_at, spend, max_budget, name.
func (db *DB) ListTags(ctx context.Context, f TagFilter, p Page) ([]*gateway.Tag, int, error) {
	var w where
	if f.Names != nil {
		w.in("name", f.Names)
	}
	w.is("budget_id", f.BudgetID)
	w.contains(f.Search, "name")
	return tags.list(ctx, db, w, p)
}

// AllTags calls yield with every tag, in no order. An error of yield ends
// it and is returned.
func (db *DB) AllTags(ctx context.Context, yield func(*gateway.Tag) error) error {
	return tags.each(ctx, db.r, tags.selectSQL(), nil, yield)
}
