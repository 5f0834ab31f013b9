package openai_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// show writes events as lines that a reader can compare.
func show(evs []canon.Event) []string {
	out := make([]string, 0, len(evs))
	for _, ev := range evs {
		s := map[canon.EventKind]string{
			canon.EvStart: "start", canon.EvText: "text", canon.EvReasoning: "reasoning", canon.EvSignature: "signature",
			canon.EvRedacted: "redacted", canon.EvRefusal: "refusal", canon.EvToolStart: "tool", canon.EvToolArgs: "args",
			canon.EvMedia: "media", canon.EvAnnotation: "annotation", canon.EvLogprobs: "logprobs", canon.EvExtra: "extra",
			canon.EvFinish: "finish", canon.EvUsage: "usage", canon.EvError: "error",
		}[ev.Kind]
		if ev.Choice != 0 {
			s += fmt.Sprintf(" choice=%d", ev.Choice)
		}
		if ev.Kind == canon.EvToolStart || ev.Kind == canon.EvToolArgs {
			s += fmt.Sprintf(" %d", ev.Tool)
		}
		for _, v := range []string{ev.ID, ev.Model, ev.Name, ev.Text, ev.Signature, string(ev.Raw), string(ev.Finish), ev.Native} {
			if v != "" {
				s += " " + v
			}
		}
		if ev.Media != nil {
			s += fmt.Sprintf(" %s %s%s", ev.Media.MIME, ev.Media.Data, ev.Media.URL)
		}
		if ev.Kind == canon.EvUsage {
			s += fmt.Sprintf(" %d+%d", ev.Usage.Prompt, ev.Usage.Completion)
		}
		if ev.Err != nil {
			s += fmt.Sprintf(" %v status=%d", ev.Err, ev.Err.Status)
		}
		out = append(out, s)
	}
	return out
}

// decodeStream plays a stream of data lines.
func decodeStream(t testing.TB, lines ...string) ([]canon.Event, bool) {
	t.Helper()
	d := openai.NewDecoder()
	var evs []canon.Event
	for _, line := range lines {
		data := []byte(line)
		var err error
		if evs, err = d.Decode("", data, evs); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		clear(data)
	}
	return evs, d.Done()
}

// delta returns a chunk with the delta.
func delta(d string) string {
	return `{"id":"c","model":"v","choices":[{"index":0,"delta":` + d + `}]}`
}

func TestDecoder(t *testing.T) {
	const finish = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	for _, tt := range []struct {
		name  string
		lines []string
		want  []string
		done  bool
	}{
		{
			"text, a finish and the usage after it",
			[]string{delta(`{"role":"assistant","content":""}`), delta(`{"content":"hé"}`), finish, `{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}`, "[DONE]"},
			[]string{"start c v", "text hé", "finish stop stop", "usage 3+2"},
			true,
		},
		{"a finish without the end mark is an end", []string{delta(`{"content":"a"}`), finish}, []string{"start c v", "text a", "finish stop stop"}, true},
		{"no finish and no end mark is a cut", []string{delta(`{"content":"a"}`)}, []string{"start c v", "text a"}, false},
		{"the finish counts once", []string{finish, finish}, []string{"start", "finish stop stop"}, true},
		{"an empty finish says nothing yet", []string{`{"choices":[{"delta":{"content":"a"},"finish_reason":""}]}`}, []string{"start", "text a"}, false},
		{
			"a stop after calls is tool_calls",
			[]string{delta(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}`), finish},
			[]string{"start c v", "tool 0 a f", "args 0 {}", "finish tool_calls stop"},
			true,
		},
		{
			"calls by number, in fragments",
			[]string{
				delta(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}`), delta(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]}`),
				delta(`{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":""}}]}`), delta(`{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}`), delta(`{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}`),
			},
			[]string{"start c v", "tool 0 a f", `args 0 {"x"`, "tool 1 b g", "args 0 :1}", "args 1 {}"},
			false,
		},
		{
			"calls that all have number 0 are told apart by id",
			[]string{
				delta(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}]}`), delta(`{"tool_calls":[{"index":0,"function":{"arguments":" "}}]}`),
			},
			[]string{"start c v", "tool 0 a f", "args 0 {}", "tool 1 b f", "args 1 {}", "args 1  "},
			false,
		},
		{
			"calls without number and id get both",
			[]string{delta(`{"tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"g"}}]}`)},
			[]string{"start c v", "tool 0 call_0 f", `args 0 {"a":1}`, "tool 1 call_1 g"},
			false,
		},
		{
			"the old function_call",
			[]string{delta(`{"function_call":{"name":"f","arguments":"{"}}`), delta(`{"function_call":{"arguments":"}"}}`)},
			[]string{"start c v", "tool 0 call_0 f", "args 0 {", "args 0 }"},
			false,
		},
		{
			"signatures on calls, LiteLLM's and Google's",
			[]string{delta(`{"tool_calls":[{"index":0,"id":"a__thought__S1","function":{"name":"f"}},{"index":1,"id":"b","function":{"name":"g"},"extra_content":{"google":{"thought_signature":"S2"}}}]}`)},
			[]string{"start c v", "tool 0 a f S1", "tool 1 b g S2"},
			false,
		},
		{"reasoning under its two names, once", []string{delta(`{"reasoning":"a","reasoning_content":"a"}`), delta(`{"reasoning":"b"}`)}, []string{"start c v", "reasoning a", "reasoning b"}, false},
		{
			"thinking blocks instead of the text they repeat",
			[]string{delta(`{"reasoning_content":"a","thinking_blocks":[{"type":"thinking","thinking":"a","signature":"S"},{"type":"redacted_thinking","data":"D"}]}`)},
			[]string{"start c v", "reasoning a", "signature S", "redacted D"},
			false,
		},
		{
			"Mistral's thinking in a list",
			[]string{delta(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"},{"type":"text","text":"!"}]},{"type":"text","text":"so"}]}`)},
			[]string{"start c v", "reasoning hm!", "text so"},
			false,
		},
		{
			"a picture, a recording, an annotation, logprobs and a vendor's own data",
			[]string{
				`{"choices":[{"index":1,"delta":{"images":[{"image_url":{"url":"data:image/png;base64,iVBO"}}],"audio":{"id":"x","data":"UklG","transcript":"hi"},"annotations":[{"a":1}],"provider_specific_fields":{"k":[2],"n":null}},"logprobs":{"content":[]}}]}`,
			},
			[]string{"start", "media choice=1 image/png iVBO", "media choice=1 x hi audio/wav UklG", `annotation choice=1 {"a":1}`, "extra choice=1 k [2]", `logprobs choice=1 {"content":[]}`},
			false,
		},
		{
			"an error in the stream, with its own status",
			[]string{delta(`{"content":"a"}`), `{"error":{"code":502,"message":"gone"},"choices":[{"delta":{},"finish_reason":"error"}]}`},
			[]string{"start c v", "text a", "error upstream failed: gone status=502"},
			false,
		},
		{
			"a finish that says the vendor gave up",
			[]string{`{"choices":[{"delta":{},"finish_reason":"insufficient_system_resource"}]}`},
			[]string{"start", "error upstream failed: the provider gave up in the middle of its answer status=502"},
			false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			evs, done := decodeStream(t, tt.lines...)
			if diff := cmp.Diff(tt.want, show(evs)); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
			if done != tt.done {
				t.Errorf("done = %t, want %t", done, tt.done)
			}
		})
	}
}

func TestDecodeAnswer(t *testing.T) {
	evs, err := openai.DecodeAnswer([]byte(` {"id":"c","model":"v","service_tier":"flex","choices":[{"index":0,"message":{"role":"assistant","content":"a","reasoning_content":"r","refusal":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"start c v", "reasoning r", "text a", "tool 0 t f", `args 0 {"a":1}`, "finish tool_calls stop", "usage 1+2"}
	if diff := cmp.Diff(want, show(evs)); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	if got := evs[len(evs)-1].Usage.Tier; got != "flex" {
		t.Errorf("tier %q, want flex", got)
	}

	for _, tt := range []struct {
		name, body string
		kind       gateway.Kind
	}{
		{"an error inside a 200", `{"error":{"message":"slow down","code":429}}`, gateway.UpstreamLimited},
		{"no JSON", `oops`, gateway.UpstreamFailed},
		{"no choices", `{"id":"x"}`, gateway.UpstreamFailed},
	} {
		if _, err := openai.DecodeAnswer([]byte(tt.body)); gateway.AsError(err) == nil || gateway.AsError(err).Kind != tt.kind {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.kind)
		}
	}
}

// What the encoder writes, the decoder reads: an OpenAI answer may pass from
// one gateway to the next.
func TestEncoderToDecoder(t *testing.T) {
	want := show(thought)
	want[0] = "start msg_7 m"
	lines := strings.Split(strings.TrimSuffix(stream(options, thought), "\n\n"), "\n\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "data: ")
	}
	evs, done := decodeStream(t, lines...)
	// The vendor's own word for the finish is not read back: it is OpenAI's now.
	want[6] = "finish tool_calls tool_calls"
	if diff := cmp.Diff(want, show(evs)); diff != "" || !done {
		t.Errorf("done %t, want -, got +:\n%s", done, diff)
	}
	if evs[7].Usage != thought[7].Usage {
		t.Errorf("usage %+v, want %+v", evs[7].Usage, thought[7].Usage)
	}
}

// Whatever a vendor sends, there is an answer or an error, and what is encoded
// from it is valid JSON.
func FuzzDecoder(f *testing.F) {
	f.Add(delta(`{"content":"a","tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}`), `{"choices":[{"finish_reason":"stop","index":3}],"usage":{"prompt_tokens":1}}`)
	f.Add(delta(`{"content":[{"type":"thinking","thinking":[{"text":"x"}]}],"images":[{"image_url":"u"}],"audio":{"data":"x"}}`), `{"error":{"code":400}}`)
	f.Add(delta(`{"function_call":{"name":"f"},"annotations":[1],"provider_specific_fields":{"a\u0062":1},"thinking_blocks":[{}]}`), `[DONE]`)
	f.Fuzz(func(t *testing.T, a, b string) {
		d, e := openai.NewDecoder(), openai.NewEncoder(options)
		var evs []canon.Event
		var out []byte
		for _, line := range []string{a, b} {
			from := len(evs)
			var err error
			if evs, err = d.Decode("", []byte(line), evs); err != nil {
				if _, ok := errors.AsType[*gateway.Error](err); !ok {
					t.Fatalf("%q: error %v is no *gateway.Error", line, err)
				}
				return
			}
			for i := range evs[from:] {
				out = e.Event(out, &evs[from+i])
			}
		}
		for chunk := range strings.SplitSeq(strings.TrimSuffix(string(e.End(out)), "\n\n"), "\n\n") {
			if data := strings.TrimPrefix(chunk, "data: "); chunk != "" && data != "[DONE]" && !wire.Valid([]byte(data)) {
				t.Fatalf("%q, %q: chunk is not valid JSON: %s", a, b, chunk)
			}
		}
		if whole := openai.NewEncoder(options).Whole(nil, evs); !wire.Valid(whole) {
			t.Fatalf("%q, %q: answer is not valid JSON: %s", a, b, whole)
		}
	})
}
