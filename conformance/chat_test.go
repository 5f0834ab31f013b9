package conformance

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
)

func say(words string) []openai.ChatCompletionMessageParamUnion {
	return []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage(words)}
}

func weather() []openai.ChatCompletionToolUnionParam {
	return []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
		Name:        "weather",
		Description: openai.String("The weather in a city."),
		Parameters: openai.FunctionParameters{
			"type":       "object",
			"properties": map[string]any{"city": map[string]any{"type": "string"}},
			"required":   []string{"city"},
		},
	})}
}

func TestChat(t *testing.T) {
	each(t, func(t *testing.T, u upstream) {
		model := u.prefix + "/chat-model"
		c := client(t)
		got, err := c.Chat.Completions.New(deadline(t), openai.ChatCompletionNewParams{Model: model, Messages: say("Hi")})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Choices) != 1 {
			t.Fatalf("%d choices, want 1: %s", len(got.Choices), got.RawJSON())
		}
		choice := got.Choices[0]
		wantGreeting(t, choice.Message.Content)
		if choice.FinishReason != "stop" {
			t.Errorf("finish_reason is %q, want stop", choice.FinishReason)
		}
		if choice.Message.Role != "assistant" || got.Object != "chat.completion" {
			t.Errorf("role %q, object %q", choice.Message.Role, got.Object)
		}
		if got.ID == "" || got.Created == 0 || got.Model != model {
			t.Errorf("id %q, created %d, model %q; want an id, a time and %q", got.ID, got.Created, got.Model, model)
		}
		if use := got.Usage; use.CompletionTokens != 12 || use.PromptTokens == 0 || use.TotalTokens != use.PromptTokens+12 {
			t.Errorf("usage is %s, want 12 completion tokens and the right sum", use.RawJSON())
		}
	})
}

func TestChatStopsAtMaxTokens(t *testing.T) {
	each(t, func(t *testing.T, u upstream) {
		c := client(t)
		got, err := c.Chat.Completions.New(deadline(t), openai.ChatCompletionNewParams{
			Model: u.prefix + "/short-model", Messages: say("Hi"), MaxTokens: openai.Int(3),
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.Choices[0].FinishReason != "length" || got.Usage.CompletionTokens != 3 {
			t.Errorf("finish_reason %q, %d tokens; want length, 3", got.Choices[0].FinishReason, got.Usage.CompletionTokens)
		}
	})
}

// streamed is a whole stream, put together by the library's accumulator.
type streamed struct {
	openai.ChatCompletionAccumulator
	usages int // chunks with a usage
	after  int // of these, the ones without choices
	chunks int
}

func stream(t *testing.T, p openai.ChatCompletionNewParams) *streamed {
	t.Helper()
	c := client(t)
	s := c.Chat.Completions.NewStreaming(deadline(t), p)
	defer s.Close()
	out := &streamed{}
	for s.Next() {
		chunk := s.Current()
		out.chunks++
		if chunk.Object != "chat.completion.chunk" {
			t.Errorf("object is %q, want chat.completion.chunk: %s", chunk.Object, chunk.RawJSON())
		}
		if chunk.Usage.TotalTokens > 0 {
			out.usages++
			if len(chunk.Choices) == 0 {
				out.after++
			}
		}
		if !out.AddChunk(chunk) {
			t.Errorf("the library cannot add this chunk to the ones before: %s", chunk.RawJSON())
		}
	}
	if err := s.Err(); err != nil {
		t.Fatalf("after %d chunks: %v", out.chunks, err)
	}
	if len(out.Choices) != 1 {
		t.Fatalf("%d choices after %d chunks, want 1", len(out.Choices), out.chunks)
	}
	return out
}

func TestStream(t *testing.T) {
	each(t, func(t *testing.T, u upstream) {
		got := stream(t, openai.ChatCompletionNewParams{Model: u.prefix + "/stream-model", Messages: say("Hi")})
		wantGreeting(t, got.Choices[0].Message.Content)
		if got.Choices[0].FinishReason != "stop" {
			t.Errorf("finish_reason is %q, want stop", got.Choices[0].FinishReason)
		}
		if got.chunks < 12 {
			t.Errorf("%d chunks for 12 words: the stream was not passed on word by word", got.chunks)
		}
		if got.usages != 0 {
			t.Errorf("%d chunks have a usage that was not asked for", got.usages)
		}
	})
}

func TestStreamWithUsage(t *testing.T) {
	each(t, func(t *testing.T, u upstream) {
		got := stream(t, openai.ChatCompletionNewParams{
			Model: u.prefix + "/usage-model", Messages: say("Hi"),
			StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
		})
		if got.usages != 1 || got.after != 1 {
			t.Errorf("%d chunks with a usage, %d of them without choices; want one, at the end", got.usages, got.after)
		}
		if use := got.Usage; use.CompletionTokens != 12 || use.TotalTokens != use.PromptTokens+12 {
			t.Errorf("usage is %+v, want 12 completion tokens and the right sum", use)
		}
	})
}

func wantToolCall(t *testing.T, u upstream, m openai.ChatCompletionMessage, reason string) {
	t.Helper()
	if reason != "tool_calls" {
		t.Errorf("finish_reason is %q, want tool_calls", reason)
	}
	if len(m.ToolCalls) != 1 {
		t.Fatalf("%d tool calls, want 1", len(m.ToolCalls))
	}
	call := m.ToolCalls[0]
	if call.Function.Name != "weather" || call.ID == "" || !strings.HasPrefix(call.ID, u.toolID) {
		t.Errorf("calls %q with id %q, want weather with an id %s...", call.Function.Name, call.ID, u.toolID)
	}
	var args struct {
		City string `json:"city"`
	}
	if err := json.Unmarshal([]byte(call.Function.Arguments), &args); err != nil || args.City == "" {
		t.Errorf("arguments are %q (%v), want an object with a city", call.Function.Arguments, err)
	}
}

func TestTools(t *testing.T) {
	each(t, func(t *testing.T, u upstream) {
		c, ctx := client(t), deadline(t)
		p := openai.ChatCompletionNewParams{Model: u.prefix + "/tool-model", Messages: say("Use the tool."), Tools: weather()}
		got, err := c.Chat.Completions.New(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		wantToolCall(t, u, got.Choices[0].Message, got.Choices[0].FinishReason)

		// The call and its result go back, as in every agent's loop.
		p.Messages = append(p.Messages, got.Choices[0].Message.ToParam(),
			openai.ToolMessage("It rains.", got.Choices[0].Message.ToolCalls[0].ID), openai.UserMessage("Thanks."))
		got, err = c.Chat.Completions.New(ctx, p)
		if err != nil {
			t.Fatalf("with the result: %v", err)
		}
		wantGreeting(t, got.Choices[0].Message.Content)
	})
}

func TestToolsInStream(t *testing.T) {
	each(t, func(t *testing.T, u upstream) {
		got := stream(t, openai.ChatCompletionNewParams{Model: u.prefix + "/tool-stream-model", Messages: say("Use the tool."), Tools: weather()})
		wantToolCall(t, u, got.Choices[0].Message, got.Choices[0].FinishReason)
	})
}

func picture() []openai.ChatCompletionMessageParamUnion {
	return []openai.ChatCompletionMessageParamUnion{openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{
		openai.TextContentPart("What is this?"),
		openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64," + pixel}),
	})}
}

func TestImage(t *testing.T) {
	each(t, func(t *testing.T, u upstream) {
		c := client(t)
		got, err := c.Chat.Completions.New(deadline(t), openai.ChatCompletionNewParams{Model: u.prefix + "/image-model-" + u.prefix, Messages: picture()})
		if err != nil {
			t.Fatal(err)
		}
		wantGreeting(t, got.Choices[0].Message.Content)
		if body := sent(t, "image-model-"+u.prefix).Body; !strings.Contains(body, pixel) {
			t.Errorf("the provider did not get the picture: %s", body)
		}
	})
}
