package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
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

// latest returns the number of the newest migration in dir.
func latest(dir fs.FS) (int64, error) {
	files, err := fs.ReadDir(dir, ".")
	if err != nil {
		return 0, err
	}
	var newest int64
	for _, f := range files {
		number, _, _ := strings.Cut(f.Name(), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("migration %s has no number: %w", f.Name(), err)
		}
		newest = max(newest, n)
	}
	return newest, nil
}

// migrate brings the tables up to date. It asks for the version first: opening
// a current database, which is nearly every start, costs one small query.
func (db *DB) migrate(ctx context.Context, keep bool) error {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	dir := variants{sub, db.d.name}
	want, err := latest(dir)
	if err != nil {
		return err
	}
	if err := db.w.PingContext(ctx); err != nil {
		return fmt.Errorf("connect to the %s database: %w", db.d.name, err)
	}
	for tries := 0; ; tries++ {
		have := db.version(ctx)
		if have == want {
			return nil
		}
		if have > want {
			return fmt.Errorf("the database has tables of version %d and this program knows only %d: use a newer penstock", have, want)
		}
		if keep {
			return fmt.Errorf("the database has tables of version %d and this program makes %d: start the gateway of this version first, which brings them up to date", have, want)
		}
		err := db.up(ctx, dir)
		if err == nil {
			return nil
		}
		// SQLite has no lock across several statements that goose could take:
		// when two processes start on one new file, one of them fails half-way
		// and finds the work done when it looks again.
		if db.d.goose != goose.DialectSQLite3 || tries == 20 {
			return fmt.Errorf("bring the %s tables from version %d to %d: %w", db.d.name, have, want, err)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// version returns the version of the tables, 0 if there are none yet. Errors
// are 0 as well: goose meets them again and says what is wrong.
func (db *DB) version(ctx context.Context) int64 {
	var v int64
	if err := db.w.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version`).Scan(&v); err != nil {
		return 0
	}
	return v
}

func (db *DB) up(ctx context.Context, dir fs.FS) error {
	opts := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if db.d.goose == goose.DialectPostgres {
		// Replicas that start together take turns: try each second, for five
		// minutes.
		l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
		if err != nil {
			return err
		}
		opts = append(opts, goose.WithSessionLocker(l))
	}
	p, err := goose.NewProvider(db.d.goose, db.w, dir, opts...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}
