package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"penstock/internal/app"
	"penstock/internal/mock"
)

// heard is what a client has understood of an answer.
type heard struct {
	status int
	text   string // of the answer
	whole  bool   // it came to its end
	errors int    // error events in a stream, or an error instead of an answer
	broken string // what no client could read, "" if there is nothing
	header http.Header
	raw    string
}

// correct reports whether the client has the whole answer and no word of trouble.
func (a *heard) correct(text string) bool {
	return a.status == 200 && a.whole && a.errors == 0 && a.broken == "" && a.text == text
}

// cleanError reports whether the client was told, once and in good form, that
// the answer it had begun to read is not whole.
func (a *heard) cleanError(text string) bool {
	return !a.whole && a.errors == 1 && a.broken == "" && strings.HasPrefix(text, a.text)
}

func (a *heard) String() string { return fmt.Sprintf("%d %+v\n%s", a.status, a.header, a.raw) }

type openAIChunk struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
		Finish *string `json:"finish_reason"`
	} `json:"choices"`
	Error *struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Code    string `json:"code"`
	} `json:"error"`
}

type anthropicEvent struct {
	Type    string `json:"type"`
	Content []struct {
		Text string `json:"text"`
	} `json:"content"`
	Delta struct {
		Text string `json:"text"`
	} `json:"delta"`
	Error *struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
}

// hear reads an answer as strictly as a client can.
func hear(res *http.Response, body string, anthropic bool) *heard {
	a := &heard{status: res.StatusCode, header: res.Header, raw: body}
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		a.document(body, anthropic)
		return a
	}
	if !strings.HasSuffix(body, "\n\n") {
		a.broken = "the stream ends in the middle of an event"
	}
	for event := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		if a.whole || a.errors > 0 {
			a.broken = "something follows the end: " + event
		}
		data := ""
		for line := range strings.SplitSeq(event, "\n") {
			switch {
			case strings.HasPrefix(line, "data: "):
				data += strings.TrimPrefix(line, "data: ")
			case strings.HasPrefix(line, "event: "), strings.HasPrefix(line, ":"):
			default:
				a.broken = "a line that is no field: " + line
			}
		}
		a.event(data, anthropic)
	}
	return a
}

func (a *heard) document(body string, anthropic bool) {
	var err error
	if anthropic {
		var v anthropicEvent
		err = json.Unmarshal([]byte(body), &v)
		for _, c := range v.Content {
			a.text += c.Text
		}
		if v.Error != nil {
			a.errors++
		}
	} else {
		var v openAIChunk
		err = json.Unmarshal([]byte(body), &v)
		for _, c := range v.Choices {
			a.text += c.Message.Content
		}
		if v.Error != nil {
			a.errors++
		}
	}
	if err != nil {
		a.broken = err.Error()
	}
	a.whole = a.errors == 0
}

func (a *heard) event(data string, anthropic bool) {
	switch {
	case data == "":
	case anthropic:
		var v anthropicEvent
		if err := json.Unmarshal([]byte(data), &v); err != nil {
			a.broken = err.Error() + ": " + data
		}
		a.text += v.Delta.Text
		if v.Error != nil && v.Type == "error" && v.Error.Message != "" && v.Error.Type != "" {
			a.errors++
		}
		a.whole = a.whole || v.Type == "message_stop"
	case data == "[DONE]":
		a.whole = true
	default:
		var v openAIChunk
		if err := json.Unmarshal([]byte(data), &v); err != nil {
			a.broken = err.Error() + ": " + data
		}
		for _, c := range v.Choices {
			a.text += c.Delta.Content
		}
		if v.Error != nil && v.Error.Message != "" && v.Error.Code != "" {
			a.errors++
		}
	}
}

// talk sends a call in the dialect of the path and hears its answer.
func (h *house) talk(path, model, members string, header ...string) *heard {
	h.t.Helper()
	res, body := h.do("POST", path, master, `{"model":"`+model+`","max_tokens":64,"messages":[{"role":"user","content":"Hello"}]`+members+`}`, header...)
	return hear(res, body, path == "/v1/messages")
}

const twins = `
model_list:
  - {model_name: openai, litellm_params: {model: openai/a, api_base: MOCK/v1, api_key: k}, model_info: {id: openai-a}}
  - {model_name: openai, litellm_params: {model: openai/b, api_base: MOCK/v1, api_key: k}, model_info: {id: openai-b}}
  - {model_name: claude, litellm_params: {model: anthropic/claude-sonnet-4-5, api_base: MOCK, api_key: k}, model_info: {id: claude-a}}
  - {model_name: claude, litellm_params: {model: anthropic/claude-sonnet-4-5, api_base: MOCK, api_key: k}, model_info: {id: claude-b}}
  - {model_name: gemini, litellm_params: {model: gemini/gemini-2.5-flash, api_base: MOCK, api_key: k}, model_info: {id: gemini-a}}
  - {model_name: gemini, litellm_params: {model: gemini/gemini-2.5-flash, api_base: MOCK, api_key: k}, model_info: {id: gemini-b}}
router_settings: {num_retries: 1, disable_cooldowns: true}
`

// A provider's connection breaks after every possible number of bytes. Before
// the first word went to the client another deployment gives the answer; after
// it the client is told, once.
func TestACutAtEveryByteOfAnAnswer(t *testing.T) {
	t.Parallel()
	h := start(t, twins)
	const text = "Hello from the Penstock mock."
	for _, tt := range []struct {
		name, path, model, members string
	}{
		{"an OpenAI stream with usage", "/v1/chat/completions", "openai", `,"stream":true,"stream_options":{"include_usage":true}`},
		{"an Anthropic stream to its own client", "/v1/messages", "claude", `,"stream":true`},
		{"an Anthropic stream to an OpenAI client", "/v1/chat/completions", "claude", `,"stream":true`},
		{"a Gemini stream", "/v1/chat/completions", "gemini", `,"stream":true`},
		{"an OpenAI document", "/v1/chat/completions", "openai", ``},
		{"an Anthropic document", "/v1/messages", "claude", ``},
		{"a Gemini document", "/v1/chat/completions", "gemini", ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			said := mock.Step{Text: text, Chunks: 3}
			saved, told := 0, 0
			step := 1
			stream := strings.Contains(tt.members, "stream")
			if !stream {
				step = 7 // half a document is half a document
			}
			for n := 0; ; n += step {
				cut := said
				cut.CutBytes = mock.After(n)
				h.mock.Script(cut, said)
				a := h.talk(tt.path, tt.model, tt.members)
				retried := a.header.Get("X-Litellm-Attempted-Retries") == "1"
				switch {
				case a.correct(text) && retried:
					saved++
					if told > 0 {
						t.Fatalf("cut after %d bytes: tried again, although a cut before that was too late for it", n)
					}
				case a.correct(text): // the cut was after all that matters
				case a.cleanError(text) && a.status == 200 && a.text != "":
					told++
				default:
					t.Fatalf("cut after %d bytes: neither a whole answer nor a clean error (%s): %s", n, a.broken, a)
				}
				calls := h.mock.Calls()
				if last := calls[len(calls)-1]; !retried && last.Outcome == mock.Answered {
					break // the cut was behind the end
				}
				if n > 10_000 {
					t.Fatal("the answer does not end")
				}
			}
			if saved*step < 100 || stream != (told > 0) {
				t.Errorf("%d cuts were saved by the other deployment and %d told to the client", saved, told)
			}
		})
	}
}

// storms is a group whose first deployment is in trouble and whose second is well.
func storms(script, settings string) string {
	return `
model_list:
  - {model_name: m, litellm_params: {model: "openai/mock-` + script + `", api_base: MOCK/v1, api_key: k, order: 1, timeout: 0.15, stream_timeout: 0.15}, model_info: {id: ill}}
  - {model_name: m, litellm_params: {model: openai/well, api_base: MOCK/v1, api_key: k, order: 2}, model_info: {id: well}}
router_settings: {num_retries: 0` + settings + `}
`
}

// As long as one deployment is well, no client notices the others.
func TestTroubleOfOneDeploymentReachesNoClient(t *testing.T) {
	for _, tt := range []struct{ name, script, settings string }{
		{"a storm of 429", "status=429,retry_after=30", ""},
		{"a storm of 429 that nothing cools", "status=429,retry_after=30", ", disable_cooldowns: true"},
		{"a failing server", "status=500", ""},
		{"a proxy's page", "status=502", ""},
		{"a wrong key", "status=401", ""},
		{"it hangs", "hang", ""},
		{"its headers drip", "slow_headers=5000", ""},
		{"its first byte is late", "first=5000", ""},
		{"it breaks before its headers", "cut=0", ""},
		{"it breaks before its first word", "cut_bytes=40", ""},
		{"it stalls before its first word", "stall=0", ""},
		{"it ends before its first word", "short=0", ""},
		{"it gives up before its first word", "error=0", ""},
		{"it flaps", "flaky=3", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := start(t, storms(tt.script, tt.settings))
			for i := range 6 {
				members := ""
				if i%2 == 0 {
					members = `,"stream":true`
				}
				if a := h.talk("/v1/chat/completions", "m", members); !a.correct("Hello from the Penstock mock. Hello from the Penstock mock. Hello from") {
					t.Fatalf("call %d: %s %s", i, a.broken, a)
				}
			}
		})
	}
}

// What nobody could have answered is told once, in time and in the client's form.
func TestTroubleOfAllDeploymentsIsToldOnce(t *testing.T) {
	h := start(t, `
model_list:
  - {model_name: hangs, litellm_params: {model: openai/mock-hang, api_base: MOCK/v1, api_key: k, timeout: 0.1, stream_timeout: 0.1}}
  - {model_name: late, litellm_params: {model: openai/mock-first=5000, api_base: MOCK/v1, api_key: k, timeout: 0.1, stream_timeout: 0.1}}
  - {model_name: stalls, litellm_params: {model: "openai/mock-chunks=5,stall=2", api_base: MOCK/v1, api_key: k, stream_timeout: 0.1}}
  - {model_name: endless, litellm_params: {model: "openai/mock-chunks=1000,gap=20", api_base: MOCK/v1, api_key: k, stream_timeout: 0.3}}
  - {model_name: gives-up, litellm_params: {model: "openai/mock-chunks=5,error=2", api_base: MOCK/v1, api_key: k}}
  - {model_name: short, litellm_params: {model: "openai/mock-chunks=5,short=2", api_base: MOCK/v1, api_key: k}}
  - {model_name: claude-stalls, litellm_params: {model: "anthropic/mock-chunks=5,stall=2", api_base: MOCK, api_key: k, stream_timeout: 0.1}}
  - {model_name: claude-gives-up, litellm_params: {model: "anthropic/mock-chunks=5,error=2", api_base: MOCK, api_key: k}}
  - {model_name: gone, litellm_params: {model: openai/x, api_base: "http://127.0.0.1:1/v1", api_key: k}}
router_settings: {num_retries: 0, max_stream_duration: 0.4}
`)
	const chat, messages = "/v1/chat/completions", "/v1/messages"
	for _, tt := range []struct {
		name, path, model, members string
		status                     int
		says                       string
	}{
		{"it hangs", chat, "hangs", ``, 408, "did not answer within 100ms"},
		{"it hangs, streamed", chat, "hangs", `,"stream":true`, 408, "did not answer within 100ms"},
		{"the client has less patience", chat, "hangs", `,"timeout":0.03`, 408, "within 30ms"},
		{"the client has less patience with streams", chat, "hangs", `,"stream":true,"stream_timeout":0.03`, 408, "within 30ms"},
		{"headers and nothing more", chat, "late", `,"stream":true`, 408, "began no answer within 100ms"},
		{"it stalls after some words", chat, "stalls", `,"stream":true`, 200, "sent nothing more for 100ms"},
		{"it never ends", chat, "endless", `,"stream":true`, 200, "did not end within 400ms"},
		{"it gives up after some words", chat, "gives-up", `,"stream":true`, 200, "The server had an error"},
		{"it ends without its end", chat, "short", `,"stream":true`, 200, "was cut short"},
		{"an Anthropic stream stalls", messages, "claude-stalls", `,"stream":true`, 200, "sent nothing more for 100ms"},
		{"an Anthropic stream gives up", messages, "claude-gives-up", `,"stream":true`, 200, "Overloaded"},
		{"nobody listens", chat, "gone", ``, 502, "cannot reach openai"},
		{"nobody listens to an Anthropic client", messages, "claude-gone", ``, 400, "Invalid model name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begun := time.Now()
			a := h.talk(tt.path, tt.model, tt.members)
			if a.status != tt.status || a.errors != 1 || a.whole || a.broken != "" || !strings.Contains(a.raw, tt.says) {
				t.Errorf("%s%s\nwant one clean error that says %q", a.broken, a, tt.says)
			}
			if took := time.Since(begun); took > 4*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	if a := h.talk(chat, "hangs", ``, "x-litellm-timeout", "0.02"); a.status != 408 || !strings.Contains(a.raw, "within 20ms") {
		t.Errorf("the client's header: %s", a)
	}
	if calls := h.mock.Calls(); slices.ContainsFunc(calls, func(c mock.Call) bool { return c.Outcome == mock.Running }) {
		h.eventually("no call to a provider is left open", func() bool {
			return !slices.ContainsFunc(h.mock.Calls(), func(c mock.Call) bool { return c.Outcome == mock.Running })
		})
	}
}

// eventually waits for what another goroutine does.
func (h *house) eventually(what string, ok func() bool) {
	h.t.Helper()
	app.Eventually(h.t, what, ok)
}
