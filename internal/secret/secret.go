package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// prefix begins every sealed value. The number is the version of the form:
//
//	sealed:1:KEY:base64url(nonce, ciphertext, tag)
//
// KEY is the id of the key, four bytes in hex. The cipher is AES-256-GCM with a
// random nonce of 12 bytes, so one key is good for some billions of values.
const prefix = "sealed:1:"

// ErrUnknownKey says that a value was sealed with a key that is not in the Box.
var ErrUnknownKey = errors.New("sealed with a key that is not here: set LITELLM_SALT_KEY to the one it was sealed with")

// ErrDamaged says that a value was changed, or moved to another place.
var ErrDamaged = errors.New("the sealed value is damaged, or belongs to another object")

// Place is where a value stands. A value that is moved to another place cannot
// be opened there: who can write to the database cannot have a credential sent
// to a provider of their own.
type Place struct {
	Kind  string // of the object: "model", "credential"
	ID    string
	Field string
}

// data is what the cipher authenticates besides the value. Lengths keep the
// parts apart, whatever is in them.
func (p Place) data() []byte {
	var b []byte
	for _, s := range [...]string{p.Kind, p.ID, p.Field} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// Box seals and opens values. It is immutable and safe for concurrent use.
type Box struct{ keys []key }

type key struct {
	id   string
	aead cipher.AEAD
}

// New returns a box that seals with current and opens what was sealed with it
// or with one of the older keys. Keys are texts of any length; short ones can be
// guessed by who has the database.
func New(current string, older ...string) (*Box, error) {
	var b Box
	for _, text := range append([]string{current}, older...) {
		k, err := newKey(text)
		if err != nil {
			return nil, err
		}
		b.keys = append(b.keys, k)
	}
	return &b, nil
}

func newKey(text string) (key, error) {
	if text == "" {
		return key{}, errors.New("a key to seal with is empty")
	}
	derive := func(what string, n int) ([]byte, error) { return hkdf.Key(sha256.New, []byte(text), nil, what, n) }
	id, err := derive("penstock sealed values, id of the key", 4)
	if err != nil {
		return key{}, err
	}
	bits, err := derive("penstock sealed values, AES-256-GCM", 32)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(bits)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCM(block)
	return key{hex.EncodeToString(id), aead}, err
}

// Seal returns plain in a form that only this box opens, and only at the place.
// Sealing the same value again gives another text.
func (b *Box) Seal(plain string, at Place) string {
	k := &b.keys[0]
	nonce := make([]byte, k.aead.NonceSize(), k.aead.NonceSize()+len(plain)+k.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return prefix + k.id + ":" + base64.RawURLEncoding.EncodeToString(k.aead.Seal(nonce, nonce, []byte(plain), at.data()))
}

// Open is the inverse of Seal. A value that is not sealed is returned as it is.
// The error is ErrUnknownKey or ErrDamaged.
func (b *Box) Open(value string, at Place) (string, error) {
	rest, ok := strings.CutPrefix(value, prefix)
	if !ok {
		return value, nil
	}
	id, text, _ := strings.Cut(rest, ":")
	for i := range b.keys {
		k := &b.keys[i]
		if k.id != id {
			continue
		}
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(raw) < k.aead.NonceSize() {
			return "", fmt.Errorf("open %s of %s %q: %w", at.Field, at.Kind, at.ID, ErrDamaged)
		}
		plain, err := k.aead.Open(nil, raw[:k.aead.NonceSize()], raw[k.aead.NonceSize():], at.data())
		if err != nil {
			return "", fmt.Errorf("open %s of %s %q: %w", at.Field, at.Kind, at.ID, ErrDamaged)
		}
		return string(plain), nil
	}
	return "", fmt.Errorf("open %s of %s %q: %w", at.Field, at.Kind, at.ID, ErrUnknownKey)
}

// Old reports whether a value is sealed with another key than the current one.
func (b *Box) Old(value string) bool {
	return strings.HasPrefix(value, prefix) && !strings.HasPrefix(value, prefix+b.keys[0].id+":")
}

// Model is the place of the parameters of a stored model.
func Model(id string) Place { return Place{Kind: "model", ID: id} }

// Logging is the place of what a key's or a team's logging destinations need.
func Logging(owner, id string) Place { return Place{Kind: owner + " logging", ID: id} }

// Credential is the place of the values of a stored credential.
func Credential(name string) Place { return Place{Kind: "credential", ID: name} }
