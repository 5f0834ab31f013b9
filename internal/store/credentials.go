package store

import (
	"context"
	"slices"
	"time"

	"penstock/internal/gateway"
)

var credentials = &entity[gateway.Credential]{
	kind: "credential", table: "credentials", idField: "name",
	id:     func(c *gateway.Credential) string { return c.Name },
	fields: credentialFields,
	sort: map[string]order[gateway.Credential]{
		"created_at":      byTime("created_at", func(c *gateway.Credential) time.Time { return c.CreatedAt }),
		"updated_at":      byTime("updated_at", func(c *gateway.Credential) time.Time { return c.UpdatedAt }),
		"credential_name": byText("name", func(c *gateway.Credential) string { return c.Name }),
	},
}

func credentialFields(c *gateway.Credential) []field {
	return slices.Concat(
		[]field{
			id("name", "credential_name", &c.Name), text("display_name", "display_name", &c.DisplayName), object("secrets", "credential_values", &c.Values),
			object("info", "credential_info", &c.Info),
		},
		authorship(&c.CreatedAt, &c.CreatedBy, &c.UpdatedAt, &c.UpdatedBy))
}

// CreateCredential writes a new credential. A taken name is an ErrConflict; text
// that no database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateCredential(ctx context.Context, c *gateway.Credential) error {
	return credentials.create(ctx, db, c)
}

// Credential returns the credential with the name, or ErrNotFound.
func (db *DB) Credential(ctx context.Context, name string) (*gateway.Credential, error) {
	return credentials.byID(ctx, db.r, name)
}

// UpdateCredential is to credentials what UpdateKey is to keys.
func (db *DB) UpdateCredential(ctx context.Context, name string, change func(*gateway.Credential) error) (*gateway.Credential, error) {
	return credentials.update(ctx, db, name, change)
}

// DeleteCredentials deletes credentials and returns the names that were there, sorted.
func (db *DB) DeleteCredentials(ctx context.Context, names []string) ([]string, error) {
	return credentials.delete(ctx, db, names)
}

// CredentialFilter selects credentials; what is empty selects nothing away.
type CredentialFilter struct {
	Names  []string // of these; nil: of all
	Search string   // part of the name, in any case of ASCII letters
}

// ListCredentials returns one page of the credentials that f selects, and how many f
// selects in all. Orders: created_at, updated_at, credential_name.
func (db *DB) ListCredentials(ctx context.Context, f CredentialFilter, p Page) ([]*gateway.Credential, int, error) {
	var w where
	if f.Names != nil {
		w.in("name", f.Names)
	}
	w.contains(f.Search, "name")
	return credentials.list(ctx, db, w, p)
}

// AllCredentials calls yield with every credential, in no order. An error of yield ends
// it and is returned.
func (db *DB) AllCredentials(ctx context.Context, yield func(*gateway.Credential) error) error {
	return credentials.each(ctx, db.r, credentials.selectSQL(), nil, yield)
}
