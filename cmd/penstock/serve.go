package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"penstock/internal/app"
)

type serveCmd struct {
	Config  string `help:"Configuration file (a LiteLLM config.yaml). Without one, Penstock serves what the environment has keys for." short:"c" env:"CONFIG_FILE_PATH" placeholder:"FILE"`
	Host    string `help:"Address to listen on (default 127.0.0.1, or 0.0.0.0 with --config)." env:"HOST"`
	Port    int    `help:"Port to listen on (default 4000)." env:"PORT"`
	DataDir string `help:"Where the journal and the embedded database are (default ./penstock-data)." env:"PENSTOCK_DATA_DIR" placeholder:"DIR"`
	Debug   bool   `help:"Log more." env:"DEBUG"`

	// LiteLLM's flags that mean nothing here, taken so that its command lines work.
	DetailedDebug bool `hidden:""`
	NumWorkers    int  `hidden:"" name:"num_workers" env:"NUM_WORKERS"`
}

// Run serves until it is told to stop.
func (s *serveCmd) Run() error {
	level := slog.LevelInfo
	if s.Debug || s.DetailedDebug || strings.EqualFold(os.Getenv("LITELLM_LOG"), "debug") {
		level = slog.LevelDebug
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(os.Stderr, options)
	if v := os.Getenv("JSON_LOGS"); v == "1" || strings.EqualFold(v, "true") {
		handler = slog.NewJSONHandler(os.Stderr, options)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)

	host := s.Host
	if host == "" && s.Config == "" {
		host = "127.0.0.1" // a first try is nobody else's business
	}
	var newKey string
	a, err := app.New(ctx, app.Options{
		Config: s.Config, Host: host, Port: s.Port, DataDir: s.DataDir, Version: version, Log: slog.New(handler),
		Say: func(format string, args ...any) {
			fmt.Printf(format+"\n", args...)
			if strings.HasPrefix(format, "master key") {
				newKey, _ = args[0].(string)
			}
		},
	})
	if err != nil {
		return err
	}
	hint(a, s.Config, newKey)
	return a.Run(ctx, hup)
}

// hint says where the gateway is and how to call it.
func hint(a *app.App, config, newKey string) {
	addr := a.Addr()
	if rest, ok := strings.CutPrefix(addr, "[::]:"); ok {
		addr = "127.0.0.1:" + rest
	}
	fmt.Printf("penstock %s listens on http://%s\n", version, addr)
	if config != "" {
		return
	}
	key := newKey
	if key == "" {
		key = "$LITELLM_MASTER_KEY"
	}
	fmt.Printf(`
Try it:

curl http://%s/v1/chat/completions \
  -H "Authorization: Bearer %s" -H "Content-Type: application/json" \
  -d '{"model": "mock", "messages": [{"role": "user", "content": "Hello"}]}'

`, addr, key)
}
