package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"penstock/internal/gateway"
)

var organizations = &entity[gateway.Organization]{
	kind: "organization", table: "organizations", idField: "id",
	id:     func(o *gateway.Organization) string { return o.ID },
	fields: organizationFields,
	fill:   fillOrgMembers,
	scope:  Organization,
	spend:  func(o *gateway.Organization) *gateway.Spend { return &o.Spend },
	sort: map[string]order[gateway.Organization]{
		"created_at":         byTime("created_at", func(o *gateway.Organization) time.Time { return o.CreatedAt }),
		"updated_at":         byTime("updated_at", func(o *gateway.Organization) time.Time { return o.UpdatedAt }),
		"spend":              byTotal(func(o *gateway.Organization) *gateway.Spend { return &o.Spend }),
		"max_budget":         byBudget(func(o *gateway.Organization) *gateway.Limits { return &o.Limits }),
		"organization_id":    byText("id", func(o *gateway.Organization) string { return o.ID }),
		"organization_alias": byText("alias", func(o *gateway.Organization) string { return o.Alias }),
	},
}

func organizationFields(o *gateway.Organization) []field {
	return slices.Concat(
		[]field{
			id("id", "organization_id", &o.ID), text("alias", "organization_alias", &o.Alias), id("budget_id", "budget_id", &o.BudgetID),
			list("models", "models", &o.Models), members(&o.Members),
		},
		limitFields(&o.Limits),
		[]field{
			object("metadata", "metadata", &o.Metadata),
			packed("details",
				func() (organizationDetails, error) {
					return organizationDetails{string(o.ObjectPermission)}, checkObjects(named{"object_permission", string(o.ObjectPermission)})
				},
				func(d *organizationDetails) { o.ObjectPermission = decodeObject(d.ObjectPermission) }),
		},
		authorship(&o.CreatedAt, &o.CreatedBy, &o.UpdatedAt, &o.UpdatedBy))
}

// organizationDetails is the stored form of what few organizations have.
type organizationDetails struct {
	ObjectPermission string `json:"object_permission,omitzero"`
}

// CreateOrganization writes a new organization. A taken id is an ErrConflict;
// text that no database can keep is a *gateway.Error of kind Invalid.
func (db *DB) CreateOrganization(ctx context.Context, o *gateway.Organization) error {
	return organizations.create(ctx, db, o)
}

// Organization returns the organization with the id, or ErrNotFound.
func (db *DB) Organization(ctx context.Context, id string) (*gateway.Organization, error) {
	return organizations.byID(ctx, db.r, id)
}

// UpdateOrganization is to organizations what UpdateKey is to keys, but for the
// spend of members, which an update reads and does not write.
func (db *DB) UpdateOrganization(ctx context.Context, id string, change func(*gateway.Organization) error) (*gateway.Organization, error) {
	return organizations.update(ctx, db, id, change)
}

// DeleteOrganizations deletes organizations with their teams and keys, and
// takes their members out of them. It returns the ids that were there, sorted.
func (db *DB) DeleteOrganizations(ctx context.Context, ids []string) ([]string, error) {
	var gone []string
	err := db.change(ctx, func(tx *sql.Tx, f *feed) error {
		// Rows are locked in one order everywhere: keys, users, teams, organizations.
		if _, err := keys.remove(ctx, db, tx, f, "org_id", ids); err != nil {
			return err
		}
		var people []string
		for _, id := range possible(ids) {
			o, err := organizations.byID(ctx, tx, id)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			for _, m := range o.Members {
				people = append(people, m.UserID)
			}
		}
		err := db.editUsers(ctx, tx, f, people, func(u *gateway.User) {
			u.Organizations = slices.DeleteFunc(u.Organizations, func(o string) bool { return slices.Contains(ids, o) })
		})
		if err != nil {
			return err
		}
		for chunk := range slices.Chunk(possible(ids), 500) {
			var w where
			w.in("org_id", chunk)
			theirs, err := texts(ctx, tx, "SELECT id FROM teams"+w.sql(), w.args...)
			if err != nil {
				return err
			}
			if _, err := db.dropTeams(ctx, tx, f, theirs); err != nil {
				return err
			}
		}
		gone, err = organizations.remove(ctx, db, tx, f, "id", ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// OrganizationFilter selects organizations; what is empty selects nothing away.
type OrganizationFilter struct {
	IDs      []string // of these; nil: of all
	Alias    string
	BudgetID string
	Search   string // part of id or alias, in any case of ASCII letters
}

// ListOrganizations returns one page of the organizations that f selects, and
// how many f selects in all. Orders: created_at, updated_at, spend, max_budget,
// organization_id, organization_alias.
func (db *DB) ListOrganizations(ctx context.Context, f OrganizationFilter, p Page) ([]*gateway.Organization, int, error) {
	var w where
	if f.IDs != nil {
		w.in("id", f.IDs)
	}
	w.is("alias", f.Alias)
	w.is("budget_id", f.BudgetID)
	w.contains(f.Search, "id", "alias")
	return organizations.list(ctx, db, w, p)
}

// AllOrganizations calls yield with every organization, in no order. An error
// of yield ends it and is returned.
func (db *DB) AllOrganizations(ctx context.Context, yield func(*gateway.Organization) error) error {
	return organizations.each(ctx, db.r, organizations.selectSQL(), nil, yield)
}
