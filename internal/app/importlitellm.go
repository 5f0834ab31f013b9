package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"penstock/internal/config"
	"penstock/internal/limit"
	"penstock/internal/litellm"
	"penstock/internal/price"
	"penstock/internal/store"
)

// LiteLLM is the gateway that ImportLiteLLM reads.
type LiteLLM struct {
	DatabaseURL string
	SaltKey     string // its LITELLM_SALT_KEY, "" if it has none
	MasterKey   string
	DryRun      bool
	// Progress is told now and then how many rows of a table are done, of how many.
	Progress func(table string, done, of int64)
}

// ImportLiteLLM brings what is in LiteLLM's database into the one that a gateway
// with these options uses. The report is there even if it fails half-way.
func ImportLiteLLM(ctx context.Context, o Options, from LiteLLM) (r *litellm.Report, err error) {
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	a := &App{o: o, book: price.Published(), log: slog.New(slog.DiscardHandler)}
	l, err := a.load(ctx)
	if err != nil {
		return nil, err
	}
	s := &l.config.Server
	source, err := store.Foreign(from.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("--database-url: %w", err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	job := litellm.Options{
		Source: source, MasterKey: from.MasterKey, Progress: from.Progress, Now: time.Now().UTC(),
		Calendar: limit.Calendar{Zone: s.Timezone, Reset: s.BudgetResetTime}, Judge: judge,
	}
	for _, salt := range []string{from.SaltKey, from.MasterKey, s.SaltKey.Reveal(), s.MasterKey.Reveal()} {
		if salt != "" {
			job.Salts = append(job.Salts, salt)
		}
	}
	if job.MasterKey == "" {
		job.MasterKey = s.MasterKey.Reveal()
	}
	if !from.DryRun {
		url := databaseURL(s)
		if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				return nil, fmt.Errorf("make the data directory (--data-dir chooses another): %w", err)
			}
		}
		if job.Target, err = store.Open(ctx, url, store.Options{Chain: s.LedgerChain}); err != nil {
			return nil, fmt.Errorf("open the database: %w", err)
		}
		defer func() { err = errors.Join(err, job.Target.Close()) }()
		if job.Box, err = a.openBox(s, true); err != nil {
			return nil, err
		}
	}
	if r, err = litellm.Run(ctx, job); err != nil {
		return r, err
	}
	return r, a.unservable(r, s)
}

// judge returns what of a section of a configuration, a JSON object, this gateway
// does not honour, each with why.
func judge(section string, value []byte) []string {
	o := ConfigOptions("LiteLLM's database", func(string) (string, bool) { return "", false })
	o.ReadFile = func(string) ([]byte, error) { return fmt.Appendf(nil, `{%q: %s}`, section, value), nil }
	c, report, err := config.Load(o)
	var out []string
	if all, ok := errors.AsType[*config.Errors](err); ok {
		for _, p := range all.Problems {
			out = append(out, p.Key+": "+p.What)
		}
	}
	for _, i := range report.Ignored {
		out = append(out, i.Key+": "+i.Why)
	}
	if c != nil {
		out = append(out, Unhonoured(c)...)
	}
	return out
}

// unservable notes which models of a report the gateway could not serve, and why.
func (a *App) unservable(r *litellm.Report, s *config.Server) error {
	if len(r.Models) == 0 && len(r.Credentials) == 0 {
		return nil
	}
	if !s.StoreModelInDB && len(r.Models) > 0 {
		r.Notes = append(r.Notes, "The models that were in LiteLLM's database are served only with general_settings.store_model_in_db: true in the configuration.")
	}
	o := ConfigOptions(a.o.Config, func(name string) (string, bool) {
		if name == "STORE_MODEL_IN_DB" {
			return "True", true
		}
		return a.o.Env(name)
	})
	o.Stored = &config.Stored{Models: r.Models, Credentials: r.Credentials}
	_, report, err := config.Load(o)
	if err != nil {
		return err
	}
	for _, w := range report.Warnings {
		if rest, ok := strings.CutPrefix(w, "left out: "); ok {
			r.Notes = append(r.Notes, "Will not be served: "+rest)
		}
	}
	for _, i := range report.Ignored {
		if text := fmt.Sprint(i); strings.Contains(text, "in the database") {
			r.Notes = append(r.Notes, "Not honoured: "+text)
		}
	}
	return nil
}
