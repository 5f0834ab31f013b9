package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"penstock/internal/app"
)

type migrateCmd struct {
	Config  string `help:"Configuration file of the gateway." short:"c" env:"CONFIG_FILE_PATH" placeholder:"FILE"`
	DataDir string `help:"Data directory of the gateway (default ./penstock-data)." env:"PENSTOCK_DATA_DIR" placeholder:"DIR"`
	Plan    bool   `help:"Only print the SQL that would be run, and change nothing."`
}

// Help is shown below the flags.
func (*migrateCmd) Help() string {
	return `serve does this by itself when it starts. On PostgreSQL one process does it and the others wait.

Each migration is a transaction: one that fails changes nothing, and says so. The release before goes on working with
the tables of this one, unless the changelog says otherwise.

Examples:
  penstock migrate --plan                                 what would be run on the database?
  penstock migrate --config config.yaml                   bring the tables up to date, before the gateway starts`
}

// Run migrates the database, or prints what that would do.
func (c *migrateCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	todo, err := app.Migrate(ctx, app.Options{Config: c.Config, DataDir: c.DataDir}, c.Plan)
	for _, m := range todo {
		if c.Plan {
			fmt.Printf("-- %s\n\n%s\n", m.Name, m.SQL)
		} else {
			fmt.Println("done:", m.Name)
		}
	}
	if err == nil && len(todo) == 0 {
		fmt.Println("-- the tables are up to date")
	}
	return err
}
