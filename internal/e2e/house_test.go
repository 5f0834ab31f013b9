package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/mock"
)

const master = "sk-master-0123456789abcdef"

// binary is the program, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "penstock-e2e")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "penstock")
	build := exec.Command("go", "build", "-o", path, "penstock/cmd/penstock")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("build penstock: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return path, nil
})

// sources looks at the program's sources. The program is built by another
// process, so go test would not know that a result depends on them, and would
// show an old one after a change. What a running test looks at, it knows.
var sources = sync.OnceValue(func() error {
	for _, root := range []string{"../../cmd/penstock", "../../internal"} {
		if err := filepath.WalkDir(root, func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
			return err
		}
	}
	_, err := os.Stat("../../go.mod")
	return err
})

func TestMain(m *testing.M) {
	path, err := binary()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(filepath.Dir(path))
	os.Exit(code)
}

// text is output that is read while it is written.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(p)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

// house is a gateway's process in front of a mock provider.
type house struct {
	t      *testing.T
	mock   *mock.Server
	dir    string
	config string // its path, "" for none
	env    []string

	// The running process; start replaces them.
	client *http.Client
	cmd    *exec.Cmd
	url    string
	out    *text
	log    *text
	exited chan error
}

// provider starts a mock provider and returns its address.
func provider(t *testing.T) (*mock.Server, string) {
	t.Helper()
	m := mock.New(mock.Options{Keep: 10_000})
	up := httptest.NewServer(m)
	t.Cleanup(func() { m.Close(); up.CloseClientConnections(); up.Close() })
	return m, up.URL
}

// open starts a gateway. config is a YAML template in which MOCK stands for
// the mock provider's address; "" is no configuration at all.
func open(t *testing.T, config string, env ...string) *house {
	t.Helper()
	m, url := provider(t)
	return openOn(t, m, url, config, env...)
}

// openOn is open for a provider that others use too.
func openOn(t *testing.T, m *mock.Server, url, config string, env ...string) *house {
	t.Helper()
	if err := sources(); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, mock: m, dir: t.TempDir(), env: env}
	if config != "" {
		h.config = filepath.Join(h.dir, "config.yaml")
		h.write(patiently(strings.ReplaceAll(config, "MOCK", url), env))
	}
	h.start()
	t.Cleanup(func() {
		_ = h.cmd.Process.Kill()
		<-h.exited
		h.client.CloseIdleConnections()
		if t.Failed() {
			t.Logf("the gateway's log:\n%s", h.log)
		}
	})
	return h
}

// patiently has calls wait for the store that limits are shared through as long
// as it takes: what a test shows must not depend on how busy the machine is.
func patiently(config string, env []string) string {
	const wait = "limit_store_timeout: 10"
	vars := strings.Join(env, " ")
	shared := strings.Contains(config, "database_url") || strings.Contains(vars, "DATABASE_URL") || strings.Contains(vars, "REDIS_URL")
	if !shared || strings.Contains(config, "limit_store_timeout") {
		return config
	}
	for _, at := range []struct{ section, first string }{{"\ngeneral_settings: {", wait + ", "}, {"\ngeneral_settings:\n", "  " + wait + "\n"}} {
		if before, after, ok := strings.Cut(config, at.section); ok {
			return before + at.section + at.first + after
		}
	}
	return config + "\ngeneral_settings: {" + wait + "}\n"
}

// write replaces the configuration in one step, as editors do: a reload never
// sees half of it.
func (h *house) write(config string) {
	h.t.Helper()
	next := h.config + ".new"
	err := os.WriteFile(next, []byte(config), 0o600)
	if err == nil {
		err = os.Rename(next, h.config)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// start runs the program on the house's data.
func (h *house) start() {
	h.t.Helper()
	path, err := binary()
	if err != nil {
		h.t.Fatal(err)
	}
	args := []string{"serve", "--host=127.0.0.1", "--port=-1", "--data-dir=" + filepath.Join(h.dir, "data")}
	if h.config != "" {
		args = append(args, "--config="+h.config)
	}
	h.cmd, h.out, h.log, h.exited = exec.Command(path, args...), &text{}, &text{}, make(chan error, 1)
	// Nothing of the caller's environment: a provider's key would add models.
	h.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir}, h.env...)
	h.cmd.Stderr = h.log
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	cmd, log, exited := h.cmd, h.out, h.exited
	listens := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			_, _ = log.Write(append(lines.Bytes(), '\n'))
			if _, addr, ok := strings.Cut(lines.Text(), "listens on "); ok {
				listens <- addr
			}
		}
		close(listens)
		exited <- cmd.Wait()
		close(exited)
	}()
	select {
	case h.url = <-listens:
	case <-time.After(20 * time.Second):
	}
	if h.url == "" {
		_ = cmd.Process.Kill()
		<-exited
		h.t.Fatalf("it does not listen: %s\n%s", h.out, h.log)
	}
	// Its own connections: those to a killed process must not be used again.
	h.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}
}

// kill is kill -9.
func (h *house) kill() {
	h.t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		h.t.Error(err)
	}
}

func (h *house) signal(s syscall.Signal) {
	h.t.Helper()
	if err := h.cmd.Process.Signal(s); err != nil {
		h.t.Fatal(err)
	}
}

// wait returns how the process ended.
func (h *house) wait() error {
	h.t.Helper()
	select {
	case err := <-h.exited:
		h.client.CloseIdleConnections()
		return err
	case <-time.After(20 * time.Second):
		h.t.Fatal("it has not stopped after 20 seconds")
		return nil
	}
}

// restart stops the process as a service manager does and starts it again.
func (h *house) restart() {
	h.t.Helper()
	h.signal(syscall.SIGTERM)
	if err := h.wait(); err != nil {
		h.t.Fatalf("stop: %v", err)
	}
	h.url = ""
	h.start()
}

// send sends one request; the caller closes the body.
func (h *house) send(ctx context.Context, method, path, key, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	return h.client.Do(req)
}

// answer is a response with its whole body.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a *answer) String() string { return fmt.Sprintf("%d %v\n%.600s", a.status, a.header, a.body) }

// whole reports whether a chat answer came to its end.
func (a *answer) whole() bool {
	return a.status == 200 && (strings.HasSuffix(a.body, "data: [DONE]\n\n") || strings.HasSuffix(a.body, "}") && strings.Contains(a.body, `"finish_reason":"stop"`))
}

// try returns the answer, or an error if it did not come to its end.
func (h *house) try(method, path, key, body string) (*answer, error) {
	return h.answered(h.send(h.t.Context(), method, path, key, body))
}

// answered reads a response to its end.
func (h *house) answered(res *http.Response, err error) (*answer, error) {
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return &answer{res.StatusCode, res.Header, string(b)}, err
}

// do is try where the answer must come. It may be called on any goroutine.
func (h *house) do(method, path, key, body string) *answer {
	h.t.Helper()
	a, err := h.try(method, path, key, body)
	if err != nil {
		h.t.Errorf("%s %s: %v", method, path, err)
		return &answer{}
	}
	return a
}

// chat is the body of a chat call with the members.
func chat(members string) string {
	return `{"messages":[{"role":"user","content":"Hello"}],` + members + `}`
}

// ask sends a chat call.
func (h *house) ask(key, members string) *answer {
	h.t.Helper()
	return h.do("POST", "/v1/chat/completions", key, chat(members))
}

// manage makes a management call, which must succeed, and reads its answer into v.
func (h *house) manage(path, body string, v any) {
	h.t.Helper()
	method := "POST"
	if body == "" {
		method = "GET"
	}
	a := h.do(method, path, master, body)
	if a.status != 200 {
		h.t.Fatalf("%s %s: %s", path, body, a)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		h.t.Fatalf("%s: %v: %s", path, err, a)
	}
}

// key makes a virtual key with the members.
func (h *house) key(members string) string {
	h.t.Helper()
	var v struct {
		Key string `json:"key"`
	}
	h.manage("/key/generate", "{"+members+"}", &v)
	if v.Key == "" {
		h.t.Fatal("/key/generate made no key")
	}
	return v.Key
}

// row is a call on the books.
type row struct {
	CallID     string         `json:"litellm_call_id"`
	Spend      jsontext.Value `json:"spend"`
	Prompt     int64          `json:"prompt_tokens"`
	Completion int64          `json:"completion_tokens"`
	Status     string         `json:"status"`
	Metadata   struct {
		Interrupted bool `json:"interrupted"`
	} `json:"metadata"`
}

// rows returns what the books say of the key.
func (h *house) rows(key string) []row {
	h.t.Helper()
	var rows []row
	h.manage("/spend/logs?api_key="+key, "", &rows)
	return rows
}

// spend returns what the key has spent, as it is written.
func (h *house) spend(key string) string {
	h.t.Helper()
	var v struct {
		Info struct {
			Spend jsontext.Value `json:"spend"`
		} `json:"info"`
	}
	h.manage("/key/info?key="+key, "", &v)
	return v.Info.Spend.String()
}

// eventually looks again and again until ok holds, and fails the test if it
// does not within ten seconds.
func (h *house) eventually(what string, ok func() bool) {
	h.t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatalf("not within ten seconds: %s", what)
		}
	}
}

// oneModel serves the mock as m, with the script as its model name: input is
// free, a token of output is a tenth of a cent.
func oneModel(script string) string {
	return `
model_list:
  - model_name: m
    litellm_params: {model: "openai/` + script + `", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}
`
}

func env() string { return "LITELLM_MASTER_KEY=" + master }
