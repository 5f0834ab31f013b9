package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"penstock/internal/gateway"
)

func userSort() map[string]string {
	m := maps.Clone(commonSort)
	m["user_id"], m["user_alias"], m["user_email"], m["user_role"] = "id", "alias", "email", "role"
	return m
}

var users = &entity[gateway.User]{
	kind: "user", table: "users", idField: "id",
	columns: slices.Concat(
		[]string{"id", "alias", "email", "role", "models", "teams"},
		limitColumns,
		[]string{"metadata", "created_at", "updated_at"}),
	id:   func(u *gateway.User) string { return u.ID },
	args: userArgs,
	scan: scanUser,
	sort: userSort(),
}

func userArgs(u *gateway.User) ([]any, error) {
	if err := checkIDs(named{"user_id", u.ID}, named{"user_email", u.Email}, named{"user_alias", u.Alias}); err != nil {
		return nil, err
	}
	if err := checkTexts(named{"user_role", string(u.Role)}, named{"budget_duration", u.Limits.BudgetDuration}); err != nil {
		return nil, err
	}
	models, err := encodeList("models", u.Models)
	if err != nil {
		return nil, err
	}
	teams, err := encodeList("teams", u.Teams)
	if err != nil {
		return nil, err
	}
	metadata, err := encodeObject("metadata", u.Metadata)
	if err != nil {
		return nil, err
	}
	return slices.Concat(
		[]any{u.ID, u.Alias, u.Email, string(u.Role), models, teams},
		limitArgs(&u.Limits, &u.Spend),
		[]any{metadata, micros(u.CreatedAt), micros(u.UpdatedAt)}), nil
}

func scanUser(r row) (*gateway.User, error) {
	var u gateway.User
	var l limitScan
	var models, teams, metadata string
	var created, updated int64
	err := r.Scan(slices.Concat(
		[]any{&u.ID, &u.Alias, &u.Email, &u.Role, &models, &teams},
		l.dest(&u.Limits, &u.Spend),
		[]any{&metadata, &created, &updated})...)
	if err != nil {
		return nil, err
	}
	if err := decode("models", models, &u.Models); err != nil {
		return nil, err
	}
	if err := decode("teams", teams, &u.Teams); err != nil {
		return nil, err
	}
	l.store(&u.Limits, &u.Spend)
	u.Metadata = decodeObject(metadata)
	u.CreatedAt, u.UpdatedAt = instant(created), instant(updated)
	return &u, nil
}

// CreateUser writes a new user. A taken id or email (in any case of ASCII
// letters) is an ErrConflict; text that no database can keep is a
// *gateway.Error of kind Invalid.
func (db *DB) CreateUser(ctx context.Context, u *gateway.User) error {
	return users.create(ctx, db, u)
}

// User returns the user with the id, or ErrNotFound.
func (db *DB) User(ctx context.Context, id string) (*gateway.User, error) {
	return users.byID(ctx, db.r, id, "")
}

// UserByEmail returns the user with the email, in any case of ASCII letters,
// or ErrNotFound.
func (db *DB) UserByEmail(ctx context.Context, email string) (*gateway.User, error) {
	return users.get(ctx, db.r, "email", "LOWER(email) = LOWER($1) AND email <> ''", email)
}

// UpdateUser is to users what UpdateKey is to keys.
func (db *DB) UpdateUser(ctx context.Context, id string, change func(*gateway.User) error) (*gateway.User, error) {
	return users.update(ctx, db, id, change)
}

// DeleteUsers deletes users and their keys, and takes them out of their teams.
// It returns the ids that were there, sorted.
func (db *DB) DeleteUsers(ctx context.Context, ids []string) ([]string, error) {
	var gone []string
	err := db.change(ctx, func(tx *sql.Tx, f *feed) error {
		// Rows are locked in one order everywhere: keys, users, teams.
		if _, err := keys.remove(ctx, tx, f, "user_id", ids); err != nil {
			return err
		}
		var in []string
		for _, id := range possible(ids) {
			u, err := users.byID(ctx, tx, id, db.d.forUpdate)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			in = append(in, u.Teams...)
		}
		var err error
		if gone, err = users.remove(ctx, tx, f, "id", ids); err != nil {
			return err
		}
		for _, id := range possible(in) {
			t, err := teams.byID(ctx, tx, id, db.d.forUpdate)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			t.Members = slices.DeleteFunc(t.Members, func(m gateway.Member) bool { return slices.Contains(gone, m.UserID) })
			if err := teams.put(ctx, db, tx, f, t); err != nil {
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

// UserFilter selects users; what is empty selects nothing away.
type UserFilter struct {
	IDs    []string // of these; nil: of all
	Email  string   // in any case of ASCII letters
	Role   gateway.Role
	Search string // part of id, alias or email, in any case of ASCII letters
}

// ListUsers returns one page of the users that f selects, and how many f
// selects in all. Orders: created_at, updated_at, spend, max_budget, user_id,
// user_alias, user_email, user_role.
func (db *DB) ListUsers(ctx context.Context, f UserFilter, p Page) ([]*gateway.User, int, error) {
	var w where
	if f.IDs != nil {
		w.in("id", f.IDs)
	}
	if f.Email != "" {
		w.parts = append(w.parts, "LOWER(email) = LOWER("+w.text("email", f.Email)+") AND email <> ''")
	}
	w.is("role", string(f.Role))
	w.contains(f.Search, "id", "alias", "email")
	return users.list(ctx, db, w, p)
}

// AllUsers calls yield with every user, in no order. An error of yield ends it
// and is returned.
func (db *DB) AllUsers(ctx context.Context, yield func(*gateway.User) error) error {
	return users.each(ctx, db.r, users.selectSQL(), nil, yield)
}
