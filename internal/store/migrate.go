package store

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Migrations are numbered and never edited once released. NAME.sql is for both
// engines; NAME.sqlite.sql or NAME.postgres.sql beside or instead of it is
// taken by the one engine.
//
//go:embed migrations/*.sql
var migrations embed.FS

// variants is the view of the migrations that one engine has.
type variants struct {
	fs.FS
	engine string
}

// ReadDir implements fs.ReadDirFS, which is how goose lists its files.
func (v variants) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(v.FS, name)
	if err != nil {
		return nil, err
	}
	own := make(map[string]bool)
	for _, e := range all {
		if base, engine := splitVariant(e.Name()); engine == v.engine {
			own[base] = true
		}
	}
	var out []fs.DirEntry
	for _, e := range all {
		base, engine := splitVariant(e.Name())
		if engine == v.engine || engine == "" && !own[base] {
			out = append(out, e)
		}
	}
	return out, nil
}

// splitVariant splits "00002_x.sqlite.sql" into "00002_x" and "sqlite".
func splitVariant(file string) (base, engine string) {
	base, engine, _ = strings.Cut(strings.TrimSuffix(file, ".sql"), ".")
	return base, engine
}

// tablesNeed is the newest migration that a program must know to work with the
// tables as this program leaves them. A migration that an older release can
// live with (a new table, a column with a default, an index) leaves it as it
// is; one that it cannot live with sets it to its own number. So the release
// before can run beside this one while replicas are replaced, and again if this
// one has to be taken back.
const tablesNeed = 12

// needSetting is where the highest tablesNeed of all programs so far is kept.
const needSetting = "tables_need"

// Migration is one numbered step of the tables.
type Migration struct {
	Version int64
	Name    string // of its file
	SQL     string // what it runs
}

// numbered returns the migrations in dir by number.
func numbered(dir fs.FS) ([]Migration, error) {
	files, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, err
	}
	var out []Migration
	for _, f := range files {
		number, _, _ := strings.Cut(f.Name(), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s has no number: %w", f.Name(), err)
		}
		text, err := fs.ReadFile(dir, f.Name())
		if err != nil {
			return nil, err
		}
		out = append(out, Migration{n, f.Name(), upSQL(string(text))})
	}
	slices.SortFunc(out, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	return out, nil
}

// upSQL is the part of a migration that goes up, without goose's remarks.
func upSQL(text string) string {
	head, text, ok := strings.Cut(text, "-- +goose Up")
	if !ok {
		return ""
	}
	text, _, _ = strings.Cut(text, "-- +goose Down")
	var b strings.Builder
	for line := range strings.Lines(head + text) {
		if !strings.HasPrefix(line, "-- +goose") {
			b.WriteString(line)
		}
	}
	return strings.TrimSpace(b.String()) + "\n"
}

// embedded are the migrations of this program for the engine.
func (db *DB) embedded() (fs.FS, error) {
	sub, err := fs.Sub(migrations, "migrations")
	return variants{sub, db.d.name}, err
}

// Plan returns the migrations that Open would run on the database at url, by
// number. It changes nothing there, and makes no file that is not there yet.
func Plan(ctx context.Context, url string) ([]Migration, error) {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			sub, err := fs.Sub(migrations, "migrations")
			if err != nil {
				return nil, err
			}
			return numbered(variants{sub, "sqlite"})
		}
	}
	db, err := connect(url, Options{})
	if err != nil {
		return nil, err
	}
	dir, err := db.embedded()
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	todo, err := db.pending(ctx, dir)
	return todo, errors.Join(err, db.Close())
}

// pending returns the migrations in dir that have not been run. The error says
// if the tables are too new for this program.
func (db *DB) pending(ctx context.Context, dir fs.FS) ([]Migration, error) {
	all, err := numbered(dir)
	if err != nil {
		return nil, err
	}
	if err := db.w.PingContext(ctx); err != nil {
		return nil, fmt.Errorf("connect to the %s database: %w", db.d.name, err)
	}
	done, err := db.applied(ctx)
	if err != nil {
		return nil, err
	}
	latest := all[len(all)-1].Version
	newest := slices.Max(append(slices.Collect(maps.Keys(done)), 0))
	if newest > latest {
		need := newest // a database without the setting is of a program from before it
		text, err := db.Setting(ctx, needSetting)
		if err == nil {
			need, err = strconv.ParseInt(text, 10, 64)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if need > latest {
			return nil, fmt.Errorf("the database has tables of version %d, which need a program that knows version %d, and this one knows only %d: use a newer penstock", newest, need, latest)
		}
	}
	return slices.DeleteFunc(all, func(m Migration) bool { return done[m.Version] }), nil
}

// applied returns the numbers of the migrations that have been run; none if the
// database is empty.
func (db *DB) applied(ctx context.Context) (map[int64]bool, error) {
	done := map[int64]bool{}
	var there bool
	if err := db.w.QueryRowContext(ctx, db.d.hasVersions).Scan(&there); err != nil {
		return nil, fmt.Errorf("look for the tables of the %s database: %w", db.d.name, err)
	}
	if !there {
		return done, nil
	}
	rows, err := db.w.QueryContext(ctx, `SELECT version_id FROM goose_db_version WHERE is_applied ORDER BY id`)
	if err == nil {
		err = results(rows, nil, func(r *sql.Rows) error {
			var v int64
			err := r.Scan(&v)
			done[v] = true
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read the versions of the tables: %w", err)
	}
	return done, nil
}

// migrate brings the tables up to date. It asks for the versions first: opening
// a current database, which is nearly every start, costs two small queries. If
// keep is set, tables that are not up to date are an error instead.
func (db *DB) migrate(ctx context.Context, keep bool) error {
	dir, err := db.embedded()
	if err != nil {
		return err
	}
	if !keep {
		return db.migrateFrom(ctx, dir)
	}
	todo, err := db.pending(ctx, dir)
	if err == nil && len(todo) > 0 {
		err = fmt.Errorf("%d migrations of this program are not in the database (the first is %s): start the gateway of this version first, or call penstock migrate", len(todo), todo[0].Name)
	}
	return err
}

func (db *DB) migrateFrom(ctx context.Context, dir fs.FS) error {
	for tries := 0; ; tries++ {
		todo, err := db.pending(ctx, dir)
		if err != nil {
			return err
		}
		if len(todo) == 0 {
			return nil
		}
		err = db.up(ctx, dir)
		if err == nil {
			return db.raiseNeed(ctx)
		}
		// SQLite has no lock across several statements that goose could take:
		// when two processes start on one new file, one of them fails half-way
		// (see noteOnce) and finds the work done when it looks again.
		if db.d.goose != goose.DialectSQLite3 || tries == 20 {
			name := todo[0].Name
			if p, ok := errors.AsType[*goose.PartialError](err); ok && p.Failed != nil {
				name, err = p.Failed.Source.Path, p.Err
			}
			return fmt.Errorf("run migration %s on the %s database; it has changed nothing, and those before it are done: %w", name, db.d.name, err)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// raiseNeed keeps what programs have to know from now on. It never goes down.
func (db *DB) raiseNeed(ctx context.Context) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE CAST(settings.value AS BIGINT) < CAST(excluded.value AS BIGINT)`,
			needSetting, strconv.Itoa(tablesNeed))
		if err != nil {
			return fmt.Errorf("keep which programs can use the tables: %w", err)
		}
		return nil
	})
}

// noteOnce has SQLite refuse to take down a version twice: of two processes that run
// one migration, the second fails in the migration's own transaction, whatever it
// does, and so changes nothing. The table is otherwise as goose makes it.
func (db *DB) noteOnce(ctx context.Context) error {
	return db.write(ctx, func(tx *sql.Tx) error {
		for _, query := range [...]string{
			`CREATE TABLE IF NOT EXISTS goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))`,
			`INSERT INTO goose_db_version (version_id, is_applied) SELECT 0, 1 WHERE NOT EXISTS (SELECT 1 FROM goose_db_version)`,
			`DELETE FROM goose_db_version WHERE id NOT IN (SELECT MIN(id) FROM goose_db_version GROUP BY version_id)`,
			`CREATE UNIQUE INDEX IF NOT EXISTS goose_db_version_once ON goose_db_version (version_id)`,
		} {
			if _, err := tx.ExecContext(ctx, query); err != nil {
				return fmt.Errorf("make the table of the tables' versions: %w", err)
			}
		}
		return nil
	})
}

// up runs what has not been run, each migration in a transaction of its own:
// one that fails changes nothing, and those before it stay.
func (db *DB) up(ctx context.Context, dir fs.FS) error {
	// A branch of development may have brought a lower number later.
	opts := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithAllowOutofOrder(true)}
	if db.d.goose == goose.DialectPostgres {
		// Replicas that start together take turns by an advisory lock: try each
		// second, for five minutes.
		l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return err
		}
		opts = append(opts, goose.WithSessionLocker(l))
	} else if err := db.noteOnce(ctx); err != nil {
		return err
	}
	p, err := goose.NewProvider(db.d.goose, db.w, dir, opts...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}
