package store

import (
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"github.com/pressly/goose/v3"

	"penstock/internal/gateway"
)

// Groups of the release before, and who has them, mean the same afterwards; so do
// those that said who has them without that being said of the key or team.
func TestAccessGroupsOfEarlierBuildsMigrate(t *testing.T) {
	for _, tt := range []struct {
		name string
		url  func(*testing.T) string
	}{
		{"sqlite", func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "x.db") }},
		{"postgres", schemaURL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := t.Context()
			db, err := Open(ctx, tt.url(t), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			sub, err := fs.Sub(migrations, "migrations")
			if err != nil {
				t.Fatal(err)
			}
			p, err := goose.NewProvider(db.d.goose, db.w, variants{sub, db.d.name}, goose.WithDisableGlobalRegistry(true))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.ApplyVersion(ctx, 40, false); err != nil {
				t.Fatal(err)
			}
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(db.CreateKey(ctx, &gateway.Key{Hash: "k1", AccessGroupIDs: []string{"g", "old"}, AllowedIPs: []string{"127.0.0.1"}}))
			must(db.CreateKey(ctx, &gateway.Key{Hash: "k2", AllowedIPs: []string{"127.0.0.1"}}))
			must(db.CreateKey(ctx, &gateway.Key{Hash: "k3"}))
			must(db.CreateTeam(ctx, &gateway.Team{ID: "t1", AccessGroupIDs: []string{"g"}}))
			must(db.CreateTeam(ctx, &gateway.Team{ID: "t2"}))
			for id, owners := range map[string][2]string{"g": {`["k2","gone"]`, `["t1"]`}, "h": {`["k2","k1"]`, `["t2"]`}, "none": {"", ""}} {
				_, err := db.w.Exec(`INSERT INTO access_groups (id, name, description, models, teams, keys, budget_id, budget_duration, limits, created_at, created_by, updated_at, updated_by)
					VALUES ($1, $1, '', '', $2, $3, '', '', '', 0, '', 0, '')`, id, owners[1], owners[0])
				must(err)
			}
			if _, err := p.ApplyVersion(ctx, 40, true); err != nil {
				t.Fatal(err)
			}
			for id, want := range map[string][2][]string{"g": {{"k1", "k2"}, {"t1"}}, "h": {{"k1", "k2"}, {"t2"}}, "none": {}} {
				g, err := db.AccessGroup(ctx, id)
				must(err)
				if !slices.Equal(g.Keys, want[0]) || !slices.Equal(g.Teams, want[1]) {
					t.Errorf("group %s is of keys %v and teams %v, want %v", id, g.Keys, g.Teams, want)
				}
			}
			for hash, want := range map[string][]string{"k1": {"g", "h", "old"}, "k2": {"g", "h"}, "k3": nil} {
				k, err := db.Key(ctx, hash)
				must(err)
				slices.Sort(k.AccessGroupIDs)
				if !slices.Equal(k.AccessGroupIDs, want) || hash != "k3" && !slices.Equal(k.AllowedIPs, []string{"127.0.0.1"}) {
					t.Errorf("key %s has groups %v and addresses %v, want %v", hash, k.AccessGroupIDs, k.AllowedIPs, want)
				}
			}
		})
	}
}
