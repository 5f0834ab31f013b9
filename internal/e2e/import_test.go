package e2e_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the "pgx" driver
	"golang.org/x/crypto/nacl/secretbox"

	"penstock/internal/store/storetest"
)

// TestKeysOfLiteLLMGoOnWorking follows somebody who moves in.
func TestKeysOfLiteLLMGoOnWorking(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  func(t *testing.T, litellm string) []string
	}{
		{"into the embedded database", func(*testing.T, string) []string { return nil }},
		{"into a PostgreSQL of its own", func(t *testing.T, _ string) []string {
			return []string{"DATABASE_URL=" + storetest.EmptyPostgresURL(t)}
		}},
		{"into LiteLLM's own PostgreSQL", func(_ *testing.T, litellm string) []string { return []string{"DATABASE_URL=" + litellm} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			litellm := storetest.EmptyPostgresURL(t)
			m, url := provider(t)
			h := openOn(t, m, url, oneModel("mock-tokens=5")+"\ngeneral_settings:\n  store_model_in_db: true\n", append(tt.env(t, litellm), env())...)
			fill(t, litellm, url+"/v1")

			if out := h.run("import", "litellm", "--database-url", litellm, "--dry-run"); !strings.Contains(out, "nothing was written") {
				t.Errorf("the dry run: %s", out)
			}
			if a := h.ask("sk-works-0123456789", `"model":"m"`); a.status != 401 {
				t.Fatalf("a key that is only in LiteLLM: %s", a)
			}
			out := h.run("import", "litellm", "--database-url", litellm)
			// The gateway runs on: it hears of what has come.
			h.eventually("keys and models have come", func() bool {
				return h.ask("sk-works-0123456789", `"model":"stored","max_tokens":5`).status == 200
			})
			for _, call := range []struct {
				what, key, model string
				status           int
				says             string
			}{
				{"a key of a member", "sk-works-0123456789", "m", 200, ""},
				{"its stored model", "sk-works-0123456789", "stored", 200, ""},
				{"a key that has spent its budget", "sk-spent-0123456789", "m", 422, "budget_exceeded"},
				{"a key that may use another model only", "sk-other-0123456789", "m", 403, "key_model_access_denied"},
				{"a blocked key", "sk-blocked-012345678", "m", 401, "blocked"},
				{"an expired key", "sk-expired-012345678", "m", 401, "expired"},
				{"a key that nobody has", "sk-nobody-0123456789", "m", 401, ""},
			} {
				a := h.ask(call.key, `"model":"`+call.model+`","max_tokens":5`)
				if a.status != call.status || !strings.Contains(strings.ToLower(a.body), call.says) {
					t.Errorf("%s: want %d %s, got %s", call.what, call.status, call.says, a)
				}
			}
			// What was spent there, and the three calls here.
			if got := h.spend("sk-works-0123456789"); got != "1.265" {
				t.Errorf("the key has spent %s, want 1.265", got)
			}
			if again := h.run("import", "litellm", "--database-url", litellm); !strings.Contains(again, "\n0 rows were new") {
				t.Errorf("again: %s\nbefore: %s", again, out)
			}
			// LiteLLM goes on, and the import too: what was spent there counts here at once.
			more(t, litellm, `UPDATE "LiteLLM_VerificationToken" SET spend = 200, total_spend = 200 WHERE spend = 1.25`)
			h.run("import", "litellm", "--database-url", litellm)
			h.eventually("the key has spent its budget at LiteLLM", func() bool {
				a := h.ask("sk-works-0123456789", `"model":"m","max_tokens":5`)
				return a.status == 422
			})
			// Months before the move are in the reports.
			if a := h.do("GET", "/user/daily/activity?start_date=2025-03-01&end_date=2025-03-31", master, ""); !strings.Contains(a.body, `"total_spend":4.5`) || !strings.Contains(a.body, `"date":"2025-03-04"`) {
				t.Errorf("the activity of a month before the move: %s", a)
			}
			if out := h.run("ledger", "verify"); !strings.Contains(out, "the books are right") {
				t.Errorf("the books: %s", out)
			}
		})
	}
}

// more changes a database of LiteLLM's.
func more(t *testing.T, database, query string) {
	t.Helper()
	db, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

// run runs another command of the program on the house's data.
func (h *house) run(args ...string) string {
	h.t.Helper()
	path, err := binary()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(path, append(args, "--config="+h.config, "--data-dir="+filepath.Join(h.dir, "data"))...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir}, h.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("penstock %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// fill makes a database of LiteLLM's, whose one stored model is served at url.
func fill(t *testing.T, database, url string) {
	t.Helper()
	schema, err := os.ReadFile("../litellm/testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec(string(schema))
	exec(`INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias, members_with_roles) VALUES ('t', 'Team', '[{"role":"admin","user_id":"u"}]')`)
	exec(`INSERT INTO "LiteLLM_UserTable" (user_id, user_role, teams) VALUES ('u', 'internal_user', '{t}')`)
	hash := func(key string) string {
		sum := sha256.Sum256([]byte(key))
		return hex.EncodeToString(sum[:])
	}
	const key = `INSERT INTO "LiteLLM_VerificationToken" (token, key_name, user_id, team_id, spend, total_spend, max_budget, models, blocked, expires) VALUES ($1, 'sk-...', $2, $3, $4, $4, $5, $6, $7, $8)`
	exec(key, hash("sk-works-0123456789"), "u", "t", 1.25, 200, "{}", nil, nil)
	exec(key, hash("sk-spent-0123456789"), nil, nil, 3, 2, "{}", nil, nil)
	exec(key, hash("sk-other-0123456789"), nil, nil, 0, nil, "{gpt-4o}", false, nil)
	exec(key, hash("sk-blocked-012345678"), nil, nil, 0, nil, "{}", true, nil)
	exec(key, hash("sk-expired-012345678"), nil, nil, 0, nil, "{}", nil, "2025-01-01")
	exec(`INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, spend, "startTime", "endTime", model, team_id, "user") VALUES
		('chatcmpl-old', 'acompletion', $1, 1, now() - interval '1 hour', now() - interval '1 hour', 'gpt-4o', 't', 'u')`, hash("sk-works-0123456789"))
	exec(`INSERT INTO "LiteLLM_DailyUserSpend" (user_id, date, api_key, model, custom_llm_provider, spend, api_requests, successful_requests) VALUES
		('u', '2025-03-04', $1, 'gpt-4o', 'openai', 4.5, 9, 9)`, hash("sk-works-0123456789"))
	sealed := func(plain string) string {
		sum := sha256.Sum256([]byte(master)) // LiteLLM had no salt key
		var nonce [24]byte
		_, _ = rand.Read(nonce[:])
		return base64.URLEncoding.EncodeToString(secretbox.Seal(bytes.Clone(nonce[:]), []byte(plain), &nonce, &sum))
	}
	exec(`INSERT INTO "LiteLLM_ProxyModelTable" (model_id, model_name, litellm_params, model_info) VALUES
		('m-1', 'stored', jsonb_build_object('model', $1::text, 'api_key', $2::text, 'api_base', $3::text, 'input_cost_per_token', 0, 'output_cost_per_token', 0.001), '{"id":"m-1"}')`,
		sealed("openai/mock-tokens=5"), sealed("sk-provider"), sealed(url))
}
