package redis_test

import (
	"crypto/rand"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/limit/limittest"
	"penstock/internal/redis"
	"penstock/internal/redis/redistest"
)

// open returns the test server, under a namespace of this test's own.
func open(t *testing.T, now func() time.Time) *redis.DB {
	t.Helper()
	url := redistest.URL(t)
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

// A cluster refuses a script that touches keys of two slots.
func TestLeasesInACluster(t *testing.T) {
	url := cluster(t)
	limittest.RunShared(t, func(t *testing.T, now func() time.Time) limit.Shared {
		db, err := redis.Open(redis.Options{URL: gateway.Secret("redis://" + url), Nodes: []string{url}, Namespace: rand.Text(), Now: now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db.Leases()
	})
}

// cluster starts a cluster of one node, which has all slots, and returns its
// address.
func cluster(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	// Clusters have no sockets, and a second port at a fixed distance.
	for range 20 {
		port := strconv.Itoa(20_000 + mrand.IntN(20_000))
		cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
		if ready(t, port, ended) {
			return "127.0.0.1:" + port
		}
	}
	t.Fatal("no free port for a cluster")
	return ""
}

// ready gives the node all slots and waits until it serves; false if it ended.
func ready(t *testing.T, port string, ended <-chan struct{}) bool {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		out, _ := exec.Command("redis-cli", "-p", port, "cluster", "info").Output()
		switch {
		case strings.Contains(string(out), "cluster_state:ok"):
			return true
		case strings.Contains(string(out), "cluster_slots_assigned:0"):
			_ = exec.Command("redis-cli", "-p", port, "cluster", "addslotsrange", "0", "16383").Run() // looked at again below
		}
		select {
		case <-ended:
			return false
		case <-deadline:
			t.Fatal("the cluster does not come up")
		case <-tick.C:
		}
	}
}

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
