package app

import (
	"testing"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store/storetest"
)

// A replaced key is forgotten a week after its grace, and not before.
func TestReplacedKeysAreForgotten(t *testing.T) {
	s := storetest.SQLite(t)
	a := &App{store: s}
	now := time.Now()
	hash := func(n string) string { return auth.Hash("sk-" + n) }
	if err := s.CreateKey(t.Context(), &gateway.Key{Hash: hash("0")}); err != nil {
		t.Fatal(err)
	}
	for i, grace := range []time.Time{now.Add(-replacedKept - time.Hour), now.Add(-replacedKept + time.Hour)} {
		old, next := string(rune('0'+i)), string(rune('1'+i))
		if _, err := s.RotateKey(t.Context(), hash(old), hash(next), grace.Add(-time.Hour), grace, func(*gateway.Key) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	a.forget(t.Context(), now)
	if _, err := s.DeprecatedKey(t.Context(), hash("0")); err == nil {
		t.Error("a key whose grace ended over a week ago is still there")
	}
	if _, err := s.DeprecatedKey(t.Context(), hash("1")); err != nil {
		t.Errorf("a key whose grace ended less than a week ago: %v", err)
	}
}
