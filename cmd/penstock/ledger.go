package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"penstock/internal/app"
	"penstock/internal/gateway"
	"penstock/internal/ledger"
)

// ledgerCmd is what is done with the books, beside a gateway that runs or
// without one.
type ledgerCmd struct {
	Verify  verifyCmd  `cmd:"" help:"Compute every cost again and prove that all totals are the sums of their calls."`
	Reprice repriceCmd `cmd:"" help:"Price calls again by today's configuration and price table, with entries of their own."`
	Export  exportCmd  `cmd:"" help:"Write the ledger as CSV or JSON lines, in the columns of FOCUS."`
}

// Help is shown below the flags.
func (*ledgerCmd) Help() string {
	return `Examples:
  penstock ledger verify                                       is everything as it must be?
  penstock ledger verify --chain                               was anything changed behind the gateway's back?
  penstock ledger reprice --from 2026-11-01 --model gpt-4o --dry-run
  penstock ledger export --format csv --from 2026-11-01 --to 2026-12-01 > november.csv

The commands read the database that a gateway with the same --config and --data-dir uses, also while it runs.`
}

// booksFlags say where the books are.
type booksFlags struct {
	Config  string `help:"Configuration file of the gateway." short:"c" env:"CONFIG_FILE_PATH" placeholder:"FILE"`
	DataDir string `help:"Data directory of the gateway (default ./penstock-data)." env:"PENSTOCK_DATA_DIR" placeholder:"DIR"`
}

// open opens the books and calls use with them, until it is interrupted.
func (f *booksFlags) open(use func(context.Context, *app.Books) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	b, err := app.OpenBooks(ctx, app.Options{Config: f.Config, DataDir: f.DataDir})
	if err != nil {
		return err
	}
	return errors.Join(use(ctx, b), b.DB.Close())
}

// spanFlags are a range of time.
type spanFlags struct {
	From string `help:"First day or time (2026-11-01, or 2026-11-01T15:04:05Z), in UTC; without it from the first call on." placeholder:"TIME"`
	To   string `help:"Day or time before which the last call began; without it up to now." placeholder:"TIME"`
}

func (f *spanFlags) times() (from, to time.Time, err error) {
	for _, x := range []struct {
		flag, text string
		to         *time.Time
	}{{"--from", f.From, &from}, {"--to", f.To, &to}} {
		if x.text == "" {
			continue
		}
		for _, layout := range []string{time.DateOnly, time.RFC3339} {
			if *x.to, err = time.Parse(layout, x.text); err == nil {
				break
			}
		}
		if err != nil {
			return from, to, fmt.Errorf("%s %q is no time: use 2026-11-01 or 2026-11-01T15:04:05Z", x.flag, x.text)
		}
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return from, to, fmt.Errorf("--from %s is not before --to %s", f.From, f.To)
	}
	return from, to, nil
}

// meter tells of long work on standard error: nothing in the first two seconds,
// then once a second.
func meter(what string) ledger.Progress {
	next := time.Now().Add(2 * time.Second)
	return func(done, of int64) {
		if now := time.Now(); now.After(next) && of > 0 {
			next = now.Add(time.Second)
			fmt.Fprintf(os.Stderr, "%s: %d %%\n", what, done*100/of)
		}
	}
}

type verifyCmd struct {
	booksFlags
	Chain bool `help:"Also follow the hash chain (general_settings.ledger_hash_chain)."`
}

// Help is shown below the flags.
func (*verifyCmd) Help() string {
	return `Every call's cost is computed again from its tokens and the terms of its price, which the ledger keeps. The costs are added up, and
the sums compared to the nano-dollar with the totals of all keys, users, teams, members, organizations, projects, end users and tags, with their daily sums, and with the parts
of days that reports are made of.
The exit code is 1 if anything is not as it must be.

Examples:
  penstock ledger verify --config config.yaml
  penstock ledger verify --chain`
}

// Run verifies the books.
func (c *verifyCmd) Run() error {
	return c.open(func(ctx context.Context, b *app.Books) error {
		r, err := ledger.Verify(ctx, b.DB, c.Chain, meter("verify"))
		if err != nil {
			return err
		}
		fmt.Printf("%d calls and %d adjustments cost %s USD; %d totals, %d daily sums and %d parts of days compared\n", r.Calls, r.Adjustments, r.Cost, r.Totals, r.Days, r.Parts)
		if r.DroppedDays > 0 {
			fmt.Printf("%d days have lost their calls to the retention period: their sums are believed\n", r.DroppedDays)
		}
		if r.Unpinned > 0 {
			fmt.Printf("%d calls are older than the keeping of price terms: their costs are believed\n", r.Unpinned)
		}
		if c.Chain {
			if r.Links == 0 {
				fmt.Println("there is no hash chain: general_settings.ledger_hash_chain starts one")
			} else {
				fmt.Printf("chain of %d links, newest hash %x\n", r.Links, r.Head)
				if r.Unchained > 0 {
					fmt.Printf("%d entries are in no link, of times when there was no chain; the last such call began at %s\n", r.Unchained, r.LastUnchained.Format(time.RFC3339))
				}
			}
		}
		for _, f := range r.Findings {
			fmt.Println("WRONG:", f)
		}
		if more := r.Problems - int64(len(r.Findings)); more > 0 {
			fmt.Printf("and %d more\n", more)
		}
		if r.Problems > 0 {
			return fmt.Errorf("the books are wrong in %d places", r.Problems)
		}
		fmt.Println("the books are right")
		return nil
	})
}

type repriceCmd struct {
	booksFlags
	spanFlags
	Model  string `help:"Only calls of this model, by the client's name or the vendor's." placeholder:"NAME"`
	DryRun bool   `help:"Say what would change, and change nothing."`
}

// Help is shown below the flags.
func (*repriceCmd) Help() string {
	return `Calls keep their rows. Where today's price comes to another cost, an adjustment is added and the totals move by it. Running it again
changes nothing. A gateway that runs counts budgets by the new totals after its next start.

Examples:
  penstock ledger reprice --from 2026-11-01 --to 2026-12-01 --dry-run
  penstock ledger reprice --model gpt-4o --config config.yaml`
}

// Run prices calls again.
func (c *repriceCmd) Run() error {
	from, to, err := c.times()
	if err != nil {
		return err
	}
	return c.open(func(ctx context.Context, b *app.Books) error {
		job := ledger.Reprice{From: from, To: to, Model: c.Model, DryRun: c.DryRun, Rate: b.Rate}
		r, err := job.Run(ctx, b.DB, meter("reprice"))
		if err != nil {
			return err
		}
		var before, after gateway.NanoUSD
		for _, ch := range r.Changes {
			fmt.Printf("%s (%s): %d calls, %s USD before, %s after\n", ch.Model, ch.Provider, ch.Calls, ch.Before, ch.After)
			before, after = before+ch.Before, after+ch.After
		}
		if r.Unknown > 0 {
			fmt.Printf("%d calls have no price today and stay as they are\n", r.Unknown)
		}
		verb := "changed"
		if c.DryRun {
			verb = "would change"
		}
		fmt.Printf("%d calls looked at; spend %s by %s USD", r.Calls, verb, after-before)
		if !c.DryRun {
			fmt.Printf(" with %d adjustments", r.Written)
		}
		fmt.Println()
		return nil
	})
}

type exportCmd struct {
	booksFlags
	spanFlags
	Format string `help:"csv or jsonl." enum:"csv,jsonl" default:"csv"`
	Output string `help:"File to write (default: standard output)." short:"o" placeholder:"FILE"`
}

// Help is shown below the flags.
func (*exportCmd) Help() string {
	return `One row for each call and each adjustment, in the columns of FOCUS 1.2 (https://focus.finops.org) and further ones that begin with x_.

Examples:
  penstock ledger export --from 2026-11-01 --to 2026-12-01 -o november.csv
  penstock ledger export --format jsonl | head`
}

// Run exports the books.
func (c *exportCmd) Run() error {
	from, to, err := c.times()
	if err != nil {
		return err
	}
	return c.open(func(ctx context.Context, b *app.Books) error {
		var n int64
		write := func(w io.Writer) error {
			buffered := bufio.NewWriterSize(w, 1<<20)
			var err error
			if n, err = ledger.Export(ctx, b.DB, buffered, ledger.Format(c.Format), from, to, meter("export")); err != nil {
				return err
			}
			return buffered.Flush()
		}
		if c.Output == "" {
			return write(os.Stdout)
		}
		if err := replaceFile(c.Output, write); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%d rows written to %s\n", n, c.Output)
		return nil
	})
}

// replaceFile writes a file beside path and puts it in its place when it is
// whole.
func replaceFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
