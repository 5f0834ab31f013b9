package anthropic_test

import (
	"strings"
	"testing"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire/anthropic"
)

// play feeds the data of events to a new decoder, one a line.
func play(t *testing.T, lines string) ([]canon.Event, canon.Decoder, error) {
	t.Helper()
	d := anthropic.NewDecoder()
	var evs []canon.Event
	for line := range strings.Lines(lines) {
		data := []byte(strings.TrimSpace(line))
		var err error
		evs, err = d.Decode("", data, evs)
		clear(data) // the reader reuses its buffer
		if err != nil {
			return evs, d, err
		}
	}
	return evs, d, nil
}

const opening = `{"type":"message_start","message":{"id":"msg_1","model":"c","usage":{"input_tokens":9,"output_tokens":1}}}` + "\n"

func TestDecoder(t *testing.T) {
	const opened = "start msg_1 c\nusage 9+1\n"
	tool := func(index, id, name string) string {
		return `{"type":"content_block_start","index":` + index + `,"content_block":{"type":"tool_use","id":"` + id + `","name":"` + name + `","input":{}}}` + "\n"
	}
	part := func(index, text string) string {
		return `{"type":"content_block_delta","index":` + index + `,"delta":{"type":"input_json_delta","partial_json":"` + text + `"}}` + "\n"
	}
	stop := func(index string) string { return `{"type":"content_block_stop","index":` + index + "}\n" }
	end := func(reason, usage string) string {
		return `{"type":"message_delta","delta":{"stop_reason":"` + reason + `","stop_sequence":null},"usage":` + usage + "}\n" + `{"type":"message_stop"}` + "\n"
	}
	tests := []struct {
		about, lines, want string
		done               bool
	}{
		{
			"a tool without arguments gets {} once", tool("0", "t", "f") + part("0", "") + stop("0") + end("tool_use", `{"output_tokens":5}`),
			"tool 0 t f\nargs 0 {}\nfinish tool_calls (tool_use)\nusage 9+5\n", true,
		},
		{
			"interleaved calls keep their numbers", tool("1", "t", "f") + tool("3", "u", "g") + part("3", "{}") + part("1", "{") + part("1", "}") + stop("1") + stop("3"),
			"tool 0 t f\ntool 1 u g\nargs 1 {}\nargs 0 {\nargs 0 }\n", false,
		},
		{
			"a whole input at the start of a block counts", `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"a": 1}}}` + "\n" + stop("0"),
			"tool 0 t f\nargs 0 {\"a\":1}\n", false,
		},
		{
			"usage is cumulative", `{"type":"message_delta","delta":{},"usage":{"output_tokens":3}}` + "\n" + end("end_turn", `{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":7}`),
			"usage 9+3\nfinish stop (end_turn)\nusage 15+7 read=5\n", true,
		},
		{
			"the finish is told once", end("end_turn", `{"output_tokens":2}`) + end("end_turn", `{"output_tokens":2}`),
			"finish stop (end_turn)\nusage 9+2\nusage 9+2\n", true,
		},
		{"text at the start of a block counts", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}` + "\n", "text a\n", false},
		{"unknown deltas and events are ignored", `{"type":"content_block_delta","index":0,"delta":{"type":"hum_delta","text":"x"}}` + "\n" + `{"type":"ping"}` + "\n" + `{"type":"new"}` + "\n" + `{"x":1}` + "\n", "", false},
		{"an error in the middle", `{"type":"error","error":{"type":"api_error","message":"oops"}}` + "\n", "error 500 upstream failed: oops\n", false},
		{
			"wrapped answers come when they are whole", tool("0", "t", "json_tool_call_values") + part("0", `{\"values\":`) + part("0", `[1]}`) + stop("0") + end("tool_use", `{"output_tokens":5}`),
			"text [1]\nfinish stop (tool_use)\nusage 9+5\n", true,
		},
		{
			"a citation of the web", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"né "}}` + "\n" + stop("0") +
				`{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"","citations":[]}}` + "\n" +
				`{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"u","title":"T"}}}` + "\n" +
				`{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"rain"}}` + "\n" + stop("1"),
			"text né \nextra citation {\"type\":\"web_search_result_location\",\"url\":\"u\",\"title\":\"T\"}\ntext rain\n" +
				`annotation {"type":"url_citation","url_citation":{"start_index":3,"end_index":7,"url":"u","title":"T"}}` + "\n", false,
		},
		{
			"a hosted tool's input is put together", `{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}` + "\n" + part("0", `{\"query\":`) + part("0", `\"x\"}`) + stop("0"),
			`extra server_tool_block {"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"x"}}` + "\n", false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			evs, d, err := play(t, opening+tt.lines)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := tell(evs), opened+tt.want; got != want {
				t.Errorf("%s\ngot:\n%swant:\n%s", tt.lines, got, want)
			}
			if d.Done() != tt.done {
				t.Errorf("Done() = %v, want %v", d.Done(), tt.done)
			}
		})
	}
}

func TestDecoderOfNoJSON(t *testing.T) {
	_, _, err := play(t, opening+"<html>sk-ant-api03-secretsecret</html>\n")
	e := gateway.AsError(err)
	if e == nil || e.Kind != gateway.UpstreamFailed || strings.Contains(e.Message, "secretsecret") {
		t.Errorf("got %v, want an UpstreamFailed error without the key", err)
	}
}

// FuzzDecoder feeds it events in any order and with anything in them.
func FuzzDecoder(f *testing.F) {
	f.Add(opening + `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":"f"}}` + "\n" +
		`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}` + "\n" +
		`{"type":"content_block_stop","index":0}` + "\n" + `{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":3}}` + "\n" + `{"type":"message_stop"}`)
	f.Add(`{"type":"content_block_stop","index":-1}` + "\n" + `{"type":"message_delta"}` + "\n" + `{"type":"error"}`)
	f.Fuzz(func(t *testing.T, lines string) {
		evs, _, err := play(t, lines)
		if err != nil && !gateway.AsError(err).Kind.Upstream() {
			t.Errorf("error %v, want one of the provider's", err)
		}
		checkEvents(t, evs, false)
	})
}

func BenchmarkDecodeText(b *testing.B) {
	data := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello there, "}}`)
	d := anthropic.NewDecoder()
	out := make([]canon.Event, 0, 4)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		var err error
		if out, err = d.Decode("content_block_delta", data, out[:0]); err != nil || len(out) != 1 {
			b.Fatal(out, err)
		}
	}
}
