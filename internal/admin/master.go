package admin

import (
	"errors"
	"net/http"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// The audit log's name for the master key, which is no row of ours.
const (
	configTable     = "LiteLLM_Config"
	masterKeyObject = "master_key"
)

// newMaster has another master key hold. Only who has the present one may.
func (a *API) newMaster(r *http.Request, p *gateway.Principal, key gateway.Secret) (any, error) {
	if !p.Master {
		return nil, &gateway.Error{
			Kind: gateway.Forbidden, Type: "auth_error", Param: "new_master_key",
			Message: "Only the master key can be used to change the master key",
		}
	}
	if err := checkSecret(key.Reveal()); err != nil {
		e := gateway.AsError(err)
		e.Param = "new_master_key"
		return nil, e
	}
	ctx, now := r.Context(), a.now()
	hash := keyHash(key.Reveal())
	switch _, err := a.store.Key(ctx, hash); {
	case err == nil:
		return nil, invalid("new_master_key", "This is a virtual key. Use a value that no key has")
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	e := a.entry(r, p, rotated, configTable, masterKeyObject)
	if err := a.o.NewMaster(store.Audited(ctx, e), key); err != nil {
		return nil, err
	}
	k := &gateway.Key{Hash: hash, Name: keyName(key), UserID: gateway.MasterUserID, CreatedAt: now, CreatedBy: actor(p), UpdatedAt: now, UpdatedBy: actor(p)}
	return a.generated(k, key, ""), nil
}
