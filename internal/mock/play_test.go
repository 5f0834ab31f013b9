package mock_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/internal/mock"
)

// serve sends one request without a server.
func serve(s *mock.Server, path, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.Background(), "POST", "http://mock/", strings.NewReader(body))
	r.URL.Path = path
	s.ServeHTTP(w, r)
	return w
}

// timed notes when each write came.
type timed struct {
	*httptest.ResponseRecorder
	start time.Time
	at    []time.Duration
}

func (w *timed) Write(p []byte) (int, error) {
	w.at = append(w.at, time.Since(w.start))
	return w.ResponseRecorder.Write(p)
}

func TestScriptsKeepTime(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name, script, more string
		want               []time.Duration // of the writes
	}{
		{"no script, no wait", "", `"stream":true,`, []time.Duration{0}},
		{"latency delays all", "latency=50", "", []time.Duration{50 * ms}},
		{"first delays the body", "latency=50,first=10", "", []time.Duration{60 * ms}},
		{"gaps stand between chunks, the end mark follows at once", "chunks=3,gap=20", `"stream":true,`, []time.Duration{0, 20 * ms, 40 * ms, 40 * ms}},
		{"latency, first and gaps add up", "latency=5,first=10,chunks=2,gap=20", `"stream":true,`, []time.Duration{15 * ms, 35 * ms, 35 * ms}},
		{"a cut stops the clock", "chunks=9,gap=20,short=2", `"stream":true,`, []time.Duration{0, 20 * ms, 20 * ms}},
		{"slow headers without a connection to take are latency", "slow_headers=70", "", []time.Duration{70 * ms}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &timed{ResponseRecorder: httptest.NewRecorder(), start: time.Now()}
				r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/chat/completions", strings.NewReader(chat("m", tt.more)))
				r.Header.Set("X-Mock-Script", tt.script)
				mock.New(mock.Options{}).ServeHTTP(w, r)
				if len(w.at) != len(tt.want) {
					t.Fatalf("writes at %v, want %v", w.at, tt.want)
				}
				for i := range w.at {
					if w.at[i] != tt.want[i] {
						t.Errorf("writes at %v, want %v", w.at, tt.want)
					}
				}
			})
		})
	}
}

func TestScriptedFailures(t *testing.T) {
	tests := []struct {
		name, path, body string
		status           int
		want, retry      string
	}{
		{"OpenAI 429 with its time", "/v1/chat/completions", chat("mock-status=429,retry_after=3", ""), 429, `"code":"rate_limit_exceeded"`, "3"},
		{"OpenAI 400 is a context overflow", "/v1/chat/completions", chat("mock-status=400", ""), 400, `"param":"messages","code":"context_length_exceeded"`, ""},
		{"OpenAI 401", "/v1/chat/completions", chat("mock-status=401", ""), 401, `"code":"invalid_api_key"`, ""},
		{"OpenAI 500", "/v1/chat/completions", chat("mock-status=500", `"stream":true,`), 500, `"type":"server_error"`, ""},
		{"OpenAI 503", "/v1/embeddings", `{"model":"mock-status=503","input":"x"}`, 503, `"type":"server_error"`, ""},
		{"a status without words of its own", "/v1/chat/completions", chat("mock-status=418", ""), 418, `Failed with status 418`, ""},
		{"502 is a page of HTML", "/v1/chat/completions", chat("mock-status=502", ""), 502, `<html>`, ""},
		{"Anthropic 529", "/v1/messages", `{"model":"mock-status=529","max_tokens":1,"messages":[{"role":"user","content":"x"}]}`, 529, `"type":"overloaded_error"`, ""},
		{"Anthropic 400 is a context overflow", "/v1/messages", `{"model":"mock-status=400","max_tokens":1,"messages":[{"role":"user","content":"x"}]}`, 400, `prompt is too long`, ""},
		{"Gemini 429 says when in its details", "/v1beta/models/mock-status=429,retry_after=17:generateContent", `{"contents":[{"parts":[{"text":"x"}]}]}`, 429, `"retryDelay":"17s"`, "17"},
		{"Gemini 400 is a context overflow", "/v1beta/models/mock-status=400:generateContent", `{"contents":[{"parts":[{"text":"x"}]}]}`, 400, `exceeds the maximum number of tokens allowed`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := serve(mock.New(mock.Options{}), tt.path, tt.body)
			got := w.Body.String()
			if w.Code != tt.status || !strings.Contains(got, tt.want) || w.Header().Get("Retry-After") != tt.retry {
				t.Errorf("got %d, Retry-After %q, %s\nwant %d, %q, and in it %s", w.Code, w.Header().Get("Retry-After"), got, tt.status, tt.retry, tt.want)
			}
		})
	}
}

func TestFlakyModelsRecover(t *testing.T) {
	s := mock.New(mock.Options{})
	for i, want := range []int{500, 500, 200, 200} {
		if w := serve(s, "/v1/chat/completions", chat("mock-flaky=2", "")); w.Code != want {
			t.Errorf("call %d: got %d, want %d", i, w.Code, want)
		}
	}
	if w := serve(s, "/v1/chat/completions", chat("other-mock-flaky=2", "")); w.Code != 500 {
		t.Errorf("first call of another name: got %d, want 500", w.Code)
	}
}

func TestLargeEmbeddings(t *testing.T) {
	for _, large := range []string{"17000", "200000"} {
		w := serve(mock.New(mock.Options{}), "/v1/embeddings", `{"model":"mock-large=`+large+`","input":"x"}`)
		if got, want := w.Body.Len(), map[string]int{"17000": 17000, "200000": 200000}[large]; got < want-10 || got > want+200 {
			t.Errorf("large=%s: %d bytes, want about %d", large, got, want)
		}
	}
}

func TestBrokenStreams(t *testing.T) {
	anthropic := func(model string) string {
		return `{"model":"` + model + `","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}`
	}
	tests := []struct {
		name, path, body string
		events           string // names of the events that came, "-" for one without
		err              error  // of reading the body
	}{
		{"a cut after two chunks", "/v1/chat/completions", chat("mock-tokens=4,cut=2", `"stream":true,`), "- - -", io.ErrUnexpectedEOF},
		{"a cut with gaps", "/v1/chat/completions", chat("mock-tokens=4,cut=2,gap=1", `"stream":true,`), "- - -", io.ErrUnexpectedEOF},
		{"a cut after the last chunk leaves the end out", "/v1/chat/completions", chat("mock-tokens=2,cut=9", `"stream":true,`), "- - - - done", io.ErrUnexpectedEOF},
		{"a stream that just ends", "/v1/chat/completions", chat("mock-tokens=4,short=4", `"stream":true,`), "- - - - -", nil},
		{"an error event at once", "/v1/chat/completions", chat("mock-error=0", `"stream":true,`), "- error", nil},
		{"an error event after a chunk", "/v1/chat/completions", chat("mock-error=1,gap=1", `"stream":true,`), "- - error", nil},
		{"Anthropic's error event", "/v1/messages", anthropic("mock-error=1"), "message_start content_block_start ping content_block_delta error", nil},
		{"Gemini's error event", "/v1beta/models/mock-error=1:streamGenerateContent?alt=sse", `{"contents":[{"parts":[{"text":"x"}]}]}`, "- error", nil},
		{"slow headers do not harm the stream", "/v1/chat/completions", chat("mock-tokens=1,slow_headers=4", `"stream":true,`), "- - - done", nil},
		{"slow headers, then a cut", "/v1/chat/completions", chat("mock-tokens=4,slow_headers=4,cut=1", `"stream":true,`), "- -", io.ErrUnexpectedEOF},
	}
	srv := httptest.NewServer(mock.New(mock.Options{}))
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, body, err := post(t, srv.URL+tt.path, tt.body)
			if !errors.Is(err, tt.err) {
				t.Errorf("reading the body: %v, want %v", err, tt.err)
			}
			if resp == nil || resp.StatusCode != 200 || resp.ContentLength != -1 {
				t.Fatalf("got %+v, want 200 without a length", resp)
			}
			names := eachEvent(t, body)
			for i := range names {
				if names[i] == "" {
					names[i] = "-"
				}
			}
			if got := strings.Join(names, " "); got != tt.events {
				t.Errorf("events %q, want %q", got, tt.events)
			}
		})
	}
}

func TestBrokenWholeAnswers(t *testing.T) {
	s := mock.New(mock.Options{})
	srv := httptest.NewServer(s)
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	whole := serve(s, "/v1/chat/completions", chat("m", "")).Body.Len()
	tests := []struct {
		name, model string
		bytes       int // of the body, -1 for no answer at all
		err         error
	}{
		{"no answer", "mock-cut=0", -1, io.EOF},
		{"half an answer", "mock-cut=1", (whole + len("mock-cut=1") - 1) / 2, io.ErrUnexpectedEOF},
		{"to the byte", "mock-cut_bytes=37", 37, io.ErrUnexpectedEOF},
		{"headers only", "mock-cut_bytes=0", 0, io.ErrUnexpectedEOF},
		{"half an answer that claims to be whole", "mock-short=1", (whole + len("mock-short=1") - 1) / 2, nil},
		{"slow headers, whole answer", "mock-slow_headers=4", whole + len("mock-slow_headers=4") - 1, nil},
		{"slow headers, then a cut", "mock-slow_headers=4,cut_bytes=5", 5, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, body, err := post(t, srv.URL+"/v1/chat/completions", chat(tt.model, ""))
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			// The id of the answer has one or two digits.
			if got := len(body); tt.bytes >= 0 && (got < tt.bytes || got > tt.bytes+1) {
				t.Errorf("%d bytes came, want %d: %s", got, tt.bytes, body)
			}
		})
	}
}

func TestTheMockSeesClientsLeave(t *testing.T) {
	tests := []struct{ name, model, more string }{
		{"while it hangs", "mock-hang", ""},
		{"in its latency", "mock-latency=1h", ""},
		{"before the first byte", "mock-first=1h", ""},
		{"between two chunks", "mock-gap=1h", `"stream":true,`},
		{"in a stall", "mock-stall=1", `"stream":true,`},
		{"in slow headers", "mock-slow_headers=1h", ""},
		{"in a stall after slow headers", "mock-slow_headers=3,stall=2", `"stream":true,`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mock.New(mock.Options{})
			srv := httptest.NewServer(s)
			defer srv.Close()
			defer http.DefaultClient.CloseIdleConnections()

			ctx, leave := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				r, _ := http.NewRequestWithContext(ctx, "POST", srv.URL+"/v1/chat/completions", strings.NewReader(chat(tt.model, tt.more)))
				if resp, err := http.DefaultClient.Do(r); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			}()
			wait(t, s, func(st mock.Stats) bool { return st.Received == 1 })
			leave()
			<-done
			wait(t, s, func(st mock.Stats) bool { return st.Cancelled == 1 })
			c := s.Calls()[0]
			if c.Outcome != mock.Cancelled || c.End.Before(c.Start) || c.Model != tt.model {
				t.Errorf("call %+v, want it cancelled, with its time and model", c)
			}
		})
	}
}

func wait(t *testing.T, s *mock.Server, want func(mock.Stats) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Wait(ctx, want); err != nil {
		t.Fatalf("waiting: %v; counters %+v", err, s.Stats())
	}
}

func TestCloseEndsCallsThatWait(t *testing.T) {
	s := mock.New(mock.Options{})
	srv := httptest.NewServer(s)
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	done := make(chan error)
	go func() {
		_, _, err := post(t, srv.URL+"/v1/chat/completions", chat("mock-hang", ""))
		done <- err
	}()
	wait(t, s, func(st mock.Stats) bool { return st.Received == 1 })
	s.Close()
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("the waiting client got %v, want EOF", err)
	}
}

func TestAChunkArrivesBeforeTheNextIsDue(t *testing.T) {
	s := mock.New(mock.Options{})
	srv := httptest.NewServer(s)
	defer srv.Close()
	defer http.DefaultClient.CloseIdleConnections()
	r, _ := http.NewRequestWithContext(t.Context(), "POST", srv.URL+"/v1/chat/completions", strings.NewReader(chat("mock-gap=1h", `"stream":true,`)))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for range 4 {
		lines.Scan()
	}
	if got := lines.Text(); lines.Err() != nil || got != "" {
		t.Errorf("line 4 is %q, %v, want the blank line of the first word", got, lines.Err())
	}
}
