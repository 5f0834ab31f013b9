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
	"syscall"
	"testing"
	"time"

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

// Killed at any instant, the gateway has every call on its books that a client
// has an answer to, once; and totals are the sum of the rows.
func TestKillLosesAndDoublesNothing(t *testing.T) {
	dir, args := setUp(t, "mock-tokens=6,chunks=6,latency=5,gap=3")
	env := []string{"LITELLM_MASTER_KEY=" + testKey}
	p := run(t, dir, env, args...)
	var made struct {
		Key string `json:"key"`
	}
	p.json(t, "/key/generate", `{}`, &made)

	var mu sync.Mutex
	answered := map[string]bool{}
	var wg sync.WaitGroup
	killed := make(chan struct{})
	for worker := range 25 {
		wg.Go(func() {
			for n := range 20 {
				body := `{"model":"m","messages":[{"role":"user","content":"Hello"}]`
				if (worker+n)%2 == 0 {
					body += `,"stream":true`
				}
				res, err := p.post(t.Context(), made.Key, "/v1/chat/completions", body+"}")
				if err != nil {
					return // it is dead
				}
				raw, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				whole := err == nil && (strings.HasSuffix(string(raw), "data: [DONE]\n\n") || strings.Contains(string(raw), `"finish_reason":"stop"`) && strings.HasSuffix(string(raw), "}"))
				mu.Lock()
				if whole {
					answered[res.Header.Get("X-Litellm-Call-Id")] = true
				}
				if len(answered) == 120 {
					_ = p.cmd.Process.Kill()
					close(killed)
					answered[""] = true // once is enough
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	<-killed
	<-p.done
	delete(answered, "")

	p = run(t, dir, env, args...)
	var rows []booked
	p.json(t, "/spend/logs?api_key="+made.Key, "", &rows)
	seen := map[string]booked{}
	sum, interrupted := 0.0, 0
	for _, r := range rows {
		if _, twice := seen[r.CallID]; twice {
			t.Errorf("call %s is on the books twice", r.CallID)
		}
		seen[r.CallID] = r
		sum += r.Spend
		if r.Metadata.Interrupted {
			interrupted++
		}
	}
	for id := range answered {
		if r, ok := seen[id]; !ok || r.Spend != 0.006 {
			t.Errorf("answered call %s: on the books %v at %v, want 0.006", id, ok, r.Spend)
		}
	}
	var info struct {
		Info struct {
			Spend float64 `json:"spend"`
		} `json:"info"`
	}
	p.json(t, "/key/info?key="+made.Key, "", &info)
	proven(t, dir, env, args...)
	if d := info.Info.Spend - sum; d > 1e-9 || d < -1e-9 {
		t.Errorf("the key has spent %v, its rows sum to %v", info.Info.Spend, sum)
	}
	t.Logf("%d answered, %d on the books, %d of them interrupted", len(answered), len(rows), interrupted)
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

// Told to stop, it lets streams end, books them, and exits well.
func TestTermDropsNoStream(t *testing.T) {
	dir, args := setUp(t, "mock-tokens=20,chunks=20,gap=30")
	env := []string{"LITELLM_MASTER_KEY=" + testKey}
	p := run(t, dir, env, args...)
	const streams = 20
	begun := make(chan struct{}, streams)
	var wg sync.WaitGroup
	for range streams {
		wg.Go(func() {
			res, err := p.post(t.Context(), testKey, "/v1/chat/completions", `{"model":"m","stream":true,"messages":[{"role":"user","content":"Hello"}]}`)
			if err != nil {
				t.Error(err)
				begun <- struct{}{}
				return
			}
			defer res.Body.Close()
			first := make([]byte, 1)
			_, _ = res.Body.Read(first)
			begun <- struct{}{}
			rest, err := io.ReadAll(res.Body)
			if err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
				t.Errorf("a stream was dropped: %v, %d bytes", err, len(rest))
			}
		})
	}
	for range streams {
		<-begun
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	select {
	case err := <-p.done:
		if err != nil {
			t.Errorf("exit: %v, want 0", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it did not stop")
	}
	p = run(t, dir, env, args...)
	var rows []booked
	p.json(t, "/spend/logs", "", &rows)
	if len(rows) != streams {
		t.Errorf("%d calls on the books, want %d", len(rows), streams)
	}
}

// SIGHUP reads the configuration again; a broken one changes nothing.
func TestHangupReloads(t *testing.T) {
	dir, args := setUp(t, "mock")
	p := run(t, dir, []string{"LITELLM_MASTER_KEY=" + testKey}, args...)
	config := filepath.Join(dir, "config.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	served := func(name string) bool {
		res, err := p.post(t.Context(), testKey, "/v1/models/"+name, "")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode == 200
	}
	if err := os.WriteFile(config, []byte(strings.Replace(string(text), "model_name: m\n", "model_name: renamed\n", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !served("renamed") || served("m"); {
		if time.Now().After(deadline) {
			t.Fatal("the new configuration is not in force after ten seconds")
		}
	}
}

// The first start makes a key, says it once, and keeps only its hash.
func TestFirstStart(t *testing.T) {
	dir := t.TempDir()
	p := run(t, dir, nil)
	_, key, ok := strings.Cut(p.output.String(), "stored hashed): ")
	key = strings.TrimSpace(strings.SplitN(key, "\n", 2)[0])
	if !ok || !strings.HasPrefix(key, "sk-") {
		t.Fatalf("no master key was shown: %s", p.output)
	}
	res, err := p.post(t.Context(), key, "/v1/chat/completions", `{"model":"mock","messages":[{"role":"user","content":"Hello"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.StatusCode != 200 || !strings.Contains(string(raw), "Hello from the Penstock mock") {
		t.Errorf("the first call: %d %s", res.StatusCode, raw)
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := <-p.done; err != nil {
		t.Errorf("exit: %v", err)
	}
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), key) {
			t.Errorf("%s holds the master key itself", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if p = run(t, dir, nil); strings.Contains(p.output.String(), "master key") {
		t.Errorf("the second start shows a key again: %s", p.output)
	}
}
