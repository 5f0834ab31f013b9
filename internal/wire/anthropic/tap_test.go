package anthropic_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/wire"
	"penstock/internal/wire/anthropic"
)

// watch passes a stream through a tap and returns what the client gets.
func watch(t *testing.T, stream, model string) (string, wire.Tap, error) {
	t.Helper()
	tap := anthropic.NewTap(wire.TapOptions{Model: model})
	r := wire.NewEvents(strings.NewReader(stream), 1<<20)
	var out strings.Builder
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out.String(), tap, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := tap.Event(ev)
		out.Write(b)
		if err != nil {
			return out.String(), tap, err
		}
	}
}

func event(name, data string) string { return "event: " + name + "\ndata: " + data + "\n\n" }

func TestTapEvents(t *testing.T) {
	start := event("message_start", `{"type":"message_start","message":{"id":"msg_1","model":"c-1","nested":{"model":"x"},"usage":{"input_tokens":9,"output_tokens":1}}}`)
	delta := func(kind, member, text string) string {
		return event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"`+kind+`","`+member+`":"`+text+`"}}`)
	}
	tests := []struct {
		about, stream, model string
		want                 string // "" for the stream itself
		seen                 wire.Seen
	}{
		{
			"the model's name is replaced where it stands, and nowhere else", start, "mine", strings.Replace(start, `"c-1"`, `"mine"`, 1),
			wire.Seen{ID: "msg_1", Model: "c-1", HasUsage: true, Usage: gateway.Usage{Prompt: 9, Completion: 1}},
		},
		{"the same name is left alone", start, "c-1", "", wire.Seen{ID: "msg_1", Model: "c-1", HasUsage: true, Usage: gateway.Usage{Prompt: 9, Completion: 1}}},
		{
			"data in several lines becomes one", "event: message_start\ndata: {\"type\":\"message_start\",\ndata: \"message\":{\"model\":\"c-1\"}}\n\n", "mine",
			"event: message_start\ndata: {\"type\":\"message_start\", \"message\":{\"model\":\"mine\"}}\n\n",
			wire.Seen{Model: "c-1"},
		},
		{
			"text, thinking and arguments are counted", delta("text_delta", "text", "abc") + delta("thinking_delta", "thinking", "de") + delta("input_json_delta", "partial_json", `{\"`) + delta("signature_delta", "signature", "xxxx"), "mine", "",
			wire.Seen{TextBytes: 8},
		},
		{"also in deltas written another way", event("content_block_delta", `{ "index": 0, "type": "content_block_delta", "delta": { "text": "abc", "type": "text_delta" } }`), "mine", "", wire.Seen{TextBytes: 3}},
		{"comments and unknown events pass", ": keep alive\n\n" + event("new", `{"type":"new"}`) + event("ping", `{"type": "ping"}`), "mine", "", wire.Seen{}},
		{
			"usage is cumulative and the end is seen",
			start + event("message_delta", `{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":7}}`) + event("message_stop", `{"type":"message_stop"}`), "", "",
			wire.Seen{ID: "msg_1", Model: "c-1", Finish: "length", HasUsage: true, Usage: gateway.Usage{Prompt: 9, Completion: 7}, Done: true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			want := tt.want
			if want == "" {
				want = tt.stream
			}
			got, tap, err := watch(t, tt.stream, tt.model)
			if err != nil || got != want {
				t.Errorf("error %v\n got %q\nwant %q", err, got, want)
			}
			if *tap.Seen() != tt.seen {
				t.Errorf("seen\n got %+v\nwant %+v", *tap.Seen(), tt.seen)
			}
		})
	}
}

func TestTapError(t *testing.T) {
	got, tap, err := watch(t, event("ping", `{"type":"ping"}`)+event("error", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`), "m")
	e := gateway.AsError(err)
	if e == nil || e.Kind != gateway.UpstreamFailed || e.Status != 529 || e.Message != "Overloaded" {
		t.Errorf("got %v, want Overloaded with status 529", err)
	}
	if strings.Contains(got, "Overloaded") || tap.Seen().Done {
		t.Errorf("the client got %q, done %v; the error is the relay's to tell", got, tap.Seen().Done)
	}
}

func TestTapWhole(t *testing.T) {
	tap := anthropic.NewTap(wire.TapOptions{Model: "mine"})
	body := `{"id":"msg_1", "model": "c-1","content":[{"type":"text","text":"abc"},{"type":"tool_use","name":"f","input":{"a":1}}],"stop_reason":"tool_use","usage":{"input_tokens":2,"cache_read_input_tokens":3,"output_tokens":4},"new":1}`
	got, err := tap.Whole([]byte(body))
	if want := strings.Replace(body, `"c-1"`, `"mine"`, 1); err != nil || string(got) != want {
		t.Errorf("error %v\n got %s\nwant %s", err, got, want)
	}
	want := wire.Seen{ID: "msg_1", Model: "c-1", Finish: "tool_calls", HasUsage: true, TextBytes: 10, Done: true, Usage: gateway.Usage{Prompt: 5, CacheRead: 3, Completion: 4}}
	if *tap.Seen() != want {
		t.Errorf("seen\n got %+v\nwant %+v", *tap.Seen(), want)
	}
	if _, err := tap.Whole([]byte(`{"type":"error","error":{"type":"rate_limit_error","message":"x"}}`)); gateway.AsError(err) == nil || gateway.AsError(err).Kind != gateway.UpstreamLimited {
		t.Errorf("an error in a good answer: got %v, want a rate limit", err)
	}
}

func BenchmarkTapText(b *testing.B) {
	data := `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello there, "}}`
	ev := wire.Event{Name: "content_block_delta", Data: []byte(data), Raw: []byte(event("content_block_delta", data))}
	tap := anthropic.NewTap(wire.TapOptions{Model: "m"})
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := tap.Event(ev); err != nil {
			b.Fatal(err)
		}
	}
}
