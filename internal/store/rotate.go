package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
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
		if err := moveWindows(ctx, tx, oldHash, newHash); err != nil {
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
		// Claims of tokens stand for the key, whatever it is at the time.
		claims, err := texts(ctx, tx, `UPDATE jwt_mappings SET key_hash = $1 WHERE key_hash = $2 RETURNING id`, newHash, oldHash)
		if err != nil {
			return fmt.Errorf("rotate key: %w", err)
		}
		f.note("jwt_mapping", claims...)
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

// moveWindows has what a key has spent in windows of its budgets be what its
// successor has, those of single models included.
func moveWindows(ctx context.Context, tx *sql.Tx, oldHash, newHash string) error {
	_, err := tx.ExecContext(ctx, `UPDATE windows SET id = $1 WHERE scope = 'key' AND id = $2`, newHash, oldHash)
	if err == nil {
		// ';' is the character behind ':'.
		_, err = tx.ExecContext(ctx, `UPDATE windows SET id = CAST($1 AS TEXT) || SUBSTR(id, CAST($2 AS INTEGER)) WHERE scope = 'model_per_key' AND id >= $3 AND id < $4`,
			newHash, len(oldHash)+1, oldHash+":", oldHash+";")
	}
	if err != nil {
		return fmt.Errorf("rotate key: move what it has spent in its budgets: %w", err)
	}
	return nil
}

// movedWindows are the budget windows of a call that began with a key that
// another one stands for now.
func movedWindows(windows []spend.Window, oldHash, newHash string) []spend.Window {
	out := slices.Clone(windows)
	for i := range out {
		w := &out[i]
		if rest, ok := strings.CutPrefix(w.ID, oldHash); ok && (w.Scope == Key && rest == "" || w.Scope == "model_per_key" && strings.HasPrefix(rest, ":")) {
			w.ID = newHash + rest
		}
	}
	return out
}

// KeyWindows is Windows for one key only.
func (db *DB) KeyWindows(ctx context.Context, hash string, yield func(w spend.Window, spent gateway.NanoUSD) error) error {
	return db.eachWindow(ctx, yield, ` WHERE scope = 'key' AND id = $1 OR scope = 'model_per_key' AND id >= $2 AND id < $3`, hash, hash+":", hash+";")
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
