package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/price"
	"penstock/internal/relay"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// Books are the database of a gateway and the prices of its configuration, for
// commands that look at the ledger beside a gateway or without one.
type Books struct {
	DB     *store.DB
	prices *relay.Prices
	models map[string]*gateway.Deployment // by id
}

// databaseURL is where the database is: as configured, or in the data directory.
func databaseURL(s *config.Server) string {
	if url := s.DatabaseURL.Reveal(); url != "" {
		return url
	}
	return "sqlite:" + filepath.Join(s.DataDir, "penstock.db")
}

// OpenBooks opens the database that a gateway with these options uses. It makes
// none, nor does it change the tables of one: a ledger command in the wrong
// directory must not find an empty ledger, and one of a newer build must not
// pull the tables from under a gateway that runs.
func OpenBooks(ctx context.Context, o Options) (*Books, error) {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	a := &App{o: o, book: price.Published(), log: slog.New(slog.DiscardHandler)}
	l, err := a.load(ctx)
	if err != nil {
		return nil, err
	}
	s := &l.config.Server
	url := databaseURL(s)
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no database at %s: name the gateway's --config and --data-dir", path)
		}
	}
	prices, err := pricesOf(a.book, s)
	if err != nil {
		return nil, err
	}
	b := &Books{prices: prices, models: map[string]*gateway.Deployment{}}
	if b.DB, err = store.Open(ctx, url, store.Options{Chain: s.LedgerChain, Keep: true}); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	a.store = b.DB
	if err := a.booksModels(ctx, s, b.models); err != nil {
		return nil, errors.Join(err, b.DB.Close())
	}
	return b, nil
}

// booksModels collects the deployments of the configuration and the database,
// whose prices calls may have had.
func (a *App) booksModels(ctx context.Context, s *config.Server, into map[string]*gateway.Deployment) error {
	var err error
	if a.box, err = a.openBox(s, false); err != nil {
		return err
	}
	l, err := a.load(ctx)
	if err != nil {
		return err
	}
	for i := range l.config.Models {
		m := &l.config.Models[i]
		_, err := relay.Own(nil, m)
		switch {
		case err == nil:
			into[m.ID] = m
		case !m.Stored:
			return fmt.Errorf("configuration: %w", err)
		}
	}
	return nil
}

// Rate returns what the call would be priced by today: by its deployment's
// prices in the configuration, or the published ones of its model where that
// is no longer there; nil if neither is known.
//
// A deployment without an id of its own is known by a hash of its settings, so
// one whose price was changed is found by its model again. Where several with
// different prices come into question, none is taken.
func (b *Books) Rate(r *spend.Row) *price.Rate {
	var rate *price.Rate
	if d := b.models[r.Deployment]; d != nil {
		rate = b.prices.Rate(d, r.Model)
	} else {
		for _, sameGroup := range [...]bool{true, false} {
			found := false
			for _, d := range b.models {
				if d.Provider != r.Provider || d.Upstream != r.Model || sameGroup && d.Group != r.Group {
					continue
				}
				other := b.prices.Rate(d, r.Model)
				if found && (rate == nil || other == nil || rate.ID() != other.ID()) {
					return nil
				}
				rate, found = other, true
			}
			if found {
				break
			}
		}
		if rate == nil {
			rate, _ = b.prices.Book().Lookup(r.Provider, r.Model)
		}
	}
	if rate == nil {
		return nil
	}
	return rate.At(r.Start)
}
