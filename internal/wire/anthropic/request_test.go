package anthropic_test

import (
	"slices"
	"strings"
	"testing"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
	"penstock/internal/wire/anthropic"
	"penstock/internal/wire/openai"
)

// encode translates an OpenAI request.
func encode(t *testing.T, body string, o anthropic.Options) (anthropic.Encoded, error) {
	t.Helper()
	var in wire.Object
	if err := in.Parse([]byte(body)); err != nil {
		t.Fatalf("test request: %v\n%s", err, body)
	}
	r, err := openai.DecodeChat(&in)
	if err != nil {
		t.Fatalf("test request: %v\n%s", err, body)
	}
	return anthropic.EncodeRequest(r, o)
}

// member returns a member of the body that body becomes for model.
func member(t *testing.T, body, model, name string, drop bool) string {
	t.Helper()
	enc, err := encode(t, body, anthropic.Options{Model: model, DropParams: drop})
	if err != nil {
		return "error: " + gateway.AsError(err).Message
	}
	var o wire.Object
	if err := o.Parse(enc.Body); err != nil {
		t.Fatalf("the body is not JSON: %v\n%s", err, enc.Body)
	}
	return string(o.Get(name))
}

const (
	oldClaude = "claude-3-5-sonnet-20241022"
	claude45  = "claude-sonnet-4-5"
	claude46  = "claude-opus-4-6"
	claude48  = "claude-opus-4-8"
	claude55  = "claude-opus-5-5"
)

const hi = `"messages":[{"role":"user","content":"Hi"}]`

func TestMembers(t *testing.T) {
	tool := `"tools":[{"type":"function","function":{"name":"a.b"}},{"type":"function","function":{"name":"c"}}]`
	person := `"response_format":{"type":"json_schema","json_schema":{"name":"p","schema":{"type":"object","properties":{"a":{"type":"string"}}}}}`
	free := `"response_format":{"type":"json_schema","json_schema":{"name":"p","schema":{"type":"object","additionalProperties":{"type":"string"}}}}`
	tree := `"response_format":{"type":"json_schema","json_schema":{"name":"p","schema":{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"kids":{"type":"array","items":{"$ref":"#/$defs/n"}}}}}}}}`
	tests := []struct {
		about, members, model, name, want string
	}{
		{"an answer may be 4096 tokens long if nobody says", hi, claude45, "max_tokens", "4096"},
		{"a thinking answer gets room for both", hi + `,"reasoning_effort":"high"`, claude45, "max_tokens", "8192"},
		{"an e-mail address is no user id", hi + `,"user":"ann@example.com"`, claude45, "metadata", ""},
		{"a telephone number is no user id", hi + `,"user":"+1 (555) 010-9999"`, claude45, "metadata", ""},
		{"a number is a user id", hi + `,"user":"12345678"`, claude45, "metadata", `{"user_id":"12345678"}`},
		{"a short number with a hyphen is a user id", hi + `,"user":"12-34"`, claude45, "metadata", `{"user_id":"12-34"}`},
		{"service tier default is standard_only", hi + `,"service_tier":"default"`, claude45, "service_tier", `"standard_only"`},
		{"a vendor's parameter passes", hi + `,"inference_geo":{"b":1,"a":2}`, claude45, "inference_geo", `{"b":1,"a":2}`},
		{"numbers stay as they are written", hi + `,"temperature":0.70`, claude45, "temperature", "0.70"},
		{"temperature 1 is not told to models that refuse it", hi + `,"temperature":1.0`, claude48, "temperature", ""},
		{"one stop becomes a list", hi + `,"stop":"x"`, claude45, "stop_sequences", `["x"]`},

		{"required is any", hi + `,"tool_choice":"required",` + tool, claude45, "tool_choice", `{"type":"any"}`},
		{"a named tool is escaped", hi + `,"tool_choice":{"type":"function","function":{"name":"a.b"}},` + tool, claude45, "tool_choice", `{"type":"tool","name":"esc__a_pb"}`},
		{"without tools no choice is sent", hi + `,"tool_choice":"auto"`, claude45, "tool_choice", ""},
		{"no parallel calls", hi + `,"parallel_tool_calls":false,` + tool, claude45, "tool_choice", `{"type":"auto","disable_parallel_tool_use":true}`},
		{"none stays none without parallel calls", hi + `,"parallel_tool_calls":false,"tool_choice":"none",` + tool, claude45, "tool_choice", `{"type":"none"}`},
		{"allowed tools are the ones sent", hi + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"c"}}]}},` + tool, claude45, "tools", `[{"name":"c","input_schema":{"type":"object","properties":{}}}]`},
		{"a thinking model cannot be forced", hi + `,"reasoning_effort":"low","max_tokens":4000,"tool_choice":"required",` + tool, claude45, "tool_choice", "error: anthropic does not support parameters: ['tool_choice'], for model=claude-sonnet-4-5. Leave them out, or set drop_params: true to have them dropped."},
		{"a model that takes no force", hi + `,"tool_choice":"required",` + tool, claude55, "tool_choice", "error: anthropic does not support parameters: ['tool_choice'], for model=claude-opus-5-5. Leave them out, or set drop_params: true to have them dropped."},

		{"a schema keeps its order and gets what is missing", hi + `,"tools":[{"type":"function","function":{"name":"f","parameters":{"$defs":{"z":{},"a":{}},"required":[]}}}]`, claude45, "tools", `[{"name":"f","input_schema":{"type":"object","properties":{},"$defs":{"z":{},"a":{}},"required":[]}}]`},
		{"a schema of another type is refused", hi + `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"array"}}}]`, claude45, "tools", `error: the parameters of tool "f" must have type "object", got "array"`},
		{"an empty schema is completed", hi + `,"tools":[{"type":"function","function":{"name":"f","parameters":{}}}]`, claude45, "tools", `[{"name":"f","input_schema":{"type":"object","properties":{}}}]`},
		{"strict goes to models that know it", hi + `,"tools":[{"type":"function","function":{"name":"f","strict":true}}]`, claude45, "tools", `[{"name":"f","input_schema":{"type":"object","properties":{}},"strict":true}]`},
		{"strict stays away from those that do not", hi + `,"tools":[{"type":"function","function":{"name":"f","strict":true}}]`, oldClaude, "tools", `[{"name":"f","input_schema":{"type":"object","properties":{}}}]`},
		{"the vendor's own tools pass", hi + `,"tools":[{"type":"bash_20250124","name":"bash"}]`, claude45, "tools", `[{"type":"bash_20250124","name":"bash"}]`},
		{"OpenAI's own tools are refused", hi + `,"tools":[{"type":"file_search"}]`, claude45, "tools", `error: anthropic does not support parameters: ['tools[0].type=file_search'], for model=claude-sonnet-4-5. Leave them out, or set drop_params: true to have them dropped.`},
		{"an MCP server", hi + `,"tools":[{"type":"mcp","server_label":"w","server_url":"https://w.example/mcp","authorization":"tok","allowed_tools":["a"]}]`, claude45, "mcp_servers", `[{"type":"url","url":"https://w.example/mcp","name":"w","authorization_token":"tok","tool_configuration":{"allowed_tools":["a"]}}]`},

		{"thinking off is the default", hi + `,"reasoning_effort":"none"`, claude45, "thinking", ""},
		{"models before 3.7 do not think", hi + `,"reasoning_effort":"low"`, oldClaude, "thinking", "error: anthropic does not support parameters: ['reasoning_effort'], for model=claude-3-5-sonnet-20241022. Leave them out, or set drop_params: true to have them dropped."},
		{"a budget larger than the answer is made smaller", hi + `,"reasoning_effort":"high","max_tokens":3000`, claude45, "thinking", `{"type":"enabled","budget_tokens":1500}`},
		{"4.6 takes a client's budget as it is", hi + `,"thinking":{"type":"enabled","budget_tokens":2000},"max_tokens":4000`, claude46, "thinking", `{"type":"enabled","budget_tokens":2000}`},
		{"4.7 and later do not", hi + `,"thinking":{"type":"enabled","budget_tokens":5000},"max_tokens":8000`, claude48, "thinking", `{"type":"adaptive","display":"summarized"}`},
		{"their budget becomes an effort", hi + `,"thinking":{"type":"enabled","budget_tokens":5000},"max_tokens":8000`, claude48, "output_config", `{"effort":"high"}`},
		{"minimal effort is low", hi + `,"reasoning_effort":"minimal"`, claude48, "output_config", `{"effort":"low"}`},
		{"4.6 knows no xhigh", hi + `,"reasoning_effort":"xhigh"`, claude46, "output_config", `{"effort":"high"}`},
		{"a client's output_config wins", hi + `,"reasoning_effort":"low","output_config":{"effort":"max","x":1}`, claude48, "output_config", `{"effort":"max","x":1}`},
		{"adaptive on an older model is a budget", hi + `,"thinking":{"type":"adaptive"}`, claude45, "thinking", `{"type":"enabled","budget_tokens":2048}`},
		{"disabled is kept", hi + `,"thinking":{"type":"disabled"}`, claude48, "thinking", `{"type":"disabled"}`},
		{"but not for a model that always thinks", hi + `,"thinking":{"type":"disabled"}`, claude55, "thinking", ""},

		{"a schema goes into output_config", hi + "," + person, claude45, "output_config", `{"format":{"type":"json_schema","schema":{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}}}`},
		{"free names cannot be structured output", hi + "," + free, claude45, "output_config", ""},
		{"so a tool stands in", hi + "," + free, claude45, "tool_choice", `{"type":"tool","name":"json_tool_call","disable_parallel_tool_use":true}`},
		{"so it does for a recursive schema", hi + "," + tree, claude45, "tool_choice", `{"type":"tool","name":"json_tool_call_values","disable_parallel_tool_use":true}`},
		{"whose definitions stay at the root", hi + "," + tree, claude45, "tools", `[{"name":"json_tool_call_values","description":"Give your final answer by calling this tool: its arguments are the answer.","input_schema":{"type":"object","properties":{"values":{"$ref":"#/$defs/n"}},"required":["values"],"$defs":{"n":{"type":"object","properties":{"kids":{"type":"array","items":{"$ref":"#/$defs/n"}}}}}}}]`},
		{"a thinking model is not forced to answer with the tool", hi + `,"reasoning_effort":"low","max_tokens":4000,` + free, claude45, "tool_choice", `{"type":"auto"}`},
		{"real tools and the answer tool: any of them", hi + "," + tool + "," + person, oldClaude, "tool_choice", `{"type":"any"}`},
		{"a named tool wins over the answer tool", hi + `,"tool_choice":{"type":"function","function":{"name":"c"}},` + tool + "," + person, oldClaude, "tool_choice", `{"type":"tool","name":"c"}`},
		{"only the answer tool is left of none", hi + `,"tool_choice":"none",` + tool + "," + person, oldClaude, "tool_choice", `{"type":"tool","name":"json_tool_call","disable_parallel_tool_use":true}`},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			if got := member(t, `{"model":"m",`+tt.members+`}`, tt.model, tt.name, false); got != tt.want {
				t.Errorf("%s for %s\n got %s\nwant %s", tt.name, tt.members, got, tt.want)
			}
		})
	}
}

func TestMessages(t *testing.T) {
	call := func(id string) string {
		return `{"id":"` + id + `","type":"function","function":{"name":"f","arguments":"{}"}}`
	}
	use := func(id string) string {
		return `{"type":"tool_use","id":"` + id + `","name":"f","input":{}}`
	}
	result := func(id, text string) string {
		return `{"type":"tool_result","tool_use_id":"` + id + `","content":"` + text + `"}`
	}
	u := func(blocks ...string) string { return `{"role":"user","content":[` + strings.Join(blocks, ",") + `]}` }
	a := func(blocks ...string) string {
		return `{"role":"assistant","content":[` + strings.Join(blocks, ",") + `]}`
	}
	s := func(blocks ...string) string {
		return `{"role":"system","content":[` + strings.Join(blocks, ",") + `]}`
	}
	text := func(s string) string { return `{"type":"text","text":"` + s + `"}` }
	note := func(s string) string { return text(`[Instruction from the operator of this application]\n` + s) }
	list := func(turns ...string) string { return "[" + strings.Join(turns, ",") + "]" }

	tests := []struct {
		about, messages, model, want string
	}{
		{
			"neighbours of one side become one turn",
			`{"role":"user","content":"a"},{"role":"user","content":"b"},{"role":"assistant","content":"c"},{"role":"assistant","content":"d"},{"role":"user","content":"e"}`,
			claude45, list(u(text("a"), text("b")), a(text("c"), text("d")), u(text("e"))),
		},
		{
			"empty and blank text is left out",
			`{"role":"user","content":"a"},{"role":"user","content":" \n"},{"role":"assistant","content":""},{"role":"user","content":[{"type":"text","text":""},{"type":"text","text":"b"}]}`,
			claude45, list(u(text("a"), text("b"))),
		},
		{
			"a conversation that begins with the model gets a user turn first",
			`{"role":"assistant","content":"a"},{"role":"user","content":"b"}`,
			claude45, list(u(text(".")), a(text("a")), u(text("b"))),
		},
		{
			"white space at the end of a prefill is removed",
			`{"role":"user","content":"a"},{"role":"assistant","content":"{ \n"}`,
			claude45, list(u(text("a")), a(text("{"))),
		},
		{
			"results come first and together, whatever stands between them",
			`{"role":"user","content":"a"},{"role":"assistant","tool_calls":[` + call("1") + "," + call("2") + `]},{"role":"user","content":"wait"},{"role":"tool","tool_call_id":"2","content":"x"},{"role":"system","content":"s"},{"role":"tool","tool_call_id":"1","content":"y"}`,
			claude45, list(u(text("a")), a(use("1"), use("2")), u(result("2", "x"), result("1", "y"), text("wait"), note("s"))),
		},
		{
			"a system message never parts a call from its result",
			`{"role":"user","content":"a"},{"role":"assistant","tool_calls":[` + call("1") + `]},{"role":"system","content":"s"},{"role":"tool","tool_call_id":"1","content":"y"}`,
			claude48, list(u(text("a")), a(use("1")), u(result("1", "y")), s(text("s"))),
		},
		{
			"a system message that a user message follows is a note",
			`{"role":"user","content":"a"},{"role":"system","content":"s"},{"role":"user","content":"b"}`,
			claude48, list(u(text("a"), note("s"), text("b"))),
		},
		{
			"a system message behind the model is a note",
			`{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"developer","content":"s"},{"role":"user","content":"c"}`,
			claude48, list(u(text("a")), a(text("b")), u(note("s"), text("c"))),
		},
		{
			"ids that come twice are told apart",
			`{"role":"user","content":"a"},{"role":"assistant","tool_calls":[` + call("0") + `]},{"role":"tool","tool_call_id":"0","content":"x"},{"role":"assistant","tool_calls":[` + call("0") + "," + call("0") + `]},{"role":"tool","tool_call_id":"0","content":"y"},{"role":"tool","tool_call_id":"0","content":"z"}`,
			claude45, list(u(text("a")), a(use("0")), u(result("0", "x")), a(use("0_2"), use("0_3")), u(result("0_2", "y"), result("0_3", "z"))),
		},
		{
			"tool calls stand at the end of the model's turn",
			`{"role":"user","content":"a"},{"role":"assistant","tool_calls":[` + call("1") + `]},{"role":"assistant","content":"b"},{"role":"tool","tool_call_id":"1","content":"x"}`,
			claude45, list(u(text("a")), a(text("b"), use("1")), u(result("1", "x"))),
		},
		{
			"thinking without a signature is left out",
			`{"role":"user","content":"a"},{"role":"assistant","content":"b","thinking_blocks":[{"type":"thinking","thinking":"t"}]},{"role":"user","content":"c"}`,
			claude45, list(u(text("a")), a(text("b")), u(text("c"))),
		},
		{
			"a result of several parts is a list",
			`{"role":"user","content":"a"},{"role":"assistant","tool_calls":[` + call("1") + `]},{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"https://e.example/i.png"}}]}`,
			claude45, list(u(text("a")), a(use("1")), u(`{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"x"},{"type":"image","source":{"type":"url","url":"https://e.example/i.png"}}]}`)),
		},
		{
			"a cache mark on a result's text stands on the result",
			`{"role":"user","content":"a"},{"role":"assistant","tool_calls":[` + call("1") + `]},{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}`,
			claude45, list(u(text("a")), a(use("1")), u(`{"type":"tool_result","tool_use_id":"1","content":"x","cache_control":{"type":"ephemeral"}}`)),
		},
		{
			"a message's cache mark stands on its last block",
			`{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"cache_control":{"type":"ephemeral"}},{"role":"user","content":"c"}`,
			claude45, list(u(text("a"), `{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}`, text("c"))),
		},
		{
			"arguments are not decoded",
			`{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"z\":12345678901234567890,\"a\":1.0}"}}]},{"role":"tool","tool_call_id":"1","content":"x"}`,
			claude45, list(u(text("a")), a(`{"type":"tool_use","id":"1","name":"f","input":{"z":12345678901234567890,"a":1.0}}`), u(result("1", "x"))),
		},
		{
			"the functions of old are tool calls",
			`{"role":"user","content":"a"},{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"x"}`,
			claude45, list(u(text("a")), a(use("call_1")), u(result("call_1", "x"))),
		},
		{
			"a result for no call is refused",
			`{"role":"user","content":"a"},{"role":"tool","tool_call_id":"9","content":"x"}`,
			claude45, `error: the assistant turn before this one has no tool call "9" left to answer`,
		},
		{
			"a call without a result is refused",
			`{"role":"user","content":"a"},{"role":"assistant","tool_calls":[` + call("1") + `]}`,
			claude45, `error: tool call "1" has no result: add a tool message with this tool_call_id before the next assistant turn`,
		},
		{
			"audio is refused",
			`{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}`,
			claude45, "error: anthropic takes no audio: send text, images or documents",
		},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			if got := member(t, `{"model":"m","messages":[`+tt.messages+`]}`, tt.model, "messages", false); got != tt.want {
				t.Errorf("%s\n got %s\nwant %s", tt.messages, got, tt.want)
			}
		})
	}
}

func TestMedia(t *testing.T) {
	tests := []struct{ about, part, want string }{
		{"a type is found out from the first bytes", `{"type":"image_url","image_url":{"url":"data:;base64,/9j/4AAQ"}}`, `{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"/9j/4AAQ"}}`},
		{"image/jpg is image/jpeg", `{"type":"image_url","image_url":{"url":"data:image/jpg;base64,AAAA"}}`, `{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AAAA"}}`},
		{"text files are text documents", `{"type":"file","file":{"filename":"a.csv","file_data":"data:text/csv;base64,YSxi"}}`, `{"type":"document","source":{"type":"text","media_type":"text/plain","data":"a,b"},"title":"a.csv"}`},
		{"an image file is an image", `{"type":"file","file":{"file_data":"data:image/png;base64,iVBORw0KGgo="}}`, `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}`},
		{"a bitmap is refused", `{"type":"image_url","image_url":{"url":"data:image/bmp;base64,AAAA"}}`, `error: anthropic takes no image/bmp: send JPEG, PNG, GIF or WebP images, PDF or text documents`},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			got := member(t, `{"model":"m","messages":[{"role":"user","content":[`+tt.part+`]}]}`, claude45, "messages", false)
			want := tt.want
			if !strings.HasPrefix(want, "error") {
				want = `[{"role":"user","content":[` + want + `]}]`
			}
			if got != want {
				t.Errorf("%s\n got %s\nwant %s", tt.part, got, want)
			}
		})
	}
}

func TestDropped(t *testing.T) {
	toolLoop := `"messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"x"}]`
	tests := []struct {
		about, members, model string
		drop                  bool
		want                  string
	}{
		{"what changes nothing is dropped without asking", hi + `,"seed":1,"logprobs":false,"presence_penalty":0,"modalities":["text"],"store":true`, claude45, false, "seed presence_penalty logprobs modalities store"},
		{"the rest only if asked", hi + `,"logprobs":true,"top_logprobs":3,"verbosity":"low","prediction":{"type":"content","content":"x"}`, claude45, true, "logprobs top_logprobs verbosity prediction"},
		{"a blank stop", hi + `,"stop":[" ","x"]`, claude45, true, "stop"},
		{"temperature or top_p, not both", hi + `,"temperature":0.5,"top_p":0.5`, claude45, true, "top_p"},
		{"thinking keeps no temperature", hi + `,"temperature":0.5,"max_tokens":4000,"reasoning_effort":"low"`, claude45, false, "temperature"},
		{"a loop of calls without thinking blocks does not think", toolLoop + `,"max_tokens":4000,"reasoning_effort":"low"`, claude45, false, "reasoning_effort"},
		{"unless the model thinks as it likes", toolLoop + `,"max_tokens":4000,"reasoning_effort":"low"`, claude48, false, ""},
		{"a forced tool on a thinking model", hi + `,"max_tokens":4000,"reasoning_effort":"low","tool_choice":"required","tools":[{"type":"function","function":{"name":"f"}}]`, claude45, true, "tool_choice"},
		{"priority is for others", hi + `,"service_tier":"flex"`, claude45, false, "service_tier"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			enc, err := encode(t, `{"model":"m",`+tt.members+`}`, anthropic.Options{Model: tt.model, DropParams: tt.drop})
			if err != nil {
				t.Fatalf("%s: %v", tt.members, err)
			}
			if got := strings.Join(enc.Dropped, " "); got != tt.want {
				t.Errorf("%s\n got %q\nwant %q", tt.members, got, tt.want)
			}
		})
	}
}

func TestTooManyCacheMarks(t *testing.T) {
	part := `{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}`
	body := func(n int) string {
		return `{"model":"m","messages":[{"role":"user","content":[` + strings.Join(slices.Repeat([]string{part}, n), ",") + `]}]}`
	}
	if _, err := encode(t, body(4), anthropic.Options{Model: claude45}); err != nil {
		t.Errorf("four marks: %v, want none refused", err)
	}
	if _, err := encode(t, body(5), anthropic.Options{Model: claude45}); err == nil || gateway.AsError(err).Kind != gateway.Invalid {
		t.Errorf("five marks: got %v, want an Invalid error", err)
	}
}

func TestArgumentsThatAreNoObject(t *testing.T) {
	for _, args := range []string{`[1]`, `"x"`, `{"a":`, `{} {}`} {
		r := &canon.Request{Messages: []canon.Message{
			{Role: canon.Assistant, Parts: []canon.Part{{Kind: canon.ToolCall, ID: "1", Name: "f", Args: canon.Raw(args)}}},
			{Role: canon.ToolRole, Parts: []canon.Part{{Kind: canon.ToolResult, ID: "1"}}},
		}}
		_, err := anthropic.EncodeRequest(r, anthropic.Options{Model: claude45})
		if e := gateway.AsError(err); e == nil || e.Kind != gateway.Invalid || e.Param != "messages[0].tool_calls" {
			t.Errorf("arguments %s: got %v, want an Invalid error about messages[0].tool_calls", args, err)
		}
	}
}

// FuzzEncodeRequest proves that whatever an OpenAI client sends becomes a body
// the API can read, or an error that is the client's.
func FuzzEncodeRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m",`+hi+`,"reasoning_effort":"low","max_tokens":2000}`), uint8(0))
	f.Add([]byte(`{"model":"m","messages":[{"role":"system","content":"s"},{"role":"assistant","content":"a"},{"role":"system","content":"s"},{"role":"user","content":"b"},{"role":"system","content":"s"}]}`), uint8(1))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"a.b","arguments":"{}"}}]},{"role":"system","content":"x"},{"role":"tool","tool_call_id":"c","content":"r"}],"tools":[{"type":"function","function":{"name":"a.b","parameters":{}}}]}`), uint8(2))
	f.Add([]byte(`{"model":"m",`+hi+`,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"array","items":{"oneOf":[{"type":"string","maxLength":3}]}}}},"web_search_options":{}}`), uint8(3))
	models := []string{oldClaude, claude45, claude46, claude48, claude55, "other"}
	f.Fuzz(func(t *testing.T, body []byte, pick uint8) {
		var in wire.Object
		if in.Parse(body) != nil {
			return
		}
		r, err := openai.DecodeChat(&in)
		if err != nil {
			return
		}
		enc, err := anthropic.EncodeRequest(r, anthropic.Options{Model: models[int(pick)%len(models)], DropParams: pick >= 128})
		if err != nil {
			if e := gateway.AsError(err); e.Kind != gateway.Invalid || e.Param == "" {
				t.Fatalf("error %v (param %q), want an Invalid error that names a field\nrequest: %s", e, e.Param, body)
			}
			return
		}
		checkBody(t, enc.Body, body)
	})
}

// checkBody checks what holds for every request.
func checkBody(t *testing.T, got, from []byte) {
	t.Helper()
	var o wire.Object
	if err := o.Parse(got); err != nil {
		t.Fatalf("body is not valid JSON: %v\nrequest: %s\nbody: %s", err, from, got)
	}
	if n, ok := o.Int("max_tokens"); !ok || n < 1 {
		t.Errorf("max_tokens is %s, want a number from 1\nbody: %s", o.Get("max_tokens"), got)
	}
	before := ""
	for _, turn := range decode[[]struct {
		Role    string                  `json:"role"`
		Content []struct{ Type string } `json:"content"`
	}](t, o.Get("messages")) {
		if len(turn.Content) == 0 {
			t.Errorf("a turn without content\nbody: %s", got)
		}
		allowed := map[string][]string{"": {"user"}, "user": {"assistant", "system"}, "system": {"assistant"}, "assistant": {"user"}}
		if !slices.Contains(allowed[before], turn.Role) {
			t.Errorf("role %q follows %q\nbody: %s", turn.Role, before, got)
		}
		before = turn.Role
	}
	if before == "" {
		t.Errorf("no messages\nbody: %s", got)
	}
}
