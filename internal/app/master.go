package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// masterKeySetting is where the sum of a master key is kept that is not
// configured.
const masterKeySetting = "master_key_sha256"

// masterKey returns the sum of the master key: the configured one, or the one
// that is kept, which is made and shown at the first start.
func (a *App) masterKey(ctx context.Context, s *config.Server) (auth.Sum, error) {
	if key := s.MasterKey.Reveal(); key != "" {
		return sumOf(auth.Hash(key))
	}
	hash, err := a.store.Setting(ctx, masterKeySetting)
	switch {
	case errors.Is(err, store.ErrNotFound):
		var b [24]byte
		_, _ = rand.Read(b[:]) // never fails
		key := "sk-" + base64.RawURLEncoding.EncodeToString(b[:])
		hash = auth.Hash(key)
		if err := a.store.SetSetting(ctx, masterKeySetting, hash); err != nil {
			return auth.Sum{}, fmt.Errorf("keep the new master key: %w", err)
		}
		a.o.Say("master key (shown this once, stored hashed): %s", key)
	case err != nil:
		return auth.Sum{}, fmt.Errorf("read the master key: %w", err)
	}
	return sumOf(hash)
}

func sumOf(hash string) (sum auth.Sum, err error) {
	if _, err := hex.Decode(sum[:], []byte(hash)); err != nil {
		return sum, fmt.Errorf("the stored master key is damaged; set LITELLM_MASTER_KEY: %w", err)
	}
	return sum, nil
}

// newMaster has another master key hold from now on, on replicas as soon as they
// are told. Nothing is sealed with a master key that is not configured, so nothing
// has to be sealed anew.
func (a *App) newMaster(ctx context.Context, key gateway.Secret) error {
	s := &a.loaded.Load().config.Server
	if s.MasterKey != "" {
		e := &gateway.Error{
			Kind: gateway.Invalid, Type: "bad_request_error", Param: "new_master_key",
			Message: "The master key is configured: change it in LITELLM_MASTER_KEY, or in general_settings.master_key, and restart.",
		}
		if s.SaltKey == s.MasterKey {
			e.Message += " Secrets in the database are sealed with it as long as there is no LITELLM_SALT_KEY: set that to the present master key before, so that they can be opened."
		}
		return e
	}
	if err := a.store.SetSetting(ctx, masterKeySetting, auth.Hash(key.Reveal())); err != nil {
		return fmt.Errorf("keep the new master key: %w", err)
	}
	return a.rereadMaster(context.WithoutCancel(ctx))
}

// rereadMaster takes the master key that is kept, unless one is configured.
func (a *App) rereadMaster(ctx context.Context) error {
	if a.loaded.Load().config.Server.MasterKey != "" {
		return nil
	}
	hash, err := a.store.Setting(ctx, masterKeySetting)
	if err != nil {
		return fmt.Errorf("read the master key again: %w", err)
	}
	sum, err := sumOf(hash)
	if err == nil {
		a.authn.SetMaster(sum)
	}
	return err
}
