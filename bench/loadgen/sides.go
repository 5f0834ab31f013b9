package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
)

// masterKey opens a gateway that lives as long as the run and listens on this
// machine only.
const masterKey = "sk-bench-0123456789abcdef"

// everyLimit is a key with every kind of limit, none of which is ever reached.
const everyLimit = `"rpm_limit":100000000,"tpm_limit":1000000000000,"max_parallel_requests":100000,"max_budget":1000000,"budget_duration":"30d"`

func (b *bench) startMock(ctx context.Context) (*server, error) {
	s, err := b.start(ctx, "mock", []string{b.penstock, "mock", "--port", "PORT", "--keep=-1"}, "/", func(status int) bool { return status == 200 })
	if err == nil {
		b.upstream = s.url
	}
	return s, err
}

// startPenstock starts Penstock with its data in dir, and no key yet.
func (b *bench) startPenstock(ctx context.Context, dir string) (*server, error) {
	config := filepath.Join(b.tmp, "config.yaml")
	text := fmt.Sprintf(`
model_list:
  - model_name: "*"
    litellm_params: {model: "openai/*", api_base: "%s/v1", api_key: k, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
`, b.upstream)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	argv := append(append([]string{}, b.pin...), b.penstock, "serve", "--config", config, "--host", "127.0.0.1", "--port", "PORT", "--data-dir", dir)
	s, err := b.start(ctx, "penstock", argv, "/health/liveliness", func(status int) bool { return status == 200 })
	if err == nil {
		s.master = masterKey
	}
	return s, err
}

// startProxy starts the reverse proxy, which is up when it passes on any
// answer: the mock has no such path.
func (b *bench) startProxy(ctx context.Context) (*server, error) {
	argv := append(append([]string{}, b.pin...), b.proxy, "ADDR", b.upstream)
	return b.start(ctx, "proxy", argv, "/health/liveliness", func(status int) bool { return status != http.StatusBadGateway })
}

// pair starts both gateways afresh, Penstock with a key that has everything on.
func (b *bench) pair(ctx context.Context) (penstock, proxy *server, err error) {
	dir, err := os.MkdirTemp(b.tmp, "data")
	if err != nil {
		return nil, nil, err
	}
	if penstock, err = b.startPenstock(ctx, dir); err != nil {
		return nil, nil, err
	}
	if err = penstock.makeKey(ctx); err == nil {
		proxy, err = b.startProxy(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, penstock.stop())
	}
	return penstock, proxy, nil
}

// makeKey makes the key that calls are made with: with every kind of limit on
// itself, its user and its team.
func (s *server) makeKey(ctx context.Context) error {
	for _, step := range [...]struct{ path, body string }{
		{"/team/new", `{"team_id":"bench",` + everyLimit + `}`},
		{"/user/new", `{"user_id":"bench","auto_create_key":false,` + everyLimit + `}`},
		{"/key/generate", `{"user_id":"bench","team_id":"bench",` + everyLimit + `}`},
	} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+step.path, strings.NewReader(step.body))
		if err != nil {
			return err
		}
		status, said, err := s.do(req, s.master)
		if err != nil || status != 200 {
			return errors.Join(err, fmt.Errorf("%s: %d %s", step.path, status, said))
		}
		if step.path != "/key/generate" {
			continue
		}
		var made struct {
			Key string `json:"key"`
		}
		if err := json.Unmarshal([]byte(said), &made); err != nil || made.Key == "" {
			return errors.Join(err, fmt.Errorf("%s: no key in %s", step.path, said))
		}
		s.key = made.Key
	}
	return nil
}
