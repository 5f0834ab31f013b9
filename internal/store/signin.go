package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock/internal/gateway"
)

var invitations = &entity[gateway.Invitation]{
	kind: "invitation", table: "invitations", idField: "id",
	id: func(v *gateway.Invitation) string { return v.ID },
	fields: func(v *gateway.Invitation) []field {
		return slices.Concat(
			[]field{
				id("id", "invitation_id", &v.ID), id("user_id", "user_id", &v.UserID), flag("accepted", &v.Accepted),
				moment("accepted_at", &v.AcceptedAt), moment("expires", &v.Expires),
			},
			authorship(&v.CreatedAt, &v.CreatedBy, &v.UpdatedAt, &v.UpdatedBy))
	},
	sort: map[string]order[gateway.Invitation]{
		"created_at": byTime("created_at", func(v *gateway.Invitation) time.Time { return v.CreatedAt }),
	},
}

// CreateInvitation writes a new invitation. A taken id is an ErrConflict.
func (db *DB) CreateInvitation(ctx context.Context, v *gateway.Invitation) error {
	return invitations.create(ctx, db, v)
}

// Invitation returns the invitation with the id, or ErrNotFound.
func (db *DB) Invitation(ctx context.Context, id string) (*gateway.Invitation, error) {
	return invitations.byID(ctx, db.r, id)
}

// UpdateInvitation is to invitations what UpdateKey is to keys.
func (db *DB) UpdateInvitation(ctx context.Context, id string, change func(*gateway.Invitation) error) (*gateway.Invitation, error) {
	return invitations.update(ctx, db, id, change)
}

// DeleteInvitations deletes invitations and returns the ids that were there, sorted.
func (db *DB) DeleteInvitations(ctx context.Context, ids []string) ([]string, error) {
	return invitations.delete(ctx, db, ids)
}

// PasswordHash returns the hash of a user's password, or ErrNotFound if there is none.
func (db *DB) PasswordHash(ctx context.Context, userID string) (string, error) {
	var hash string
	if !storable(userID) {
		return "", fmt.Errorf("password of user %q: %w", shown(userID), ErrNotFound)
	}
	err := db.r.QueryRowContext(ctx, `SELECT hash FROM passwords WHERE user_id = $1`, userID).Scan(&hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", fmt.Errorf("password of user %q: %w", shown(userID), ErrNotFound)
	case err != nil:
		return "", fmt.Errorf("read the password of user %q: %w", shown(userID), err)
	}
	return hash, nil
}

// SetPassword sets the hash of a user's password. If was is given, it must be the
// one that is stored, or the error is an ErrConflict; a user that is not there is
// ErrNotFound.
func (db *DB) SetPassword(ctx context.Context, userID, was, hash string, now time.Time) error {
	return db.change(ctx, func(tx *sql.Tx, f *feed) error {
		if _, err := users.locked(ctx, db, tx, userID); err != nil {
			return err
		}
		if was != "" {
			var have string
			err := tx.QueryRowContext(ctx, `SELECT hash FROM passwords WHERE user_id = $1`, userID).Scan(&have)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return fmt.Errorf("read the password of user %q: %w", shown(userID), err)
			}
			if have != was {
				return ErrConflict{Field: "password", Value: userID}
			}
		}
		f.note("password", userID)
		_, err := tx.ExecContext(ctx, `INSERT INTO passwords (user_id, hash, updated_at) VALUES ($1, $2, $3)
			ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, updated_at = excluded.updated_at`, userID, hash, micros(now))
		if err != nil {
			return fmt.Errorf("write the password of user %q: %w", shown(userID), err)
		}
		return nil
	})
}

// dropSignIn forgets the passwords and the invitations of users.
func (db *DB) dropSignIn(ctx context.Context, tx *sql.Tx, f *feed, users []string) error {
	for _, id := range users {
		if _, err := tx.ExecContext(ctx, `DELETE FROM passwords WHERE user_id = $1`, id); err != nil {
			return fmt.Errorf("delete the password of user %q: %w", shown(id), err)
		}
	}
	_, err := invitations.remove(ctx, db, tx, f, "user_id", users)
	return err
}
