package app

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/store/storetest"
)

// replica runs a gateway on the database at url until the test ends.
func replica(t *testing.T, url string) *App {
	t.Helper()
	return replicaWith(t, map[string]string{"DATABASE_URL": url})
}

func replicaWith(t *testing.T, env map[string]string) *App {
	t.Helper()
	a, err := New(t.Context(), Options{
		Host: "127.0.0.1", Port: -1, DataDir: filepath.Join(t.TempDir(), "data"), Log: slog.New(slog.DiscardHandler),
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return a
}

// What one replica writes counts for the calls of another one soon.
func TestChangesReachOtherReplicas(t *testing.T) {
	url := storetest.PostgresURL(t)
	here, there := replica(t, url), replica(t, url)
	ctx, s, d := t.Context(), here.store, there.directory
	hash, old := auth.Hash("sk-0123456789abcdef"), auth.Hash("sk-old-0123456789")
	sum, _ := auth.ParseSum(hash)
	oldSum, _ := auth.ParseSum(old)
	key := func() *gateway.Key { return d.Key(&sum) }
	slowest := time.Duration(0)
	for _, step := range []struct {
		name  string
		write func() error
		known func() bool
	}{
		{"a key", func() error { return s.CreateKey(ctx, &gateway.Key{Hash: old, BudgetID: "b"}) }, func() bool { return d.Key(&oldSum) != nil }},
		{"its budget", func() error {
			return s.CreateBudget(ctx, &gateway.Budget{ID: "b", Limits: gateway.Limits{RPM: new(int64(3))}})
		}, func() bool { return d.Key(&oldSum).Limits.RPM != nil }},
		{"its rotation", func() error {
			now := time.Now()
			_, err := s.RotateKey(ctx, old, hash, now, now.Add(time.Hour), func(*gateway.Key) error { return nil })
			return err
		}, func() bool {
			k, _ := d.Accepted(&oldSum, time.Now)
			return k != nil && k.Hash == hash && d.Key(&oldSum) == nil
		}},
		{"its block", func() error {
			_, err := s.UpdateKey(ctx, hash, func(k *gateway.Key) error { k.Blocked = true; return nil })
			return err
		}, func() bool { return key().Blocked }},
		{"its end", func() error { _, err := s.DeleteKeys(ctx, []string{hash}); return err }, func() bool { return key() == nil }},
		{"a user", func() error { return s.CreateUser(ctx, &gateway.User{ID: "u"}) }, func() bool { return d.User("u") != nil }},
		{"a team", func() error { return s.CreateTeam(ctx, &gateway.Team{ID: "t"}) }, func() bool { return d.Team("t") != nil }},
		{"an organization", func() error { return s.CreateOrganization(ctx, &gateway.Organization{ID: "o"}) }, func() bool { return d.Organization("o") != nil }},
		{"a project", func() error { return s.CreateProject(ctx, &gateway.Project{ID: "p"}) }, func() bool { return d.Project("p") != nil }},
		{"an end user", func() error { return s.CreateEndUser(ctx, &gateway.EndUser{ID: "e"}) }, func() bool { return d.EndUser("e", "") != nil }},
		{"a tag", func() error { return s.CreateTag(ctx, &gateway.Tag{Name: "g"}) }, func() bool { return d.Tag("g") != nil }},
		{"an access group's budget", func() error { return s.CreateGroupBudget(ctx, &gateway.GroupBudget{Name: "g"}) }, func() bool { return d.GroupBudget("g") != nil }},
		{"an access group", func() error { return s.CreateAccessGroup(ctx, &gateway.AccessGroup{ID: "a"}) }, func() bool { return d.AccessGroup("a") != nil }},
		{"the tag's end", func() error { _, err := s.DeleteTags(ctx, []string{"g"}); return err }, func() bool { return d.Tag("g") == nil }},
	} {
		if err := step.write(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		begin := time.Now()
		Eventually(t, step.name+" is known to the other replica", step.known)
		slowest = max(slowest, time.Since(begin))
	}
	t.Logf("the slowest change took %v", slowest)
}
