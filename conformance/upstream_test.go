package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/openai/openai-go/v3"
	"google.golang.org/genai"
)

// full asks for everything at once that a provider's format has a place for.
func full(model string) openai.ChatCompletionNewParams {
	messages := append(say("What is the weather?"), picture()...)
	messages = append(messages,
		openai.ChatCompletionMessageParamUnion{OfAssistant: &openai.ChatCompletionAssistantMessageParam{
			ToolCalls: []openai.ChatCompletionMessageToolCallUnionParam{{OfFunction: &openai.ChatCompletionMessageFunctionToolCallParam{
				ID:       "call_1",
				Function: openai.ChatCompletionMessageFunctionToolCallFunctionParam{Name: "weather", Arguments: `{"city":"Oslo"}`},
			}}},
		}},
		openai.ToolMessage("It rains.", "call_1"),
		openai.UserMessage("And tomorrow?"))
	return openai.ChatCompletionNewParams{
		Model: model, Messages: messages, Tools: weather(),
		MaxTokens: openai.Int(50), Temperature: openai.Float(0.5), TopP: openai.Float(0.9),
		Stop:       openai.ChatCompletionNewParamsStopUnion{OfStringArray: []string{"END"}},
		ToolChoice: openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("auto")},
	}
}

// delivered makes the call and returns what the provider got.
func delivered(t *testing.T, provider, model string) received {
	t.Helper()
	c := client(t)
	if _, err := c.Chat.Completions.New(deadline(t), full(provider+"/"+model)); err != nil {
		t.Fatal(err)
	}
	return sent(t, model)
}

// loose decodes any JSON, to compare two texts for their meaning.
func loose(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func TestAnthropicLibraryReadsWhatIsSentUpstream(t *testing.T) {
	call := delivered(t, "anthropic", "claude-full")
	if call.Path != "/v1/messages" || call.Header.Get("Anthropic-Version") == "" || call.Header.Get("X-Api-Key") != "upstream-anthropic" {
		t.Errorf("sent to %s with headers %v", call.Path, call.Header)
	}
	var p anthropic.MessageNewParams
	if err := json.Unmarshal([]byte(call.Body), &p); err != nil {
		t.Fatalf("%v: %s", err, call.Body)
	}
	if p.Model != "claude-full" || p.MaxTokens != 50 || p.Temperature.Value != 0.5 || p.TopP.Value != 0.9 || !reflect.DeepEqual(p.StopSequences, []string{"END"}) {
		t.Errorf("settings were lost: %s", call.Body)
	}
	if len(p.System) != 1 || p.System[0].Text != "Be brief." {
		t.Errorf("system is %+v", p.System)
	}
	var kinds []string
	for _, m := range p.Messages {
		for _, b := range m.Content {
			kinds = append(kinds, string(m.Role)+" "+*b.GetType())
		}
	}
	want := []string{"user text", "user text", "user image", "assistant tool_use", "user tool_result", "user text"}
	if !reflect.DeepEqual(kinds, want) {
		t.Errorf("blocks are %q, want %q", kinds, want)
	}
	if len(p.Tools) != 1 || p.Tools[0].OfTool == nil || p.Tools[0].OfTool.Name != "weather" || p.ToolChoice.OfAuto == nil {
		t.Errorf("tools are %+v", p.Tools)
	}
	// Written again by the library it must be the same: nothing that is sent
	// is unknown to it.
	again, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(loose(t, again), blocks(loose(t, []byte(call.Body)))) {
		t.Errorf("the library reads it differently\nsent %s\nread %s", call.Body, again)
	}
}

// blocks writes the result of a tool as blocks, as the library does, where it
// is a plain string, which the API takes too.
func blocks(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = blocks(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = blocks(v[name])
		}
		if text, ok := v["content"].(string); ok && v["type"] == "tool_result" {
			v["content"] = []any{map[string]any{"type": "text", "text": text}}
		}
	}
	return v
}

// geminiRequest is the body of generateContent, made of the library's types.
type geminiRequest struct {
	Contents          []*genai.Content        `json:"contents"`
	SystemInstruction *genai.Content          `json:"systemInstruction"`
	GenerationConfig  *genai.GenerationConfig `json:"generationConfig"`
	Tools             []*genai.Tool           `json:"tools"`
	ToolConfig        *genai.ToolConfig       `json:"toolConfig"`
	SafetySettings    []*genai.SafetySetting  `json:"safetySettings"`
	CachedContent     string                  `json:"cachedContent"`
}

func TestGoogleLibraryReadsWhatIsSentUpstream(t *testing.T) {
	call := delivered(t, "gemini", "gemini-full")
	if call.Path != "/v1beta/models/gemini-full:generateContent" || call.Header.Get("X-Goog-Api-Key") != "upstream-gemini" {
		t.Errorf("sent to %s with headers %v", call.Path, call.Header)
	}
	var p geminiRequest
	d := json.NewDecoder(bytes.NewBufferString(call.Body))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatalf("%v: %s", err, call.Body)
	}
	g := p.GenerationConfig
	if g == nil || g.MaxOutputTokens != 50 || g.Temperature == nil || *g.Temperature != 0.5 || g.TopP == nil || *g.TopP != 0.9 || !reflect.DeepEqual(g.StopSequences, []string{"END"}) {
		t.Errorf("settings were lost: %s", call.Body)
	}
	if p.SystemInstruction == nil || len(p.SystemInstruction.Parts) != 1 || p.SystemInstruction.Parts[0].Text != "Be brief." {
		t.Errorf("system instruction is %+v", p.SystemInstruction)
	}
	var kinds []string
	for _, c := range p.Contents {
		for _, part := range c.Parts {
			kinds = append(kinds, c.Role+" "+kind(t, part))
		}
	}
	want := []string{"user text", "user text", "user image/png", "model call weather", "user result weather", "user text"}
	if !reflect.DeepEqual(kinds, want) {
		t.Errorf("parts are %q, want %q", kinds, want)
	}
	if len(p.Tools) != 1 || len(p.Tools[0].FunctionDeclarations) != 1 || p.Tools[0].FunctionDeclarations[0].Name != "weather" {
		t.Errorf("tools are %+v", p.Tools)
	}
	if p.ToolConfig == nil || p.ToolConfig.FunctionCallingConfig == nil || p.ToolConfig.FunctionCallingConfig.Mode != genai.FunctionCallingConfigModeAuto {
		t.Errorf("tool config is %+v, want AUTO", p.ToolConfig)
	}
}

// kind says in two words what a part is.
func kind(t *testing.T, p *genai.Part) string {
	t.Helper()
	switch {
	case p.InlineData != nil:
		if got := base64.StdEncoding.EncodeToString(p.InlineData.Data); got != pixel {
			t.Errorf("the picture is %s, want %s", got, pixel)
		}
		return p.InlineData.MIMEType
	case p.FunctionCall != nil:
		if p.FunctionCall.Args["city"] != "Oslo" {
			t.Errorf("arguments are %v", p.FunctionCall.Args)
		}
		return "call " + p.FunctionCall.Name
	case p.FunctionResponse != nil:
		return "result " + p.FunctionResponse.Name
	case p.Text != "":
		return "text"
	}
	return "nothing known"
}

func TestOpenAILibraryReadsWhatIsSentUpstream(t *testing.T) {
	call := delivered(t, "openai", "gpt-full")
	if call.Path != "/v1/chat/completions" || call.Header.Get("Authorization") != "Bearer upstream-openai" {
		t.Errorf("sent to %s with headers %v", call.Path, call.Header)
	}
	// What the client sent must arrive as it was, but for the model.
	want, err := json.Marshal(full("gpt-full"))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(loose(t, []byte(call.Body)), loose(t, want)) {
		t.Errorf("changed on the way\nsent %s\ngot  %s", want, call.Body)
	}
}
