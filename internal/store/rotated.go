package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"penstock/internal/gateway"
)

// RotatedKey is a key that has replaced another one by itself, so that nobody
// was told of it.
type RotatedKey struct {
	Hash   string
	Sealed string // the key, as package secret seals it
	MadeAt time.Time
	Until  time.Time // when the key before it ends
}

// RotateDueKey is RotateKey for a key whose rotation is due: the new one is kept
// with it, sealed, for RotatedKey.
func (db *DB) RotateDueKey(ctx context.Context, oldHash, newHash, sealed string, now, grace time.Time, change func(*gateway.Key) error) (*gateway.Key, error) {
	return db.rotate(ctx, oldHash, newHash, now, grace, change, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO rotated_keys (hash, sealed, made_at, until) VALUES ($1, $2, $3, $4)`, newHash, sealed, micros(now), micros(grace))
		if err != nil {
			return fmt.Errorf("keep the new key: %w", err)
		}
		return nil
	})
}

// RotatedKey returns the key with the hash if it has replaced another one by
// itself and is still kept, else ErrNotFound.
func (db *DB) RotatedKey(ctx context.Context, hash string) (*RotatedKey, error) {
	k := RotatedKey{Hash: hash}
	var made, until int64
	if !storable(hash) {
		return nil, ErrNotFound
	}
	err := db.r.QueryRowContext(ctx, `SELECT sealed, made_at, until FROM rotated_keys WHERE hash = $1`, hash).Scan(&k.Sealed, &made, &until)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("a key that has replaced another one by itself: %w", ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("read a key that has replaced another one: %w", err)
	}
	k.MadeAt, k.Until = instant(made), instant(until)
	return &k, nil
}

// SealRotatedKeys has seal make every kept key anew; "" leaves it as it is.
func (db *DB) SealRotatedKeys(ctx context.Context, seal func(hash, sealed string) (string, error)) error {
	again := map[string]string{}
	rows, err := db.r.QueryContext(ctx, `SELECT hash, sealed FROM rotated_keys`)
	err = results(rows, err, func(r *sql.Rows) error {
		var hash, sealed string
		if err := r.Scan(&hash, &sealed); err != nil {
			return err
		}
		next, err := seal(hash, sealed)
		if next != "" {
			again[hash] = next
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read keys that have replaced others: %w", err)
	}
	for _, hash := range sortedKeys(again) {
		err := db.write(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE rotated_keys SET sealed = $1 WHERE hash = $2`, again[hash], hash)
			return err
		})
		if err != nil {
			return fmt.Errorf("seal a key that has replaced another one: %w", err)
		}
	}
	return nil
}

// pruneRotated forgets kept keys whose predecessors ended before t, and those of
// keys that are gone.
func pruneRotated(ctx context.Context, tx *sql.Tx, t time.Time) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM rotated_keys WHERE until < $1 OR hash NOT IN (SELECT hash FROM keys WHERE hash IN (SELECT hash FROM rotated_keys))`, micros(t))
	if err != nil {
		return fmt.Errorf("forget new keys that were kept: %w", err)
	}
	return nil
}
