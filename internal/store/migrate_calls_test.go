package store

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

// A ledger of the first builds comes through the migration row for row, and
// back again.
func TestLedgersOfEarlierBuildsMigrate(t *testing.T) {
	for _, tt := range []struct {
		name string
		url  func(*testing.T) string
	}{
		{"sqlite", func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "x.db") }},
		{"postgres", schemaURL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := tt.url(t)
			db, err := Open(t.Context(), url, Options{})
			if err != nil {
				t.Fatal(err)
			}
			sub, err := fs.Sub(migrations, "migrations")
			if err != nil {
				t.Fatal(err)
			}
			p, err := goose.NewProvider(db.d.goose, db.w, variants{sub, db.d.name}, goose.WithDisableGlobalRegistry(true))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.DownTo(t.Context(), 10); err != nil {
				t.Fatal(err)
			}
			start := time.Date(2026, 11, 24, 10, 0, 0, 123456000, time.UTC)
			want := []spend.Row{
				{
					CallID: fmt.Sprintf("%08x-%04x-7abc-8def-0123456789ab", start.Add(time.Second).UnixMilli()>>16, start.Add(time.Second).UnixMilli()&0xffff), ResponseID: "chatcmpl-1", KeyHash: "k", UserID: "u", TeamID: "t", OrgID: "o", EndUser: "e",
					Tags: []string{"a", "b"}, Operation: gateway.Chat, Route: "/v1/chat/completions", Group: "g", Model: "m", Provider: "p", Deployment: "d",
					Session: "s", ClientIP: "::1", Failed: true, Kind: gateway.UpstreamCut, Error: "cut", Interrupted: true, Stream: true, Finish: "length", Retries: 1, Fallbacks: 2,
					Usage: gateway.Usage{Prompt: 1, CacheRead: 2, CacheWrite: 3, CacheWrite1h: 4, AudioIn: 5, ImageIn: 6, Completion: 7, Reasoning: 8, AudioOut: 9, ImageOut: 10, WebSearches: 11, Tier: "flex", Estimated: true},
					Cost:  12, Priced: true, Price: "v1", Start: start.Add(time.Second), FirstByte: start.Add(2 * time.Second), End: start.Add(3 * time.Second),
				},
				{CallID: "old-é", KeyHash: "k", Start: start},
			}
			for _, r := range want {
				u := r.Usage
				tags := ""
				if r.Tags != nil {
					tags = `["a","b"]`
				}
				args := []any{
					r.CallID, r.ResponseID, r.KeyHash, r.UserID, r.TeamID, r.OrgID, r.EndUser, tags, string(r.Operation), r.Route, r.Group, r.Model, r.Provider, r.Deployment, r.Session, r.ClientIP,
					r.Failed, int64(r.Kind), r.Error, r.Interrupted, r.Stream, r.Finish, r.Retries, r.Fallbacks,
					u.Prompt, u.CacheRead, u.CacheWrite, u.CacheWrite1h, u.AudioIn, u.ImageIn, u.Completion, u.Reasoning, u.AudioOut, u.ImageOut, u.WebSearches, u.Tier, u.Estimated,
					int64(r.Cost), r.Priced, r.Price, micros(r.Start), micros(r.FirstByte), micros(r.End),
				}
				marks := "$1"
				for i := 2; i <= len(args); i++ {
					marks += ", $" + strconv.Itoa(i)
				}
				if _, err := db.w.Exec(`INSERT INTO calls (call_id, response_id, key_hash, user_id, team_id, org_id, end_user, tags, operation, route, model_group, model, provider,
					deployment_id, session_id, client_ip, failed, kind, error, interrupted, streamed, finish, retries, fallbacks, prompt, cache_read, cache_write, cache_write_1h,
					audio_in, image_in, completion, reasoning, audio_out, image_out, web_searches, tier, estimated, cost, priced, price, started_at, first_byte_at, ended_at)
					VALUES (`+marks+`)`, args...); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // up, and after a way down and up again
				if _, err := p.Up(t.Context()); err != nil {
					t.Fatal(err)
				}
				got, err := db.Calls(t.Context(), CallFilter{})
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("rows (-want +got):\n%s", d)
				}
				var parts, cost, took int64
				if err := db.r.QueryRow(`SELECT COUNT(*), SUM(cost), SUM(took) FROM activity WHERE day = '2026-11-24' AND scope || '/' || id IN ('/', 'end_user/e', 'tag/a', 'tag/b')`).Scan(&parts, &cost, &took); err != nil || parts != 5 || cost != 48 || took != 8e6 {
					t.Errorf("%d parts of the day's activity, %d nano-dollars and %d us, %v; want 5, 48 and 8000000", parts, cost, took, err)
				}
				for _, id := range []string{want[0].CallID, want[1].CallID, want[0].ResponseID} {
					if got, err := db.Calls(t.Context(), CallFilter{RequestID: id}); err != nil || len(got) != 1 {
						t.Errorf("request %s: %d rows, %v, want one", id, len(got), err)
					}
				}
				if got, err := db.Total(t.Context(), OrgMember, "o:u"); err != nil || got.Total != 12 || got.Window != 12 {
					t.Errorf("a member of an organization has spent %+v, %v, want 12 as its call", got, err)
				}
				if n, err := db.Book(t.Context(), want); err != nil || n != 0 {
					t.Errorf("booking the same calls again: %d, %v, want none", n, err)
				}
				if _, err := p.DownTo(t.Context(), 10); err != nil {
					t.Fatal(err)
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// schemaURL is a database of its own on the test server, in a schema that goes
// with the test: package storetest would import this one.
func schemaURL(t *testing.T) string {
	dsn := os.Getenv("TEST_POSTGRES_DSN")
	if dsn == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("TEST_POSTGRES_DSN names no PostgreSQL server")
		}
		t.Skip("TEST_POSTGRES_DSN names no PostgreSQL server")
	}
	db, err := openPostgres(dsn, Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	name := "migrate_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if _, err := db.w.Exec("CREATE SCHEMA " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.w.Exec("DROP SCHEMA " + name + " CASCADE"); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return dsn + " search_path=" + name
}
