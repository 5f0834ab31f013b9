package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"penstock/internal/gateway"
)

var users = &entity[gateway.User]{
	owned: func(v *gateway.User) gateway.NanoUSD { return v.Spend.Total },
	kind:  "user", table: "users", idField: "id",
	id:     func(u *gateway.User) string { return u.ID },
	fields: userFields, tallied: true, spendScopes: []string{"org_id"}, words: wordTable{"users", "n"},
	unique: []unique[gateway.User]{
		{"email", "email", func(u *gateway.User) string { return u.Email }},
		{"sso", "sso_user_id", func(u *gateway.User) string { return u.SSOID }},
	},
	sort: map[string]order[gateway.User]{
		"created_at": byTime("created_at", func(u *gateway.User) time.Time { return u.CreatedAt }),
		"updated_at": byTime("updated_at", func(u *gateway.User) time.Time { return u.UpdatedAt }),
		"spend":      bySpend(func(u *gateway.User) *gateway.Spend { return &u.Spend }),
		"max_budget": byBudget(func(u *gateway.User) *gateway.Limits { return &u.Limits }),
		"alias":      byText("alias", func(u *gateway.User) string { return u.Alias }),
		"user_alias": byText("alias", func(u *gateway.User) string { return u.Alias }),
		"user_id":    byText("id", func(u *gateway.User) string { return u.ID }),
		"user_email": byText("email", func(u *gateway.User) string { return u.Email }),
		"user_role":  byText("role", func(u *gateway.User) string { return string(u.Role) }),
	},
}

func userFields(u *gateway.User) []field {
	return slices.Concat(
		[]field{
			id("id", "user_id", &u.ID), id("alias", "user_alias", &u.Alias), id("email", "user_email", &u.Email),
			id("sso_id", "sso_user_id", &u.SSOID), id("org_id", "organization_id", &u.OrganizationID), text("role", "user_role", &u.Role),
			list("models", "models", &u.Models), list("teams", "teams", &u.Teams), list("orgs", "organizations", &u.Organizations),
		},
		limitFields(&u.Limits), spendFields(&u.Spend),
		[]field{
			flag("blocked", &u.Blocked), object("metadata", "metadata", &u.Metadata),
			packed("details",
				func() (userDetails, error) {
					return userDetails{u.CacheControls, string(u.ObjectPermission)}, checkObjects(named{"object_permission", string(u.ObjectPermission)})
				},
				func(d *userDetails) {
					u.CacheControls, u.ObjectPermission = d.CacheControls, decodeObject(d.ObjectPermission)
				}),
			moment("created_at", &u.CreatedAt), moment("updated_at", &u.UpdatedAt),
		})
}

// userDetails is the stored form of what few users have.
type userDetails struct {
	CacheControls    []string `json:"allowed_cache_controls,omitempty"`
	ObjectPermission string   `json:"object_permission,omitzero"`
}

// CreateUser writes a new user. A taken id or email (in any case of ASCII
// letters) is an ErrConflict; text that no database can keep is a
// *gateway.Error of kind Invalid.
func (db *DB) CreateUser(ctx context.Context, u *gateway.User) error {
	return users.create(ctx, db, u)
}

// User returns the user with the id, or ErrNotFound.
func (db *DB) User(ctx context.Context, id string) (*gateway.User, error) {
	return users.byID(ctx, db.r, id)
}

// UserByEmail returns the user with the email, in any case of ASCII letters,
// or ErrNotFound.
func (db *DB) UserByEmail(ctx context.Context, email string) (*gateway.User, error) {
	return users.get(ctx, db.r, "email", "LOWER(email) = LOWER($1) AND email <> ''", email)
}

// UserBySSO returns the user with the subject at the identity provider, or
// ErrNotFound.
func (db *DB) UserBySSO(ctx context.Context, subject string) (*gateway.User, error) {
	return users.get(ctx, db.r, "sso_user_id", "sso_id = $1 AND sso_id <> ''", subject)
}

// UpdateUser is to users what UpdateKey is to keys.
func (db *DB) UpdateUser(ctx context.Context, id string, change func(*gateway.User) error) (*gateway.User, error) {
	return users.update(ctx, db, id, change)
}

// DeleteUsers deletes users and their keys, and takes them out of their teams
// and organizations. It returns the ids that were there, sorted.
func (db *DB) DeleteUsers(ctx context.Context, ids []string) ([]string, error) {
	var gone []string
	err := db.change(ctx, func(tx *sql.Tx, f *feed) error {
		// Rows are locked in one order everywhere: keys, users, teams, organizations.
		if _, err := keys.remove(ctx, db, tx, f, "user_id", ids); err != nil {
			return err
		}
		var inTeams, inOrgs []string
		for _, id := range possible(ids) {
			u, err := users.locked(ctx, db, tx, id)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			inTeams = append(inTeams, u.Teams...)
			inOrgs = append(inOrgs, u.Organizations...)
		}
		var err error
		if gone, err = users.remove(ctx, db, tx, f, "id", ids); err != nil {
			return err
		}
		if err := db.dropSignIn(ctx, tx, f, gone); err != nil {
			return err
		}
		left := func(m gateway.Member) bool { return slices.Contains(gone, m.UserID) }
		for _, id := range possible(inTeams) {
			t, err := teams.locked(ctx, db, tx, id)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			t.Members = slices.DeleteFunc(t.Members, left)
			if err := teams.put(ctx, db, tx, f, t); err != nil {
				return err
			}
		}
		for _, id := range possible(inOrgs) {
			o, err := organizations.locked(ctx, db, tx, id)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			o.Members = slices.DeleteFunc(o.Members, left)
			if err := organizations.put(ctx, db, tx, f, o); err != nil {
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

// editUsers changes those of the users that there are.
func (db *DB) editUsers(ctx context.Context, tx *sql.Tx, f *feed, ids []string, change func(*gateway.User)) error {
	for _, id := range possible(ids) {
		u, err := users.locked(ctx, db, tx, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		change(u)
		if err := users.put(ctx, db, tx, f, u); err != nil {
			return err
		}
	}
	return nil
}

// UserFilter selects users; what is empty selects nothing away.
type UserFilter struct {
	IDs   []string // of these; nil: of all
	Email string   // in any case of ASCII letters
	Role  gateway.Role
	// EmailContains matches a part of the email, in any case of ASCII letters.
	EmailContains string
	SSOIDs        []string // of these subjects; nil: of all
	// OrganizationID wants users whose own organization it is.
	OrganizationID string
	Search         string // part of id, alias or email, in any case of ASCII letters
}

// ListUsers returns one page of the users that f selects, and how many f
// selects in all, counted as keys are. Orders: created_at, updated_at, spend,
// max_budget, user_id, user_alias, user_email, user_role.
func (db *DB) ListUsers(ctx context.Context, f UserFilter, p Page) ([]*gateway.User, int, error) {
	var w where
	if f.IDs != nil {
		w.in("id", f.IDs)
	}
	if f.Email != "" {
		w.parts = append(w.parts, "LOWER(email) = LOWER("+w.text("email", f.Email)+") AND email <> ''")
	}
	w.contains(f.EmailContains, "email")
	if f.SSOIDs != nil {
		w.in("sso_id", f.SSOIDs)
	}
	w.is("role", string(f.Role))
	w.is("org_id", f.OrganizationID)
	w.contains(f.Search, "id", "alias", "email")
	users.finds(&w, db.d, f.EmailContains, nil, "email")
	users.finds(&w, db.d, f.Search, nil, "id", "alias", "email")
	return users.list(ctx, db, w, p)
}

// AllUsers calls yield with every user, in no order. An error of yield ends it
// and is returned.
func (db *DB) AllUsers(ctx context.Context, yield func(*gateway.User) error) error {
	return users.each(ctx, db.r, users.selectSQL(), nil, yield)
}
