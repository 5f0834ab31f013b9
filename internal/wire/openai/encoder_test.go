package openai_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

var options = canon.EncodeOptions{Model: "m", Created: 17, FallbackID: "fallback", IncludeUsage: true}

// thought is an answer that thinks and then calls a tool.
var thought = []canon.Event{
	{Kind: canon.EvStart, ID: "msg_7", Model: "vendor-model"},
	{Kind: canon.EvReasoning, Text: "Look it up."},
	{Kind: canon.EvSignature, Signature: "Er8B"},
	{Kind: canon.EvToolStart, Tool: 0, ID: "toolu_3", Name: "stock"},
	{Kind: canon.EvToolArgs, Tool: 0, Text: `{"sku": "A`},
	{Kind: canon.EvToolArgs, Tool: 0, Text: `7"}`},
	{Kind: canon.EvFinish, Finish: canon.ToolCalls, Native: "tool_use"},
	{Kind: canon.EvUsage, Usage: gateway.Usage{Prompt: 100, CacheRead: 80, Completion: 31}},
}

// stream returns what a streaming client gets.
func stream(opts canon.EncodeOptions, evs []canon.Event) string {
	e := openai.NewEncoder(opts)
	var out []byte
	for i := range evs {
		out = e.Event(out, &evs[i])
	}
	return string(e.End(out))
}

func TestEncoderStream(t *testing.T) {
	const head = `data: {"id":"msg_7","object":"chat.completion.chunk","created":17,"model":"m","choices":[{"index":0,"delta":{`
	const tail = `},"finish_reason":null}]}`
	want := []string{
		head + `"role":"assistant","content":""` + tail,
		head + `"reasoning_content":"Look it up.","thinking_blocks":[{"type":"thinking","thinking":"Look it up."}]` + tail,
		head + `"thinking_blocks":[{"type":"thinking","thinking":"","signature":"Er8B"}]` + tail,
		head + `"tool_calls":[{"index":0,"id":"toolu_3","type":"function","function":{"name":"stock","arguments":""}}]` + tail,
		head + `"tool_calls":[{"index":0,"function":{"arguments":"{\"sku\": \"A"}}]` + tail,
		head + `"tool_calls":[{"index":0,"function":{"arguments":"7\"}"}}]` + tail,
		head + `},"finish_reason":"tool_calls","provider_specific_fields":{"native_finish_reason":"tool_use"}}]}`,
		`data: {"id":"msg_7","object":"chat.completion.chunk","created":17,"model":"m","choices":[],"usage":{"prompt_tokens":100,"completion_tokens":31,"total_tokens":131,"prompt_tokens_details":{"cached_tokens":80},"completion_tokens_details":{"reasoning_tokens":0},"cache_read_input_tokens":80}}`,
		"data: [DONE]", "",
	}
	if diff := cmp.Diff(want, strings.Split(stream(options, thought), "\n\n")); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestEncoderStreamEndings(t *testing.T) {
	text := canon.Event{Kind: canon.EvText, Text: "a"}
	call := canon.Event{Kind: canon.EvToolStart, ID: "c", Name: "f"}
	done := canon.Event{Kind: canon.EvFinish, Finish: canon.Stop, Native: "stop"}
	for _, tt := range []struct {
		name      string
		evs       []canon.Event
		has, lack []string
	}{
		{
			"an answer without a start has the fallback id and the role",
			[]canon.Event{text, done},
			[]string{`"id":"fallback"`, `"delta":{"role":"assistant","content":"a"}`},
			nil,
		},
		{
			"a finish is told once, after the last text, though the vendor told it twice and early",
			[]canon.Event{done, text, done},
			[]string{`"content":"a"},"finish_reason":null}]}` + "\n\n" + `data: {"id":"fallback","object":"chat.completion.chunk","created":17,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"},
			[]string{`"finish_reason":"stop"}]}` + "\n\n" + `data: {`},
		},
		{"a stop with calls is tool_calls", []canon.Event{call, done}, []string{`"finish_reason":"tool_calls"`}, []string{`"finish_reason":"stop"`}},
		{
			"a length with calls stays a length: the arguments may be cut",
			[]canon.Event{call, {Kind: canon.EvFinish, Finish: canon.Length, Native: "length"}},
			[]string{`"finish_reason":"length"`},
			[]string{"native"},
		},
		{
			"a call without arguments has the arguments {} once",
			[]canon.Event{call, {Kind: canon.EvToolArgs, Text: ""}, done},
			[]string{`{"index":0,"function":{"arguments":"{}"}}]},"finish_reason":null}]}` + "\n\n"},
			nil,
		},
		{"a missing finish is a stop if the vendor said it was done", []canon.Event{text}, []string{`"finish_reason":"stop"`}, nil},
		{
			"after an error nothing is made up",
			[]canon.Event{text, {Kind: canon.EvError, Err: &gateway.Error{Kind: gateway.UpstreamLimited, Message: "slow down", Status: 429}}},
			[]string{`data: {"error":{"message":"slow down","type":"rate_limit_error","param":null,"code":"429"}}` + "\n\n"},
			[]string{"[DONE]", `"finish_reason":"`},
		},
		{"empty texts make no chunk", []canon.Event{text, {Kind: canon.EvText}, {Kind: canon.EvReasoning}, {Kind: canon.EvRefusal}, done}, nil, []string{`"content":""`, `"delta":{},"finish_reason":null`}},
		{"an empty text does not swallow the role", []canon.Event{{Kind: canon.EvText}, text, done}, []string{`{"role":"assistant","content":"a"}`}, nil},
		{
			"each choice has its own role and finish",
			[]canon.Event{text, {Kind: canon.EvText, Choice: 1, Text: "b"}, done, {Kind: canon.EvFinish, Choice: 1, Finish: canon.Length, Native: "length"}},
			[]string{`{"index":1,"delta":{"role":"assistant","content":"b"}`, `{"index":0,"delta":{},"finish_reason":"stop"`, `{"index":1,"delta":{},"finish_reason":"length"`},
			nil,
		},
		{
			"a signature goes into the id and into provider_specific_fields",
			[]canon.Event{{Kind: canon.EvToolStart, ID: "c", Name: "f", Signature: "S"}, done},
			[]string{`"id":"c__thought__S"`, `"provider_specific_fields":{"thought_signature":"S"}`},
			nil,
		},
		{
			"pictures, recordings, annotations, logprobs and a vendor's own data",
			[]canon.Event{
				{Kind: canon.EvMedia, Media: &canon.Media{MIME: "image/png", Data: "iVBO"}},
				{Kind: canon.EvMedia, ID: "a1", Text: "hello", Media: &canon.Media{MIME: "audio/wav", Data: "UklG"}},
				{Kind: canon.EvAnnotation, Raw: canon.Raw(`{"type":"url_citation"}`)},
				{Kind: canon.EvLogprobs, Raw: canon.Raw(`{"content":[]}`)},
				{Kind: canon.EvExtra, Name: "x", Raw: canon.Raw(`[1]`)},
				done,
			},
			[]string{
				`"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"},"index":0}]`,
				`"audio":{"id":"a1","data":"UklG","transcript":"hello"}`, `"annotations":[{"type":"url_citation"}]`,
				`"delta":{},"logprobs":{"content":[]},"finish_reason":null`, `"provider_specific_fields":{"x":[1]}`,
			},
			nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := stream(options, tt.evs)
			for _, s := range tt.has {
				if !strings.Contains(got, s) {
					t.Errorf("want %s\nin %s", s, got)
				}
			}
			for _, s := range tt.lack {
				if strings.Contains(got, s) {
					t.Errorf("want no %s\nin %s", s, got)
				}
			}
			for chunk := range strings.SplitSeq(strings.TrimSuffix(got, "\n\n"), "\n\n") {
				if data := strings.TrimPrefix(chunk, "data: "); data != "[DONE]" && !wire.Valid([]byte(data)) {
					t.Errorf("chunk is not valid JSON: %s", chunk)
				}
			}
		})
	}
}

func TestEncoderHidesUsageNobodyAskedFor(t *testing.T) {
	opts := options
	opts.IncludeUsage = false
	if got := stream(opts, thought); strings.Contains(got, "usage") {
		t.Errorf("want no usage in %s", got)
	}
}

func TestEncoderWhole(t *testing.T) {
	stop := canon.Event{Kind: canon.EvFinish, Finish: canon.Stop, Native: "stop"}
	for _, tt := range []struct {
		name string
		evs  []canon.Event
		want string // the message and what follows it in the choice
	}{
		{"thinking and a call: content is null", thought, `{"role":"assistant","content":null,"refusal":null,"reasoning_content":"Look it up.",` +
			`"thinking_blocks":[{"type":"thinking","thinking":"Look it up.","signature":"Er8B"}],` +
			`"tool_calls":[{"id":"toolu_3","type":"function","function":{"name":"stock","arguments":"{\"sku\": \"A7\"}"}}]},` +
			`"logprobs":null,"finish_reason":"tool_calls","provider_specific_fields":{"native_finish_reason":"tool_use"}}],` +
			`"usage":{"prompt_tokens":100,"completion_tokens":31,"total_tokens":131,"prompt_tokens_details":{"cached_tokens":80},"completion_tokens_details":{"reasoning_tokens":0},"cache_read_input_tokens":80}}`},
		{
			"text in pieces is put together",
			[]canon.Event{{Kind: canon.EvText, Text: "a"}, {Kind: canon.EvText, Text: "\nb"}, stop},
			`{"role":"assistant","content":"a\nb","refusal":null},"logprobs":null,"finish_reason":"stop"}]}`,
		},
		{"nothing at all is an empty text", nil, `{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":"stop"}]}`},
		{
			"a refusal has no content",
			[]canon.Event{{Kind: canon.EvRefusal, Text: "no"}, stop},
			`{"role":"assistant","content":null,"refusal":"no"},"logprobs":null,"finish_reason":"stop"}]}`,
		},
		{
			"a signature ends a block, and what follows is another one",
			[]canon.Event{
				{Kind: canon.EvReasoning, Text: "a"},
				{Kind: canon.EvSignature, Signature: "1"},
				{Kind: canon.EvRedacted, Text: "D"},
				{Kind: canon.EvReasoning, Text: "b"},
				{Kind: canon.EvReasoning, Text: "c"},
				{Kind: canon.EvSignature, Signature: "2"},
				{Kind: canon.EvText, Text: "t"},
				stop,
			},
			`{"role":"assistant","content":"t","refusal":null,"reasoning_content":"abc","thinking_blocks":[{"type":"thinking","thinking":"a","signature":"1"},{"type":"redacted_thinking","data":"D"},{"type":"thinking","thinking":"bc","signature":"2"}]},"logprobs":null,"finish_reason":"stop"}]}`,
		},
		{
			"a call without arguments has the arguments {}",
			[]canon.Event{{Kind: canon.EvToolStart, ID: "c", Name: "f"}, stop},
			`{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"logprobs":null,"finish_reason":"tool_calls","provider_specific_fields":{"native_finish_reason":"stop"}}]}`,
		},
		{
			"two choices, pictures and a vendor's own data, the last of each name",
			[]canon.Event{
				{Kind: canon.EvText, Text: "a"},
				{Kind: canon.EvExtra, Name: "x", Raw: canon.Raw("1")},
				{Kind: canon.EvExtra, Name: "x", Raw: canon.Raw("2")},
				stop,
				{Kind: canon.EvMedia, Choice: 1, Media: &canon.Media{URL: "https://h/p"}},
				{Kind: canon.EvFinish, Choice: 1, Finish: canon.Length, Native: "length"},
				{Kind: canon.EvUsage, Usage: gateway.Usage{Prompt: 1, Completion: 2, Reasoning: 1, CacheWrite: 3, Tier: "flex"}},
			},
			`{"role":"assistant","content":"a","refusal":null,"provider_specific_fields":{"x":2}},"logprobs":null,"finish_reason":"stop"},` +
				`{"index":1,"message":{"role":"assistant","content":null,"refusal":null,"images":[{"type":"image_url","image_url":{"url":"https://h/p"},"index":0}]},"logprobs":null,"finish_reason":"length"}],` +
				`"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0,"cache_creation_tokens":3},"completion_tokens_details":{"reasoning_tokens":1},"cache_creation_input_tokens":3},"service_tier":"flex"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := string(openai.NewEncoder(options).Whole(nil, tt.evs))
			id := "fallback"
			if len(tt.evs) > 0 && tt.evs[0].ID == "msg_7" {
				id = "msg_7"
			}
			want := `{"id":"` + id + `","object":"chat.completion","created":17,"model":"m","choices":[{"index":0,"message":` + tt.want
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if !wire.Valid([]byte(got)) {
				t.Error("that is not valid JSON")
			}
		})
	}
}

func TestEncoderDoesNotAllocateForText(t *testing.T) {
	e := openai.NewEncoder(options)
	buf := make([]byte, 0, 4096)
	e.Event(buf, &canon.Event{Kind: canon.EvStart, ID: "x"})
	ev := canon.Event{Kind: canon.EvText, Text: "some \"text\"\n"}
	if n := testing.AllocsPerRun(100, func() { e.Event(buf, &ev) }); n != 0 {
		t.Errorf("%v allocations for a text event, want none", n)
	}
}

func BenchmarkEncoderText(b *testing.B) {
	e := openai.NewEncoder(options)
	buf := make([]byte, 0, 4096)
	ev := canon.Event{Kind: canon.EvText, Text: " about forty bytes of an answer, with é"}
	b.ReportAllocs()
	for b.Loop() {
		e.Event(buf, &ev)
	}
}
