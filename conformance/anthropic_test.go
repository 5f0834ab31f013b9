package conformance

import (
	"context"
	"errors"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

func claude(t *testing.T) anthropic.Client {
	t.Helper()
	return anthropic.NewClient(option.WithBaseURL(setting(t, "PENSTOCK_URL")),
		option.WithAPIKey(setting(t, "PENSTOCK_KEY")), option.WithMaxRetries(0))
}

func asked(model, words string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model:     anthropic.Model(model),
		MaxTokens: 100,
		System:    []anthropic.TextBlockParam{{Text: "Be brief."}},
		Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(words))},
	}
}

func withWeather(p anthropic.MessageNewParams) anthropic.MessageNewParams {
	p.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{
		Name:        "weather",
		InputSchema: anthropic.ToolInputSchemaParam{Properties: map[string]any{"city": map[string]any{"type": "string"}}, Required: []string{"city"}},
	}}}
	return p
}

// streamMessage puts a stream together with the library's accumulator.
func streamMessage(ctx context.Context, c anthropic.Client, p anthropic.MessageNewParams) (*anthropic.Message, error) {
	s := c.Messages.NewStreaming(ctx, p)
	defer s.Close()
	out := &anthropic.Message{}
	for s.Next() {
		if err := out.Accumulate(s.Current()); err != nil {
			return nil, err
		}
	}
	return out, s.Err()
}

// ways are the two ways to ask for a message.
func ways() map[string]func(context.Context, anthropic.Client, anthropic.MessageNewParams) (*anthropic.Message, error) {
	return map[string]func(context.Context, anthropic.Client, anthropic.MessageNewParams) (*anthropic.Message, error){
		"whole": func(ctx context.Context, c anthropic.Client, p anthropic.MessageNewParams) (*anthropic.Message, error) {
			return c.Messages.New(ctx, p)
		},
		"stream": streamMessage,
	}
}

func TestMessages(t *testing.T) {
	for way, ask := range ways() {
		t.Run(way, func(t *testing.T) {
			got, err := ask(deadline(t), claude(t), asked("anthropic/claude-"+way, "Hi"))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Content) != 1 || got.Content[0].Type != "text" {
				t.Fatalf("content is %+v, want one text", got.Content)
			}
			wantGreeting(t, got.Content[0].Text)
			if got.StopReason != anthropic.StopReasonEndTurn || got.Role != "assistant" || got.ID == "" {
				t.Errorf("stop_reason %q, role %q, id %q", got.StopReason, got.Role, got.ID)
			}
			if got.Usage.InputTokens == 0 || got.Usage.OutputTokens != 12 {
				t.Errorf("usage is %+v, want 12 output tokens", got.Usage)
			}

			call := sent(t, "claude-"+way)
			if call.Path != "/v1/messages" || call.Header.Get("X-Api-Key") != "upstream-anthropic" {
				t.Errorf("the provider got %s with X-Api-Key %q", call.Path, call.Header.Get("X-Api-Key"))
			}
			if v := call.Header.Get("Authorization"); v != "" {
				t.Errorf("the client's key went to the provider: Authorization %q", v)
			}
		})
	}
}

func TestMessagesWithTools(t *testing.T) {
	for way, ask := range ways() {
		t.Run(way, func(t *testing.T) {
			got, err := ask(deadline(t), claude(t), withWeather(asked("anthropic/claude-tools", "Use the tool.")))
			if err != nil {
				t.Fatal(err)
			}
			if got.StopReason != anthropic.StopReasonToolUse || len(got.Content) == 0 {
				t.Fatalf("stop_reason %q, %d blocks; want tool_use", got.StopReason, len(got.Content))
			}
			use := got.Content[len(got.Content)-1]
			if use.Type != "tool_use" || use.Name != "weather" || use.ID == "" || len(use.Input) == 0 {
				t.Errorf("block is %+v, want a use of weather", use)
			}
		})
	}
}

func TestMessagesErrors(t *testing.T) {
	rows := []struct {
		name, model string
		status      int
		retryAfter  string
	}{
		{"a rate limit", "anthropic/mock-status=429,retry_after=7", 429, "7"},
		{"a prompt that is too long", "anthropic/mock-status=400", 400, ""},
		{"a failure", "anthropic/mock-status=500", 500, ""},
		{"an overload", "anthropic/mock-status=529", 529, ""},
		{"a model that is not configured", "no-such-model", 400, ""},
	}
	for _, row := range rows {
		for way, ask := range ways() {
			t.Run(row.name+" "+way, func(t *testing.T) {
				_, err := ask(deadline(t), claude(t), asked(row.model, "Hi"))
				var e *anthropic.Error
				if !errors.As(err, &e) {
					t.Fatalf("error is %T %v, want the library's own", err, err)
				}
				if e.StatusCode != row.status || e.Type() == "" {
					t.Errorf("status %d, type %q; want %d and a type: %s", e.StatusCode, e.Type(), row.status, e.RawJSON())
				}
				if got := e.Response.Header.Get("Retry-After"); got != row.retryAfter {
					t.Errorf("Retry-After is %q, want %q", got, row.retryAfter)
				}
			})
		}
	}
}
