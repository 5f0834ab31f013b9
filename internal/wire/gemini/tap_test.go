package gemini

import (
	"errors"
	"strings"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/wire"
)

func TestTapEvent(t *testing.T) {
	for _, tt := range []struct {
		name, model string
		in          []string
		want        string
		seen        wire.Seen
	}{
		{
			"a stream passes with the client's model name", "mine",
			[]string{
				"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hé\"}]}}],\"modelVersion\":\"gemini-2.5-pro\",\"responseId\":\"r\"}\r\n\r\n",
				"data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":1}}}]},\"finishReason\":\"STOP\",\"groundingMetadata\":{\"webSearchQueries\":[\"a\",\"b\"]}}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":4}}\r\n\r\n",
			},
			"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hé\"}]}}],\"modelVersion\":\"mine\",\"responseId\":\"r\"}\r\n\r\n" +
				"data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":1}}}]},\"finishReason\":\"STOP\",\"groundingMetadata\":{\"webSearchQueries\":[\"a\",\"b\"]}}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":4}}\r\n\r\n",
			wire.Seen{ID: "r", Model: "gemini-2.5-pro", Finish: "tool_calls", Usage: gateway.Usage{Prompt: 3, Completion: 4, WebSearches: 1}, HasUsage: true, TextBytes: 10, Done: true},
		},
		{"without a name nothing changes", "", []string{"data: {\"modelVersion\":\"g\"}\n\n"}, "data: {\"modelVersion\":\"g\"}\n\n", wire.Seen{Model: "g"}},
		{"data on several lines comes in one", "mine", []string{"data: {\"modelVersion\":\ndata: \"g\"}\n\n"}, "data: {\"modelVersion\": \"mine\"}\n\n", wire.Seen{Model: "g"}},
		{"comments pass", "mine", []string{": ping\n\n"}, ": ping\n\n", wire.Seen{}},
		{"one of two candidates is not the end", "", []string{`data: {"candidates":[{"finishReason":"STOP"},{"index":1}]}` + "\n\n"}, `data: {"candidates":[{"finishReason":"STOP"},{"index":1}]}` + "\n\n", wire.Seen{Finish: "stop"}},
		{"a blocked prompt is an end", "", []string{`data: {"promptFeedback":{"blockReason":"SAFETY"}}` + "\n\n"}, `data: {"promptFeedback":{"blockReason":"SAFETY"}}` + "\n\n", wire.Seen{Finish: "content_filter", Done: true}},
	} {
		tap := NewTap(wire.TapOptions{Model: tt.model})
		r := wire.NewEvents(strings.NewReader(strings.Join(tt.in, "")), 1<<20)
		got := ""
		for range tt.in {
			ev, err := r.Next()
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			out, err := tap.Event(ev)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			got += string(out)
		}
		if got != tt.want {
			t.Errorf("%s\n got %q\nwant %q", tt.name, got, tt.want)
		}
		if *tap.Seen() != tt.seen {
			t.Errorf("%s: seen %+v, want %+v", tt.name, *tap.Seen(), tt.seen)
		}
	}
}

func TestTapWhole(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"a whole answer", ` {"candidates":[{"finishReason":"STOP"}], "modelVersion": "g" }`, `{"candidates":[{"finishReason":"STOP"}], "modelVersion": "mine" }`},
		{"an answer without its model stays", `{"candidates":[{"finishReason":"STOP"}]}`, `{"candidates":[{"finishReason":"STOP"}]}`},
		{"an array of pieces", `[{"modelVersion":"g"} , {"modelVersion":"g","candidates":[{"finishReason":"STOP"}]}]`, "[{\"modelVersion\":\"mine\"},\n{\"modelVersion\":\"mine\",\"candidates\":[{\"finishReason\":\"STOP\"}]}]"},
	} {
		tap := NewTap(wire.TapOptions{Model: "mine"})
		got, err := tap.Whole([]byte(tt.in))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %s (%v), want %s", tt.name, got, err, tt.want)
		}
		if s := tap.Seen(); !s.Done || s.Finish != "stop" {
			t.Errorf("%s: seen %+v, want the end and finish stop", tt.name, s)
		}
	}
	for _, in := range []string{`{"error":{"code":503,"status":"UNAVAILABLE"}}`, `<html>`, ``} {
		_, err := NewTap(wire.TapOptions{}).Whole([]byte(in))
		if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Kind != gateway.UpstreamFailed {
			t.Errorf("body %q: error %v, want upstream failed", in, err)
		}
	}
}
