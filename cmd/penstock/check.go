package main

import (
	"fmt"

	"penstock/internal/app"
	"penstock/internal/config"
)

type checkCmd struct {
	File string `arg:"" help:"Configuration file." placeholder:"FILE"`
}

// Help is shown below the flags.
func (*checkCmd) Help() string {
	return `Nothing is started and no provider is called. The exit code is 0 if the file can be served.

A variable that the file names as os.environ/NAME must be set, as it must be for serve.

Examples:
  penstock check config.yaml
  OPENAI_API_KEY=any LITELLM_MASTER_KEY=sk-any penstock check config.yaml      where the keys are not`
}

// Run checks the file.
func (c *checkCmd) Run() error {
	cfg, report, err := config.Load(app.ConfigOptions(c.File, nil))
	if err != nil {
		return err
	}
	for _, i := range report.Ignored {
		fmt.Printf("%s:%d: %s: not honoured: %s\n", i.File, i.Line, i.Key, i.Why)
	}
	more := app.Unhonoured(cfg)
	for _, what := range more {
		fmt.Printf("%s: not honoured: %s\n", c.File, what)
	}
	for _, w := range report.Warnings {
		fmt.Println(w)
	}
	fmt.Printf("%s is valid: %d deployments, %d settings not honoured, %d warnings\n", c.File, len(cfg.Models), len(report.Ignored)+len(more), len(report.Warnings))
	return nil
}
