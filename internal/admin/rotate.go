package admin

import (
	"context"
	"net/http"
	"strings"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// replacedEntity is the kind of keys that another one stands for.
const replacedEntity = "deprecated_key"

// regenerateBody is the body of POST /key/regenerate. What it says about the
// key's fields changes them.
type regenerateBody struct {
	keyFields
	Type      Opt[string] `json:"key_type"`
	NewKey    Opt[string] `json:"new_key"`
	Grace     Opt[string] `json:"grace_period"`
	NewMaster Opt[string] `json:"new_master_key"`
}

func (a *API) regenerateKey(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b regenerateBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	do := auth.RegenerateKey
	if key := r.PathValue("key"); key != "" {
		b.Key, do = Opt[string]{Sent: true, Value: key}, auth.RotateKey
	}
	if b.NewMaster.Or("") != "" {
		return a.newMaster(r, p, gateway.Secret(b.NewMaster.Value))
	}
	now := a.now()
	if err := b.check(now); err != nil {
		return nil, err
	}
	until := now
	if !b.Grace.Has() {
		until = now.Add(a.o.Settings().Grace)
	}
	if grace := b.Grace.Or(""); grace != "" && grace != "0s" {
		var err error
		if until, err = lifetime(grace, now); err != nil {
			return nil, invalid("grace_period", "Invalid grace_period '%s': %v", shorten([]byte(grace)), err)
		}
	}
	secret := newSecret()
	if key := b.NewKey.Or(""); key != "" {
		if err := a.mayChoose("new_key", key); err != nil {
			return nil, err
		}
		secret = gateway.Secret(key)
	}
	if b.Key.Or("") == "" && b.Alias.Or("") == "" && p.Key != nil {
		b.Key = Opt[string]{Sent: true, Value: p.Key.Hash} // its own
	}
	k, err := a.rotate(r, p, do, &b, secret, until, now)
	if err != nil {
		return nil, err
	}
	setUnused(w.Header(), a.unusedOf(&b.keyFields)...)
	return a.generated(k, secret, b.Duration.Or("")), nil
}

// rotate replaces the key that b names by secret. The old one works until until.
func (a *API) rotate(r *http.Request, p *gateway.Principal, do auth.KeyAct, b *regenerateBody, secret gateway.Secret, until, now time.Time) (*gateway.Key, error) {
	ctx := r.Context()
	f := &b.keyFields
	_, old, err := a.namedKey(ctx, p, do, f)
	if err != nil {
		return nil, err
	}
	if err := bounded(f, &a.o.Settings().Rules.Upper, now); err != nil {
		return nil, err
	}
	if _, err := a.keyFor(ctx, p, do, old, "Key not found in database"); err != nil {
		return nil, err
	}
	if err := a.references(ctx, p, f); err != nil {
		return nil, err
	}
	if _, err := a.store.Key(ctx, keyHash(secret.Reveal())); err == nil {
		return nil, invalid("new_key", "A key with this value already exists. Use a different key.")
	}
	// What is still to be booked is the new key's.
	if err := a.flush(ctx); err != nil {
		return nil, err
	}
	hash := keyHash(secret.Reveal())
	e := a.keyEntry(r, p, rotated, &gateway.Key{Hash: old})
	k, err := a.store.RotateKey(store.Audited(ctx, e), old, hash, now, until, func(k *gateway.Key) error {
		if err := a.directory.MayKey(p, do, k); err != nil {
			return err
		}
		was := *k
		e.Before, e.TeamID = snapshot(a.keyRow(k)), k.TeamID
		respend := f.respend(a, &k.Spend, &k.Limits, now, k.CreatedAt)
		if err := f.apply(k, now); err != nil {
			return err
		}
		logging, err := a.setLogging(p, k.Logging, &f.logs, keyPlace(old), keyPlace(hash))
		if err != nil {
			return err
		}
		k.Logging = logging
		if err := a.directory.MayKey(p, do, k); err != nil {
			return err
		}
		if err := a.ownBounds(p, f, &was, k); err != nil {
			return err
		}
		respend()
		k.Name, k.UpdatedAt, k.UpdatedBy = keyName(secret), now, actor(p)
		k.Rotation.Count++
		k.Rotation.Last = now
		if k.Rotation.Auto {
			if next, err := lifetime(k.Rotation.Interval, now); err == nil {
				k.Rotation.Next = next
			}
		}
		after := *k
		after.Hash = hash
		e.After = snapshot(a.keyRow(&after))
		return nil
	})
	if err != nil {
		return nil, keyConflict(notFound(err, "key", "Key not found in database"))
	}
	return k, a.rotated(ctx, old, hash)
}

// rotated tells the process that hash stands for old now, and for those before it.
func (a *API) rotated(ctx context.Context, old, hash string) error {
	before, err := a.store.ReplacedBy(ctx, hash)
	if err != nil {
		return err
	}
	claims, _, err := a.store.ListJWTMappings(ctx, store.JWTMappingFilter{KeyHash: hash}, store.Page{Limit: maxKeys})
	if err != nil {
		return err
	}
	changes := []Change{{Entity: KeyEntity, ID: hash, Spend: true}, {Entity: KeyEntity, ID: old, Deleted: true}}
	for _, m := range claims {
		changes = append(changes, Change{Entity: JWTMappingEntity, ID: m.ID})
	}
	for _, h := range before {
		changes = append(changes, Change{Entity: replacedEntity, ID: h})
	}
	return a.changed(ctx, changes...)
}

// resetBody is the body of the calls that set what was spent back.
type resetBody struct {
	To Opt[usd] `json:"reset_to"`
	unknown
}

// resetTo is the amount that was asked for, which may not be above what was
// spent, nor above the budget.
func (b *resetBody) resetTo(spent gateway.NanoUSD, budget *gateway.NanoUSD) (gateway.NanoUSD, error) {
	if !b.To.Has() {
		return 0, malformed("reset_to", "reset_to is missing: say which amount in US dollars was spent, like 0")
	}
	to := gateway.NanoUSD(b.To.Value)
	switch {
	case to > spent:
		return 0, invalid("reset_to", "reset_to (%s) must be <= current spend (%s)", usd(to), usd(spent))
	case budget != nil && to > *budget:
		return 0, invalid("reset_to", "reset_to (%s) must be <= max_budget (%s)", usd(to), usd(*budget))
	}
	return to, nil
}

// spendReset is what was spent before and is said to be spent now.
type spendReset struct {
	Hash          string     `json:"key_hash"`
	Spend         usd        `json:"spend"`
	Previous      usd        `json:"previous_spend"`
	MaxBudget     *usd       `json:"max_budget"`
	BudgetResetAt *time.Time `json:"budget_reset_at"`
}

func (a *API) resetKeySpend(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b resetBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	ctx, now := r.Context(), a.now()
	hash := keyHash(r.PathValue("key"))
	have, err := a.keyFor(ctx, p, auth.ResetKeySpend, hash, "Key not found in database")
	if err != nil {
		return nil, err
	}
	if err := a.notOwn(p, have, "reset the spend of"); err != nil {
		return nil, err
	}
	if err := a.flush(ctx); err != nil {
		return nil, err
	}
	out := &spendReset{Hash: hash}
	e := a.keyEntry(r, p, changed, have)
	k, err := a.store.UpdateKey(store.Audited(ctx, e), hash, func(k *gateway.Key) error {
		e.Before = snapshot(a.keyRow(k))
		spent := a.spent(&k.Spend, &k.Limits, now, k.CreatedAt)
		to, err := b.resetTo(spent, k.Limits.Budget)
		if err != nil {
			return err
		}
		a.setSpend(&k.Spend, &k.Limits, to, now, k.CreatedAt)
		k.UpdatedAt, k.UpdatedBy = now, actor(p)
		out.Spend, out.Previous = usd(to), usd(spent)
		e.After = snapshot(a.keyRow(k))
		return nil
	})
	if err != nil {
		return nil, notFound(err, "key", "Key not found in database")
	}
	_, reset := a.window(k.Limits.BudgetDuration, now, k.CreatedAt)
	out.MaxBudget, out.BudgetResetAt = (*usd)(k.Limits.Budget), stamp(reset)
	return out, a.changed(ctx, Change{Entity: KeyEntity, ID: hash, Spend: true})
}

// keyHealth says whether the key that asks works, and the logging destinations
// that it or its team has of its own.
type keyHealth struct {
	Key     string       `json:"key"`
	Logging *keyCallback `json:"logging_callbacks"`
}

type keyCallback struct {
	Callbacks []string `json:"callbacks"`
	Status    string   `json:"status"`
	Details   string   `json:"details"`
}

func (a *API) keyHealth(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b struct{ unknown }
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	out := &keyHealth{Key: "healthy"} // or it would not have come in
	l, owner := a.o.LogsOf(p)
	if l == nil {
		return out, nil
	}
	out.Logging = &keyCallback{Callbacks: []string{}, Status: "healthy"}
	if l.Off {
		out.Logging.Details = "Logging is switched off for this " + owner.Kind
		return out, nil
	}
	var faults []string
	for i := range l.To {
		t := &l.To[i]
		out.Logging.Callbacks = append(out.Logging.Callbacks, t.Name)
		ctx, cancel := context.WithTimeout(r.Context(), logTestTimeout)
		if err := a.o.TestLog(ctx, owner, t); err != nil {
			faults = append(faults, t.Name+": "+err.Error())
		}
		cancel()
	}
	out.Logging.Details = "Each destination of this " + owner.Kind + " has taken a record of a test"
	if len(faults) > 0 {
		out.Key, out.Logging.Status, out.Logging.Details = "unhealthy", "unhealthy", strings.Join(faults, "; ")
	}
	return out, nil
}

// logTestTimeout is how long a destination may take to take a record.
const logTestTimeout = 10 * time.Second
