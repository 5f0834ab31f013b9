package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/nacl/secretbox"
)

// gcmPrefix begins LiteLLM's newer form (encryption_algorithm: aes-256-gcm).
const gcmPrefix = "v2:gcm:"

// OpenLiteLLM opens a value that LiteLLM has sealed with salt: its
// LITELLM_SALT_KEY or, where that was not set, its master key. It knows both
// forms: NaCl's secretbox, the nonce first, in either alphabet of base64; and
// AES-256-GCM behind a prefix. The error is ErrDamaged, which a wrong salt looks
// like as well.
func OpenLiteLLM(value, salt string) (string, error) {
	sum := sha256.Sum256([]byte(salt))
	text, gcm := strings.CutPrefix(value, gcmPrefix)
	raw, err := decodeBase64(text)
	if err != nil {
		return "", fmt.Errorf("open a value of LiteLLM: %w", ErrDamaged)
	}
	if gcm {
		block, err := aes.NewCipher(sum[:])
		if err != nil {
			return "", err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return "", err
		}
		if len(raw) >= aead.NonceSize() {
			if plain, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], nil); err == nil {
				return string(plain), nil
			}
		}
		return "", fmt.Errorf("open a value of LiteLLM: %w", ErrDamaged)
	}
	var nonce [24]byte
	if copy(nonce[:], raw) == len(nonce) {
		if plain, ok := secretbox.Open(nil, raw[len(nonce):], &nonce, &sum); ok {
			return string(plain), nil
		}
	}
	return "", fmt.Errorf("open a value of LiteLLM: %w", ErrDamaged)
}

// decodeBase64 reads either alphabet, with padding or without.
func decodeBase64(s string) ([]byte, error) {
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	return base64.RawURLEncoding.DecodeString(s)
}
