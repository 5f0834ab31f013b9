package store

import (
	"context"
	"slices"
	"time"

	"penstock/internal/gateway"
)

var jwtMappings = &entity[gateway.JWTMapping]{
	kind: "jwt_mapping", table: "jwt_mappings", idField: "id",
	id:     func(m *gateway.JWTMapping) string { return m.ID },
	fields: jwtMappingFields,
	unique: []unique[gateway.JWTMapping]{{"claim", "jwt_claim_value", func(m *gateway.JWTMapping) string { return m.Value }}},
	sort: map[string]order[gateway.JWTMapping]{
		"created_at": byTime("created_at", func(m *gateway.JWTMapping) time.Time { return m.CreatedAt }),
		"updated_at": byTime("updated_at", func(m *gateway.JWTMapping) time.Time { return m.UpdatedAt }),
	},
}

func jwtMappingFields(m *gateway.JWTMapping) []field {
	return slices.Concat(
		[]field{
			id("id", "id", &m.ID), id("issuer", "jwt_issuer", &m.Issuer), id("claim", "jwt_claim_name", &m.Claim), id("value", "jwt_claim_value", &m.Value),
			id("key_hash", "token", &m.KeyHash), text("description", "description", &m.Description), flag("active", &m.Active),
		},
		authorship(&m.CreatedAt, &m.CreatedBy, &m.UpdatedAt, &m.UpdatedBy))
}

// CreateJWTMapping writes a new mapping. A taken id or claim is an ErrConflict; text
// that no database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateJWTMapping(ctx context.Context, m *gateway.JWTMapping) error {
	return jwtMappings.create(ctx, db, m)
}

// JWTMapping returns the mapping with the id, or ErrNotFound.
func (db *DB) JWTMapping(ctx context.Context, id string) (*gateway.JWTMapping, error) {
	return jwtMappings.byID(ctx, db.r, id)
}

// UpdateJWTMapping is to mappings of tokens what UpdateKey is to keys.
func (db *DB) UpdateJWTMapping(ctx context.Context, id string, change func(*gateway.JWTMapping) error) (*gateway.JWTMapping, error) {
	return jwtMappings.update(ctx, db, id, change)
}

// DeleteJWTMappings deletes mappings of tokens and returns the ids that were there, sorted.
func (db *DB) DeleteJWTMappings(ctx context.Context, ids []string) ([]string, error) {
	return jwtMappings.delete(ctx, db, ids)
}

// JWTMappingFilter selects mappings of tokens; what is empty selects nothing away.
type JWTMappingFilter struct {
	IDs     []string // of these; nil: of all
	KeyHash string
	Issuer  string
}

// ListJWTMappings returns one page of the mappings of tokens that f selects, and how many f
// selects in all. Orders: created_at, updated_at.
func (db *DB) ListJWTMappings(ctx context.Context, f JWTMappingFilter, p Page) ([]*gateway.JWTMapping, int, error) {
	var w where
	if f.IDs != nil {
		w.in("id", f.IDs)
	}
	w.is("key_hash", f.KeyHash)
	w.is("issuer", f.Issuer)
	return jwtMappings.list(ctx, db, w, p)
}

// AllJWTMappings calls yield with every mapping, in no order. An error of yield ends
// it and is returned.
func (db *DB) AllJWTMappings(ctx context.Context, yield func(*gateway.JWTMapping) error) error {
	return jwtMappings.each(ctx, db.r, jwtMappings.selectSQL(), nil, yield)
}
