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
	return db.rotate(ctx, oldHash, newHash, now, grace, change, func(*sql.Tx) error { return nil })
}

// rotate is RotateKey; also runs in the same transaction.
func (db *DB) rotate(ctx context.Context, oldHash, newHash string, now, grace time.Time, change func(*gateway.Key) error, also func(*sql.Tx) error) (*gateway.Key, error) {
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
		// Nobody can fetch what is replaced.
		if _, err := tx.ExecContext(ctx, `DELETE FROM rotated_keys WHERE hash IN ($1, $2)`, oldHash, newHash); err != nil {
			return fmt.Errorf("rotate key: %w", err)
		}
		if err := also(tx); err != nil {
			return err
		}
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
	args := append([]any{newHash, len(oldHash) + 1}, keyWindows(oldHash)...)
	//nolint:gosec // G202: the text is ours, values are parameters
	_, err := tx.ExecContext(ctx, `UPDATE windows SET id = CAST($1 AS TEXT) || SUBSTR(id, CAST($2 AS INTEGER)) WHERE `+keyWindowsSQL(3), args...)
	if err != nil {
		return fmt.Errorf("rotate key: move what it has spent in its budgets: %w", err)
	}
	return nil
}

// keyWindowsSQL selects the windows of one key by the parameters of keyWindows,
// which begin at $n: id is the hash, or "hash:model". The bounds are such that an
// index finds them in whatever order the database has punctuation.
func keyWindowsSQL(n int) string {
	return fmt.Sprintf(`(scope = 'key' AND id = $%d OR scope = 'model_per_key' AND id > $%d AND id < $%d AND SUBSTR(id, 1, CAST($%d AS INTEGER)) = $%d)`, n, n, n+1, n+2, n+3)
}

func keyWindows(hash string) []any {
	next := []byte(hash)
	switch last := &next[len(next)-1]; *last {
	case '9':
		*last = 'a'
	default:
		*last++
	}
	return []any{hash, string(next), len(hash) + 1, hash + ":"}
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

// KeyWindows is Windows for one key only, those of single models included.
func (db *DB) KeyWindows(ctx context.Context, hash string, yield func(w spend.Window, spent gateway.NanoUSD) error) error {
	if hash == "" || !storable(hash) {
		return nil
	}
	return db.eachWindow(ctx, yield, ` WHERE `+keyWindowsSQL(1), keyWindows(hash)...)
}

// OwnerWindows is Windows for one owner only, and for these of its models: scope
// is Key, User, Team or the like. Windows of single models are of another scope,
// by "id:model".
func (db *DB) OwnerWindows(ctx context.Context, scope, id string, models []string, yield func(w spend.Window, spent gateway.NanoUSD) error) error {
	var w where
	w.either(func(w *where) {
		w.parts = append(w.parts, "scope = "+w.arg(scope)+" AND id = "+w.text("id", fitID(id)))
		for _, model := range models {
			w.parts = append(w.parts, "scope = "+w.arg("model_per_"+scope)+" AND id = "+w.text("id", fitID(id+":"+model)))
		}
	})
	if w.bad != nil {
		return w.bad
	}
	return db.eachWindow(ctx, yield, w.sql(), w.args...)
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
		if err != nil {
			return err
		}
		return pruneRotated(ctx, tx, t)
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
