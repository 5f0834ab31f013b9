package openai_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// decode reads a chat request from text.
func decode(t testing.TB, body string) (*canon.Request, error) {
	t.Helper()
	var o wire.Object
	if err := o.Parse([]byte(body)); err != nil {
		t.Fatalf("test body is no object: %v\n%s", err, body)
	}
	return openai.DecodeChat(&o)
}

// chat returns a request with the given messages and, after them, members.
func chat(messages, members string) string {
	if members != "" {
		members = "," + members
	}
	return `{"model":"m","messages":[` + messages + `]` + members + `}`
}

const hi = `{"role":"user","content":"hi"}`

func TestDecodeChatMessages(t *testing.T) {
	text := func(s string) canon.Part { return canon.Part{Text: s} }
	call := func(id, name, args string) canon.Part {
		return canon.Part{Kind: canon.ToolCall, ID: id, Name: name, Args: canon.Raw(args)}
	}
	user := canon.Message{Role: canon.User, Parts: []canon.Part{text("hi")}}
	for _, tt := range []struct {
		name, messages string
		want           []canon.Message
	}{
		{"content is a string", hi, []canon.Message{user}},
		{
			"content is a list of parts, and empty texts are left out", `{"role":"user","content":[{"type":"text","text":"hi"},{"type":"text","text":""},"you"]}`,
			[]canon.Message{{Role: canon.User, Parts: []canon.Part{text("hi"), text("you")}}},
		},
		{
			"an empty text stays if it ends a cacheable prefix", `{"role":"user","content":[{"type":"text","text":"","cache_control":{"type":"ephemeral"}}]}`,
			[]canon.Message{{Role: canon.User, Parts: []canon.Part{{CacheControl: canon.Raw(`{"type":"ephemeral"}`)}}}},
		},
		{
			"all roles of instructions stay apart", `{"role":"system","content":"a","name":"n"},{"role":"developer","content":"b","cache_control":{"type":"ephemeral"}}`,
			[]canon.Message{
				{Role: canon.System, Name: "n", Parts: []canon.Part{text("a")}},
				{Role: canon.Developer, Parts: []canon.Part{text("b")}, CacheControl: canon.Raw(`{"type":"ephemeral"}`)},
			},
		},
		{
			"a picture by data URL, by URL, and as a bare string", `{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO","detail":"low"}},{"type":"image_url","image_url":{"url":"https://h/p","format":"image/webp"}},{"type":"image_url","image_url":"https://h/q"}]}`,
			[]canon.Message{{Role: canon.User, Parts: []canon.Part{
				{Kind: canon.Image, Media: &canon.Media{MIME: "image/png", Data: "iVBO", Detail: "low"}},
				{Kind: canon.Image, Media: &canon.Media{MIME: "image/webp", URL: "https://h/p"}},
				{Kind: canon.Image, Media: &canon.Media{URL: "https://h/q"}},
			}}},
		},
		{
			"recordings, files and videos", `{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklG","format":"mp3"}},{"type":"file","file":{"file_data":"data:application/pdf;base64,JVBE","filename":"a.pdf"}},{"type":"file","file":{"file_id":"file-1"}},{"type":"file","file":{"file_id":"gs://b/o","format":"text/plain"}},{"type":"video_url","video_url":{"url":"https://h/v"}}]}`,
			[]canon.Message{{Role: canon.User, Parts: []canon.Part{
				{Kind: canon.Audio, Media: &canon.Media{MIME: "audio/mpeg", Data: "UklG", Format: "mp3"}},
				{Kind: canon.File, Media: &canon.Media{MIME: "application/pdf", Data: "JVBE", Filename: "a.pdf"}},
				{Kind: canon.File, Media: &canon.Media{FileID: "file-1"}},
				{Kind: canon.File, Media: &canon.Media{MIME: "text/plain", URL: "gs://b/o"}},
				{Kind: canon.File, Media: &canon.Media{URL: "https://h/v"}},
			}}},
		},
		{
			"calls and results, arguments as text and as an object", `{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":" {\"a\": 1e400} "}},{"id":"c2","type":"function","function":{"name":"g","arguments":{"b":2}}},{"id":"c3","type":"function","function":{"name":"h","arguments":""}}]},{"role":"tool","tool_call_id":"c1","content":"ok"}`,
			[]canon.Message{
				{Role: canon.Assistant, Parts: []canon.Part{call("c1", "f", `{"a": 1e400}`), call("c2", "g", `{"b":2}`), {Kind: canon.ToolCall, ID: "c3", Name: "h"}}},
				{Role: canon.ToolRole, Parts: []canon.Part{{Kind: canon.ToolResult, ID: "c1", Name: "f", Parts: []canon.Part{text("ok")}}}},
			},
		},
		{
			"the old function_call gets an id, and its result finds it by name", `{"role":"assistant","content":"","function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"ok"}`,
			[]canon.Message{
				{Role: canon.Assistant, Parts: []canon.Part{call("call_0", "f", `{}`)}},
				{Role: canon.ToolRole, Parts: []canon.Part{{Kind: canon.ToolResult, ID: "call_0", Name: "f", Parts: []canon.Part{text("ok")}}}},
			},
		},
		{
			"the call of a custom tool", `{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"sh","input":"ls \"x\""}}]}`,
			[]canon.Message{{Role: canon.Assistant, Parts: []canon.Part{call("c", "sh", `{"input":"ls \"x\""}`)}}},
		},
		{
			"a signature in provider_specific_fields, and one in the id", `{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"provider_specific_fields":{"thought_signature":"S1"}},{"id":"b__thought__S2","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"b__thought__S2","content":""}`,
			[]canon.Message{
				{Role: canon.Assistant, Parts: []canon.Part{
					{Kind: canon.ToolCall, ID: "a", Name: "f", Args: canon.Raw(`{}`), Signature: "S1"},
					{Kind: canon.ToolCall, ID: "b", Name: "f", Args: canon.Raw(`{}`), Signature: "S2"},
				}},
				{Role: canon.ToolRole, Parts: []canon.Part{{Kind: canon.ToolResult, ID: "b", Name: "f"}}},
			},
		},
		{
			"thinking blocks win over reasoning_content and come first", `{"role":"assistant","content":"so","reasoning_content":"hm","thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"S"},{"type":"redacted_thinking","data":"D"}]}`,
			[]canon.Message{{Role: canon.Assistant, Parts: []canon.Part{
				{Kind: canon.Thinking, Text: "hm", Signature: "S"}, {Kind: canon.Redacted, Text: "D"}, text("so"),
			}}},
		},
		{
			"reasoning_content alone is thinking without a signature", `{"role":"assistant","content":"so","reasoning_content":"hm"}`,
			[]canon.Message{{Role: canon.Assistant, Parts: []canon.Part{{Kind: canon.Thinking, Text: "hm"}, text("so")}}},
		},
		{
			"a refusal as a part and as a member", `{"role":"assistant","content":[{"type":"refusal","refusal":"no"}],"refusal":"never"}`,
			[]canon.Message{{Role: canon.Assistant, Parts: []canon.Part{{Kind: canon.Refusal, Text: "no"}, {Kind: canon.Refusal, Text: "never"}}}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := decode(t, chat(tt.messages, ""))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, r.Messages); diff != "" {
				t.Errorf("%s\nwant -, got +:\n%s", tt.messages, diff)
			}
		})
	}
}

func TestDecodeChatParameters(t *testing.T) {
	raw := func(s string) canon.Raw { return canon.Raw(s) }
	for _, tt := range []struct {
		name, members string
		want          canon.Request
	}{
		{"null and an empty list of tools count as absent", `"temperature":null,"stop":null,"tools":[],"tool_choice":null,"x":null`, canon.Request{}},
		{"max_completion_tokens wins over max_tokens", `"max_tokens":5,"max_completion_tokens":7`, canon.Request{MaxTokens: 7}},
		{"a whole number may be written as a float", `"max_tokens":1e3`, canon.Request{MaxTokens: 1000}},
		{"stop as a string", `"stop":"a"`, canon.Request{Stop: []string{"a"}}},
		{"stop as a list", `"stop":["a","b"]`, canon.Request{Stop: []string{"a", "b"}}},
		{
			"numbers keep their digits", `"temperature":0.30,"top_p":1e-1,"seed":12345678901234567890`,
			canon.Request{Temperature: raw("0.30"), TopP: raw("1e-1"), Seed: raw("12345678901234567890")},
		},
		{"usage at the end of a stream", `"stream":true,"stream_options":{"include_usage":true}`, canon.Request{Stream: true, IncludeUsage: true}},
		{"stream_options mean nothing without a stream", `"stream_options":{"include_usage":true}`, canon.Request{}},
		{
			"effort as a word, with the client's own thinking", `"reasoning_effort":"low","thinking":{"type":"enabled","budget_tokens":1024}`,
			canon.Request{Reasoning: &canon.Reasoning{Effort: "low", Thinking: raw(`{"type":"enabled","budget_tokens":1024}`)}},
		},
		{"effort in an object", `"reasoning_effort":{"effort":"high","summary":"auto"}`, canon.Request{Reasoning: &canon.Reasoning{Effort: "high"}}},
		{
			"a schema for the answer", `"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"b":1,"a":2}}}`,
			canon.Request{Format: &canon.Format{Kind: "json_schema", Name: "n", Schema: raw(`{"b":1,"a":2}`), Strict: new(true)}},
		},
		{
			"LiteLLM's response_schema", `"response_format":{"type":"json_object","response_schema":{"type":"object"}}`,
			canon.Request{Format: &canon.Format{Kind: "json_schema", Schema: raw(`{"type":"object"}`)}},
		},
		{
			"a vendor's own tool, as LiteLLM's clients write it", `"tools":[{"googleSearch":{}}]`,
			canon.Request{Tools: []canon.Tool{{Type: "googleSearch", Raw: raw(`{"googleSearch":{}}`)}}},
		},
		{
			"tools of three types", `"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"z":1,"a":2},"strict":false},"cache_control":{"type":"ephemeral"}},{"type":"custom","custom":{"name":"sh"}},{"type":"web_search","max_uses":1}]`,
			canon.Request{Tools: []canon.Tool{
				{Type: "function", Name: "f", Description: "d", Schema: raw(`{"z":1,"a":2}`), Strict: new(false), CacheControl: raw(`{"type":"ephemeral"}`)},
				{Type: "custom", Name: "sh", Raw: raw(`{"type":"custom","custom":{"name":"sh"}}`)},
				{Type: "web_search", Raw: raw(`{"type":"web_search","max_uses":1}`)},
			}},
		},
		{
			"the old functions", `"functions":[{"name":"f"}],"function_call":{"name":"f"}`,
			canon.Request{Tools: []canon.Tool{{Type: "function", Name: "f"}}, ToolChoice: &canon.ToolChoice{Mode: "tool", Name: "f"}},
		},
		{"one tool must be called", `"tool_choice":{"type":"function","function":{"name":"f"}}`, canon.Request{ToolChoice: &canon.ToolChoice{Mode: "tool", Name: "f"}}},
		{"some tool must be called, in another vendor's word", `"tool_choice":"any"`, canon.Request{ToolChoice: &canon.ToolChoice{Mode: "required"}}},
		{
			"only these tools", `"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}`,
			canon.Request{ToolChoice: &canon.ToolChoice{Mode: "required", Allowed: []string{"f"}}},
		},
		{
			"unknown members are kept in order, the gateway's own are not", `"z":1,"api_key":"k","metadata":{"tags":[]},"a":{"q":1},"num_retries":2,"input_cost_per_token":0,"verbosity":"low"`,
			canon.Request{Extra: []gateway.Param{{Name: "z", Value: raw("1")}, {Name: "a", Value: raw(`{"q":1}`)}, {Name: "verbosity", Value: raw(`"low"`)}}},
		},
		{
			"metadata goes on if the answer is to be stored", `"store":true,"metadata":{"k":"v"}`,
			canon.Request{Extra: []gateway.Param{{Name: "store", Value: raw("true")}, {Name: "metadata", Value: raw(`{"k":"v"}`)}}},
		},
		{
			"extra_body counts as top level, but does not overrule it", `"min_p":1,"extra_body":{"min_p":2,"top_a":3,"api_key":"k"}`,
			canon.Request{Extra: []gateway.Param{{Name: "min_p", Value: raw("1")}, {Name: "top_a", Value: raw("3")}}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := decode(t, chat(hi, tt.members))
			if err != nil {
				t.Fatal(err)
			}
			r.Model, r.Messages = "", nil
			if diff := cmp.Diff(&tt.want, r); diff != "" {
				t.Errorf("%s\nwant -, got +:\n%s", tt.members, diff)
			}
		})
	}
}

func TestDecodeChatRefuses(t *testing.T) {
	for _, tt := range []struct{ name, body, param string }{
		{"no messages", `{"model":"m"}`, "messages"},
		{"an empty list of messages", `{"messages":[]}`, "messages"},
		{"messages that are no list", `{"messages":{}}`, "messages"},
		{"a message that is no object", `{"messages":["hi"]}`, "messages[0]"},
		{"an unknown role", chat(hi+`,{"role":"robot","content":""}`, ""), "messages[1].role"},
		{"a number for content", chat(hi+`,`+hi+`,{"role":"user","content":7}`, ""), "messages[2].content"},
		{"a part of unknown type", chat(`{"role":"user","content":[{"type":"smell"}]}`, ""), "messages[0].content[0].type"},
		{"a picture without a URL", chat(`{"role":"user","content":[{"type":"image_url","image_url":{}}]}`, ""), "messages[0].content[0].image_url.url"},
		{"a data URL that is not base64", chat(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:text/plain,hi"}}]}`, ""), "messages[0].content[0].image_url.url"},
		{"arguments that are no object", chat(`{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"[1]"}}]}`, ""), "messages[0].tool_calls[0].function.arguments"},
		{"a result without an id", chat(`{"role":"tool","content":"x"}`, ""), "messages[0].tool_call_id"},
		{"thinking that is not the model's", chat(`{"role":"user","content":[{"type":"thinking","thinking":"x"}]}`, ""), "messages[0].content"},
		{"a negative cap", chat(hi, `"max_tokens":-1`), "max_tokens"},
		{"a cap that is no whole number", chat(hi, `"max_completion_tokens":1.5`), "max_completion_tokens"},
		{"a temperature in quotes", chat(hi, `"temperature":"hot"`), "temperature"},
		{"a stream flag in quotes", chat(hi, `"stream":"true"`), "stream"},
		{"a number among the stops", chat(hi, `"stop":["a",1]`), "stop[1]"},
		{"a tool without a name", chat(hi, `"tools":[{"type":"function","function":{}}]`), "tools[0].function.name"},
		{"a tool without a type", chat(hi, `"tools":[{}]`), "tools[0].type"},
		{"an unknown tool choice", chat(hi, `"tool_choice":"perhaps"`), "tool_choice"},
		{"an unknown effort", chat(hi, `"reasoning_effort":"hard"`), "reasoning_effort"},
		{"an unknown format", chat(hi, `"response_format":{"type":"xml"}`), "response_format.type"},
		{"a model that hides in extra_body", chat(hi, `"extra_body":{"model":"dear"}`), "extra_body.model"},
		{"a member that stands twice in a message", chat(`{"role":"user","content":"a","content":"b"}`, ""), "messages[0]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := decode(t, tt.body)
			e, ok := errors.AsType[*gateway.Error](err)
			if !ok || e.Kind != gateway.Invalid || e.Param != tt.param {
				t.Fatalf("%s\ngot %+v, %v\nwant an Invalid error about %s", tt.body, r, err, tt.param)
			}
			if !strings.Contains(e.Message, e.Param) {
				t.Errorf("the message %q does not name %s", e.Message, e.Param)
			}
		})
	}
}
