package e2e_test

import (
	"io"
	"net/http/httptrace"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"penstock/internal/store/storetest"
)

func TestBadInputIsRefusedAndHarmless(t *testing.T) {
	t.Parallel()
	h := open(t, `
model_list:
  - {model_name: claude-sonnet, litellm_params: {model: openai/mock-tokens=5, api_base: MOCK/v1, api_key: k, input_cost_per_token: 0, output_cost_per_token: 0.001}}
general_settings: {max_request_size_mb: 2}
`, env())
	key := h.key("")
	const ok = `"messages":[{"role":"user","content":"x"}]`
	for _, tt := range []struct {
		name, body string
		status     int
		text       string
	}{
		{"JSON that stops in the middle", `{"model":`, 400, "Invalid JSON payload"},
		{"no JSON at all", `model=m`, 400, "Invalid JSON payload"},
		{"two values", `{"model":"claude-sonnet",` + ok + `}{}`, 400, "Invalid JSON payload"},
		{"bytes that are not UTF-8", "{\"model\":\"\xff\"," + ok + `}`, 400, ""},
		{"an empty body", ``, 400, "empty body"},
		{"an array", `[]`, 400, "want a JSON object"},
		{"null", `null`, 400, "want a JSON object"},
		{"the model twice", `{"model":"claude-sonnet","model":"x",` + ok + `}`, 400, "stands twice"},
		{"no model", `{` + ok + `}`, 400, "Missing required parameter: 'model'"},
		{"no messages", `{"model":"claude-sonnet"}`, 400, "Missing required parameter: 'messages'"},
		{"a model that is a number", `{"model":1,` + ok + `}`, 400, "must be a string"},
		{"a model that is null", `{"model":null,` + ok + `}`, 400, "'model'"},
		{"stream is a word", `{"model":"claude-sonnet","stream":"yes",` + ok + `}`, 400, "'stream' must be"},
		{"max_tokens is a word", `{"model":"claude-sonnet","max_tokens":"many",` + ok + `}`, 400, "'max_tokens' must be"},
		{"max_tokens is beyond every integer", `{"model":"claude-sonnet","max_tokens":1e400,` + ok + `}`, 400, "'max_tokens' must be"},
		{"max_tokens is zero", `{"model":"claude-sonnet","max_tokens":0,` + ok + `}`, 400, "'max_tokens' must be"},
		{"n is negative", `{"model":"claude-sonnet","n":-1,` + ok + `}`, 400, "'n' must be"},
		{"metadata is a string", `{"model":"claude-sonnet","metadata":"x",` + ok + `}`, 400, "'metadata'"},
		{"an unknown model with a near match", `{"model":"claude-sonet",` + ok + `}`, 400, "Did you mean 'claude-sonnet'?"},
		{"an unknown model like none", `{"model":"zzzzzzzzzzzz",` + ok + `}`, 400, "Invalid model name passed in model=zzzzzzzzzzzz"},
		{"NUL, CRLF and quotes in the model", `{"model":"a\u0000\r\nX-Evil: 1\"'",` + ok + `}`, 400, "Invalid model name"},
		{"a model name of a megabyte", `{"model":"` + strings.Repeat("x", 1<<20) + `",` + ok + `}`, 400, "Invalid model name"},
		{"a client's own address", `{"model":"claude-sonnet","api_base":"http://127.0.0.1:1",` + ok + `}`, 401, "api_base is not allowed"},
		{"a client's own provider key", `{"model":"claude-sonnet","api_key":"x",` + ok + `}`, 401, "api_key is not allowed"},
		{"nested a hundred thousand deep", `{"model":"claude-sonnet","x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `,` + ok + `}`, 400, "nested too deeply"},
		{"nested deep in objects, never closed", `{"model":"claude-sonnet","x":` + strings.Repeat(`{"a":`, 100_000), 400, "Invalid JSON payload"},
		{"a body over the limit", `{"model":"claude-sonnet","x":"` + strings.Repeat("x", 3<<20) + `",` + ok + `}`, 400, "too large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := h.do("POST", "/v1/chat/completions", key, tt.body)
			var e struct {
				Error struct {
					Message string  `json:"message"`
					Type    string  `json:"type"`
					Code    *string `json:"code"`
				} `json:"error"`
			}
			if err := json.Unmarshal([]byte(a.body), &e); err != nil {
				t.Fatalf("not an error object with a code that is a string: %v: %s", err, a)
			}
			if a.status != tt.status || !strings.Contains(e.Error.Message, tt.text) || e.Error.Type == "" || e.Error.Code == nil || *e.Error.Code == "" {
				t.Errorf("%s\nwant %d with %q, a type and a code", a, tt.status, tt.text)
			}
			if len(a.body) > 4<<10 || a.header.Get("X-Evil") != "" {
				t.Errorf("the input comes back in the answer: %d bytes, %v", len(a.body), a.header)
			}
			again, reused := h.traced(t, key, `{"model":"claude-sonnet",`+ok+`}`)
			if again.status != 200 {
				t.Errorf("the next call: %s", again)
			}
			// Of a body that is too large nobody reads the rest, so that
			// connection cannot go on.
			if !reused && tt.text != "too large" {
				t.Error("the connection was closed")
			}
		})
	}
	if got := h.mock.Stats(); got.Received != got.Answered {
		t.Errorf("the provider was asked about bad input: %+v", got)
	}
}

// traced makes a chat call and reports whether its connection was an old one.
func (h *house) traced(t *testing.T, key, body string) (a *answer, reused bool) {
	t.Helper()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
	res, err := h.send(ctx, "POST", "/v1/chat/completions", key, body)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &answer{res.StatusCode, res.Header, string(b)}, reused
}

// Odd names of end users are refused or taken, and never stop the books: a
// database may be unable to hold what JSON can say.
func TestOddUsersAreOnlyText(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		oddUsers(t, open(t, oneModel("mock-tokens=5"), env()))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		oddUsers(t, open(t, oneModel("mock-tokens=5"), env(), "DATABASE_URL="+storetest.EmptyPostgresURL(t)))
	})
}

func oddUsers(t *testing.T, h *house) {
	t.Helper()
	for _, tt := range []struct {
		name, user string
		status     int
	}{
		{"NUL", `"a\u0000b"`, 200},
		{"CRLF", `"a\r\nX-Evil: 1"`, 200},
		{"quotes", `"'; DROP TABLE calls; --\""`, 200},
		{"a lone surrogate", `"\ud800"`, 200},
		{"a megabyte", `"` + strings.Repeat("u", 1<<20) + `"`, 200},
		{"letters of two bytes, more than are kept", `"x` + strings.Repeat("é", 1000) + `"`, 200},
		{"a number", `7`, 200},
		{"an object", `{"a":1}`, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := h.key("")
			a := h.ask(key, `"model":"m","user":`+tt.user)
			if a.status != tt.status || a.header.Get("X-Evil") != "" {
				t.Fatalf("%s\nwant %d", a, tt.status)
			}
			if rows := h.rows(key); a.status == 200 && (len(rows) != 1 || rows[0].Spend.String() != "0.005") {
				t.Errorf("on the books: %+v, want one row for 0.005", rows)
			}
		})
	}
}
