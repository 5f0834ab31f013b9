package redis_test

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/limit/limittest"
	"penstock/internal/redis"
)

// open returns the test server, under a namespace of this test's own.
func open(t *testing.T, now func() time.Time) *redis.DB {
	t.Helper()
	url := os.Getenv("TEST_REDIS_URL")
	if url == "" {
		const what = "TEST_REDIS_URL names no Redis server, so nothing is tested on one"
		if os.Getenv("CI") == "true" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	db, err := redis.Open(redis.Options{URL: gateway.Secret(url), Namespace: "test-" + rand.Text(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func openLeases(t *testing.T, now func() time.Time) limit.Shared {
	t.Helper()
	return open(t, now).Leases()
}

func TestLeases(t *testing.T) { limittest.RunShared(t, openLeases) }

func TestLeasesKeepTheContract(t *testing.T) { limittest.RunLeases(t, openLeases) }

func TestBadURLsAreRefusedWithoutTheirSecrets(t *testing.T) {
	for _, url := range []string{"http://u:hunter2@h", "redis://u:hunter2@h:x y", "redis://u:hunter2@h/notanumber", ":"} {
		if _, err := redis.Open(redis.Options{URL: gateway.Secret(url)}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestAServerThatIsAwayIsFoundWhenItComes(t *testing.T) {
	db, err := redis.Open(redis.Options{URL: "unix:///nonexistent/redis.sock"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Leases().Beat(t.Context(), "one"); err == nil {
		t.Error("a server that is not there answers")
	}
}
