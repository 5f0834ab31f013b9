package app

import (
	"testing"
	"time"
)

// Eventually waits until ok, for ten seconds at the most: what other processes
// and other replicas do has no clock of ours. It is exported for the tests
// outside the package.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("after ten seconds, not yet: %s", what)
		}
	}
}
