package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"penstock/internal/admin"
	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/relay"
	"penstock/internal/secret"
)

// keyFile is where the key is kept that was made for want of a configured one.
const keyFile = "secret.key"

// openBox returns what seals and opens the secrets in the database: with the
// salt key, which is the master key where there is none, as for LiteLLM; else
// with a key in the data directory, which is made there if keep is set. The
// others still open what they sealed.
func (a *App) openBox(s *config.Server, keep bool) (*secret.Box, error) {
	var keys []string
	for _, k := range []gateway.Secret{s.SaltKey, s.MasterKey} {
		if k != "" && !slices.Contains(keys, k.Reveal()) {
			keys = append(keys, k.Reveal())
		}
	}
	path := filepath.Join(s.DataDir, keyFile)
	b, err := os.ReadFile(path)
	switch {
	case err == nil && strings.TrimSpace(string(b)) == "":
		return nil, fmt.Errorf("%s is empty: put back the key that was in it, or set LITELLM_SALT_KEY and remove the file", path)
	case err == nil:
		keys = append(keys, strings.TrimSpace(string(b)))
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read the key that seals secrets: %w", err)
	case len(keys) == 0:
		key := rand.Text() + rand.Text() // 256 bits
		if keep {
			if err := writeKey(path, key); err != nil {
				return nil, fmt.Errorf("keep the key that seals secrets: %w", err)
			}
		}
		keys = append(keys, key)
	}
	return secret.New(keys[0], keys[1:]...)
}

// writeKey writes the key so that it is there as a whole or not at all.
func writeKey(path, key string) error {
	f, err := os.CreateTemp(filepath.Dir(path), keyFile) // only its owner can read it
	if err != nil {
		return err
	}
	_, err = f.WriteString(key + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// stored reads what the database adds to the configuration. What cannot be
// opened is left out and said: it must not keep the rest from being served.
func (a *App) stored(ctx context.Context) (*config.Stored, error) {
	var out config.Stored
	err := errors.Join(
		a.store.AllStoredModels(ctx, func(m *gateway.StoredModel) (err error) {
			if m.Params, err = a.box.OpenStrings(m.Params, secret.Model(m.ID)); err != nil {
				a.log.Warn("a model in the database is left out", "model", m.Name, "id", m.ID, "err", err)
				return nil
			}
			out.Models = append(out.Models, *m)
			return nil
		}),
		a.store.AllCredentials(ctx, func(c *gateway.Credential) (err error) {
			if c.Values, err = a.box.OpenStrings(c.Values, secret.Credential(c.Name)); err != nil {
				a.log.Warn("a credential in the database is left out", "credential", c.Name, "err", err)
				return nil
			}
			out.Credentials = append(out.Credentials, *c)
			return nil
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("read models and credentials: %w", err)
	}
	// In one order everywhere, so that replicas have the same routing table.
	slices.SortFunc(out.Models, func(x, y gateway.StoredModel) int { return strings.Compare(x.ID, y.ID) })
	return &out, nil
}

// try says which models would be served if what the database adds to the
// configuration were edited, by id, and what would be said about those left out.
// Nothing changes.
func (a *App) try(ctx context.Context, edit func(*config.Stored)) (admin.Trial, error) {
	stored, err := a.stored(ctx)
	if err != nil {
		return admin.Trial{}, err
	}
	edit(stored)
	l, err := a.read(stored)
	if err != nil {
		return admin.Trial{}, err
	}
	out := admin.Trial{Served: map[string]bool{}, Said: l.report.Warnings}
	for _, i := range l.report.Ignored {
		out.Said = append(out.Said, i.String())
	}
	for i := range l.config.Models {
		d := &l.config.Models[i]
		if _, err := relay.Own(nil, d); err != nil {
			out.Said = append(out.Said, fmt.Sprintf("left out: model %q (%s) in the database: %v", d.Group, d.ID, err))
			continue
		}
		out.Served[d.ID] = true
	}
	return out, nil
}

// reseal seals with the current key what is sealed with an older one, or not
// at all: after a start with a new key the old one is needed no more.
func (a *App) reseal(ctx context.Context) error {
	again := func(raw []byte, at secret.Place) ([]byte, error) {
		plain, err := a.box.OpenStrings(raw, at)
		if err != nil {
			return nil, err
		}
		return a.box.SealStrings(plain, at)
	}
	var models, credentials []string
	err := errors.Join(
		a.store.AllStoredModels(ctx, func(m *gateway.StoredModel) error {
			if old, err := a.box.OldStrings(m.Params); err == nil && old {
				models = append(models, m.ID)
			}
			return nil
		}),
		a.store.AllCredentials(ctx, func(c *gateway.Credential) error {
			if old, err := a.box.OldStrings(c.Values); err == nil && old {
				credentials = append(credentials, c.Name)
			}
			return nil
		}),
	)
	for _, id := range models {
		_, uerr := a.store.UpdateStoredModel(ctx, id, func(m *gateway.StoredModel) (err error) {
			m.Params, err = again(m.Params, secret.Model(id))
			return err
		})
		err = errors.Join(err, a.sealedElsewhere(uerr))
	}
	for _, name := range credentials {
		_, uerr := a.store.UpdateCredential(ctx, name, func(c *gateway.Credential) (err error) {
			c.Values, err = again(c.Values, secret.Credential(name))
			return err
		})
		err = errors.Join(err, a.sealedElsewhere(uerr))
	}
	err = errors.Join(err, a.resealLogging(ctx))
	err = errors.Join(err, a.store.SealRotatedKeys(ctx, func(hash, sealed string) (string, error) {
		at := admin.SuccessorPlace(hash)
		if plain, err := a.box.Open(sealed, at); a.box.Old(sealed) && err == nil {
			return a.box.Seal(plain, at), nil
		}
		return "", nil // sealed with the current key, or one that is not here
	}))
	if err != nil {
		return fmt.Errorf("seal secrets with the current key: %w", err)
	}
	return nil
}

// sealedElsewhere passes on an error unless it only says that a value cannot be
// opened here: stored says so too, and serves the rest.
func (a *App) sealedElsewhere(err error) error {
	if errors.Is(err, secret.ErrUnknownKey) || errors.Is(err, secret.ErrDamaged) {
		return nil
	}
	return err
}
