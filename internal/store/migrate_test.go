package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pressly/goose/v3"
)

func TestEachEngineSeesItsOwnMigrations(t *testing.T) {
	dir := fstest.MapFS{
		"00001_both.sql":              {},
		"00002_differs.sql":           {},
		"00002_differs.postgres.sql":  {},
		"00003_only.sqlite.sql":       {},
		"00004_each.sqlite.sql":       {},
		"00004_each.postgres.sql":     {},
		"00005_differs_too.sql":       {},
		"00005_differs_too.mysql.sql": {},
	}
	for _, tt := range []struct {
		engine string
		want   []string
		latest int64
	}{
		{"sqlite", []string{"00001_both.sql", "00002_differs.sql", "00003_only.sqlite.sql", "00004_each.sqlite.sql", "00005_differs_too.sql"}, 5},
		{"postgres", []string{"00001_both.sql", "00002_differs.postgres.sql", "00004_each.postgres.sql", "00005_differs_too.sql"}, 5},
	} {
		v := variants{dir, tt.engine}
		got, err := fs.Glob(v, "*.sql")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.engine, got, tt.want)
		}
		all, err := numbered(v)
		if err != nil || len(all) != len(tt.want) {
			t.Fatalf("%s: got %v, %v", tt.engine, all, err)
		}
		for i, m := range all {
			if m.Name != tt.want[i] {
				t.Errorf("%s: migration %d is %s, want %s", tt.engine, i, m.Name, tt.want[i])
			}
		}
		if n := all[len(all)-1].Version; n != tt.latest {
			t.Errorf("%s: latest is %d, want %d", tt.engine, n, tt.latest)
		}
	}
	if _, err := numbered(variants{fstest.MapFS{"x.sql": {}}, "sqlite"}); err == nil {
		t.Error("a migration without a number was taken")
	}
}

// The release before must run beside a newer one while replicas are replaced,
// unless the newer one has said that it cannot.
func TestTablesOfANewerProgram(t *testing.T) {
	for _, tt := range []struct {
		name string
		need string // "" if the newer program has not said
		ok   bool
	}{
		{"that older ones can use", "20", true},
		{"that older ones cannot use", "9999", false},
		{"that does not say", "", false},
	} {
		url := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
		db, err := Open(t.Context(), url, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.w.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`); err != nil {
			t.Fatal(err)
		}
		if tt.need == "" {
			err = db.DeleteSetting(t.Context(), needSetting)
		} else {
			err = db.SetSetting(t.Context(), needSetting, tt.need)
		}
		if err = errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		db, err = Open(t.Context(), url, Options{})
		switch {
		case err == nil:
			if !tt.ok {
				t.Errorf("tables %s were opened", tt.name)
			}
			// An old program never lowers what a newer one needs.
			if err := db.raiseNeed(t.Context()); err != nil {
				t.Error(err)
			}
			if need, err := db.Setting(t.Context(), needSetting); err != nil || need != tt.need {
				t.Errorf("the need is now %q, %v; want %q", need, err, tt.need)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		case tt.ok:
			t.Errorf("tables %s: %v", tt.name, err)
		case !strings.Contains(err.Error(), "9999") || !strings.Contains(err.Error(), "newer penstock"):
			t.Errorf("tables %s: got error %q, want one that names both versions", tt.name, err)
		}
	}
}

func TestAPlanChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	plan, err := Plan(t.Context(), "sqlite:"+path)
	if err != nil || len(plan) < 4 || !strings.Contains(plan[0].SQL, "CREATE TABLE keys") || strings.Contains(plan[0].SQL, "goose") || strings.Contains(plan[0].SQL, "DROP TABLE keys") {
		t.Fatalf("a plan for a database that is not there: %v, %v", plan, err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the plan made a file: %v", err)
	}
	db, err := Open(t.Context(), "sqlite:"+path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if plan, err := Plan(t.Context(), "sqlite:"+path); err != nil || len(plan) != 0 {
		t.Errorf("a plan for current tables: %v, %v", plan, err)
	}
	// A number that came late is still to be run.
	if _, err := db.w.Exec(`DELETE FROM goose_db_version WHERE version_id = 14`); err != nil {
		t.Fatal(err)
	}
	if plan, err := Plan(t.Context(), "sqlite:"+path); err != nil || len(plan) != 1 || plan[0].Version != 14 {
		t.Errorf("a plan for tables without number 14: %v, %v", plan, err)
	}
}

// What goes up must come down: a release that has to be taken back may need it.
func TestMigrationsGoDownAndUpAgain(t *testing.T) {
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"), Options{})
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
	if _, err := p.DownTo(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.w.QueryRow(`SELECT COUNT(*) FROM sqlite_master WHERE name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%'`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Errorf("%d tables and indexes left, want none", left)
	}
	if _, err := p.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A command beside a running gateway must not change its tables.
func TestTablesCanBeLeftAsTheyAre(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	if db, err := Open(t.Context(), url, Options{Keep: true}); err == nil {
		db.Close()
		t.Error("an empty database was opened, want an error: its tables are of another version")
	} else if !strings.Contains(err.Error(), "start the gateway") {
		t.Errorf("got error %q, want one that says what to do", err)
	}
	for _, o := range []Options{{}, {Keep: true}} {
		db, err := Open(t.Context(), url, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What came after tablesNeed must leave the release before working: it may add
// tables, indexes, and columns that rows of that release need not name.
func TestTheReleaseBeforeCanLiveWithWhatCameLater(t *testing.T) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	created := regexp.MustCompile(`(?i)CREATE TABLE(?: IF NOT EXISTS)? (\w+)`)
	for _, engine := range []string{"sqlite", "postgres"} {
		all, err := numbered(variants{sub, engine})
		if err != nil {
			t.Fatal(err)
		}
		old := map[string]bool{} // tables that the release before knows
		for _, m := range all {
			if m.Version <= tablesNeed {
				for _, c := range created.FindAllStringSubmatch(m.SQL, -1) {
					old[c[1]] = true
				}
				continue
			}
			for _, bad := range cannotLiveWith(m.SQL, old) {
				t.Errorf("%s, %s: the release before cannot live with this, so tablesNeed must be %d:\n%s", engine, m.Name, m.Version, bad)
			}
		}
	}
	for _, tt := range []struct {
		name, sql string
		bad       bool
	}{
		{"a new table", "CREATE TABLE new (a TEXT NOT NULL);", false},
		{"a column with a default", "ALTER TABLE keys ADD COLUMN x TEXT NOT NULL DEFAULT '';", false},
		{"a column that may be empty", "ALTER TABLE keys ADD COLUMN x BIGINT;", false},
		{"a column that the release before would have to fill", "ALTER TABLE keys ADD COLUMN x TEXT NOT NULL;", true},
		{"a table that is dropped", "DROP TABLE keys;", true},
		{"one that is dropped before anybody knew it", "DROP TABLE other;", false},
		{"another name", "ALTER TABLE keys RENAME COLUMN hash TO sum;", true},
		{"a column that is dropped", "ALTER TABLE keys DROP COLUMN hash;", true},
	} {
		if got := cannotLiveWith(tt.sql, map[string]bool{"keys": true}); (len(got) > 0) != tt.bad {
			t.Errorf("%s: found %q", tt.name, got)
		}
	}
}

// cannotLiveWith returns the statements that take something from a program that
// knows the old tables.
func cannotLiveWith(sql string, old map[string]bool) (bad []string) {
	about := regexp.MustCompile(`(?is)^\s*(?:ALTER|DROP) TABLE (?:IF EXISTS )?(\w+)(.*)$`)
	for line := range strings.Lines(sql) {
		line, _, _ = strings.Cut(line, "--")
		m := about.FindStringSubmatch(line)
		if m == nil || !old[m[1]] {
			continue
		}
		what := strings.ToUpper(m[2])
		adds := strings.Contains(what, "ADD COLUMN") && (!strings.Contains(what, "NOT NULL") || strings.Contains(what, "DEFAULT"))
		if !adds || strings.Contains(what, "RENAME") || strings.Contains(what, "DROP COLUMN") {
			bad = append(bad, strings.TrimSpace(line))
		}
	}
	return bad
}
