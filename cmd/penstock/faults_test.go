package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"penstock/internal/spend"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

const chatBody = `{"model":"m","messages":[{"role":"user","content":"Hello"}]}`

// general puts general_settings into the configuration in dir.
func general(t *testing.T, dir, settings string) {
	t.Helper()
	path := filepath.Join(dir, "config.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("general_settings: {"+settings+"}\n"+string(text)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// chat makes a call and returns its status, 0 if the process is gone.
func (p *process) chat(ctx context.Context) int {
	res, err := p.post(ctx, testKey, "/v1/chat/completions", chatBody)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0
	}
	return res.StatusCode
}

// eventually polls until ok, for ten seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not after ten seconds: %s", what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

type spendHealth struct {
	Spend struct {
		Status   string  `json:"status"`
		Behind   float64 `json:"behind_seconds"`
		InMemory int64   `json:"calls_in_memory"`
	} `json:"spend"`
}

// A journal that takes nothing has calls refused, or served where that is
// wished, and then they are on the books as well.
func TestJournalThatTakesNothing(t *testing.T) {
	for _, tt := range []struct {
		policy string
		status int
		booked int
	}{{"refuse", http.StatusServiceUnavailable, 2}, {"serve", http.StatusOK, 5}} {
		t.Run(tt.policy, func(t *testing.T) {
			dir, args := setUp(t, "mock-tokens=6")
			general(t, dir, "on_journal_failure: "+tt.policy)
			env := []string{"LITELLM_MASTER_KEY=" + testKey}
			p := run(t, dir, env, args...)
			journal, gone := filepath.Join(dir, "data", "journal"), filepath.Join(dir, "gone")
			if err := os.Rename(journal, gone); err != nil { // before its first file is made
				t.Fatal(err)
			}
			for range 3 {
				if status := p.chat(t.Context()); status != tt.status {
					t.Errorf("a call without a journal: status %d, want %d", status, tt.status)
				}
			}
			if err := os.Rename(gone, journal); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if status := p.chat(t.Context()); status != http.StatusOK {
					t.Errorf("a call with a journal again: status %d", status)
				}
			}
			var rows []booked
			p.json(t, "/spend/logs", "", &rows)
			if len(rows) != tt.booked {
				t.Errorf("%d calls on the books, want %d", len(rows), tt.booked)
			}
			proven(t, dir, env, args...)
		})
	}
}

// While PostgreSQL refuses everybody calls go on, /health says so, and a
// kill -9 in the middle loses nothing. While it only is slow, no call waits.
func TestDatabaseAwayAndSlow(t *testing.T) {
	url := storetest.PostgresURL(t)
	server, err := sql.Open("pgx", os.Getenv("TEST_POSTGRES_DSN"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	exec := func(query string) {
		t.Helper()
		if _, err := server.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	var name string
	for _, word := range strings.FieldsFunc(url, func(r rune) bool { return strings.ContainsRune("/ =?", r) }) {
		if strings.HasPrefix(word, "penstock_test_") {
			name = word
		}
	}
	dir, args := setUp(t, "mock-tokens=6")
	general(t, dir, "ledger_hash_chain: true")
	env := []string{"LITELLM_MASTER_KEY=" + testKey, "DATABASE_URL=" + url}
	p := run(t, dir, env, args...)
	calls := 0
	call := func(n int) {
		t.Helper()
		for range n {
			start := time.Now()
			if status := p.chat(t.Context()); status != http.StatusOK {
				t.Fatalf("call %d: status %d", calls, status)
			}
			calls++
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("call %d took %s", calls, took)
			}
		}
	}
	call(5)

	exec("ALTER DATABASE " + name + " ALLOW_CONNECTIONS false")
	exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name + "'")
	call(20)
	eventually(t, "/health says that booking is behind", func() bool {
		var h spendHealth
		p.json(t, "/health", "", &h)
		return h.Spend.Status == "behind" && h.Spend.Behind > 0
	})
	call(5)
	_ = p.cmd.Process.Kill()
	<-p.done
	exec("ALTER DATABASE " + name + " ALLOW_CONNECTIONS true")
	p = run(t, dir, env, args...)
	call(3)

	// A lock that somebody holds on the calls is a slow database.
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "LOCK TABLE calls IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	call(30)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	var rows []booked
	p.json(t, "/spend/logs", "", &rows)
	if len(rows) != calls {
		t.Errorf("%d calls on the books, want %d", len(rows), calls)
	}
	proven(t, dir, env, args...)
}

// Two gateways book into one database, both are killed in the middle, and their
// journals are delivered twice: by a copy as well. Each cent is there once.
func TestTwoBookersAndEveryJournalTwice(t *testing.T) {
	url := storetest.PostgresURL(t)
	env := []string{"LITELLM_MASTER_KEY=" + testKey, "DATABASE_URL=" + url}
	var mu sync.Mutex
	answered := map[string]bool{}
	var wg sync.WaitGroup
	var dirs []string
	var argss [][]string
	for range 2 {
		dir, args := setUp(t, "mock-tokens=6,chunks=3,gap=2")
		p := run(t, dir, env, args...)
		dirs, argss = append(dirs, dir), append(argss, args)
		ctx, kill := context.WithCancel(t.Context())
		for range 10 {
			wg.Go(func() {
				for range 30 {
					res, err := p.post(ctx, testKey, "/v1/chat/completions", chatBody)
					if err != nil {
						return
					}
					raw, err := io.ReadAll(res.Body)
					_ = res.Body.Close()
					mu.Lock()
					if err == nil && res.StatusCode == 200 && strings.HasSuffix(string(raw), "}") {
						answered[res.Header.Get("X-Litellm-Call-Id")] = true
					}
					if len(answered) == 150*len(dirs) {
						_ = p.cmd.Process.Kill()
						kill()
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		_ = p.cmd.Process.Kill()
		<-p.done
		kill()
	}
	// What the dead processes left, a second time.
	for i, dir := range dirs {
		second := filepath.Join(dir, "second", "data")
		if err := os.CopyFS(filepath.Join(second, "journal"), os.DirFS(filepath.Join(dir, "data", "journal"))); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(second, "journal", "lock")); err != nil {
			t.Fatal(err)
		}
		dirs, argss = append(dirs, filepath.Join(dir, "second")), append(argss, argss[i])
	}
	ps := make([]*process, len(dirs))
	for i, dir := range dirs { // all at once
		wg.Go(func() { ps[i] = run(t, dir, env, argss[i]...) })
	}
	wg.Wait()
	var rows []booked
	ps[0].json(t, "/spend/logs", "", &rows)
	seen := map[string]int{}
	for _, r := range rows {
		seen[r.CallID]++
	}
	for id := range answered {
		if seen[id] != 1 {
			t.Errorf("answered call %s is on the books %d times", id, seen[id])
		}
	}
	out := proven(t, dirs[0], env, argss[0]...)
	t.Logf("%d answered; %s", len(answered), out)
}

// The retention period takes old days from the ledger of a gateway that runs.
func TestRetention(t *testing.T) {
	dir, args := setUp(t, "mock-tokens=6")
	general(t, dir, `maximum_spend_logs_retention_period: "30d", maximum_spend_logs_retention_interval: "1s"`)
	env := []string{"LITELLM_MASTER_KEY=" + testKey}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(data, "penstock.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().AddDate(0, 0, -31)
	for i, start := range []time.Time{old.AddDate(0, 0, -5), old.AddDate(0, 0, -1), time.Now().AddDate(0, 0, -29)} {
		if _, err := db.Book(t.Context(), []spend.Row{{CallID: fmt.Sprint("old-", i), Start: start}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	p := run(t, dir, env, args...)
	eventually(t, "two of three old calls are gone", func() bool {
		var rows []booked
		p.json(t, "/spend/logs", "", &rows)
		return len(rows) == 1 && rows[0].CallID == "old-2"
	})
	if out := proven(t, dir, env, args...); !strings.Contains(out, "2 days have lost their calls") {
		t.Error(out)
	}
}
