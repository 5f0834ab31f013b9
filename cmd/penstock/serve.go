package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"penstock/internal/app"
)

type serveCmd struct {
	Config  string `help:"Configuration file (a LiteLLM config.yaml). Without one, Penstock serves what the environment has keys for." short:"c" env:"CONFIG_FILE_PATH" placeholder:"FILE"`
	Host    string `help:"Address to listen on (default 127.0.0.1, or 0.0.0.0 with --config)." env:"HOST"`
	Port    int    `help:"Port to listen on (default 4000; -1 takes a free one)." env:"PORT"`
	DataDir string `help:"Where the journal and the embedded database are (default ./penstock-data)." env:"PENSTOCK_DATA_DIR" placeholder:"DIR"`
	Debug   bool   `help:"Log more ($$DEBUG=true)."`

	// LiteLLM's flags that mean nothing here, taken so that its command lines work.
	DetailedDebug bool `hidden:""`
	NumWorkers    int  `hidden:"" name:"num_workers" env:"NUM_WORKERS"`
}

// Help is shown below the flags.
func (*serveCmd) Help() string {
	return `Without --config, the model "mock" is served, and openai/*, anthropic/* and gemini/* where the environment has OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY.

The environment also says: LITELLM_MASTER_KEY, the administrator's key (one is made at the first start without it); DATABASE_URL, a PostgreSQL instead of the embedded database.

SIGTERM and Ctrl-C stop it: open calls are finished and booked first. SIGHUP reads the configuration again, as does a change of the file.

Examples:
  penstock serve
  penstock serve --config config.yaml --port 8080
  OPENAI_API_KEY=sk-... penstock serve
  DATABASE_URL=postgresql://user:password@host:5432/penstock penstock serve --config config.yaml`
}

// Run serves until it is told to stop.
func (s *serveCmd) Run() error {
	level := slog.LevelInfo
	// DEBUG is not the flag's own variable: other programs give it words.
	if s.Debug || s.DetailedDebug || yes("DEBUG") || strings.EqualFold(os.Getenv("LITELLM_LOG"), "debug") {
		level = slog.LevelDebug
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(os.Stderr, options)
	if yes("JSON_LOGS") {
		handler = slog.NewJSONHandler(os.Stderr, options)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
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
	paced := make(chan struct{})
	go func() { defer close(paced); paceGC(ctx) }()
	err = a.Run(ctx, hup)
	stop() // whatever ended the run ends the pacing too
	<-paced
	return err
}

// yes reports whether the environment says yes to name.
func yes(name string) bool {
	on, err := strconv.ParseBool(strings.ToLower(os.Getenv(name)))
	return on && err == nil
}

// hint says where the gateway is and how to call it.
func hint(a *app.App, config, newKey string) {
	addr, more := a.Addr(), ""
	if host, port, err := net.SplitHostPort(addr); err == nil && (host == "::" || host == "0.0.0.0") {
		addr, more = net.JoinHostPort("127.0.0.1", port), " and on every other address of this machine"
	}
	fmt.Printf("penstock %s listens on http://%s%s\n", version, addr, more)
	if config != "" {
		return
	}
	fmt.Printf("models: %s\n", strings.Join(a.Served(), ", "))
	key, with := newKey, ""
	switch {
	case key != "":
	case os.Getenv("LITELLM_MASTER_KEY") != "":
		key = "$LITELLM_MASTER_KEY"
	default:
		key = "sk-..."
		with = ", with the master key that the first start showed (if it is lost, start with LITELLM_MASTER_KEY set to a new one)"
	}
	fmt.Printf(`
Try it%s:

curl http://%s/v1/chat/completions \
  -H "Authorization: Bearer %s" -H "Content-Type: application/json" \
  -d '{"model": "mock", "messages": [{"role": "user", "content": "Hello"}]}'

`, with, addr, key)
}
