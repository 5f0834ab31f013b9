package redistest

import (
	"os"
	"testing"
)

// URL returns the test server's address, from TEST_REDIS_URL. Without one the
// test is skipped, but fails where everything has to run (CI=true).
func URL(t testing.TB) string {
	t.Helper()
	url := os.Getenv("TEST_REDIS_URL")
	if url == "" {
		const what = "TEST_REDIS_URL names no Redis server, so nothing is tested on one"
		if os.Getenv("CI") == "true" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	return url
}
