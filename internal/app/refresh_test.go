package app

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"penstock/internal/admin"
	"penstock/internal/auth"
	"penstock/internal/gateway"
)

// A database that does not answer says nothing about a key: it must go on
// working until the database says that it is gone.
func TestAFailedLookUpForgetsNoKey(t *testing.T) {
	a, err := New(t.Context(), Options{
		Host: "127.0.0.1", Port: -1, DataDir: filepath.Join(t.TempDir(), "data"), Log: slog.New(slog.DiscardHandler),
		Env: func(string) (string, bool) { return "", false },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	key := &gateway.Key{Hash: auth.Hash("sk-0123456789abcdef")}
	if err := a.store.CreateKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if err := a.refresh(t.Context(), admin.KeyEntity, key.Hash, false, true); err != nil {
		t.Fatal(err)
	}
	sum, _ := auth.ParseSum(key.Hash)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.refresh(gone, admin.KeyEntity, key.Hash, false, true); err == nil {
		t.Error("the look-up did not fail")
	}
	if a.directory.Key(&sum) == nil {
		t.Error("a look-up that failed made the key unknown")
	}
	if _, err := a.store.DeleteKeys(t.Context(), []string{key.Hash}); err != nil {
		t.Fatal(err)
	}
	if err := a.refresh(t.Context(), admin.KeyEntity, key.Hash, false, true); err != nil || a.directory.Key(&sum) != nil {
		t.Errorf("a deleted key is still known (%v)", err)
	}
}
