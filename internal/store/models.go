package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"penstock/internal/gateway"
)

var models = &entity[gateway.StoredModel]{
	kind: "model", table: "models", idField: "id",
	id:     func(m *gateway.StoredModel) string { return m.ID },
	fields: storedModelFields,
	sort: map[string]order[gateway.StoredModel]{
		"created_at": byTime("created_at", func(m *gateway.StoredModel) time.Time { return m.CreatedAt }),
		"updated_at": byTime("updated_at", func(m *gateway.StoredModel) time.Time { return m.UpdatedAt }),
		"model_id":   byText("id", func(m *gateway.StoredModel) string { return m.ID }),
		"model_name": byText("name", func(m *gateway.StoredModel) string { return m.Name }),
	},
}

func storedModelFields(m *gateway.StoredModel) []field {
	return slices.Concat(
		[]field{
			id("id", "model_id", &m.ID), id("name", "model_name", &m.Name), object("params", "litellm_params", &m.Params), object("info", "model_info", &m.Info),
			id("team_id", "team_id", &m.TeamID), flag("blocked", &m.Blocked),
		},
		authorship(&m.CreatedAt, &m.CreatedBy, &m.UpdatedAt, &m.UpdatedBy))
}

// CreateStoredModel writes a new stored model. A taken id is an ErrConflict; text
// that no database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateStoredModel(ctx context.Context, m *gateway.StoredModel) error {
	return models.create(ctx, db, m)
}

// StoredModel returns the stored model with the id, or ErrNotFound.
func (db *DB) StoredModel(ctx context.Context, id string) (*gateway.StoredModel, error) {
	return models.byID(ctx, db.r, id)
}

// UpdateStoredModel is to stored models what UpdateKey is to keys.
func (db *DB) UpdateStoredModel(ctx context.Context, id string, change func(*gateway.StoredModel) error) (*gateway.StoredModel, error) {
	return models.update(ctx, db, id, change)
}

// EditStoredModels lets edit change stored models, all of which it is given by
// id, and writes back those that it returns: all of them or none. It returns
// their ids. Errors are those of UpdateStoredModel.
func (db *DB) EditStoredModels(ctx context.Context, edit func(all []*gateway.StoredModel) (edited []*gateway.StoredModel, err error)) ([]string, error) {
	var ids []string
	err := db.change(ctx, func(tx *sql.Tx, f *feed) error {
		ids = nil
		var all []*gateway.StoredModel
		err := models.each(ctx, tx, models.selectSQL()+" ORDER BY id"+db.d.forUpdate, nil, func(m *gateway.StoredModel) error {
			all = append(all, m)
			return nil
		})
		if err != nil {
			return err
		}
		edited, err := edit(all)
		if err != nil {
			return err
		}
		for _, m := range edited {
			if err := models.put(ctx, db, tx, f, m); err != nil {
				return err
			}
			ids = append(ids, m.ID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// DeleteStoredModels deletes stored models and returns the ids that were there, sorted.
func (db *DB) DeleteStoredModels(ctx context.Context, ids []string) ([]string, error) {
	return models.delete(ctx, db, ids)
}

// StoredModelFilter selects stored models; what is empty selects nothing away.
type StoredModelFilter struct {
	IDs    []string // of these; nil: of all
	Name   string
	TeamID string
	Search string // part of id or name, in any case of ASCII letters
}

// ListStoredModels returns one page of the stored models that f selects, and how many f
// selects in all. Orders: created_at, updated_at, model_id, model_name.
func (db *DB) ListStoredModels(ctx context.Context, f StoredModelFilter, p Page) ([]*gateway.StoredModel, int, error) {
	var w where
	if f.IDs != nil {
		w.in("id", f.IDs)
	}
	w.is("name", f.Name)
	w.is("team_id", f.TeamID)
	w.contains(f.Search, "id", "name")
	return models.list(ctx, db, w, p)
}

// AllStoredModels calls yield with every stored model, in no order. An error of yield ends
// it and is returned.
func (db *DB) AllStoredModels(ctx context.Context, yield func(*gateway.StoredModel) error) error {
	return models.each(ctx, db.r, models.selectSQL(), nil, yield)
}
