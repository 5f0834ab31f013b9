package mock_test

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"penstock/internal/mock"
	"penstock/internal/wire"
)

// head is the start of every OpenAI chunk of the first answer.
const head = `data: {"id":"chatcmpl-mock-1","object":"chat.completion.chunk","created":946684800,"model":"m","service_tier":"default","system_fingerprint":"fp_mock","choices":[`

func TestStreamsHaveTheirVendorsShape(t *testing.T) {
	event := func(name, data string) string { return "event: " + name + "\ndata: " + data + "\n\n" }
	gem := func(parts, finish string, out, thoughts int) string {
		return geminiChunk(parts, finish, out, thoughts) + "\r\n\r\n"
	}
	tool := `"tools":[{"type":"function","function":{"name":"w","parameters":{"properties":{"city":{"type":"string"}},"required":["city"]}}}]`
	tests := []struct {
		name, path, body, want string
	}{
		{
			"OpenAI without usage", "/v1/chat/completions",
			`{"model":"m","stream":true,"max_tokens":2,"messages":[{"role":"user","content":"1"}]}`,
			head + `{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
				head + `{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
				head + `{"index":0,"delta":{"content":" from"},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
				head + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]}` + "\n\n" +
				"data: [DONE]\n\n",
		},
		{
			"OpenAI with usage", "/v1/chat/completions",
			`{"model":"m","stream":true,"stream_options":{"include_usage":true},"mock":{"tokens":2,"chunks":1},"messages":[{"role":"user","content":"1"}]}`,
			head + `{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n" +
				head + `{"index":0,"delta":{"content":"Hello from"},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n" +
				head + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}` + "\n\n" +
				head + `],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},` +
				`"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}` + "\n\n" +
				"data: [DONE]\n\n",
		},
		{
			"OpenAI tool call in fragments", "/v1/chat/completions",
			`{"model":"m","stream":true,` + tool + `,"messages":[{"role":"user","content":"tool"}]}`,
			head + `{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
				head + `{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_mock_1_0","type":"function","function":{"name":"w","arguments":""}}]},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
				head + `{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"city"}}]},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
				head + `{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\":\"Par"}}]},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
				head + `{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"is\"}"}}]},"logprobs":null,"finish_reason":null}]}` + "\n\n" +
				head + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}]}` + "\n\n" +
				"data: [DONE]\n\n",
		},
		{
			"Anthropic with thinking", "/v1/messages",
			`{"model":"reason","stream":true,"max_tokens":5,"messages":[{"role":"user","content":"1"}]}`,
			event("message_start", `{"type":"message_start","message":{"id":"msg_mock_1","type":"message","role":"assistant","model":"reason","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,"service_tier":"standard"}}}`) +
				event("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`) +
				event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me think first."}}`) +
				event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"bW9jaw=="}}`) +
				event("content_block_stop", `{"type":"content_block_stop","index":0}`) +
				event("content_block_start", `{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}`) +
				event("ping", `{"type": "ping"}`) +
				event("content_block_delta", `{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hello"}}`) +
				event("content_block_stop", `{"type":"content_block_stop","index":1}`) +
				event("message_delta", `{"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"output_tokens":5}}`) +
				event("message_stop", `{"type":"message_stop"}`),
		},
		{
			"Anthropic tool call", "/v1/messages",
			`{"model":"m","stream":true,"max_tokens":50,"tools":[{"name":"w","input_schema":{"properties":{"a":{"type":"string"}},"required":["a"]}}],"messages":[{"role":"user","content":"tool"}]}`,
			event("message_start", `{"type":"message_start","message":{"id":"msg_mock_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,"service_tier":"standard"}}}`) +
				event("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_mock_1_0","name":"w","input":{}}}`) +
				event("ping", `{"type": "ping"}`) +
				event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}`) +
				event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}`) +
				event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\"Pari"}}`) +
				event("content_block_delta", `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"s\"}"}}`) +
				event("content_block_stop", `{"type":"content_block_stop","index":0}`) +
				event("message_delta", `{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":5}}`) +
				event("message_stop", `{"type":"message_stop"}`),
		},
		{
			"Gemini with CRLF and no end mark", "/v1beta/models/mock-tokens=2,reason:streamGenerateContent?alt=sse",
			`{"contents":[{"parts":[{"text":"1"}]}]}`,
			"data: " + gem(`{"text":"Let me think first.","thought":true}`, "", 0, 4) +
				"data: " + gem(`{"text":"Hello"}`, "", 1, 4) +
				"data: " + gem(`{"text":" from"}`, "", 2, 4) +
				"data: " + gem(`{"text":""}`, "STOP", 2, 4),
		},
		{
			"Gemini without alt=sse is a growing array", "/v1beta/models/mock-tokens=1,reason:streamGenerateContent",
			`{"contents":[{"parts":[{"text":"1"}]}],"generationConfig":{"maxOutputTokens":4}}`,
			"[" + geminiChunk(`{"text":"Let me think first.","thought":true}`, "", 0, 4) + "\r\n," +
				"\r\n" + geminiChunk(`{"text":""}`, "MAX_TOKENS", 0, 4) + "\r\n]",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := call(t, mock.New(mock.Options{}), "POST", tt.path, tt.body)
			got := w.Body.String()
			want := strings.ReplaceAll(tt.want, "MODEL", strings.TrimSuffix(strings.TrimPrefix(tt.path, "/v1beta/models/"), ":streamGenerateContent?alt=sse"))
			want = strings.ReplaceAll(want, ":streamGenerateContent", "")
			if w.Code != 200 || got != want {
				t.Errorf("POST %s %s\n got %d\n%s\nwant 200\n%s", tt.path, tt.body, w.Code, got, want)
			}
			wantType := "text/event-stream; charset=utf-8"
			if strings.HasPrefix(got, "[") {
				wantType = "application/json"
				if !wire.Valid([]byte(got)) {
					t.Error("the array is no valid JSON")
				}
			} else {
				eachEvent(t, got)
			}
			if ct := w.Header().Get("Content-Type"); ct != wantType {
				t.Errorf("Content-Type %q, want %q", ct, wantType)
			}
			if !w.Flushed {
				t.Error("the stream was not flushed")
			}
		})
	}
}

func geminiChunk(parts, finish string, out, thoughts int) string {
	if finish != "" {
		finish = `,"finishReason":"` + finish + `"`
	}
	return `{"candidates":[{"content":{"parts":[` + parts + `],"role":"model"}` + finish + `,"index":0}],` +
		`"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":` + strconv.Itoa(out) + `,"totalTokenCount":` + strconv.Itoa(5+out+thoughts) +
		`,"thoughtsTokenCount":` + strconv.Itoa(thoughts) + `,"promptTokensDetails":[{"modality":"TEXT","tokenCount":5}]},"modelVersion":"MODEL","responseId":"resp_mock_1"}`
}

// eachEvent checks that a stream's events are JSON and returns their names, or
// "error", "done" and "" where they have none.
func eachEvent(t *testing.T, stream string) []string {
	t.Helper()
	var names []string
	events := wire.NewEvents(strings.NewReader(stream), 1<<20)
	for {
		ev, err := events.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatalf("read %q: %v", stream, err)
		}
		switch {
		case string(ev.Data) == "[DONE]":
			names = append(names, "done")
		case !wire.Valid(ev.Data):
			t.Errorf("event %q is no valid JSON", ev.Data)
		case strings.Contains(string(ev.Data), `"error"`):
			names = append(names, "error")
		default:
			names = append(names, ev.Name)
		}
	}
}
