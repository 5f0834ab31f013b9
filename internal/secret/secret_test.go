package secret_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/nacl/secretbox"

	"penstock/internal/secret"
)

func box(t testing.TB, keys ...string) *secret.Box {
	t.Helper()
	b, err := secret.New(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var place = secret.Place{Kind: "model", ID: "1", Field: "/api_key"}

func TestSealedValuesOpenOnlyWhereTheyBelong(t *testing.T) {
	b := box(t, "key one")
	sealed := b.Seal("sk-secret", place)
	if strings.Contains(sealed, "sk-secret") || !strings.HasPrefix(sealed, "sealed:1:") {
		t.Fatalf("sealed as %q", sealed)
	}
	if b.Seal("sk-secret", place) == sealed {
		t.Error("one value was sealed to the same text twice")
	}
	for _, tt := range []struct {
		name   string
		b      *secret.Box
		sealed string
		at     secret.Place
		want   string
		err    error
	}{
		{"at its place", b, sealed, place, "sk-secret", nil},
		{"with a newer key and the old one listed", box(t, "key two", "key one"), sealed, place, "sk-secret", nil},
		{"with another key", box(t, "key two"), sealed, place, "", secret.ErrUnknownKey},
		{"of another object", b, sealed, secret.Place{Kind: "model", ID: "2", Field: "/api_key"}, "", secret.ErrDamaged},
		{"in another field", b, sealed, secret.Place{Kind: "model", ID: "1", Field: "/api_base"}, "", secret.ErrDamaged},
		{"with its parts moved", b, sealed, secret.Place{Kind: "model", ID: "1/", Field: "api_key"}, "", secret.ErrDamaged},
		{"changed", b, strings.Replace(sealed, sealed[20:24], "AAAA", 1), place, "", secret.ErrDamaged},
		{"cut short", b, sealed[:20], place, "", secret.ErrDamaged},
		{"not base64", b, sealed[:18] + "!!!!", place, "", secret.ErrDamaged},
		{"not sealed", b, "plain", place, "plain", nil},
		{"of an unknown version", b, "sealed:9:x", place, "sealed:9:x", nil},
	} {
		got, err := tt.b.Open(tt.sealed, tt.at)
		if got != tt.want || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("%s: got %q, %v; want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
		if err != nil && strings.Contains(err.Error(), "sk-secret") {
			t.Errorf("%s: the error shows the value", tt.name)
		}
	}
	if _, err := secret.New(""); err == nil {
		t.Error("an empty key was taken")
	}
	if !box(t, "key two", "key one").Old(sealed) || b.Old(sealed) || b.Old("plain") {
		t.Error("Old does not tell which key a value is sealed with")
	}
}

func TestStringsOfADocumentAreSealed(t *testing.T) {
	b := box(t, "key")
	const doc = `{"api_key":"sk-1","n":1.50,"big":12345678901234567890,"vertex_credentials":{"type":"x","list":["a",true,null,{"b":"c"}]},"empty":"","a/b~c":"d\u0000e"}`
	sealed, err := b.SealStrings([]byte(doc), secret.Place{Kind: "model", ID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{"sk-1", `"x"`, `"a"`, `"c"`, `u0000`} {
		if bytes.Contains(sealed, []byte(plain)) {
			t.Errorf("%s is still there: %s", plain, sealed)
		}
	}
	for _, kept := range []string{`"api_key":`, `1.50`, `12345678901234567890`, `true,null`, `"empty":""`} {
		if !bytes.Contains(sealed, []byte(kept)) {
			t.Errorf("%s is gone: %s", kept, sealed)
		}
	}
	opened, err := b.OpenStrings(sealed, secret.Place{Kind: "model", ID: "1"})
	if err != nil || string(opened) != doc {
		t.Errorf("got %s, %v; want %s", opened, err, doc)
	}
	// One that swaps two sealed values within the object opens neither.
	swapped := strings.Replace(string(sealed), `"api_key"`, `"api_kez"`, 1)
	if _, err := b.OpenStrings([]byte(swapped), secret.Place{Kind: "model", ID: "1"}); !errors.Is(err, secret.ErrDamaged) {
		t.Errorf("a value under another name: got %v, want ErrDamaged", err)
	}
	for _, tt := range []struct {
		name string
		b    *secret.Box
		doc  string
		want bool
	}{
		{"sealed with the current key", b, string(sealed), false},
		{"sealed with an older one", box(t, "new", "key"), string(sealed), true},
		{"not sealed", b, doc, true},
		{"without strings", b, `{"a":1,"b":""}`, false},
		{"nothing", b, "", false},
	} {
		if old, err := tt.b.OldStrings([]byte(tt.doc)); old != tt.want || err != nil {
			t.Errorf("%s: old is %t, %v; want %t", tt.name, old, err, tt.want)
		}
	}
	for _, bad := range []string{`{"a":`, `{"a":"b"`, `{"a" "b"}`, `nope`, `x`, `]`, `{"a":1,"a":2}`} {
		if _, err := b.SealStrings([]byte(bad), secret.Place{}); err == nil {
			t.Errorf("%s was sealed", bad)
		}
	}
}

func TestLiteLLMsValuesOpen(t *testing.T) {
	const salt, plain = "sk-salt", "sk-provider-key é"
	key := sha256.Sum256([]byte(salt))
	// Nonces whose encoding has both of the characters in which the alphabets differ.
	nonce := [24]byte{0xfb, 0xff, 0xfe, 1, 2, 3}
	boxed := secretbox.Seal(nonce[:], []byte(plain), &nonce, &key)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	short := []byte{0xfb, 0xff, 0xfe, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	gcm := "v2:gcm:" + base64.URLEncoding.EncodeToString(aead.Seal(short, short, []byte(plain), nil))
	for _, tt := range []struct {
		name, value, salt string
		ok                bool
	}{
		{"made by PyNaCl 1.6.2 as LiteLLM calls it", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXVe9IN8qEL3yFYWKLe_tG0TisBK9C4WlCQgetpFe0xWcPxQ==", salt, true},
		{"secretbox in the alphabet for URLs", base64.URLEncoding.EncodeToString(boxed), salt, true},
		{"secretbox in the standard alphabet", base64.StdEncoding.EncodeToString(boxed), salt, true},
		{"secretbox without padding", base64.RawURLEncoding.EncodeToString(boxed), salt, true},
		{"the newer form", gcm, salt, true},
		{"another salt", base64.URLEncoding.EncodeToString(boxed), "other", false},
		{"the newer form with another salt", gcm, "other", false},
		{"a damaged value", base64.URLEncoding.EncodeToString(append([]byte{1}, boxed...)), salt, false},
		{"a plain value", "sk-plain", salt, false},
		{"nothing", "", salt, false},
		{"the newer form of nothing", "v2:gcm:", salt, false},
	} {
		got, err := secret.OpenLiteLLM(tt.value, tt.salt)
		if tt.ok && (got != plain || err != nil) || !tt.ok && !errors.Is(err, secret.ErrDamaged) {
			t.Errorf("%s: got %q, %v; want it opened: %t", tt.name, got, err, tt.ok)
		}
	}
}

func FuzzOpen(f *testing.F) {
	b := box(f, "key")
	f.Add(b.Seal("x", place))
	f.Add("v2:gcm:AAAA")
	f.Add("sealed:1:")
	f.Fuzz(func(t *testing.T, value string) {
		if got, err := b.Open(value, place); err == nil && strings.HasPrefix(value, "sealed:1:") && b.Old(value) {
			t.Errorf("%q opened to %q with a key that is not here", value, got)
		}
		if got, err := secret.OpenLiteLLM(value, "salt"); err == nil {
			t.Errorf("%q opened to %q without its salt", value, got)
		}
	})
}

func FuzzStrings(f *testing.F) {
	b := box(f, "key")
	f.Add([]byte(`{"a":["b",{"c":"d"}],"e":1}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		sealed, err := b.SealStrings(doc, place)
		if err != nil {
			return
		}
		once, err := b.OpenStrings(sealed, place)
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		again, err := b.SealStrings(once, place)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := b.OpenStrings(again, place); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s became %s", once, twice)
		}
	})
}
