package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"penstock/internal/price"
	"penstock/internal/store"
)

// Migrate brings the tables of the database that a gateway with these options
// uses up to date, and returns what it has run; if plan is set, it changes
// nothing and returns what it would run.
func Migrate(ctx context.Context, o Options, plan bool) ([]store.Migration, error) {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	a := &App{o: o, book: price.Published(), log: slog.New(slog.DiscardHandler)}
	l, err := a.load(ctx)
	if err != nil {
		return nil, err
	}
	url := databaseURL(&l.config.Server)
	todo, err := store.Plan(ctx, url)
	if err != nil || plan {
		return todo, err
	}
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("make the data directory (--data-dir chooses another): %w", err)
		}
	}
	db, err := store.Open(ctx, url, store.Options{})
	if err != nil {
		left, perr := store.Plan(ctx, url)
		if perr != nil {
			return nil, err
		}
		return todo[:max(len(todo)-len(left), 0)], err
	}
	return todo, db.Close()
}
