package litellm_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	_ "embed"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"golang.org/x/crypto/nacl/secretbox"

	"penstock/internal/gateway"
	"penstock/internal/ledger"
	"penstock/internal/litellm"
	"penstock/internal/secret"
	"penstock/internal/spend"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

var (
	//go:embed testdata/schema.sql
	schema string
	//go:embed testdata/rows.sql
	rows string
)

const salt = "sk-salt"

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// sealed is a text as LiteLLM seals it.
func sealed(plain string) string {
	key := sha256.Sum256([]byte(salt))
	var nonce [24]byte
	_, _ = rand.Read(nonce[:])
	return base64.URLEncoding.EncodeToString(secretbox.Seal(nonce[:], []byte(plain), &nonce, &key))
}

// source is a database of LiteLLM's.
type source struct {
	t   *testing.T
	url string
	db  *sql.DB
}

func newSource(t *testing.T) *source {
	t.Helper()
	s := &source{t: t, url: storetest.EmptyPostgresURL(t)}
	cfg, err := pgx.ParseConfig(s.url)
	must(t, err)
	s.db = stdlib.OpenDB(*cfg)
	t.Cleanup(func() { s.db.Close() })
	s.exec(schema)
	s.exec(rows)
	s.exec(`INSERT INTO "LiteLLM_ProxyModelTable" (model_id, model_name, litellm_params, model_info, created_at, updated_at) VALUES
		('m-1', 'stored', jsonb_build_object('model', $1::text, 'api_key', $2::text, 'rpm', 7, 'api_base', 'http://plain.test'), '{"id": "m-1", "mode": "chat"}', '2026-01-01', '2026-01-01'),
		('m-2', 'elsewhere', jsonb_build_object('model', $3::text), '[]', '2026-01-01', '2026-01-01'),
		('m-3', 'nothing', 'null', NULL, '2026-01-01', '2026-01-01')`,
		sealed("openai/gpt-4o"), sealed("sk-provider-secret"), base64.URLEncoding.EncodeToString(bytes.Repeat([]byte("x"), 60)))
	s.exec(`INSERT INTO "LiteLLM_CredentialsTable" (credential_id, credential_name, credential_values, credential_info, created_at, updated_at) VALUES
		('c-1', 'azure', jsonb_build_object('api_key', $1::text), '{"provider": "azure"}', '2026-01-01', '2026-01-01')`, sealed("azure-secret"))
	return s
}

func (s *source) exec(text string, args ...any) {
	s.t.Helper()
	var err error
	if len(args) == 0 {
		_, err = s.db.ExecContext(s.t.Context(), text)
	} else {
		_, err = s.db.ExecContext(s.t.Context(), text, args...)
	}
	must(s.t, err)
}

// into imports into db, nil for a dry run, and returns the report.
func (s *source) into(db *store.DB) *litellm.Report {
	s.t.Helper()
	from, err := store.Foreign(s.url)
	must(s.t, err)
	defer from.Close()
	box, err := secret.New("our own key")
	must(s.t, err)
	r, err := litellm.Run(s.t.Context(), litellm.Options{Source: from, Target: db, Box: box, Salts: []string{salt}, MasterKey: "sk-master", Now: now})
	must(s.t, err)
	return r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// targets are the databases that an import is tested into.
func targets(t *testing.T, f func(t *testing.T, s *source, db *store.DB)) {
	t.Run("into SQLite", func(t *testing.T) {
		f(t, newSource(t), storetest.SQLite(t))
	})
	t.Run("into the PostgreSQL that LiteLLM uses", func(t *testing.T) {
		s := newSource(t)
		db, err := store.Open(t.Context(), s.url, store.Options{})
		must(t, err)
		t.Cleanup(func() { must(t, db.Close()) })
		f(t, s, db)
	})
}

func hash(c string) string { return strings.Repeat(c, 64) }

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

func TestKeysArriveAsTheyWere(t *testing.T) {
	targets(t, func(t *testing.T, s *source, db *store.DB) {
		s.into(db)
		k, err := db.Key(t.Context(), hash("a"))
		must(t, err)
		same(t, "the key", k, &gateway.Key{
			Hash: hash("a"), Name: "sk-...aaaa", Alias: "prod", UserID: "ann", TeamID: "team-1", ServiceAccountID: "robot", Models: []string{"gpt-4o"},
			Aliases: map[string]string{"mini": "gpt-4o-mini"}, Tags: []string{"x"}, EnforcedParams: []string{"user"},
			Limits: gateway.Limits{
				RPM: new(int64(60)), Budget: new(gateway.NanoUSD(10e9)), BudgetDuration: "30d", Raise: 10e9, RaiseUntil: day(2026, 12, 24),
				Models: map[string]gateway.ModelLimits{"gpt-4o": {Budget: &gateway.BudgetWindow{Amount: 2e9, Duration: "1d"}}},
			},
			Spend:            gateway.Spend{Window: 3e8, WindowStart: day(2026, 11, 1), Total: 5e9},
			Logging:          &gateway.Logging{To: []gateway.LogTarget{{Name: "langfuse", OnSuccess: true, OnFailure: true, Trusted: true, Vars: []byte(`{}`)}}},
			ObjectPermission: []byte(`{"mcp_servers":["github"]}`),
			CreatedAt:        time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC), LastActive: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC),
		})
		twin, err := db.Key(t.Context(), hash("b"))
		must(t, err)
		same(t, "the alias of the key that was called the same", twin.Alias, "prod-bbbbbbbb")
		same(t, "a negative limit", *twin.Limits.RPM, 0)
		if !twin.Blocked || !twin.Expires.Equal(day(2025, 1, 1)) {
			t.Errorf("the expired key is blocked: %v, expires %v", twin.Blocked, twin.Expires)
		}
		shared, err := db.Key(t.Context(), hash("c"))
		must(t, err)
		same(t, "what a key has spent of a shared budget", shared.Spend, gateway.Spend{Window: 225e7, WindowStart: day(2026, 11, 1), Total: 225e7})
		same(t, "further budgets", shared.Limits.Budgets, []gateway.BudgetWindow{{Amount: 3e9, Duration: "24h"}})
		windows := map[string]gateway.NanoUSD{}
		must(t, db.Windows(t.Context(), func(w spend.Window, n gateway.NanoUSD) error {
			windows[w.Scope+" "+w.ID+" "+w.Duration] = n
			return nil
		}))
		same(t, "a further window", windows["key "+hash("c")+" 1d"], 25e7)
		same(t, "what was spent of a budget for one model", windows["model_per_key "+hash("a")+":gpt-4o 1d"], 125e6)
		same(t, "a member's window", windows["team_member team-1:bob 1mo"], 15e8)
		for _, gone := range []string{"d", "e"} {
			if _, err := db.Key(t.Context(), hash(gone)); err == nil {
				t.Errorf("key %s is here", gone)
			}
		}
	})
}

func TestPeopleArriveAsTheyWere(t *testing.T) {
	targets(t, func(t *testing.T, s *source, db *store.DB) {
		s.into(db)
		team, err := db.Team(t.Context(), "team-1")
		must(t, err)
		same(t, "the team", team, &gateway.Team{
			ID: "team-1", Alias: "Search", OrganizationID: "org-1", Models: []string{"gpt-4o", "fast"}, ModelAliases: map[string]string{"fast": "gpt-4o-mini"}, AccessGroupIDs: []string{"g-1"},
			Members: []gateway.Member{
				{UserID: "ann", Role: "admin", Spend: gateway.Spend{Total: 1_234_568}},
				{UserID: "bob", Role: "user", BudgetID: "b-month", Spend: gateway.Spend{Window: 15e8, WindowStart: day(2026, 11, 1), Total: 4e9}},
			},
			MemberBudgetID: "b-month", Tags: []string{"search"}, Metadata: []byte(`{"note":"kept","guardrails":["pii"]}`),
			Limits: gateway.Limits{Budget: new(gateway.NanoUSD(100e9)), BudgetDuration: "30d", Models: map[string]gateway.ModelLimits{"gpt-4o": {RPM: new(int64(5))}}},
			Spend:  gateway.Spend{Window: 125e8, WindowStart: day(2026, 11, 1), Total: 125e8}, CreatedAt: day(2026, 1, 1), UpdatedAt: team.UpdatedAt,
		})
		old, err := db.Team(t.Context(), "team-old")
		must(t, err)
		same(t, "members of an old team", old.Members, []gateway.Member{{UserID: "ann", Role: "admin"}, {UserID: "bob", Role: "user"}})
		ann, err := db.User(t.Context(), "ann")
		must(t, err)
		same(t, "a user's spend", ann.Spend, gateway.Spend{Window: 1_000_000_001, Total: 1_000_000_001})
		same(t, "a user's organizations", ann.Organizations, []string{"org-1"})
		bob, err := db.User(t.Context(), "bob")
		must(t, err)
		if !bob.Blocked || bob.Email != "" {
			t.Errorf("bob is blocked %v, email %q", bob.Blocked, bob.Email)
		}
		org, err := db.Organization(t.Context(), "org-1")
		must(t, err)
		same(t, "an organization's total", org.Spend.Total, 325e7)
		project, err := db.Project(t.Context(), "proj-1")
		must(t, err)
		same(t, "a project's limit", *project.Limits.Models["gpt-4o"].RPM, 9)
		customer, err := db.EndUser(t.Context(), "customer-1")
		must(t, err)
		same(t, "an end user's total", customer.Spend.Total, 75e7)
		tag, err := db.Tag(t.Context(), "search")
		must(t, err)
		same(t, "a tag's total", tag.Spend.Total, 5e8)
		budget, err := db.Budget(t.Context(), "b-month")
		must(t, err)
		same(t, "a budget", *budget.Limits.Budget, 255e8)
		group, err := db.AccessGroup(t.Context(), "g-1")
		must(t, err)
		same(t, "the models of an access group", group.Models, []string{"gpt-4o-mini"})
		same(t, "the teams of an access group", group.Teams, []string{"team-1"})
		groupBudget, err := db.GroupBudget(t.Context(), "premium")
		must(t, err)
		same(t, "the budget of an access group", groupBudget.BudgetID, "b-month")
		same(t, "what was spent of it", groupBudget.Spend.Total, 75e7)
		all, err := db.Total(t.Context(), store.Global, "")
		must(t, err)
		same(t, "everybody's total", all.Total, 77_125_000_000)
	})
}

func TestModelsArriveSealedAnew(t *testing.T) {
	targets(t, func(t *testing.T, s *source, db *store.DB) {
		r := s.into(db)
		m, err := db.StoredModel(t.Context(), "m-1")
		must(t, err)
		if bytes.Contains(m.Params, []byte("secret")) || !bytes.Contains(m.Params, []byte("sealed:1:")) {
			t.Errorf("stored as %s", m.Params)
		}
		box, err := secret.New("our own key")
		must(t, err)
		plain, err := box.OpenStrings(m.Params, secret.Model("m-1"))
		must(t, err)
		same(t, "the model", string(plain), `{"rpm":7,"model":"openai/gpt-4o","api_key":"sk-provider-secret","api_base":"http://plain.test"}`)
		c, err := db.Credential(t.Context(), "azure")
		must(t, err)
		plain, err = box.OpenStrings(c.Values, secret.Credential("azure"))
		must(t, err)
		same(t, "the credential", string(plain), `{"api_key":"azure-secret"}`)
		var text strings.Builder
		_, err = r.WriteTo(&text)
		must(t, err)
		if strings.Contains(text.String(), "secret\"") || strings.Contains(text.String(), "sk-provider") || strings.Contains(text.String(), "in-clear") {
			t.Errorf("the report tells a secret:\n%s", text.String())
		}
		if _, err := db.StoredModel(t.Context(), "m-2"); err == nil {
			t.Error("a model is here whose secrets cannot be opened")
		}
	})
}

func TestCallsArriveAndTheBooksAreRight(t *testing.T) {
	targets(t, func(t *testing.T, s *source, db *store.DB) {
		s.into(db)
		calls, err := db.Calls(t.Context(), store.CallFilter{KeyHash: hash("a")})
		must(t, err)
		if len(calls) != 2 {
			t.Fatalf("%d calls, want 2", len(calls))
		}
		failed, call := calls[0], calls[1]
		if !failed.Failed || failed.Error != "RateLimitError: slow down" {
			t.Errorf("the failed call: %+v", failed)
		}
		same(t, "the call", call, spend.Row{
			CallID: "chatcmpl-1", KeyHash: hash("a"), UserID: "ann", TeamID: "team-1", EndUser: "customer-1", Tags: []string{"search", "x"}, Operation: gateway.Chat,
			Group: "gpt-4o", Model: "gpt-4o", Provider: "openai", Session: "s-1", Retries: 1, Usage: gateway.Usage{Prompt: 100, CacheRead: 60, Completion: 20, Reasoning: 8},
			Cost: 1_234_568, Priced: true, Price: "litellm", Start: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), End: time.Date(2026, 11, 20, 10, 0, 1, 5e8, time.UTC),
		})
		found, err := db.Calls(t.Context(), store.CallFilter{RequestID: "chatcmpl-2"})
		must(t, err)
		if len(found) != 1 || found[0].KeyHash != "" || !found[0].End.Equal(found[0].Start) {
			t.Errorf("the master key's call: %+v", found)
		}
		right(t, db)
	})
}

// The calls of October are gone at LiteLLM, and so are two of three embeddings.
func TestDaysWhoseCallsAreGoneStandInReports(t *testing.T) {
	targets(t, func(t *testing.T, s *source, db *store.DB) {
		october := store.Counters{Requests: 30, Failures: 1, Prompt: 3000, Completion: 500, CacheRead: 100, Cost: 15e8}
		sums := func(scope, id string) map[string]store.Counters {
			t.Helper()
			list, err := db.SpendByDay(t.Context(), store.DayFilter{Scope: scope, ID: id})
			must(t, err)
			out := map[string]store.Counters{}
			for _, d := range list {
				at := d.Day + " " + d.Model
				out[at] = store.Counters{
					Requests: out[at].Requests + d.Requests, Failures: out[at].Failures + d.Failures, Prompt: out[at].Prompt + d.Prompt, Completion: out[at].Completion + d.Completion,
					CacheRead: out[at].CacheRead + d.CacheRead, CacheWrite: out[at].CacheWrite + d.CacheWrite, Cost: out[at].Cost + d.Cost,
				}
			}
			return out
		}
		look := func(when string) {
			t.Helper()
			ofAnn := map[string]store.Counters{
				"2026-10-05 gpt-4o": october, "2026-11-20 gpt-4o": {Requests: 1, Prompt: 100, Completion: 20, CacheRead: 60, Cost: 1_234_568},
				"2026-11-21 gpt-4o": {Requests: 1, Failures: 1}, "2026-11-24 gpt-4o": {Requests: 1, Prompt: 10, Completion: 2, Cost: 125e6},
			}
			same(t, when+", ann's days", sums(store.User, "ann"), ofAnn)
			same(t, when+", her key's days", sums(store.Key, hash("a")), ofAnn)
			same(t, when+", the days of the master key's user", sums(store.User, "default_user_id"), map[string]store.Counters{"2026-11-20 text-embedding-3-small": {Requests: 3, Prompt: 150, Cost: 6e6}})
			same(t, when+", everybody's October", sums(store.Global, "")["2026-10-05 gpt-4o"], october)
			same(t, when+", the team's October", sums(store.Team, "team-1")["2026-10-05 gpt-4o"], store.Counters{Requests: 30, Prompt: 3000, Completion: 500, Cost: 15e8})
			same(t, when+", the tag's day", sums(store.Tag, "search")["2026-11-20 gpt-4o"], store.Counters{Requests: 2, Prompt: 120, Completion: 30, CacheRead: 60, Cost: 501_234_568})
			by, err := db.SpendBy(t.Context(), store.ByDay, store.DayFilter{}, 0)
			must(t, err)
			same(t, when+", the first day of all", by[0].Name, "2026-10-05")
			right(t, db)
		}
		s.into(db)
		look("first")
		s.into(db)
		look("again")
		// LiteLLM deletes the calls that were brought: they do not come twice.
		s.exec(`DELETE FROM "LiteLLM_SpendLogs"`)
		s.into(db)
		look("without its calls")
	})
}

func TestTheAuditLogComesAlongWithoutSecrets(t *testing.T) {
	targets(t, func(t *testing.T, s *source, db *store.DB) {
		s.into(db)
		s.into(db)
		list, n, err := db.ListAudit(t.Context(), store.AuditFilter{}, store.Page{Limit: 10, Sort: "created_at"})
		must(t, err)
		if n != 3 || len(list) != 3 {
			t.Fatalf("%d entries", n)
		}
		same(t, "the change of a key", list[0], &gateway.AuditEntry{
			ID: "audit-1", At: time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC), Actor: "ann", ActorKey: hash("a"), Action: "updated", Table: "LiteLLM_VerificationToken", ObjectID: hash("a"),
			TeamID: "team-1", KeyHash: hash("a"), Before: []byte(`{"team_id":"team-1","max_budget":5}`), After: []byte(`{"team_id":"team-1","max_budget":10}`),
		})
		same(t, "the values of a model", string(list[1].After), `{"model_name":"stored","litellm_params":{"model":"****","api_key":"****"}}`)
		same(t, "whose team it was", list[2].TeamID, "team-gone")
	})
}

func TestWhatWasDeletedCanBeLookedAt(t *testing.T) {
	targets(t, func(t *testing.T, s *source, db *store.DB) {
		s.into(db)
		again := s.into(db)
		for _, tb := range again.Tables {
			if strings.HasPrefix(tb.Name, "LiteLLM_Deleted") && (tb.Exact != 1 || tb.Unchanged != 1) {
				t.Errorf("again: %+v", tb)
			}
		}
		keys, n, err := db.ListDeletedKeys(t.Context(), store.KeyFilter{}, store.Page{})
		must(t, err)
		if n != 1 || keys[0].Hash != hash("9") || keys[0].Alias != "prod" || keys[0].Spend.Total != 3e9 || keys[0].By != "ann" || !keys[0].At.Equal(day(2026, 10, 1)) {
			t.Errorf("%d deleted keys: %+v", n, keys)
		}
		teams, n, err := db.ListDeletedTeams(t.Context(), store.TeamFilter{}, store.Page{})
		must(t, err)
		if n != 1 || teams[0].Team.ID != "team-gone" || len(teams[0].Members) != 1 {
			t.Errorf("%d deleted teams: %+v", n, teams)
		}
		if _, err := db.Key(t.Context(), hash("9")); err == nil {
			t.Error("a deleted key works")
		}
		right(t, db)
	})
}

// right proves the books.
func right(t *testing.T, db *store.DB) {
	t.Helper()
	v, err := ledger.Verify(t.Context(), db, false, func(int64, int64) {})
	must(t, err)
	if v.Problems != 0 {
		t.Errorf("the books are wrong: %v", v.Findings)
	}
}

func TestImportingAgainChangesNothing(t *testing.T) {
	targets(t, func(t *testing.T, s *source, db *store.DB) {
		first := s.into(db)
		// Somebody works with what was brought.
		_, err := db.UpdateKey(t.Context(), hash("a"), func(k *gateway.Key) error { k.Alias = "renamed"; return nil })
		must(t, err)
		_, err = db.Book(t.Context(), []spend.Row{{CallID: "ours", KeyHash: hash("a"), UserID: "ann", TeamID: "team-1", Model: "gpt-4o", Start: now, End: now, Cost: 1e9, Priced: true, Price: "ours", KeyWindow: day(2026, 11, 1)}})
		must(t, err)
		second := s.into(db)
		if first.Changed() == 0 || second.Changed() != 0 {
			var text strings.Builder
			_, _ = second.WriteTo(&text)
			t.Errorf("the first run changed %d rows, the second %d:\n%s", first.Changed(), second.Changed(), text.String())
		}
		k, err := db.Key(t.Context(), hash("a"))
		must(t, err)
		same(t, "the alias that was changed here", k.Alias, "renamed")
		same(t, "what was spent here and there", k.Spend, gateway.Spend{Window: 13e8, WindowStart: day(2026, 11, 1), Total: 6e9})
		right(t, db)

		// LiteLLM goes on too.
		s.exec(`UPDATE "LiteLLM_VerificationToken" SET spend = spend + 0.5, total_spend = total_spend + 0.5, rpm_limit = 61 WHERE token = repeat('a', 64)`)
		s.exec(`INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, spend, "startTime", "endTime", model, "user", team_id, request_tags)
			VALUES ('late', 'acompletion', repeat('a', 64), 0.5, '2026-11-20 23:00', '2026-11-20 23:00', 'gpt-4o', 'ann', 'team-1', '["x"]')`)
		third := s.into(db)
		// The key, its total and the call, and ann's and the team's totals, which are at least their calls.
		if third.Changed() == 0 {
			t.Error("a source that has changed changed nothing")
		}
		k, err = db.Key(t.Context(), hash("a"))
		must(t, err)
		same(t, "the new limit", *k.Limits.RPM, 61)
		same(t, "what was spent since", k.Spend, gateway.Spend{Window: 18e8, WindowStart: day(2026, 11, 1), Total: 65e8})
		calls, err := db.Calls(t.Context(), store.CallFilter{RequestID: "late"})
		must(t, err)
		same(t, "calls that were written late", len(calls), 1)
		right(t, db)
		if n := s.into(db).Changed(); n != 0 {
			t.Errorf("the fourth run changed %d rows", n)
		}
	})
}

func TestAnImportThatWasInterruptedGoesOn(t *testing.T) {
	targets(t, func(t *testing.T, s *source, db *store.DB) {
		s.exec(`INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, spend, "startTime", "endTime", model, "user", team_id, request_tags)
			SELECT 'many-' || i, 'acompletion', repeat('a', 64), 0.001, timestamp '2026-11-01' + i * interval '10 minutes', timestamp '2026-11-01' + i * interval '10 minutes', 'gpt-4o', 'ann', 'team-1', '["search"]'
			FROM generate_series(1, 3000) i`)
		from, err := store.Foreign(s.url)
		must(t, err)
		defer from.Close()
		box, err := secret.New("our own key")
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		_, err = litellm.Run(ctx, litellm.Options{Source: from, Target: db, Box: box, Salts: []string{salt}, Now: now, Progress: func(table string, done, _ int64) {
			if table == "LiteLLM_SpendLogs" && done > 0 {
				stop()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("the interrupted run ended with %v", err)
		}
		r := s.into(db)
		for _, tb := range r.Tables {
			if tb.Name == "LiteLLM_SpendLogs" && (tb.Created != 1003 || tb.Unchanged >= 1000) {
				t.Errorf("the second run has booked %d calls and looked at %d again; want the 1003 that were left, and those of one day", tb.Created, tb.Unchanged)
			}
		}
		k, err := db.Key(t.Context(), hash("a"))
		must(t, err)
		same(t, "what the key has spent", k.Spend, gateway.Spend{Window: 3e8, WindowStart: day(2026, 11, 1), Total: 5e9})
		team, err := db.Team(t.Context(), "team-1")
		must(t, err)
		same(t, "what the team has spent", team.Spend.Total, 125e8)
		right(t, db)
	})
}

func TestADryRunSaysTheSame(t *testing.T) {
	targets(t, func(t *testing.T, s *source, db *store.DB) {
		dry, wet := s.into(nil), s.into(db)
		if len(dry.Tables) != len(wet.Tables) {
			t.Errorf("the dry run has %d tables, the other %d", len(dry.Tables), len(wet.Tables))
		}
		for i, d := range dry.Tables {
			w := wet.Tables[i]
			if d.Name != w.Name || d.Read != w.Read || d.Exact != w.Exact || d.Approximate != w.Approximate || d.Skipped != w.Skipped {
				t.Errorf("dry %+v, wet %+v", d, w)
			}
			if d.Read != d.Exact+d.Approximate+d.Skipped {
				t.Errorf("%s: %d rows were read, and %d have an end", d.Name, d.Read, d.Exact+d.Approximate+d.Skipped)
			}
		}
	})
}

func TestADatabaseWithoutLiteLLMSaysSo(t *testing.T) {
	from, err := store.Foreign(storetest.EmptyPostgresURL(t))
	must(t, err)
	defer from.Close()
	_, err = litellm.Run(t.Context(), litellm.Options{Source: from, Now: now})
	if err == nil || !strings.Contains(err.Error(), "LiteLLM_VerificationToken") {
		t.Errorf("error %v", err)
	}
}
