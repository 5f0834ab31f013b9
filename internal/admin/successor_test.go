package admin_test

import (
	"sync"
	"testing"
	"time"

	"penstock/internal/admin"
	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/secret"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

// A key that is due is replaced once, whoever looks, and whoever has the old one
// is given the new one.
func TestKeysThatAreDueAreReplaced(t *testing.T) {
	box, err := secret.New("sk-salt")
	if err != nil {
		t.Fatal(err)
	}
	story := func(t *testing.T, db *store.DB) {
		h := openHouse(t, db, func(o *admin.Options) { o.Secrets = box })
		for _, user := range []string{"ann", "bob"} {
			h.post("/user/new", `{"user_id":"`+user+`","user_role":"internal_user","auto_create_key":false}`).ok()
		}
		key, hash := h.key(`{"user_id":"ann","key_alias":"nightly","auto_rotate":true,"rotation_interval":"30d","max_budget":5,"key_type":"llm_api"}`)
		_, short := h.key(`{"auto_rotate":true,"rotation_interval":"1h"}`)
		_, other := h.key(`{"rotation_interval":"30d"}`)
		rotate := func(apis int) int {
			t.Helper()
			var wg sync.WaitGroup
			done := make([]int, apis)
			for i := range apis {
				api := admin.New(admin.Options{Store: h.db, Directory: h.directory, Secrets: box, Now: func() time.Time { return h.now }})
				wg.Go(func() {
					n, err := api.RotateDue(t.Context(), 24*time.Hour, 100)
					if err != nil {
						t.Error(err)
					}
					done[i] = n
				})
			}
			wg.Wait()
			h.reload(t)
			sum := 0
			for _, n := range done {
				sum += n
			}
			return sum
		}
		h.now = noon.Add(59 * time.Minute)
		if n := rotate(1); n != 0 {
			t.Fatalf("%d keys are replaced before they are due", n)
		}
		h.post("/key/successor", `{"key":"`+hash+`"}`).refused(404, "not_found_error", "key", "There is no new key to fetch")
		h.now = noon.AddDate(0, 0, 31)
		if n := rotate(4); n != 2 {
			t.Fatalf("four replicas have replaced %d keys, want each of two once", n)
		}
		for old, grace := range map[string]time.Duration{hash: 24 * time.Hour, short: time.Hour} { // never longer than the interval
			d, err := h.db.DeprecatedKey(t.Context(), old)
			if err != nil || !d.Until.Equal(h.now.Add(grace)) {
				t.Errorf("the old key is %+v, %v, want it to work for another %v", d, err, grace)
			}
		}
		if _, err := h.db.Key(t.Context(), other); err != nil {
			t.Errorf("a key without auto_rotate: %v", err)
		}
		h.audited(hash, "rotated by litellm_internal_jobs", "created by default_user_id")

		// Who may replace the key, by the old one or the new one.
		got := h.post("/key/successor", `{"key":"`+hash+`"}`).ok().has("key_alias", `"nightly"`, "old_key_valid_until", `"2026-02-18T12:00:00Z"`, "rotated_at", `"2026-02-17T12:00:00Z"`)
		next := got.text("token_id")
		if auth.Hash(got.text("key")) != next || got.text("key") == key || got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("the new key is %s, Cache-Control %q", got.Body, got.Header.Get("Cache-Control"))
		}
		h.get("/key/info?key="+next).ok().has("info.rotation_count", "1", "info.last_rotation_at", `"2026-02-17T12:00:00Z"`, "info.key_rotation_at", `"2026-03-19T12:00:00Z"`,
			"info.max_budget", "5.0", "info.user_id", `"ann"`, "info.auto_rotate", "true")
		h.as("ann", gateway.InternalUser)
		h.post("/key/successor", `{"key":"`+hash+`"}`).ok().has("token_id", `"`+next+`"`)
		h.as("bob", gateway.InternalUser)
		for _, k := range []string{hash, next, auth.Hash("sk-nobody-has-this-one")} {
			h.post("/key/successor", `{"key":"`+k+`"}`).refused(403, "auth_error", "key", "no such key of yours")
		}

		// The key itself, which is the new one whichever of the two was sent.
		k, err := h.db.Key(t.Context(), next)
		if err != nil {
			t.Fatal(err)
		}
		h.who = gateway.Principal{Role: gateway.InternalUser, Key: k}
		h.post("/key/successor", `{}`).ok().has("key", `"`+got.text("key")+`"`)

		// One that is replaced by hand is nobody's to fetch.
		h.asAdmin()
		last := h.post("/key/regenerate", `{"key":"`+next+`"}`).ok().text("token_id")
		h.post("/key/successor", `{"key":"`+last+`"}`).refused(404, "not_found_error", "key", "/key/regenerate replaces it")
		if n := rotate(2); n != 0 {
			t.Errorf("%d keys are replaced again at once", n)
		}
		// What is long over is forgotten, and what is not is kept.
		if _, err := h.db.PruneDeprecatedKeys(t.Context(), noon); err != nil {
			t.Fatal(err)
		}
		d, err := h.db.DeprecatedKey(t.Context(), short)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.db.RotatedKey(t.Context(), d.Active); err != nil {
			t.Errorf("a new key is forgotten too early: %v", err)
		}
		if _, err := h.db.PruneDeprecatedKeys(t.Context(), h.now.Add(2*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if k, err := h.db.RotatedKey(t.Context(), d.Active); err == nil {
			t.Errorf("a new key is kept for ever: %+v", k)
		}
	}
	t.Run("sqlite", func(t *testing.T) { story(t, storetest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { story(t, storetest.Postgres(t)) })
}
