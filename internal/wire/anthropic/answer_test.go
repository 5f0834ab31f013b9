package anthropic_test

import (
	"fmt"
	"strings"
	"testing"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire/anthropic"
)

// tell writes events down, one a line.
func tell(evs []canon.Event) string {
	var b strings.Builder
	for _, e := range evs {
		switch e.Kind {
		case canon.EvStart:
			fmt.Fprintf(&b, "start %s %s\n", e.ID, e.Model)
		case canon.EvText:
			fmt.Fprintf(&b, "text %s\n", e.Text)
		case canon.EvReasoning:
			fmt.Fprintf(&b, "reasoning %s\n", e.Text)
		case canon.EvSignature:
			fmt.Fprintf(&b, "signature %s\n", e.Signature)
		case canon.EvRedacted:
			fmt.Fprintf(&b, "redacted %s\n", e.Text)
		case canon.EvToolStart:
			fmt.Fprintf(&b, "tool %d %s %s\n", e.Tool, e.ID, e.Name)
		case canon.EvToolArgs:
			fmt.Fprintf(&b, "args %d %s\n", e.Tool, e.Text)
		case canon.EvAnnotation:
			fmt.Fprintf(&b, "annotation %s\n", e.Raw)
		case canon.EvExtra:
			fmt.Fprintf(&b, "extra %s %s\n", e.Name, e.Raw)
		case canon.EvFinish:
			fmt.Fprintf(&b, "finish %s (%s)\n", e.Finish, e.Native)
		case canon.EvUsage:
			fmt.Fprintf(&b, "usage %s\n", tellUsage(e.Usage))
		case canon.EvError:
			fmt.Fprintf(&b, "error %d %v\n", e.Err.Status, e.Err)
		default:
			fmt.Fprintf(&b, "unexpected event %d\n", e.Kind)
		}
	}
	return b.String()
}

func tellUsage(u gateway.Usage) string {
	s := fmt.Sprintf("%d+%d", u.Prompt, u.Completion)
	for _, f := range []struct {
		name string
		n    int64
	}{{"read", u.CacheRead}, {"write", u.CacheWrite}, {"write1h", u.CacheWrite1h}, {"reasoning", u.Reasoning}, {"searches", u.WebSearches}} {
		if f.n != 0 {
			s += fmt.Sprintf(" %s=%d", f.name, f.n)
		}
	}
	if u.Tier != "" {
		s += " tier=" + u.Tier
	}
	return s
}

func TestDecodeAnswer(t *testing.T) {
	body := func(content, rest string) string {
		return `{"type":"message","id":"msg_1","model":"c","role":"assistant","content":[` + content + `]` + rest + `}`
	}
	tests := []struct{ about, body, want string }{
		{
			"text blocks follow each other", body(`{"type":"text","text":"a"},{"type":"text","text":"b"}`, `,"stop_reason":"stop_sequence","stop_sequence":"END"`),
			"text a\ntext b\nextra stop_sequence \"END\"\nfinish stop (stop_sequence)\n",
		},
		{
			"unknown blocks are ignored", body(`{"type":"hologram","text":"x"},{"type":"text","text":"a"},7`, `,"stop_reason":"end_turn"`),
			"text a\nfinish stop (end_turn)\n",
		},
		{"an unknown reason is stop", body(`{"type":"text","text":"a"}`, `,"stop_reason":"bored"`), "text a\nfinish stop (bored)\n"},
		{"no reason is stop", body(`{"type":"text","text":"a"}`, `,"stop_reason":null`), "text a\nfinish stop ()\n"},
		{"the token limit", body(``, `,"stop_reason":"max_tokens"`), "finish length (max_tokens)\n"},
		{"the context window", body(``, `,"stop_reason":"model_context_window_exceeded"`), "finish length (model_context_window_exceeded)\n"},
		{"a refusal", body(``, `,"stop_reason":"refusal"`), "finish content_filter (refusal)\n"},
		{
			"tool calls count as such whatever the reason says", body(`{"type":"tool_use","id":"t","name":"f","input":{}}`, `,"stop_reason":"end_turn"`),
			"tool 0 t f\nargs 0 {}\nfinish tool_calls (end_turn)\n",
		},
		{
			"cut arguments stay length", body(`{"type":"tool_use","id":"t","name":"f","input":{"a": [1, 2.50, 1e400]}}`, `,"stop_reason":"max_tokens"`),
			"tool 0 t f\nargs 0 {\"a\":[1,2.50,1e400]}\nfinish length (max_tokens)\n",
		},
		{
			"text in the input keeps its escapes", body(`{"type":"tool_use","id":"t","name":"f","input":{"a": "\u2028\/ \ud83d"}}`, `,"stop_reason":"tool_use"`),
			"tool 0 t f\nargs 0 {\"a\":\"\\u2028\\/ \\ud83d\"}\nfinish tool_calls (tool_use)\n",
		},
		{
			"a paused turn is none of the client's calls", body(`{"type":"tool_use","id":"t","name":"f","input":{}}`, `,"stop_reason":"pause_turn"`),
			"tool 0 t f\nargs 0 {}\nfinish stop (pause_turn)\n",
		},
		{
			"the answer tool is text", body(`{"type":"tool_use","id":"t","name":"json_tool_call","input":{"a":1}}`, `,"stop_reason":"tool_use"`),
			"text {\"a\":1}\nfinish stop (tool_use)\n",
		},
		{
			"the wrapping answer tool is unwrapped", body(`{"type":"tool_use","id":"t","name":"json_tool_call_values","input":{"values": [1, 2]}}`, `,"stop_reason":"tool_use"`),
			"text [1,2]\nfinish stop (tool_use)\n",
		},
		{
			"the answer tool beside a real one", body(`{"type":"tool_use","id":"t","name":"json_tool_call","input":{}},{"type":"tool_use","id":"u","name":"f","input":{}}`, `,"stop_reason":"tool_use"`),
			"text {}\ntool 0 u f\nargs 0 {}\nfinish tool_calls (tool_use)\n",
		},
		{
			"cache reads and writes are part of the prompt", body(``, `,"stop_reason":"end_turn","usage":{"input_tokens":1,"cache_creation_input_tokens":20,"cache_read_input_tokens":300,"output_tokens":4}`),
			"finish stop (end_turn)\nusage 321+4 read=300 write=20\n",
		},
		{
			"writes for an hour are told apart", body(``, `,"stop_reason":"end_turn","usage":{"input_tokens":1,"cache_creation_input_tokens":20,"cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":15},"output_tokens":4}`),
			"finish stop (end_turn)\nusage 21+4 write=5 write1h=15\n",
		},
		{
			"null counts are nothing", body(``, `,"stop_reason":"end_turn","usage":{"input_tokens":1,"cache_creation_input_tokens":null,"cache_read_input_tokens":null,"cache_creation":null,"output_tokens":2,"server_tool_use":null,"service_tier":"priority"}`),
			"finish stop (end_turn)\nusage 1+2 tier=priority\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			evs, err := anthropic.DecodeAnswer([]byte(tt.body))
			if err != nil {
				t.Fatalf("%s: %v", tt.body, err)
			}
			if got, want := tell(evs), "start msg_1 c\n"+tt.want; got != want {
				t.Errorf("%s\ngot:\n%swant:\n%s", tt.body, got, want)
			}
		})
	}
}

func TestDecodeAnswerThatIsNone(t *testing.T) {
	tests := []struct {
		about, body string
		kind        gateway.Kind
		status      int
	}{
		{"a page", "<html>", gateway.UpstreamFailed, 502},
		{"nothing", "", gateway.UpstreamFailed, 502},
		{"an array", "[]", gateway.UpstreamFailed, 502},
		{"an overload", `{"type":"error","error":{"type":"overloaded_error","message":"x"}}`, gateway.UpstreamFailed, 529},
		{"an error without its type", `{"error":{"message":"x"}}`, gateway.UpstreamFailed, 500},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			evs, err := anthropic.DecodeAnswer([]byte(tt.body))
			if err == nil {
				t.Fatalf("got %s, want an error", tell(evs))
			}
			if e := gateway.AsError(err); e.Kind != tt.kind || e.Status != tt.status {
				t.Errorf("got %v with status %d, want kind %v with status %d", e, e.Status, tt.kind, tt.status)
			}
		})
	}
}

// FuzzDecodeAnswer proves that an answer is read or refused, and that what is
// read is whole: one start, one finish, arguments for every call.
func FuzzDecodeAnswer(f *testing.F) {
	f.Add([]byte(`{"type":"message","id":"m","content":[{"type":"text","text":"a","citations":[{"type":"web_search_result_location","url":"u"}]},{"type":"tool_use","name":"esc__a_pb","input":{"a":[1]}},{"type":"thinking","thinking":"t","signature":"s"}],"stop_reason":"tool_use","usage":{"input_tokens":1}}`))
	f.Add([]byte(`{"type":"error","error":{"type":"x"}}`))
	f.Add([]byte(`{"content":[{"type":"tool_use","name":"json_tool_call_values","input":{"values":[]}},{"type":"server_tool_use"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		evs, err := anthropic.DecodeAnswer(body)
		if err != nil {
			if e := gateway.AsError(err); !e.Kind.Upstream() {
				t.Errorf("error %v, want one of the provider's", e)
			}
			return
		}
		checkEvents(t, evs, true)
	})
}

// checkEvents checks what holds for every answer.
func checkEvents(t *testing.T, evs []canon.Event, complete bool) {
	t.Helper()
	starts, finishes, tools := 0, 0, 0
	args := map[int]bool{}
	for _, e := range evs {
		switch e.Kind {
		case canon.EvStart:
			starts++
		case canon.EvFinish:
			finishes++
		case canon.EvToolStart:
			if e.Tool != tools {
				t.Errorf("tool call %d begins as number %d", tools, e.Tool)
			}
			tools++
		case canon.EvToolArgs:
			args[e.Tool] = true
			if e.Tool >= tools {
				t.Errorf("arguments for tool call %d of %d", e.Tool, tools)
			}
		case canon.EvUsage:
			u := e.Usage
			if u.CacheRead < 0 || u.CacheWrite < 0 || u.CacheWrite1h < 0 || u.Reasoning > u.Completion {
				t.Errorf("usage %+v", u)
			}
		}
	}
	if complete && (starts != 1 || finishes != 1 || len(args) != tools) {
		t.Errorf("%d starts, %d finishes, arguments for %d of %d tool calls\n%s", starts, finishes, len(args), tools, tell(evs))
	}
}
