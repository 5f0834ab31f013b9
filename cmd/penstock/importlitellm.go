package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"penstock/internal/app"
)

// importCmd brings what other gateways have.
type importCmd struct {
	LiteLLM importLiteLLMCmd `cmd:"" name:"litellm" help:"Bring keys, teams, users, budgets, models and spend from a LiteLLM database."`
}

// Help is shown below the flags.
func (*importCmd) Help() string {
	return `Examples:
  penstock import litellm --database-url postgres://llm:secret@db:5432/litellm --dry-run`
}

type importLiteLLMCmd struct {
	DatabaseURL string `help:"LiteLLM's PostgreSQL, as in its DATABASE_URL. It is only read." name:"database-url" env:"LITELLM_DATABASE_URL" required:"" placeholder:"URL"`
	SaltKey     string `help:"LiteLLM's salt key, which opens the secrets in its database." name:"salt-key" env:"LITELLM_SALT_KEY" placeholder:"KEY"`
	MasterKey   string `help:"LiteLLM's master key: it opens the secrets where there is no salt key." name:"master-key" env:"LITELLM_MASTER_KEY" placeholder:"KEY"`
	DryRun      bool   `help:"Read everything and say what would become of it; write nothing."`
	Config      string `help:"Configuration file of the gateway." short:"c" env:"CONFIG_FILE_PATH" placeholder:"FILE"`
	DataDir     string `help:"Data directory of the gateway (default ./penstock-data)." env:"PENSTOCK_DATA_DIR" placeholder:"DIR"`
}

// Help is shown below the flags.
func (*importLiteLLMCmd) Help() string {
	return `Keys go on working: their hashes are brought. It can be run again, and when it was interrupted it goes on: what has not changed at LiteLLM
is left alone, what was spent there is counted once, and what was spent here stays. A gateway that runs meanwhile
serves what has come, and counts what was spent, within a second.

For each table the report says how many rows are exact, how many approximate and how many were skipped, and why.

Examples:
  penstock import litellm --database-url postgres://llm:secret@db:5432/litellm --dry-run
  penstock import litellm --database-url postgres://llm:secret@db:5432/litellm --salt-key sk-salt --config config.yaml`
}

// Run imports.
func (c *importLiteLLMCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	told := tell(ctx)
	r, err := app.ImportLiteLLM(ctx, app.Options{Config: c.Config, DataDir: c.DataDir}, app.LiteLLM{
		DatabaseURL: c.DatabaseURL, SaltKey: c.SaltKey, MasterKey: c.MasterKey, DryRun: c.DryRun,
		Progress: told.set,
	})
	told.end()
	if r != nil {
		if _, werr := r.WriteTo(os.Stdout); werr != nil {
			return werr
		}
	}
	if err != nil && r == nil {
		return err
	}
	if err != nil {
		return fmt.Errorf("the import stopped (run it again and it goes on from here): %w", err)
	}
	if c.DryRun {
		fmt.Println("\nnothing was written: this was a dry run")
	} else {
		fmt.Printf("\n%d rows were new or have changed\n", r.Changed())
	}
	return nil
}

// teller tells of long work on standard error: nothing in the first two seconds,
// then once a second, also while a database thinks.
type teller struct {
	mu       sync.Mutex
	table    string
	done, of int64

	stop context.CancelFunc
	over sync.WaitGroup
}

// tell starts one; end it.
func tell(ctx context.Context) *teller {
	t := &teller{}
	ctx, t.stop = context.WithCancel(ctx)
	t.over.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			t.mu.Lock()
			table, done, of := t.table, t.done, t.of
			t.mu.Unlock()
			if n > 1 && table != "" {
				fmt.Fprintf(os.Stderr, "%s: %d of %d\n", strings.TrimPrefix(table, "LiteLLM_"), done, of)
			}
		}
	})
	return t
}

func (t *teller) set(table string, done, of int64) {
	t.mu.Lock()
	t.table, t.done, t.of = table, done, of
	t.mu.Unlock()
}

func (t *teller) end() {
	t.stop()
	t.over.Wait()
}
