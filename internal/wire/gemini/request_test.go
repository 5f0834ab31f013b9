package gemini

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// request reads an OpenAI request: the shortest way to write a canonical one.
func request(t *testing.T, body string) *canon.Request {
	t.Helper()
	var o wire.Object
	if err := o.Parse([]byte(body)); err != nil {
		t.Fatalf("request %s: %v", body, err)
	}
	r, err := openai.DecodeChat(&o)
	if err != nil {
		t.Fatalf("request %s: %v", body, err)
	}
	return r
}

const (
	hi     = `"messages":[{"role":"user","content":"Hi"}]`
	gemHi  = `"contents":[{"role":"user","parts":[{"text":"Hi"}]}]`
	lookup = `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}}]`
	gemF   = `{"functionDeclarations":[{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}]}`
)

func TestEncodeRequest(t *testing.T) {
	for _, tt := range []struct {
		name, model, in, want string
		dropped               []string
	}{
		{
			"only system messages are asked as a question", "m", `{"messages":[{"role":"system","content":"Write a haiku"}]}`,
			`{"contents":[{"role":"user","parts":[{"text":"Write a haiku"}]}]}`, nil,
		},
		{
			"gemma 3 has no system instruction", "gemma-3-27b-it", `{"messages":[{"role":"system","content":"S"},{"role":"user","content":"Hi"}]}`,
			`{"contents":[{"role":"user","parts":[{"text":"S"},{"text":"Hi"}]}]}`, nil,
		},
		{
			"messages of one side become one turn", "m", `{"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"},{"role":"assistant","content":"c"},{"role":"assistant","content":"d"}]}`,
			`{"contents":[{"role":"user","parts":[{"text":"a"},{"text":"b"}]},{"role":"model","parts":[{"text":"c"},{"text":"d"}]}]}`, nil,
		},
		{
			"an empty turn is a blank", "m", `{"messages":[{"role":"user","content":""},{"role":"assistant","content":""},{"role":"user","content":"x"}]}`,
			`{"contents":[{"role":"user","parts":[{"text":" "}]},{"role":"model","parts":[{"text":" "}]},{"role":"user","parts":[{"text":"x"}]}]}`, nil,
		},
		{
			"thoughts of the history stay at home", "m", `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"foreign"}]},{"role":"user","content":"c"}]}`,
			`{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"b"}]},{"role":"user","parts":[{"text":"c"}]}]}`, nil,
		},
		{
			"audio and files go inline", "m", `{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}},{"type":"file","file":{"file_data":"data:application/pdf;base64,JVBE","filename":"a.pdf"}}]}]}`,
			`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"audio/mp3","data":"AAAA"}},{"inlineData":{"mimeType":"application/pdf","data":"JVBE"}}]}]}`, nil,
		},
		{
			"jpg is called jpeg", "m", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/jpg;base64,AAAA"}}]}]}`,
			`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/jpeg","data":"AAAA"}}]}]}`, nil,
		},
		{
			"Google's own URLs and YouTube are read by the vendor", "gemini-2.0-flash", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"gs://b/a.PNG"}},{"type":"file","file":{"file_id":"https://generativelanguage.googleapis.com/v1beta/files/x1","format":"application/pdf"}},{"type":"file","file":{"file_id":"files/x2"}},{"type":"image_url","image_url":{"url":"https://youtu.be/abc"}}]}]}`,
			`{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"gs://b/a.PNG"}},{"fileData":{"mimeType":"application/pdf","fileUri":"https://generativelanguage.googleapis.com/v1beta/files/x1"}},{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/x2"}},{"fileData":{"fileUri":"https://youtu.be/abc"}}]}]}`, nil,
		},
		{
			"later models fetch public URLs themselves", "gemini-2.5-flash", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/cat.webp?s=1"}}]}]}`,
			`{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"image/webp","fileUri":"https://example.com/cat.webp?s=1"}}]}]}`, nil,
		},
		{
			"the detail of an image stands on its part from Gemini 3 on", "gemini-3-pro-preview", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"high"}}]}]}`,
			`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"},"mediaResolution":{"level":"MEDIA_RESOLUTION_HIGH"}}]}]}`, nil,
		},
		{
			"images that disagree about the detail get the model's own", "gemini-2.5-pro", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"high"}},{"type":"image_url","image_url":{"url":"data:image/png;base64,BBBB","detail":"low"}}]}]}`,
			`{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"inlineData":{"mimeType":"image/png","data":"BBBB"}}]}]}`, nil,
		},
		{
			"every number of generationConfig keeps its digits", "m", `{` + hi + `,"temperature":1.0,"top_p":0.10,"top_k":40,"max_completion_tokens":5,"n":2,"seed":9007199254740993,"presence_penalty":0.5,"frequency_penalty":-0.5,"logprobs":true,"top_logprobs":3,"stop":"E"}`,
			`{` + gemHi + `,"generationConfig":{"maxOutputTokens":5,"temperature":1.0,"topP":0.10,"topK":40,"stopSequences":["E"],"candidateCount":2,"seed":9007199254740993,"presencePenalty":0.5,"frequencyPenalty":-0.5,"responseLogprobs":true,"logprobs":3}}`, nil,
		},
		{
			"what changes nothing is left out and listed", "gemini-3-pro-preview", `{` + hi + `,"user":"u","n":1,"presence_penalty":0,"frequency_penalty":0.0,"logit_bias":{},"logprobs":false,"service_tier":"auto","store":false,"prompt_cache_key":"k"}`,
			`{` + gemHi + `}`,
			[]string{"presence_penalty", "frequency_penalty", "logit_bias", "user", "store", "prompt_cache_key"},
		},
		{"a tier is asked for", "m", `{` + hi + `,"service_tier":"flex"}`, `{` + gemHi + `,"serviceTier":"flex"}`, nil},
		{
			"functions share one entry and choice auto says AUTO", "m", `{` + hi + `,"tool_choice":"auto","parallel_tool_calls":false,"tools":[{"type":"function","function":{"name":"f","description":"d"}},{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}}]}`,
			`{` + gemHi + `,"tools":[{"functionDeclarations":[{"name":"f","description":"d"},{"name":"g"}]}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}}`,
			[]string{"parallel_tool_calls"},
		},
		{
			"choice none says NONE", "m", `{` + hi + `,"tool_choice":"none",` + lookup + `}`,
			`{` + gemHi + `,"tools":[` + gemF + `],"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}}`, nil,
		},
		{
			"allowed tools that are required are named", "m", `{` + hi + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}},` + lookup + `}`,
			`{` + gemHi + `,"tools":[` + gemF + `],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}}`, nil,
		},
		{
			"tools that are not allowed are not declared", "m", `{` + hi + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}},"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}]}`,
			`{` + gemHi + `,"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}}`, nil,
		},
		{
			"Google's own tools pass under their name", "m", `{` + hi + `,"tools":[{"type":"google_search","google_search":{}},{"type":"code","codeExecution":null},{"type":"url_context","urlContext":{"a":1}}]}`,
			`{` + gemHi + `,"tools":[{"googleSearch":{}},{"codeExecution":{}},{"urlContext":{"a":1}}]}`, nil,
		},
		{
			"search and functions go together from Gemini 3 on", "gemini-3-pro-preview", `{` + hi + `,"web_search_options":{},` + lookup + `}`,
			`{` + gemHi + `,"tools":[` + gemF + `,{"googleSearch":{}}]}`, nil,
		},
		{
			"a JSON answer has its type", "gemini-2.5-flash", `{` + hi + `,"response_format":{"type":"json_object"}}`,
			`{` + gemHi + `,"generationConfig":{"responseMimeType":"application/json"}}`, nil,
		},
		{
			"a JSON answer and tools go together from Gemini 3 on", "gemini-3-flash", `{` + hi + `,"response_format":{"type":"json_object"},` + lookup + `}`,
			`{` + gemHi + `,"tools":[` + gemF + `],"generationConfig":{"responseMimeType":"application/json"}}`, nil,
		},
		{
			"an audio answer has its voice", "m", `{` + hi + `,"modalities":["audio"],"audio":{"voice":"Kore","format":"pcm16"}}`,
			`{` + gemHi + `,"generationConfig":{"responseModalities":["AUDIO"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}}}}`, nil,
		},
		{
			"vendor parameters go where they belong", "m", `{` + hi + `,"safetySettings":[{"category":"C","threshold":"OFF"}],"cached_content":"cachedContents/1","generationConfig":{"top_k":3,"imageConfig":{"aspectRatio":"1:1"}},"thinking_config":{"thinkingBudget":0}}`,
			`{` + gemHi + `,"generationConfig":{"topK":3,"imageConfig":{"aspectRatio":"1:1"},"thinkingConfig":{"thinkingBudget":0}},"safetySettings":[{"category":"C","threshold":"OFF"}],"cachedContent":"cachedContents/1"}`, nil,
		},
		{
			"a second cap under the vendor's name does not lift the first", "m", `{` + hi + `,"max_tokens":10,"maxOutputTokens":9000}`,
			`{` + gemHi + `,"generationConfig":{"maxOutputTokens":10}}`, nil,
		},
		{
			"a result that is no object is wrapped", "m", `{"messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"[1,2]"}]}`,
			`{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"content":"[1,2]"}}}]}]}`, nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, dropped, err := EncodeRequest(request(t, tt.in), Options{Model: tt.model})
			if err != nil || string(got) != tt.want {
				t.Errorf("request %s\n got %s (%v)\nwant %s", tt.in, got, err, tt.want)
			}
			if !slices.Equal(dropped, tt.dropped) {
				t.Errorf("request %s: dropped %q, want %q", tt.in, dropped, tt.dropped)
			}
		})
	}
}

func TestWhatTheModelLacksIsRefusedOrDropped(t *testing.T) {
	for _, tt := range []struct {
		name, model, in, param, says, want string
	}{
		{"penalties on Gemini 3", "gemini-3-pro-preview", `{` + hi + `,"frequency_penalty":1}`, "frequency_penalty", "", `{` + gemHi + `}`},
		{"a JSON answer with tools on Gemini 2.5", "gemini-2.5-pro", `{` + hi + `,"response_format":{"type":"json_object"},` + lookup + `}`, "response_format", "together", `{` + gemHi + `,"tools":[` + gemF + `]}`},
		{"search with functions on Gemini 2.5", "gemini-2.5-pro", `{` + hi + `,"web_search_options":{},` + lookup + `}`, "web_search_options", "", `{` + gemHi + `,"tools":[` + gemF + `]}`},
		{"reasoning on a model that does not think", "gemini-2.0-flash", `{` + hi + `,"reasoning_effort":"low"}`, "reasoning_effort", "does not think", `{` + gemHi + `}`},
		{"thinking on gemma", "gemma-3-4b-it", `{` + hi + `,"thinking":{"type":"enabled","budget_tokens":100}}`, "thinking", "", `{` + gemHi + `}`},
		{"labels outside Vertex AI", "m", `{` + hi + `,"labels":{"a":"b"}}`, "labels", "Vertex", `{` + gemHi + `}`},
		{"choices under the vendor's name", "m", `{` + hi + `,"candidateCount":8}`, "candidateCount", "use n", `{` + gemHi + `}`},
		{"choices inside generationConfig", "m", `{` + hi + `,"generationConfig":{"candidateCount":8}}`, "generationConfig.candidateCount", "use n", `{` + gemHi + `}`},
		{"a tier of another vendor", "m", `{` + hi + `,"service_tier":"scale"}`, "service_tier", "", `{` + gemHi + `}`},
		{"an audio format the vendor does not speak", "m", `{` + hi + `,"audio":{"format":"mp3"}}`, "audio.format", "pcm16", `{` + gemHi + `}`},
		{"a tool of another vendor", "m", `{` + hi + `,"tools":[{"type":"mcp","server_url":"https://x.example"}]}`, "tools[0]", "mcp", `{` + gemHi + `}`},
		{"a parameter nobody knows", "m", `{` + hi + `,"frobnicate":1}`, "frobnicate", "drop_params", `{` + gemHi + `}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := EncodeRequest(request(t, tt.in), Options{Model: tt.model})
			e, ok := errors.AsType[*gateway.Error](err)
			if !ok || e.Kind != gateway.Invalid || e.Param != tt.param || !strings.Contains(e.Message, tt.says) || !strings.Contains(e.Message, tt.param) {
				t.Errorf("request %s: error %+v, want an invalid request about %s that says %q", tt.in, err, tt.param, tt.says)
			}
			got, dropped, err := EncodeRequest(request(t, tt.in), Options{Model: tt.model, DropParams: true})
			if err != nil || string(got) != tt.want || !slices.Contains(dropped, tt.param) {
				t.Errorf("request %s with drop_params\n got %s, dropped %q (%v)\nwant %s, dropped %q", tt.in, got, dropped, err, tt.want, tt.param)
			}
		})
	}
}

func TestAllowedParameterIsSentAllTheSame(t *testing.T) {
	got, dropped, err := EncodeRequest(request(t, `{`+hi+`,"frobnicate":1,"presence_penalty":1}`),
		Options{Model: "gemini-3-pro", Allow: []string{"frobnicate", "presence_penalty"}})
	want := `{` + gemHi + `,"generationConfig":{"presencePenalty":1},"frobnicate":1}`
	if err != nil || string(got) != want || dropped != nil {
		t.Errorf("got %s, dropped %q (%v), want %s", got, dropped, err, want)
	}
}

func TestRequestThatGeminiCannotExpressIsInvalid(t *testing.T) {
	image := func(url string) string {
		return `{"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"` + url + `"}}]}]}`
	}
	for _, tt := range []struct{ name, model, in, param, says string }{
		{"a remote image for an old model", "gemini-2.0-flash", image("https://example.com/a.png"), "messages[0].content[1]", "not fetched"},
		{"a remote image for a model we cannot read", "my-model", image("https://example.com/a.png"), "messages[0].content[1]", "data URL"},
		{"an image over plain http", "gemini-2.5-pro", image("http://example.com/a.png"), "messages[0].content[1]", "https"},
		{"an image of a local file", "gemini-2.5-pro", image("file:///etc/passwd"), "messages[0].content[1]", "https"},
		{"a file id of another vendor", "m", `{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-abc"}}]}]}`, "messages[0].content[0]", "file-abc"},
		{"a result without its call", "m", `{"messages":[{"role":"user","content":"x"},{"role":"tool","tool_call_id":"c9","content":"4"}]}`, "messages[1].tool_call_id", "c9"},
		{"a broken schema", "m", `{` + hi + `,"tools":[{"type":"function","function":{"name":"f","parameters":{"$ref":"#/x"}}}]}`, "tools[0].function.parameters", "#/x"},
		{"an effort nobody knows", "gemini-2.5-pro", `{` + hi + `,"reasoning_effort":"huge"}`, "reasoning_effort", "huge"},
		{"an effort nobody knows on Gemini 3", "gemini-3-pro", `{` + hi + `,"reasoning_effort":"huge"}`, "reasoning_effort", "huge"},
	} {
		var o wire.Object
		if err := o.Parse([]byte(tt.in)); err != nil {
			t.Fatal(err)
		}
		r, err := openai.DecodeChat(&o)
		if err == nil {
			_, _, err = EncodeRequest(r, Options{Model: tt.model, DropParams: true})
		}
		e, ok := errors.AsType[*gateway.Error](err)
		if !ok || e.Kind != gateway.Invalid || e.Param != tt.param || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%s: error %+v, want an invalid request about %s that says %q", tt.name, err, tt.param, tt.says)
		}
	}
}

func TestThinking(t *testing.T) {
	for _, tt := range []struct{ model, in, want string }{
		{"gemini-2.5-flash", `"reasoning_effort":"none"`, `{"thinkingBudget":0,"includeThoughts":false}`},
		{"gemini-2.5-pro", `"reasoning_effort":"none"`, `{"thinkingBudget":128,"includeThoughts":false}`},
		{"gemini-2.5-flash", `"reasoning_effort":"minimal"`, `{"thinkingBudget":1,"includeThoughts":true}`},
		{"gemini-2.5-pro", `"reasoning_effort":"minimal"`, `{"thinkingBudget":128,"includeThoughts":true}`},
		{"gemini-2.5-flash-lite", `"reasoning_effort":"minimal"`, `{"thinkingBudget":512,"includeThoughts":true}`},
		{"gemini-2.5-pro", `"reasoning_effort":"medium"`, `{"thinkingBudget":2048,"includeThoughts":true}`},
		{"gemini-2.5-pro", `"reasoning_effort":"high"`, `{"thinkingBudget":4096,"includeThoughts":true}`},
		{"models/gemini-2.5-pro", `"thinking":{"type":"enabled","budget_tokens":5000}`, `{"thinkingBudget":5000,"includeThoughts":true}`},
		{"gemini-2.5-flash", `"thinking":{"type":"enabled","budget_tokens":0}`, `{"thinkingBudget":0,"includeThoughts":false}`},
		{"gemini-2.5-flash", `"thinking":{"type":"disabled"}`, `{"thinkingBudget":0,"includeThoughts":false}`},
		{"gemini-2.5-flash", `"thinking":{"type":"adaptive"}`, `{"thinkingBudget":-1,"includeThoughts":true}`},
		{"gemini-3-pro-preview", `"reasoning_effort":"none"`, `{"thinkingLevel":"low","includeThoughts":false}`},
		{"gemini-3-flash-preview", `"reasoning_effort":"minimal"`, `{"thinkingLevel":"minimal","includeThoughts":true}`},
		{"gemini-3-pro-preview", `"reasoning_effort":"medium"`, `{"thinkingLevel":"high","includeThoughts":true}`},
		{"gemini-3.1-pro-preview", `"reasoning_effort":"medium"`, `{"thinkingLevel":"medium","includeThoughts":true}`},
		{"gemini-flash-latest", `"reasoning_effort":"xhigh"`, `{"thinkingLevel":"high","includeThoughts":true}`},
		{"gemini-3-pro-preview", `"thinking":{"type":"enabled","budget_tokens":5000}`, `{"includeThoughts":true}`},
	} {
		got, _, err := EncodeRequest(request(t, `{`+hi+`,`+tt.in+`}`), Options{Model: tt.model})
		want := `{` + gemHi + `,"generationConfig":{"thinkingConfig":` + tt.want + `}}`
		if err != nil || string(got) != want {
			t.Errorf("%s with %s\n got %s (%v)\nwant %s", tt.model, tt.in, got, err, want)
		}
	}
}

func TestBudgetCapHoldsWhateverTheClientCallsIt(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"a silent client", ``, "500"},
		{"the client's own lower cap", `,"max_tokens":7`, "7"},
		{"a lower cap under the vendor's name", `,"generationConfig":{"maxOutputTokens":9}`, "9"},
		{"a higher cap under the vendor's name", `,"generationConfig":{"max_output_tokens":9000}`, "500"},
		{"a cap that is no number", `,"maxOutputTokens":"lots"`, "500"},
	} {
		got, _, err := EncodeRequest(request(t, `{`+hi+tt.in+`}`), Options{Model: "m", MaxTokens: 500})
		want := `{` + gemHi + `,"generationConfig":{"maxOutputTokens":` + tt.want + `}}`
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s (%v), want %s", tt.name, got, err, want)
		}
	}
}

func TestSignaturesReturnOnce(t *testing.T) {
	call := func(id, sig string) canon.Part {
		return canon.Part{Kind: canon.ToolCall, ID: id, Name: "f", Signature: sig}
	}
	user := canon.Message{Role: canon.User, Parts: []canon.Part{{Kind: canon.Text, Text: "x"}}}
	for _, tt := range []struct {
		name, model string
		calls       []canon.Part
		want        []string // of each call, "" for none
	}{
		{"one signature for parallel calls stands on the first", "gemini-3-pro", []canon.Part{call("a", "S"), call("b", "S")}, []string{"S", ""}},
		{"two signatures stand each on its call", "gemini-3-pro", []canon.Part{call("a", "S"), call("b", "T")}, []string{"S", "T"}},
		{"a signature in the id is taken out of it", "gemini-2.5-pro", []canon.Part{call("a__thought__S", "")}, []string{"S"}},
		{"a signature in both forms is sent once", "gemini-3-pro", []canon.Part{call("a__thought__S", "S")}, []string{"S"}},
		{"a history of another vendor gets the dummy on the first call", "gemini-3-pro", []canon.Part{call("a", ""), call("b", "")}, []string{noSignature, ""}},
		{"models before Gemini 3 need none", "gemini-2.5-pro", []canon.Part{call("a", "")}, []string{""}},
	} {
		r := &canon.Request{Messages: []canon.Message{user, {Role: canon.Assistant, Parts: tt.calls}}}
		body, _, err := EncodeRequest(r, Options{Model: tt.model})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []string
		tree, err := parseTree(body)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range tree.get("contents").members[1].get("parts").members {
			sig := ""
			if s := p.get("thoughtSignature"); s != nil {
				sig = s.text()
			}
			got = append(got, sig)
			if id := p.get("functionCall").get("id"); id != nil && strings.Contains(id.text(), thoughtMark) {
				t.Errorf("%s: id %q still holds the signature", tt.name, id.text())
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: signatures %q, want %q; body %s", tt.name, got, tt.want, body)
		}
	}
}

func TestResultsComeFirstAndCarryTheirMedia(t *testing.T) {
	image := canon.Part{Kind: canon.Image, Media: &canon.Media{MIME: "image/png", Data: "AAAA"}}
	result := func(id string, parts ...canon.Part) canon.Part {
		return canon.Part{Kind: canon.ToolResult, ID: id, Parts: parts}
	}
	text := canon.Part{Kind: canon.Text, Text: "see"}
	failed := result("b", canon.Part{Kind: canon.Text, Text: "no such file"})
	failed.IsError = true
	r := &canon.Request{Messages: []canon.Message{
		{Role: canon.User, Parts: []canon.Part{text}},
		{Role: canon.Assistant, Parts: []canon.Part{{Kind: canon.ToolCall, ID: "a", Name: "shot"}, {Kind: canon.ToolCall, ID: "b", Name: "read"}}},
		{Role: canon.User, Parts: []canon.Part{text, result("a", image), failed}},
	}}
	for _, tt := range []struct{ name, model, want string }{
		{
			"before Gemini 3 media follow the results", "gemini-2.5-pro",
			`[{"functionResponse":{"name":"shot","response":{"content":""}}},{"functionResponse":{"name":"read","response":{"error":"no such file"}}},{"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"text":"see"}]`,
		},
		{
			"from Gemini 3 on media stand in their result", "gemini-3-pro",
			`[{"functionResponse":{"id":"a","name":"shot","response":{"content":""},"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}},{"functionResponse":{"id":"b","name":"read","response":{"error":"no such file"}}},{"text":"see"}]`,
		},
	} {
		body, _, err := EncodeRequest(r, Options{Model: tt.model})
		if err != nil || !strings.Contains(string(body), tt.want) {
			t.Errorf("%s: got %s (%v), want the parts %s", tt.name, body, err, tt.want)
		}
	}
}

func TestVertexDiffers(t *testing.T) {
	in := `{"labels":{"team":"a"},"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"1"}]}`
	got, _, err := EncodeRequest(request(t, in), Options{Model: "gemini-3-pro", Vertex: true})
	want := `{"contents":[{"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://example.com/a.png"}}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"` + noSignature + `"}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"content":"1"}}}]}],"labels":{"team":"a"}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s (%v)\nwant %s", got, err, want)
	}
}

// FuzzEncodeRequest asserts what the vendor checks first: valid JSON, roles
// that alternate, and no turn without parts.
func FuzzEncodeRequest(f *testing.F) {
	f.Add([]byte(`{`+hi+`,`+lookup+`,"tool_choice":"required","reasoning_effort":"low"}`), "gemini-2.5-pro")
	f.Add([]byte(`{"messages":[{"role":"system","content":"s"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"{\"a\":1}"}]}`), "gemini-3-pro")
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA","detail":"low"}}]}],"generationConfig":{"a":1},"web_search_options":{},"tools":[{"type":"google_search","google_search":{}}]}`), "m")
	f.Add([]byte(`{"messages":[{"role":"developer","content":""}],"modalities":["text"],"response_format":{"type":"json_object"}}`), "gemma-3")
	f.Fuzz(func(t *testing.T, in []byte, model string) {
		var o wire.Object
		if o.Parse(in) != nil {
			return
		}
		r, err := openai.DecodeChat(&o)
		if err != nil {
			return
		}
		body, _, err := EncodeRequest(r, Options{Model: model, DropParams: true})
		if err != nil {
			if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Kind != gateway.Invalid {
				t.Fatalf("request %s: error %v, want an invalid request", in, err)
			}
			return
		}
		if !wire.Valid(body) {
			t.Fatalf("request %s gives invalid JSON %s", in, body)
		}
		tree, err := parseTree(body)
		if err != nil {
			return // nested more deeply than our own reader goes
		}
		last := ""
		contents := tree.get("contents")
		if contents == nil || len(contents.members) == 0 {
			t.Fatalf("request %s gives no contents: %s", in, body)
		}
		for _, turn := range contents.members {
			role := turn.get("role").text()
			if role == last {
				t.Fatalf("request %s gives two turns of %s: %s", in, role, body)
			}
			if len(turn.get("parts").members) == 0 {
				t.Fatalf("request %s gives a turn without parts: %s", in, body)
			}
			last = role
		}
	})
}
