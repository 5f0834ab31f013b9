package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
)

// What is taken of an identity provider at most: it is another's server.
const (
	maxKeySet    = 1 << 20 // bytes
	maxKeys      = 100
	fetchTimeout = 5 * time.Second
	// unknownEvery is how often an unknown key id has the keys fetched again:
	// strangers can invent ids.
	unknownEvery = 10 * time.Second
)

// keySet holds the public keys of one address. Readers take no lock.
type keySet struct {
	url    string // of the keys, or of an issuer that says where they are
	issuer string // set if url has to be found by discovery
	client *http.Client
	now    func() time.Time

	// stale is how old keys may be that are still believed.
	stale time.Duration

	keys atomic.Pointer[fetched] // nil until they were fetched

	mu   sync.Mutex
	next time.Time // guarded by mu: before it no unknown id has them fetched
}

// fetched are keys, and when they were fetched.
type fetched struct {
	keys []publicKey
	at   time.Time
}

// publicKey is one key of a JSON Web Key Set.
type publicKey struct {
	id  string // "" if it has none
	alg string // the only algorithm it is for, "" if any that fits
	key crypto.PublicKey
}

// find returns the keys that may have signed a token: the one with the id, or
// all if the token names none. ok is false if the keys were never fetched, or so
// long ago that the issuer may have taken them back.
func (s *keySet) find(id string) (found []publicKey, ok bool) {
	keys := s.keys.Load()
	if keys == nil || s.stale > 0 && s.now().Sub(keys.at) > s.stale {
		return nil, false
	}
	for _, k := range keys.keys {
		if id == "" || k.id == "" || k.id == id {
			found = append(found, k)
		}
	}
	return found, true
}

// findOrFetch is find, and fetches the keys if none has the id, but not more
// often than every unknownEvery. Callers meanwhile wait for the one who does.
func (s *keySet) findOrFetch(ctx context.Context, id string) ([]publicKey, error) {
	if found, ok := s.find(id); ok && len(found) > 0 {
		return found, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.find(id); ok && len(found) > 0 {
		return found, nil // another one has
	}
	if now := s.now(); now.Before(s.next) {
		found, ok := s.find(id)
		if !ok {
			return nil, errors.New("the keys could not be fetched a moment ago")
		}
		return found, nil
	}
	s.next = s.now().Add(unknownEvery)
	err := s.fetch(ctx)
	found, ok := s.find(id)
	if !ok {
		return nil, err
	}
	return found, nil
}

// fetch gets the keys anew. If it fails the keys of before stay.
func (s *keySet) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	address := s.url
	if s.issuer != "" {
		address = strings.TrimSuffix(s.issuer, "/") + "/.well-known/openid-configuration"
	}
	body, err := s.get(ctx, address)
	if err != nil {
		return err
	}
	var about struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &about); err == nil && about.Keys != "" {
		if s.issuer != "" && about.Issuer != s.issuer {
			return fmt.Errorf("%s is about issuer %q, not %q", address, about.Issuer, s.issuer)
		}
		address = about.Keys
		if body, err = s.get(ctx, address); err != nil {
			return err
		}
	}
	keys, err := parseKeys(body)
	if err != nil {
		return fmt.Errorf("%s: %w", address, err)
	}
	s.keys.Store(&fetched{keys, s.now()})
	return nil
}

func (s *keySet) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("keys of tokens: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch keys of tokens: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("fetch keys of tokens from %s: %w", address, err)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answered %s", address, res.Status)
	case len(body) > maxKeySet:
		return nil, fmt.Errorf("%s is over %d bytes long", address, maxKeySet)
	}
	return body, nil
}

// jwk is a JSON Web Key (RFC 7517), as far as it is of use.
type jwk struct {
	Kind  string `json:"kty"`
	ID    string `json:"kid"`
	Use   string `json:"use"`
	Alg   string `json:"alg"`
	Curve string `json:"crv"`
	N     string `json:"n"`
	E     string `json:"e"`
	X     string `json:"x"`
	Y     string `json:"y"`
}

// parseKeys reads a JSON Web Key Set. Keys for something else than signatures,
// of kinds that are not taken, and too weak or broken ones are left out; if there
// is none besides, the broken one is the error.
func parseKeys(body []byte) ([]publicKey, error) {
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("is no JSON Web Key Set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("has %d keys, at most %d are taken", len(set.Keys), maxKeys)
	}
	out := []publicKey{}
	var broken error
	for i := range set.Keys {
		k := &set.Keys[i]
		if k.Use != "" && k.Use != "sig" {
			continue
		}
		key, err := k.public()
		switch {
		case err != nil:
			broken = fmt.Errorf("key %q: %w", k.ID, err)
		case key != nil:
			out = append(out, publicKey{k.ID, k.Alg, key})
		}
	}
	if len(out) == 0 && broken != nil {
		return nil, broken
	}
	return out, nil
}

// public returns the key, nil if it is of a kind that is not taken. Symmetric
// keys are not: whoever reads them could sign.
func (k *jwk) public() (crypto.PublicKey, error) {
	number := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
		if err != nil {
			return nil
		}
		return b
	}
	switch k.Kind {
	case "RSA":
		n, e := number(k.N), number(k.E)
		if len(n) < 256 || len(n) > 2048 || len(e) == 0 || len(e) > 4 {
			return nil, errors.New("an RSA key needs 2048 bits at least")
		}
		exponent := new(big.Int).SetBytes(e).Int64()
		if exponent < 3 || exponent&1 == 0 || exponent > 1<<31-1 {
			return nil, errors.New("its exponent is no exponent")
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent)}, nil
	case "EC":
		curves := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
		curve, ok := curves[k.Curve]
		if !ok {
			return nil, nil
		}
		size := (curve.Params().BitSize + 7) / 8
		x, y := number(k.X), number(k.Y)
		if len(x) > size || len(y) > size {
			return nil, errors.New("its point is too long for its curve")
		}
		point := slices.Concat([]byte{4}, make([]byte, size-len(x)), x, make([]byte, size-len(y)), y)
		key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
		if err != nil {
			return nil, errors.New("its point is not on its curve")
		}
		return key, nil
	case "OKP":
		if k.Curve != "Ed25519" {
			return nil, nil
		}
		x := number(k.X)
		if len(x) != ed25519.PublicKeySize {
			return nil, errors.New("an Ed25519 key has 32 bytes")
		}
		return ed25519.PublicKey(x), nil
	}
	return nil, nil
}
