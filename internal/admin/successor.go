package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/secret"
	"penstock/internal/store"
)

// jobs is who does what no person has asked for at the time: LiteLLM's name.
const jobs = "litellm_internal_jobs"

// errNotDue says that somebody else has replaced a key meanwhile, or that it is
// not to be replaced any more.
var errNotDue = errors.New("the key's rotation is not due")

// SuccessorPlace is where a key that has replaced another one is sealed.
func SuccessorPlace(hash string) secret.Place {
	return secret.Place{Kind: "key", ID: hash, Field: "successor"}
}

// RotateDue replaces keys whose rotation is due, at most as many, and returns how
// many it has replaced. Of several replicas that do it at the same time each key
// is replaced by one. The old keys work for grace, but no longer than until the
// next rotation. A key that cannot be replaced is logged and keeps no other one
// from being replaced.
func (a *API) RotateDue(ctx context.Context, grace time.Duration, most int) (int, error) {
	now := a.now()
	due, err := a.store.KeysToRotate(ctx, now, most)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	// What is still to be booked is the new keys'.
	if err := a.flush(ctx); err != nil {
		return 0, err
	}
	done := 0
	for _, old := range due {
		k, err := a.rotateDue(ctx, old, grace)
		switch {
		case errors.Is(err, errNotDue), errors.Is(err, store.ErrNotFound):
		case ctx.Err() != nil:
			return done, ctx.Err()
		case err != nil:
			a.o.Log.Error("a key is not replaced, although it is due; tried again", "key", old[:min(len(old), 12)], "err", err)
		default:
			done++
			a.o.Log.Info("a key was replaced, because it was due: the new one is fetched with /key/successor", "alias", k.Alias, "old", old[:min(len(old), 12)], "new", k.Hash[:12])
		}
	}
	return done, nil
}

func (a *API) rotateDue(ctx context.Context, old string, grace time.Duration) (*gateway.Key, error) {
	now, key := a.now(), newSecret()
	hash := keyHash(key.Reveal())
	had, err := a.store.Key(ctx, old)
	if err != nil {
		return nil, err
	}
	until := now.Add(grace)
	if next, err := lifetime(had.Rotation.Interval, now); err == nil && next.Before(until) {
		until = next
	}
	e := &gateway.AuditEntry{ID: orderedID(), At: now, Actor: jobs, Action: rotated, Table: keyTable, ObjectID: old, KeyHash: old}
	sealed := a.o.Secrets.Seal(key.Reveal(), SuccessorPlace(hash))
	k, err := a.store.RotateDueKey(store.Audited(ctx, e), old, hash, sealed, now, until, func(k *gateway.Key) error {
		if !k.Rotation.Auto || k.Rotation.Next.IsZero() || k.Rotation.Next.After(now) {
			return errNotDue
		}
		e.Before, e.TeamID = snapshot(a.keyRow(k)), k.TeamID
		next, err := lifetime(k.Rotation.Interval, now)
		if err != nil {
			return fmt.Errorf("its rotation_interval: %w", err)
		}
		if k.Logging, err = a.setLogging(&gateway.Principal{Master: true, Role: gateway.ProxyAdmin}, k.Logging, &logFields{}, keyPlace(old), keyPlace(hash)); err != nil {
			return err
		}
		k.Name, k.UpdatedAt, k.UpdatedBy = keyName(key), now, jobs
		k.Rotation.Count++
		k.Rotation.Last, k.Rotation.Next = now, next
		after := *k
		after.Hash = hash
		e.After = snapshot(a.keyRow(&after))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return k, a.rotated(ctx, old, hash)
}

// successor is the key that has replaced another one by itself.
type successor struct {
	Key       string     `json:"key"`
	TokenID   string     `json:"token_id"`
	KeyAlias  *string    `json:"key_alias"`
	RotatedAt *time.Time `json:"rotated_at"`
	Until     *time.Time `json:"old_key_valid_until"`
}

// keySuccessor gives the new key to who has the old one, while that works, and to
// who might have replaced the key.
func (a *API) keySuccessor(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b keyBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, hash := r.Context(), p.KeyHash()
	if key := b.Key.Or(""); key != "" {
		hash = keyHash(key)
		switch d, err := a.store.DeprecatedKey(ctx, hash); {
		case err == nil:
			hash = d.Active
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	if hash == "" {
		return nil, malformed("key", "key is missing: the master key is not a virtual key, say whose successor is wanted")
	}
	k := p.Key
	if k == nil || k.Hash != hash {
		var err error
		if k, err = a.keyFor(ctx, p, auth.RegenerateKey, hash, "Key not found in database"); err != nil {
			return nil, err
		}
	}
	s, err := a.store.RotatedKey(ctx, hash)
	if err != nil {
		return nil, notFound(err, "key", "There is no new key to fetch: this one was not replaced by itself, or that was long ago. /key/regenerate replaces it")
	}
	plain, err := a.o.Secrets.Open(s.Sealed, SuccessorPlace(hash))
	if err != nil {
		return nil, &gateway.Error{Kind: gateway.Unavailable, Param: "key", Message: "The new key cannot be opened here. /key/regenerate replaces it", Err: err}
	}
	w.Header().Set("Cache-Control", "no-store")
	return &successor{Key: plain, TokenID: hash, KeyAlias: text(k.Alias), RotatedAt: stamp(s.MadeAt), Until: stamp(s.Until)}, nil
}
