package store

import (
	"context"
	"slices"
	"time"

	"penstock/internal/gateway"
)

var projects = &entity[gateway.Project]{
	kind: "project", table: "projects", idField: "id",
	id:     func(pj *gateway.Project) string { return pj.ID },
	fields: projectFields,
	scope:  Project,
	spend:  func(pj *gateway.Project) *gateway.Spend { return &pj.Spend },
	sort: map[string]order[gateway.Project]{
		"created_at":    byTime("created_at", func(pj *gateway.Project) time.Time { return pj.CreatedAt }),
		"updated_at":    byTime("updated_at", func(pj *gateway.Project) time.Time { return pj.UpdatedAt }),
		"spend":         byTotal(func(pj *gateway.Project) *gateway.Spend { return &pj.Spend }),
		"max_budget":    byBudget(func(pj *gateway.Project) *gateway.Limits { return &pj.Limits }),
		"project_id":    byText("id", func(pj *gateway.Project) string { return pj.ID }),
		"project_alias": byText("alias", func(pj *gateway.Project) string { return pj.Alias }),
	},
}

func projectFields(pj *gateway.Project) []field {
	return slices.Concat(
		[]field{
			id("id", "project_id", &pj.ID), text("alias", "project_alias", &pj.Alias), text("description", "description", &pj.Description),
			id("team_id", "team_id", &pj.TeamID), id("budget_id", "budget_id", &pj.BudgetID),
			list("models", "models", &pj.Models), list("tags", "tags", &pj.Tags),
		},
		limitFields(&pj.Limits),
		[]field{flag("blocked", &pj.Blocked), object("metadata", "metadata", &pj.Metadata)},
		authorship(&pj.CreatedAt, &pj.CreatedBy, &pj.UpdatedAt, &pj.UpdatedBy))
}

// CreateProject writes a new project. A taken id is an ErrConflict; text
// that no database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateProject(ctx context.Context, pj *gateway.Project) error {
	return projects.create(ctx, db, pj)
}

// Project returns the project with the id, or ErrNotFound.
func (db *DB) Project(ctx context.Context, id string) (*gateway.Project, error) {
	return projects.byID(ctx, db.r, id)
}

// UpdateProject is to projects what UpdateKey is to keys.
func (db *DB) UpdateProject(ctx context.Context, id string, change func(*gateway.Project) error) (*gateway.Project, error) {
	return projects.update(ctx, db, id, change)
}

// DeleteProjects deletes projects and returns the ids that were there, sorted.
// Keys of a project that is gone are in none.
func (db *DB) DeleteProjects(ctx context.Context, ids []string) ([]string, error) {
	return projects.delete(ctx, db, ids)
}

// ProjectFilter selects projects; what is empty selects nothing away.
type ProjectFilter struct {
	IDs      []string // of these; nil: of all
	TeamID   string
	TeamIDs  []string // of one of these teams; nil: of all
	BudgetID string
	Search   string // part of id or alias, in any case of ASCII letters
}

// ListProjects returns one page of the projects that f selects, and how many f
// selects in all. Orders: created_at, updated_at, spend, max_budget, project_id, project_alias.
func (db *DB) ListProjects(ctx context.Context, f ProjectFilter, p Page) ([]*gateway.Project, int, error) {
	var w where
	if f.IDs != nil {
		w.in("id", f.IDs)
	}
	w.is("team_id", f.TeamID)
	if f.TeamIDs != nil {
		w.in("team_id", f.TeamIDs)
	}
	w.is("budget_id", f.BudgetID)
	w.contains(f.Search, "id", "alias")
	return projects.list(ctx, db, w, p)
}

// AllProjects calls yield with every project, in no order. An error of yield ends
// it and is returned.
func (db *DB) AllProjects(ctx context.Context, yield func(*gateway.Project) error) error {
	return projects.each(ctx, db.r, projects.selectSQL(), nil, yield)
}
