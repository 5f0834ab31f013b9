package app_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/internal/app"
	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store"
)

// A client whose key is replaced by itself hears of it with its answers, fetches
// the new one with the old one, and goes on where it was.
func TestAKeyThatReplacesItself(t *testing.T) {
	h := start(t, model("mock-tokens=5"), "LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS", "0.01", "LITELLM_KEY_ROTATION_GRACE_PERIOD", "2h")
	old := h.key(`"auto_rotate":true,"rotation_interval":"30d","key_type":"llm_api","max_budget":0.01`)
	use := func(key string) (*http.Response, string) { return h.ask(key, `"model":"m","max_tokens":5`) }
	res, body := use(old)
	if res.StatusCode != http.StatusOK || res.Header.Get("X-Penstock-Key-Replaced") != "" {
		t.Fatalf("%d %s, replaced: %q", res.StatusCode, body, res.Header.Get("X-Penstock-Key-Replaced"))
	}
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(filepath.Dir(h.config), "data", "penstock.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.UpdateKey(t.Context(), auth.Hash(old), func(k *gateway.Key) error {
		k.Rotation.Next = time.Now().Add(-time.Minute)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var next string
	app.Eventually(t, "the key is replaced", func() bool {
		res, body := h.do("POST", "/key/successor", old, `{}`)
		next, _ = member(body, "key")
		return res.StatusCode == http.StatusOK && strings.HasPrefix(next, "sk-") && next != old
	})
	if res, body := use(old); res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("X-Penstock-Key-Replaced"), "valid until 20") {
		t.Errorf("the old key: %d %s, replaced: %q", res.StatusCode, body, res.Header.Get("X-Penstock-Key-Replaced"))
	}
	for _, key := range []string{old, next} { // both have spent the budget
		if res, body := use(key); res.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("over the budget: %d %s", res.StatusCode, body)
		}
	}
	if res, _ := use(next); res.Header.Get("X-Penstock-Key-Replaced") != "" {
		t.Error("the new key is said to be replaced")
	}
	if res, body := h.do("POST", "/key/info", next, ""); res.StatusCode == http.StatusOK {
		t.Errorf("a key for models only may ask more than for its successor: %s", body)
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	h.serve(filepath.Dir(h.config))
	if res, body := h.do("POST", "/key/successor", old, `{}`); res.StatusCode != http.StatusOK || !strings.Contains(body, next) {
		t.Errorf("after a restart: %d %s", res.StatusCode, body)
	}
}
