package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"penstock/internal/mock"
)

type mockCmd struct {
	Host   string `help:"Address to listen on." default:"127.0.0.1"`
	Port   int    `help:"Port to listen on; 0 takes a free one." default:"8090"`
	Script string `help:"Script of calls that bring none, e.g. latency=50,chunks=20,gap=20." placeholder:"SCRIPT"`
	Keep   int    `help:"How many calls GET /mock/calls can show; -1 for none." default:"1000"`
}

// Help is shown below the flags.
func (*mockCmd) Help() string {
	return strings.TrimRight(mock.Usage(), "\n") + `

Examples:
  penstock mock
  penstock mock --port 8090 --script latency=50,chunks=20,gap=20
  OPENAI_API_KEY=any OPENAI_BASE_URL=http://127.0.0.1:8090/v1 penstock serve       a gateway in front of it`
}

// Run serves the mock until it is told to stop.
func (m *mockCmd) Run() error {
	step, err := mock.ParseStep(m.Script)
	if err != nil {
		return fmt.Errorf("--script: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(m.Host, strconv.Itoa(m.Port)))
	if err != nil {
		return err
	}
	server := mock.New(mock.Options{Default: step, Keep: m.Keep})
	defer server.Close()
	h := &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = h.Close()
	}()
	fmt.Printf("mock provider on http://%s (OpenAI at /v1, Anthropic at /v1/messages, Gemini at /v1beta)\n", ln.Addr())
	if err := h.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
