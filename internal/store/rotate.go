package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"penstock/internal/gateway"
)

// deprecated are keys that were replaced; their row's id is the old hash.
var deprecated = &entity[gateway.DeprecatedKey]{
	kind: "deprecated_key", table: "deprecated_keys", idField: "hash",
	id: func(d *gateway.DeprecatedKey) string { return d.Hash },
	fields: func(d *gateway.DeprecatedKey) []field {
		return []field{id("hash", "token", &d.Hash), id("active", "active_token_id", &d.Active), moment("until", &d.Until), moment("created_at", &d.CreatedAt)}
	},
}

// RotateKey gives the key with oldHash the hash newHash, after change has
// changed the rest of it, and returns it. Spend, team and all else stay. Calls
// with the old key run as the new one until grace is over, at once refused if
// that is not after now. Errors are those of UpdateKey.
func (db *DB) RotateKey(ctx context.Context, oldHash, newHash string, now, grace time.Time, change func(*gateway.Key) error) (*gateway.Key, error) {
	if err := checkIDs(named{"new_key", newHash}); err != nil {
		return nil, err
	}
	var out *gateway.Key
	err := db.change(ctx, func(tx *sql.Tx, f *feed) error {
		if err := db.alone(ctx, tx); err != nil {
			return err
		}
		k, err := keys.locked(ctx, db, tx, oldHash)
		if err != nil {
			return err
		}
		if err := change(k); err != nil {
			return err
		}
		k.Hash = newHash
		if _, err := tx.ExecContext(ctx, `UPDATE keys SET hash = $1 WHERE hash = $2`, newHash, oldHash); err != nil {
			return keys.failed(db, "rotate", k, err)
		}
		if err := keys.put(ctx, db, tx, f, k); err != nil {
			return err
		}
		// The days before stay with the old hash.
		if err := db.reconcile(ctx, tx, Key, newHash); err != nil {
			return err
		}
		f.note("key", oldHash)
		out = k
		// The keys before it stand for the newest one as well. A row is kept
		// even without grace: calls under way are booked by their old hash.
		ids, err := texts(ctx, tx, `UPDATE deprecated_keys SET active = $1 WHERE active = $2 RETURNING hash`, newHash, oldHash)
		if err != nil {
			return fmt.Errorf("rotate key: %w", err)
		}
		f.note(deprecated.kind, ids...)
		if grace.Before(now) {
			grace = now
		}
		return deprecated.insert(ctx, db, tx, f, &gateway.DeprecatedKey{Hash: oldHash, Active: newHash, Until: grace, CreatedAt: now})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DeprecatedKey returns what became of the key with the hash, or ErrNotFound.
func (db *DB) DeprecatedKey(ctx context.Context, hash string) (*gateway.DeprecatedKey, error) {
	return deprecated.byID(ctx, db.r, hash)
}

// ReplacedBy returns the hashes of the keys that the key with the hash stands for.
func (db *DB) ReplacedBy(ctx context.Context, hash string) ([]string, error) {
	old, err := texts(ctx, db.r, `SELECT hash FROM deprecated_keys WHERE active = $1`, hash)
	if err != nil {
		return nil, fmt.Errorf("look for keys that were replaced: %w", err)
	}
	return old, nil
}

// AllDeprecatedKeys calls yield with every replaced key, in no order.
func (db *DB) AllDeprecatedKeys(ctx context.Context, yield func(*gateway.DeprecatedKey) error) error {
	return deprecated.each(ctx, db.r, deprecated.selectSQL(), nil, yield)
}

// PruneDeprecatedKeys forgets replaced keys whose grace ended before t, and
// returns how many those were.
func (db *DB) PruneDeprecatedKeys(ctx context.Context, t time.Time) (int, error) {
	n := 0
	err := db.change(ctx, func(tx *sql.Tx, f *feed) error {
		ids, err := texts(ctx, tx, `DELETE FROM deprecated_keys WHERE until < $1 RETURNING hash`, micros(t))
		f.note(deprecated.kind, ids...)
		n = len(ids)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("forget replaced keys: %w", err)
	}
	return n, nil
}

// KeysToRotate returns the hashes of keys whose rotation is due at t, at most
// limit, the longest due first.
func (db *DB) KeysToRotate(ctx context.Context, t time.Time, limit int) ([]string, error) {
	hashes, err := texts(ctx, db.r, `SELECT hash FROM keys WHERE rotate_at > 0 AND rotate_at <= $1 ORDER BY rotate_at LIMIT $2`, micros(t), limit)
	if err != nil {
		return nil, fmt.Errorf("look for keys to rotate: %w", err)
	}
	return hashes, nil
}
