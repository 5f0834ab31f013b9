package secret_test

import (
	"strings"
	"testing"

	"penstock/internal/secret"
)

func TestPasswords(t *testing.T) {
	const password = "correct horse battery"
	hash, again := secret.HashPassword(password), secret.HashPassword(password)
	if hash == again || strings.Contains(hash, password) || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hashes are %s and %s", hash, again)
	}
	for guess, want := range map[string]bool{password: true, "": false, "Correct horse battery": false, password + " ": false, password + "\x00": false} {
		if ok, err := secret.CheckPassword(guess, hash); err != nil || ok != want {
			t.Errorf("%q: %v, %v", guess, ok, err)
		}
	}
	for _, bad := range []string{
		"", "x", "$argon2id$v=19$m=19456,t=2,p=1$$", "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", strings.Replace(hash, "v=19", "v=16", 1),
		strings.Replace(hash, "t=2", "t=0", 1), strings.Replace(hash, "p=1", "p=0", 1), strings.Replace(hash, "m=19456", "m=4294967295", 1), hash + "$", hash[:len(hash)-40],
	} {
		if ok, err := secret.CheckPassword(password, bad); err == nil || ok {
			t.Errorf("%q: %v, %v", bad, ok, err)
		}
	}
}

func FuzzCheckPassword(f *testing.F) {
	f.Add(secret.HashPassword("p"))
	f.Add("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA")
	f.Fuzz(func(t *testing.T, hash string) {
		if len(hash) > 200 {
			return
		}
		if ok, _ := secret.CheckPassword("a password that nobody has hashed", hash); ok {
			t.Errorf("%q is a hash of it", hash)
		}
	})
}
