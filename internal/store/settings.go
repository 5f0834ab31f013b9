package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Setting returns the value of a setting, or ErrNotFound.
func (db *DB) Setting(ctx context.Context, name string) (string, error) {
	var v string
	if !storable(name) {
		return "", fmt.Errorf("setting %q: %w", shown(name), ErrNotFound)
	}
	err := db.r.QueryRowContext(ctx, `SELECT value FROM settings WHERE name = $1`, name).Scan(&v)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", fmt.Errorf("setting %q: %w", shown(name), ErrNotFound)
	case err != nil:
		return "", fmt.Errorf("read setting %q: %w", shown(name), err)
	}
	return v, nil
}

// SetSetting writes a setting. Text that no database can keep is a
// *gateway.Error of kind Invalid.
func (db *DB) SetSetting(ctx context.Context, name, value string) error {
	if err := checkIDs(named{"name", name}); err != nil {
		return err
	}
	if err := checkTexts(named{"value", value}); err != nil {
		return err
	}
	return db.change(ctx, func(tx *sql.Tx, f *feed) error {
		f.note("setting", name)
		_, err := tx.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
		if err != nil {
			return fmt.Errorf("write setting %q: %w", shown(name), err)
		}
		return nil
	})
}

// DeleteSetting deletes a setting; one that is not there is no error.
func (db *DB) DeleteSetting(ctx context.Context, name string) error {
	if !storable(name) {
		return nil
	}
	return db.change(ctx, func(tx *sql.Tx, f *feed) error {
		f.note("setting", name)
		if _, err := tx.ExecContext(ctx, `DELETE FROM settings WHERE name = $1`, name); err != nil {
			return fmt.Errorf("delete setting %q: %w", shown(name), err)
		}
		return nil
	})
}

// Claim sets a setting that is not for people, and reports whether it had
// another value before: of all who claim one value of it, the first alone.
func (db *DB) Claim(ctx context.Context, name, value string) (first bool, err error) {
	err = db.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE settings.value <> excluded.value`, fitID(name), value)
		if err != nil {
			return fmt.Errorf("claim %q: %w", shown(name), err)
		}
		n, err := res.RowsAffected()
		first = n == 1
		return err
	})
	return first && err == nil, err
}
