// Command penstock is an LLM gateway: one OpenAI-compatible endpoint in front
// of many model providers.
package main

import (
	"fmt"
	"os"
	_ "time/tzdata" // budgets follow time zones, and small images have none

	"github.com/alecthomas/kong"
)

// version is set by the linker.
var version = "dev"

// cli is the whole command line.
type cli struct {
	Serve   serveCmd   `cmd:"" default:"withargs" help:"Serve the gateway."`
	Check   checkCmd   `cmd:"" help:"Check a configuration file, and say what of it is not honoured."`
	Mock    mockCmd    `cmd:"" help:"Serve a scriptable provider that needs no account."`
	Ledger  ledgerCmd  `cmd:"" help:"Verify, reprice or export the spend ledger."`
	Migrate migrateCmd `cmd:"" help:"Bring the tables of the database up to date, or print the SQL for it."`
	Import  importCmd  `cmd:"" help:"Bring what another gateway has: keys, teams, users, budgets, models, spend."`
	Version versionCmd `cmd:"" help:"Print the version."`

	ShowVersion kong.VersionFlag `name:"version" help:"Print the version and quit."`
}

func main() {
	var c cli
	k := kong.Parse(&c, kong.Name("penstock"), kong.ShortUsageOnError(), kong.Vars{"version": "penstock " + version}, kong.Description(`An LLM gateway: one OpenAI-compatible endpoint in front of every model provider.

Examples:
  penstock serve                             what the environment has keys for, and a built-in mock
  penstock serve --config config.yaml        a LiteLLM config.yaml
  penstock check config.yaml                 every mistake in it, and what is not honoured
  penstock mock --port 8090                  a provider to test against
  penstock migrate --plan                    the SQL that a start would run on the database
  penstock ledger verify                     prove that every cent of the books is right
  penstock import litellm --database-url …   move in from LiteLLM: its keys go on working`))
	if err := k.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "penstock:", err)
		os.Exit(1)
	}
}

type versionCmd struct{}

// Help is shown below the flags.
func (versionCmd) Help() string {
	return `Examples:
  penstock version       prints, for example, penstock v1.2.3`
}

// Run prints the version.
func (versionCmd) Run() error {
	fmt.Println("penstock", version)
	return nil
}
