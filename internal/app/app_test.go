package app_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.uber.org/goleak"

	"penstock/internal/app"
	"penstock/internal/mock"
	"penstock/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const master = "sk-master-0123456789abcdef"

// house is a whole gateway in front of a mock provider, over real HTTP.
type house struct {
	t      testing.TB
	url    string
	mock   *mock.Server
	config string
	env    []string // names and values
	stop   func() error
}

// start runs a gateway. config is a YAML template in which MOCK stands for the
// mock provider's address.
func start(t testing.TB, config string, env ...string) *house {
	t.Helper()
	h := &house{t: t, mock: mock.New(mock.Options{}), env: env}
	up := httptest.NewServer(h.mock)
	t.Cleanup(func() { h.mock.Close(); up.Close() })
	dir := t.TempDir()
	h.config = filepath.Join(dir, "config.yaml")
	h.write(patiently(strings.ReplaceAll(config, "MOCK", up.URL), env))
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	storetest.SQLiteFile(t, filepath.Join(data, "penstock.db"))
	h.serve(dir)
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

func (h *house) write(config string) {
	h.t.Helper()
	if err := os.WriteFile(h.config, []byte(config), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) serve(dir string) {
	h.t.Helper()
	a, err := app.New(h.t.Context(), app.Options{
		Config: h.config, Host: "127.0.0.1", Port: -1, DataDir: filepath.Join(dir, "data"), Version: "test", Log: slog.New(slog.DiscardHandler),
		Env: func(name string) (string, bool) {
			if name == "LITELLM_MASTER_KEY" {
				return master, true
			}
			for i := 0; i+1 < len(h.env); i += 2 {
				if h.env[i] == name {
					return h.env[i+1], true
				}
			}
			return "", false
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.url = "http://" + a.Addr()
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx, nil) }()
	h.stop = sync.OnceValue(func() error {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		return <-done
	})
	h.t.Cleanup(func() {
		if err := h.stop(); err != nil {
			h.t.Errorf("stop: %v", err)
		}
	})
}

// do sends one request and returns the answer with its whole body.
func (h *house) do(method, path, key, body string, header ...string) (*http.Response, string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res, string(b)
}

// ask sends a chat call of the key.
func (h *house) ask(key, members string, header ...string) (*http.Response, string) {
	h.t.Helper()
	return h.do("POST", "/v1/chat/completions", key, `{"messages":[{"role":"user","content":"Hello"}],`+members+`}`, header...)
}

// key makes a virtual key with the members.
func (h *house) key(members string) string {
	h.t.Helper()
	res, body := h.do("POST", "/key/generate", master, `{`+members+`}`)
	var v struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil || res.StatusCode != 200 || v.Key == "" {
		h.t.Fatalf("/key/generate: %d %s", res.StatusCode, body)
	}
	return v.Key
}

type logRow struct {
	RequestID  string         `json:"request_id"`
	CallID     string         `json:"litellm_call_id"`
	Spend      jsontext.Value `json:"spend"`
	Completion int64          `json:"completion_tokens"`
	Status     string         `json:"status"`
	Model      string         `json:"model"`
	Group      string         `json:"model_group"`
	Metadata   struct {
		Interrupted bool  `json:"interrupted"`
		Retries     int64 `json:"attempted_retries"`
		Fallbacks   int64 `json:"attempted_fallbacks"`
	} `json:"metadata"`
}

// rows returns what the books say of the key.
func (h *house) rows(key string) []logRow {
	h.t.Helper()
	sum := sha256.Sum256([]byte(key))
	res, body := h.do("GET", "/spend/logs?api_key="+hex.EncodeToString(sum[:]), master, "")
	var rows []logRow
	if err := json.Unmarshal([]byte(body), &rows); err != nil || res.StatusCode != 200 {
		h.t.Fatalf("/spend/logs: %d %s", res.StatusCode, body)
	}
	return rows
}

func (h *house) spend(key string) string {
	h.t.Helper()
	_, body := h.do("GET", "/key/info?key="+key, master, "")
	var v struct {
		Info struct {
			Spend jsontext.Value `json:"spend"`
		} `json:"info"`
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		h.t.Fatalf("/key/info: %s", body)
	}
	return v.Info.Spend.String()
}

const oneModel = `
model_list:
  - model_name: m
    litellm_params: {model: "openai/MODEL", api_base: MOCK/v1, api_key: up-key, input_cost_per_token: 0, output_cost_per_token: 0.001}
  - model_name: "any/*"
    litellm_params: {model: "openai/*", api_base: MOCK/v1, api_key: up-key, input_cost_per_token: 0.001, output_cost_per_token: 0.001}
`

func model(name string) string { return strings.Replace(oneModel, "MODEL", name, 1) }

func TestABudgetForTenAdmitsTenOfAHundred(t *testing.T) {
	h := start(t, model("mock-tokens=5,latency=20"))
	key := h.key(`"max_budget":0.05`) // ten answers of five tokens at a tenth of a cent
	var answered, refused atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			res, body := h.ask(key, `"model":"m","max_tokens":5`)
			switch {
			case res.StatusCode == 200:
				answered.Add(1)
			case res.StatusCode == 422 && strings.Contains(body, `"type":"budget_exceeded"`):
				refused.Add(1)
			default:
				t.Errorf("%d %s", res.StatusCode, body)
			}
		})
	}
	wg.Wait()
	if answered.Load() != 10 || refused.Load() != 90 {
		t.Errorf("%d answered and %d refused, want 10 and 90", answered.Load(), refused.Load())
	}
	if rows, spend := h.rows(key), h.spend(key); len(rows) != 10 || spend != "0.05" {
		t.Errorf("%d rows and a spend of %s, want 10 and 0.05", len(rows), spend)
	}
}

// What is booked survives, and a key goes on where it was.
func TestRestart(t *testing.T) {
	h := start(t, model("mock-tokens=5"))
	key := h.key(`"max_budget":0.012`)
	for range 2 {
		if res, body := h.ask(key, `"model":"m","max_tokens":5`); res.StatusCode != 200 {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	h.serve(filepath.Dir(h.config))
	if res, body := h.ask(key, `"model":"m","max_tokens":5`); res.StatusCode != 422 {
		t.Errorf("after the restart: %d %s, want the budget to be used up", res.StatusCode, body)
	}
	if spend := h.spend(key); spend != "0.01" {
		t.Errorf("spend %s, want 0.01", spend)
	}
}

func TestStream(t *testing.T) {
	h := start(t, model("mock-tokens=4"))
	for _, tt := range []struct {
		name, members string
		usage         bool
	}{
		{"without usage", `"model":"m","stream":true`, false},
		{"with usage", `"model":"m","stream":true,"stream_options":{"include_usage":true}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := h.key("")
			res, body := h.ask(key, tt.members)
			if res.StatusCode != 200 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") || !strings.HasSuffix(body, "data: [DONE]\n\n") {
				t.Fatalf("%d %s %s", res.StatusCode, res.Header, body)
			}
			if got := strings.Contains(body, `"completion_tokens":4`); got != tt.usage {
				t.Errorf("usage shown: %v, want %v\n%s", got, tt.usage, body)
			}
			if strings.Contains(body, "mock-tokens") {
				t.Errorf("the upstream's model name is shown: %s", body)
			}
			if rows := h.rows(key); len(rows) != 1 || rows[0].Completion != 4 || rows[0].Spend.String() != "0.004" {
				t.Errorf("booked %+v, want 4 tokens for 0.004", rows)
			}
		})
	}
}

func TestAClientThatLeaves(t *testing.T) {
	h := start(t, model("mock-tokens=400,chunks=400,gap=20"))
	key := h.key("")
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", h.url+"/v1/chat/completions", strings.NewReader(`{"model":"m","stream":true,"messages":[{"role":"user","content":"Hello"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(res.Body)
	for n := 0; n < 20 && lines.Scan(); n++ {
	}
	cancel()
	_ = res.Body.Close()
	wctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	if err := h.mock.Wait(wctx, func(s mock.Stats) bool { return s.Cancelled == 1 }); err != nil {
		t.Fatalf("the provider was not told within a second: %v; it saw %+v", err, h.mock.Stats())
	}
	var rows []logRow
	for deadline := time.Now().Add(5 * time.Second); len(rows) == 0 && time.Now().Before(deadline); {
		rows = h.rows(key)
	}
	if len(rows) != 1 || !rows[0].Metadata.Interrupted || rows[0].Completion < 3 || rows[0].Completion > 100 {
		t.Errorf("booked %+v, want one interrupted row for what was streamed", rows)
	}
}

func TestLimits(t *testing.T) {
	h := start(t, model("mock-tokens=5")+"\ngeneral_settings: {global_rpm_limit: 1000}\n")
	_, _ = h.do("POST", "/team/new", master, `{"team_id":"t1","rpm_limit":2}`)
	_, _ = h.do("POST", "/user/new", master, `{"user_id":"u1","rpm_limit":1,"auto_create_key":false}`)
	for _, tt := range []struct {
		name  string
		keys  []string
		calls int // that pass
		text  string
	}{
		{"requests", []string{h.key(`"rpm_limit":2`)}, 2, "Rate limit exceeded for api_key: "},
		{"tokens", []string{h.key(`"tpm_limit":30`)}, 2, "Limit type: tokens"},
		{"team shared by two keys", []string{h.key(`"team_id":"t1"`), h.key(`"team_id":"t1"`)}, 2, "Rate limit exceeded for team: t1"},
		{"user shared by two keys", []string{h.key(`"user_id":"u1"`), h.key(`"user_id":"u1"`)}, 1, "Rate limit exceeded for user: u1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.calls {
				if res, body := h.ask(tt.keys[i%len(tt.keys)], `"model":"m","max_tokens":5`); res.StatusCode != 200 {
					t.Fatalf("call %d: %d %s", i, res.StatusCode, body)
				}
			}
			res, body := h.ask(tt.keys[len(tt.keys)-1], `"model":"m","max_tokens":5`)
			if res.StatusCode != 429 || !strings.Contains(body, tt.text) || !strings.Contains(body, `"type":"throttling_error"`) || !strings.Contains(body, `"code":"429"`) {
				t.Errorf("%d %s, want a 429 with %q", res.StatusCode, body, tt.text)
			}
			if res.Header.Get("Retry-After") == "" {
				t.Errorf("no retry-after: %v", res.Header)
			}
		})
	}
}

func TestKeysDieAtOnce(t *testing.T) {
	h := start(t, model("mock"))
	for _, tt := range []struct{ name, path, body, text string }{
		{"blocked", "/key/block", `{"key":"KEY"}`, "Key is blocked"},
		{"deleted", "/key/delete", `{"keys":["KEY"]}`, "token_not_found_in_db"},
		{"other models", "/key/update", `{"key":"KEY","models":["x"]}`, "key_model_access_denied"},
	} {
		key := h.key("")
		if res, body := h.ask(key, `"model":"m"`); res.StatusCode != 200 {
			t.Fatalf("%s: %d %s", tt.name, res.StatusCode, body)
		}
		if res, body := h.do("POST", tt.path, master, strings.ReplaceAll(tt.body, "KEY", key)); res.StatusCode != 200 {
			t.Fatalf("%s: %d %s", tt.path, res.StatusCode, body)
		}
		if res, body := h.ask(key, `"model":"m"`); res.StatusCode/100 != 4 || !strings.Contains(body, tt.text) {
			t.Errorf("%s: %d %s, want a refusal with %q", tt.name, res.StatusCode, body, tt.text)
		}
		// A key that still works sees itself, and no other.
		if res, body := h.do("GET", "/key/list", key, ""); res.StatusCode/100 != 4 && !strings.Contains(body, `"total_count":1,`) {
			t.Errorf("a key listed keys: %d %s", res.StatusCode, body)
		}
	}
}

const failures = `
model_list:
  - {model_name: flaky, litellm_params: {model: openai/mock-flaky=2, api_base: MOCK/v1, api_key: k}}
  - {model_name: down, litellm_params: {model: openai/mock-status=503, api_base: MOCK/v1, api_key: k, num_retries: 0}}
  - {model_name: bad, litellm_params: {model: openai/mock-status=400, api_base: MOCK/v1, api_key: k}}
  - {model_name: limited, litellm_params: {model: "openai/mock-status=429,retry_after=2", api_base: MOCK/v1, api_key: k, num_retries: 0}}
  - {model_name: cut, litellm_params: {model: openai/mock-cut=3, api_base: MOCK/v1, api_key: k}}
  - {model_name: slow, litellm_params: {model: openai/mock-hang, api_base: MOCK/v1, api_key: k, timeout: 0.2, num_retries: 0}}
  - {model_name: good, litellm_params: {model: openai/mock, api_base: MOCK/v1, api_key: k}}
router_settings: {num_retries: 2, fallbacks: [{down: [good]}]}
`

func TestFailures(t *testing.T) {
	h := start(t, failures)
	for _, tt := range []struct {
		name, members string
		status        int
		text          string
		header, value string
	}{
		{"a flaky provider is asked again", `"model":"flaky"`, 200, `"model":"flaky"`, "X-Litellm-Attempted-Retries", "2"},
		{"another group answers", `"model":"down"`, 200, `Hello from`, "X-Litellm-Attempted-Fallbacks", "1"},
		{"no fallback if the client wants none", `"model":"down","disable_fallbacks":true`, 503, `"error"`, "", ""},
		{"a bad request is not asked again", `"model":"bad"`, 400, `"error"`, "", ""},
		{"the provider's limit is passed on", `"model":"limited"`, 429, `"error"`, "Retry-After", "2"},
		{"too slow", `"model":"slow"`, 408, `did not answer within 200ms`, "", ""},
		{"cut after it began", `"model":"cut","stream":true`, 200, `data: {"error":{"message":"the answer of openai was cut short`, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, body := h.ask(master, tt.members)
			if res.StatusCode != tt.status || !strings.Contains(body, tt.text) || tt.header != "" && res.Header.Get(tt.header) != tt.value {
				t.Errorf("%d %v\n%s\nwant %d, %q, %s: %s", res.StatusCode, res.Header, body, tt.status, tt.text, tt.header, tt.value)
			}
			if strings.Contains(body, "cut short") && strings.Contains(body, "[DONE]") {
				t.Errorf("a cut stream ends as if it were whole: %s", body)
			}
		})
	}
}

func TestBadInput(t *testing.T) {
	h := start(t, model("mock")+"\ngeneral_settings: {max_request_size_mb: 1}\n")
	ok := `"messages":[{"role":"user","content":"x"}]`
	for _, tt := range []struct {
		name, body string
		status     int
		text       string
	}{
		{"no JSON", `{"model":`, 400, "Invalid JSON payload"},
		{"empty", ``, 400, "empty body"},
		{"an array", `[]`, 400, "want a JSON object"},
		{"two models", `{"model":"m","model":"n",` + ok + `}`, 400, "stands twice"},
		{"no model", `{` + ok + `}`, 400, "Missing required parameter: 'model'"},
		{"model is a number", `{"model":1,` + ok + `}`, 400, "must be a string"},
		{"no messages", `{"model":"m"}`, 400, "Missing required parameter: 'messages'"},
		{"unknown model", `{"model":"n",` + ok + `}`, 400, "Invalid model name passed in model=n"},
		{"NUL and quotes in the model", `{"model":"a\u0000\"\r\n",` + ok + `}`, 400, "Invalid model name"},
		{"a model name of half a megabyte", `{"model":"` + strings.Repeat("x", 1<<19) + `",` + ok + `}`, 400, "Invalid model name"},
		{"max_tokens is a word", `{"model":"m","max_tokens":"many",` + ok + `}`, 400, "max_tokens"},
		{"negative n", `{"model":"m","n":-1,` + ok + `}`, 400, "'n' must be"},
		{"stream is a word", `{"model":"m","stream":"yes",` + ok + `}`, 400, "'stream' must be"},
		{"a client's own address", `{"model":"m","api_base":"http://evil",` + ok + `}`, 401, "api_base is not allowed"},
		{"a client's own key", `{"model":"m","api_key":"x",` + ok + `}`, 401, "api_key is not allowed"},
		{"too large", `{"model":"m","x":"` + strings.Repeat("x", 2<<20) + `",` + ok + `}`, 400, "too large"},
		{"nested too deeply", `{"model":"m","x":` + strings.Repeat("[", 9999) + strings.Repeat("]", 9999) + `,` + ok + `}`, 400, "nested too deeply"},
		{"tags are no list", `{"model":"m","tags":{"a":1},` + ok + `}`, 400, "'tags' must be"},
		{"metadata is a string", `{"model":"m","metadata":"x",` + ok + `}`, 400, "Invalid type for 'metadata'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, body := h.do("POST", "/v1/chat/completions", master, tt.body)
			var e struct {
				Error struct {
					Message string `json:"message"`
					Code    string `json:"code"`
				} `json:"error"`
			}
			if err := json.Unmarshal([]byte(body), &e); err != nil || res.StatusCode != tt.status || !strings.Contains(e.Error.Message, tt.text) || e.Error.Code == "" {
				t.Errorf("%d %.300s (%v), want %d with %q", res.StatusCode, body, err, tt.status, tt.text)
			}
		})
	}
	if res, _ := h.ask(master, `"model":"m"`); res.StatusCode != 200 {
		t.Errorf("afterwards: %d", res.StatusCode)
	}
	for path, status := range map[string]int{"/nothing": 404, "/v1/chat/completions": 405} {
		if res, body := h.do("GET", path, master, ""); res.StatusCode != status || !strings.Contains(body, `"error"`) {
			t.Errorf("GET %s: %d %s", path, res.StatusCode, body)
		}
	}
	if res, body := h.do("POST", "/v1/chat/completions", "", "{}"); res.StatusCode != 401 || !strings.Contains(body, "No api key passed in") {
		t.Errorf("no key: %d %s", res.StatusCode, body)
	}
}

func TestAReloadUnderLoadLosesNoCall(t *testing.T) {
	h := start(t, model("mock"))
	before, err := os.ReadFile(h.config)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var calls atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if res, body := h.ask(master, `"model":"m"`); res.StatusCode != 200 {
					t.Errorf("during a reload: %d %s", res.StatusCode, body)
					return
				}
				calls.Add(1)
			}
		})
	}
	served := func(name string) bool {
		res, _ := h.do("GET", "/v1/models/"+name, master, "")
		return res.StatusCode == 200
	}
	for i := range 3 {
		name := fmt.Sprint("new", i)
		h.write(string(bytes.Replace(before, []byte("model_name: m"), []byte("model_name: "+name+"\n    litellm_params: {model: mock/mock}\n  - model_name: m"), 1)))
		for deadline := time.Now().Add(10 * time.Second); !served(name); {
			if time.Now().After(deadline) {
				t.Fatalf("%s is not served ten seconds after it was configured", name)
			}
		}
	}
	h.write("model_list: 7\n") // nobody could serve this
	for range 50 {
		if !served("new2") {
			t.Error("a broken file replaced a good one")
		}
	}
	close(stop)
	wg.Wait()
	if calls.Load() < 20 {
		t.Errorf("only %d calls ran beside the reloads", calls.Load())
	}
}

func TestOtherDialects(t *testing.T) {
	h := start(t, `
model_list:
  - {model_name: claude, litellm_params: {model: anthropic/claude-sonnet-4-5, api_base: MOCK, api_key: k}}
  - {model_name: gem, litellm_params: {model: gemini/gemini-2.5-flash, api_base: MOCK, api_key: k}}
  - {model_name: emb, litellm_params: {model: gemini/gemini-embedding-001, api_base: MOCK, api_key: k}}
`)
	for _, m := range []string{"claude", "gem"} {
		res, body := h.ask(master, `"model":"`+m+`"`)
		if res.StatusCode != 200 || !strings.Contains(body, `"object":"chat.completion"`) || !strings.Contains(body, `"model":"`+m+`"`) || !strings.Contains(body, "Hello from") {
			t.Errorf("%s: %d %s", m, res.StatusCode, body)
		}
		res, body = h.ask(master, `"model":"`+m+`","stream":true`)
		if res.StatusCode != 200 || !strings.Contains(body, `"chat.completion.chunk"`) || !strings.HasSuffix(body, "data: [DONE]\n\n") || strings.Contains(body, `"usage":{`) {
			t.Errorf("%s streamed: %d %s", m, res.StatusCode, body)
		}
		if res, body := h.ask(master, `"model":"`+m+`","logit_bias":{"1":2}`); res.StatusCode != 400 || !strings.Contains(body, "logit_bias") {
			t.Errorf("%s, a parameter it lacks: %d %s", m, res.StatusCode, body)
		}
		res, body = h.ask(master, `"model":"`+m+`","logit_bias":{"1":2},"drop_params":true`)
		if res.StatusCode != 200 || !strings.Contains(res.Header.Get("X-Penstock-Dropped-Params"), "logit_bias") {
			t.Errorf("%s, dropping it: %d %v %s", m, res.StatusCode, res.Header, body)
		}
	}
	res, body := h.do("POST", "/v1/messages", "", `{"model":"claude","max_tokens":50,"messages":[{"role":"user","content":"Hi"}]}`, "x-api-key", master, "anthropic-version", "2023-06-01", "anthropic-beta", "context-1m-2025-08-07, x")
	if res.StatusCode != 200 || !strings.Contains(body, `"type":"message"`) || !strings.Contains(body, `"model":"claude"`) {
		t.Errorf("/v1/messages: %d %s", res.StatusCode, body)
	}
	calls := h.mock.Calls()
	if got := calls[len(calls)-1].Header.Get("Anthropic-Beta"); got != "context-1m-2025-08-07,x" {
		t.Errorf("the provider got the betas %q", got)
	}
	res, body = h.do("POST", "/v1/messages", "", `{"model":"gem","max_tokens":50,"messages":[{"role":"user","content":"Hi"}]}`, "x-api-key", master)
	if res.StatusCode != 400 || !strings.Contains(body, `"type":"error"`) {
		t.Errorf("/v1/messages on Gemini: %d %s", res.StatusCode, body)
	}
	res, body = h.do("POST", "/v1/embeddings", master, `{"model":"emb","input":["a","b"],"encoding_format":"base64"}`)
	if res.StatusCode != 200 || !strings.Contains(body, `"object":"list"`) || !strings.Contains(body, `"embedding":"`) {
		t.Errorf("embeddings: %d %s", res.StatusCode, body)
	}
}

func TestABudgetNeedsAPrice(t *testing.T) {
	h := start(t, "model_list:\n  - {model_name: m, litellm_params: {model: openai/nobody-knows-its-price, api_base: MOCK/v1, api_key: k}}\n")
	if res, body := h.ask(h.key(""), `"model":"m"`); res.StatusCode != 200 {
		t.Errorf("without a budget: %d %s", res.StatusCode, body)
	}
	if res, body := h.ask(h.key(`"max_budget":1`), `"model":"m"`); res.StatusCode != 403 || !strings.Contains(body, "input_cost_per_token") {
		t.Errorf("with a budget: %d %s, want a refusal that says which price to set", res.StatusCode, body)
	}
}

// Without max_tokens a call reserves what is expected; near the end of the
// budget it is capped, and never over it.
func TestNoCallWithoutACapOvershoots(t *testing.T) {
	h := start(t, model("mock-tokens=400"))
	key := h.key(`"max_budget":1`) // a thousand tokens
	capped := 0
	for range 40 {
		res, body := h.ask(key, `"model":"m"`)
		if res.StatusCode == 422 {
			break
		}
		if res.StatusCode != 200 {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		if res.Header.Get("X-Penstock-Max-Tokens") != "" {
			capped++
		}
	}
	spent, err := strconv.ParseFloat(h.spend(key), 64)
	if err != nil || spent > 1 || spent < 0.9 || capped == 0 {
		t.Errorf("spent %v of 1 with %d calls capped (%v), want nearly all, no more, and a cap at the end", spent, capped, err)
	}
}

func TestHealth(t *testing.T) {
	h := start(t, model("mock"))
	for path, want := range map[string]string{
		"/health/liveliness": `"I'm alive!"`, "/health/liveness": `"I'm alive!"`, "/health/readiness": `"status":"healthy","db":"connected"`,
	} {
		if res, body := h.do("GET", path, "", ""); res.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
	for _, path := range []string{"/health", "/metrics", "/v1/models"} {
		if res, body := h.do("GET", path, "", ""); res.StatusCode != 401 {
			t.Errorf("%s without a key: %d %.100s", path, res.StatusCode, body)
		}
	}
	_, _ = h.ask(master, `"model":"m"`)
	if _, body := h.do("GET", "/metrics", master, ""); !strings.Contains(body, `penstock_calls_total{model="m",outcome="success",provider="openai"} 1`) {
		t.Errorf("no call in the metrics: %.500s", body)
	}
	if _, body := h.do("GET", "/health", master, ""); !strings.Contains(body, `"healthy_count":2`) {
		t.Errorf("/health: %s", body)
	}
}

// A destination that is down does not slow calls, and gets them all later.
func TestLoggingSurvivesAnOutage(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	var mu sync.Mutex
	got := map[string]bool{}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var batch []struct {
			CallID string         `json:"litellm_call_id"`
			Cost   jsontext.Value `json:"response_cost"`
			Status string         `json:"status"`
		}
		if err := json.UnmarshalRead(r.Body, &batch); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, c := range batch {
			if c.Status == "success" && c.Cost.String() == "0.005" {
				got[c.CallID] = true
			}
		}
	}))
	defer hook.Close()
	h := start(t, model("mock-tokens=5")+"\nlitellm_settings: {callbacks: [hook]}\ncallback_settings: {hook: {callback_type: generic_api, endpoint: \""+hook.URL+"\"}}\n")
	var ids []string
	for range 30 {
		res, body := h.ask(master, `"model":"m"`)
		if res.StatusCode != 200 {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		ids = append(ids, res.Header.Get("X-Litellm-Call-Id"))
	}
	down.Store(false)
	if err := h.stop(); err != nil { // delivers what waits
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, id := range ids {
		if !got[id] {
			t.Errorf("call %s was not delivered", id)
		}
	}
}

// The same house on PostgreSQL: two replicas, one database.
func TestPostgres(t *testing.T) {
	url := storetest.PostgresURL(t)
	config := model("mock-tokens=5") + "\ngeneral_settings: {database_url: \"" + url + "\"}\n"
	a, b := start(t, config), start(t, config)
	key := a.key(`"max_budget":1`)
	within := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(3 * time.Second); !ok(); {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within three seconds", what)
			}
		}
	}
	if res, body := a.ask(key, `"model":"m"`); res.StatusCode != 200 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	within("a new key reaches the other replica", func() bool { res, _ := b.ask(key, `"model":"m"`); return res.StatusCode == 200 })
	if n := len(a.rows(key)); n < 1 {
		t.Errorf("%d calls on the books, want at least this replica's", n)
	}
	_, _ = a.do("POST", "/key/block", master, `{"key":"`+key+`"}`)
	within("a blocked key is dead on the other replica", func() bool { res, _ := b.ask(key, `"model":"m"`); return res.StatusCode == 401 })
}
