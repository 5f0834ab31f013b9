package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"penstock/internal/mock"
)

// binary builds the command once for all tests here.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "penstock-test")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "penstock")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

const testKey = "sk-master-0123456789abcdef"

// process is the real command.
type process struct {
	cmd    *exec.Cmd
	url    string
	output *strings.Builder
	done   chan error
}

func run(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(path, append([]string{"serve", "--host=127.0.0.1", "--port=-1", "--data-dir=" + filepath.Join(dir, "data")}, args...)...), output: &strings.Builder{}, done: make(chan error, 1)}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		p.output.WriteString(lines.Text() + "\n")
		if _, addr, ok := strings.Cut(lines.Text(), "listens on "); ok {
			p.url = addr
			break
		}
	}
	if p.url == "" {
		t.Fatalf("it does not listen: %s", p.output)
	}
	go func() {
		_, _ = io.Copy(io.Discard, out)
		p.done <- p.cmd.Wait()
	}()
	return p
}

func (p *process) post(ctx context.Context, key, path, body string) (*http.Response, error) {
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	return http.DefaultClient.Do(req)
}

func (p *process) json(t *testing.T, path, body string, v any) {
	t.Helper()
	res, err := p.post(t.Context(), testKey, path, body)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(raw, v)
	}
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%s: %d %s %v", path, res.StatusCode, raw, err)
	}
}

type booked struct {
	CallID   string  `json:"litellm_call_id"`
	Spend    float64 `json:"spend"`
	Metadata struct {
		Interrupted bool `json:"interrupted"`
	} `json:"metadata"`
}

func setUp(t *testing.T, model string) (dir string, args []string) {
	t.Helper()
	m := mock.New(mock.Options{Keep: -1})
	up := httptest.NewServer(m)
	t.Cleanup(func() { up.CloseClientConnections(); m.Close(); up.Close() })
	dir = t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("model_list:\n  - model_name: m\n    litellm_params: {model: \"openai/%s\", api_base: %s/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}\n", model, up.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, []string{"--config=" + config}
}

// proven fails the test unless penstock ledger verify finds every cent right.
// The gateway may run meanwhile.
func proven(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append([]string{"ledger", "verify", "--chain", "--data-dir=" + filepath.Join(dir, "data")}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "the books are right") {
		t.Errorf("penstock ledger verify: %v\n%s", err, out)
	}
	return string(out)
}
