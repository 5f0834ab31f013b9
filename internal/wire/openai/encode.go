package openai

import (
	"fmt"
	"strconv"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/wire"
)

// EncodeChat returns r as a chat completion request. Nothing is left out:
// thinking, signatures and cache marks go into LiteLLM's extension members,
// which an adapter removes for vendors that do not take them. Pictures in tool
// results follow in a message of the user, because a tool's message holds only
// text in this format.
func EncodeChat(r *canon.Request) ([]byte, error) {
	e := &requestWriter{r: r, b: make([]byte, 0, 4096)}
	e.b = append(e.b, '{')
	e.text("model", r.Model)
	if err := e.messages(); err != nil {
		return nil, err
	}
	e.tools()
	e.toolChoice()
	e.flag("parallel_tool_calls", r.ParallelTools)
	e.int("max_tokens", r.MaxTokens)
	e.raw("temperature", r.Temperature)
	e.raw("top_p", r.TopP)
	e.raw("top_k", r.TopK)
	e.stop()
	e.int("n", r.N)
	e.raw("seed", r.Seed)
	e.raw("presence_penalty", r.Presence)
	e.raw("frequency_penalty", r.Frequency)
	e.raw("logit_bias", r.LogitBias)
	e.flag("logprobs", r.Logprobs)
	e.raw("top_logprobs", r.TopLogprobs)
	e.format()
	if r.Reasoning != nil {
		e.optional("reasoning_effort", r.Reasoning.Effort)
		e.raw("thinking", r.Reasoning.Thinking)
	}
	e.optional("user", r.User)
	e.optional("service_tier", r.Tier)
	if r.Stream {
		e.raw("stream", canon.Raw("true"))
		if r.IncludeUsage {
			e.raw("stream_options", canon.Raw(`{"include_usage":true}`))
		}
	}
	for _, p := range r.Extra {
		if !Known(p.Name) {
			e.raw(p.Name, p.Value)
		}
	}
	e.b = append(e.b, '}')
	return e.b, nil
}

// requestWriter writes one request. Its methods leave out what is not given.
type requestWriter struct {
	r *canon.Request
	b []byte
}

// name begins the next member of the object that is open.
func (e *requestWriter) name(name string) {
	if c := e.b[len(e.b)-1]; c != '{' && c != '[' {
		e.b = append(e.b, ',')
	}
	e.b = append(wire.AppendString(e.b, name), ':')
}

func (e *requestWriter) text(name, v string) {
	e.name(name)
	e.b = wire.AppendString(e.b, v)
}

func (e *requestWriter) optional(name, v string) {
	if v != "" {
		e.text(name, v)
	}
}

func (e *requestWriter) raw(name string, v []byte) {
	if v != nil {
		e.name(name)
		e.b = append(e.b, v...)
	}
}

func (e *requestWriter) int(name string, n int64) {
	if n != 0 {
		e.name(name)
		e.b = strconv.AppendInt(e.b, n, 10)
	}
}

func (e *requestWriter) flag(name string, v *bool) {
	if v != nil {
		e.name(name)
		e.b = strconv.AppendBool(e.b, *v)
	}
}

// open begins an object or array; with a name, as a member.
func (e *requestWriter) open(name string, c byte) {
	if name != "" {
		e.name(name)
	} else if last := e.b[len(e.b)-1]; last != '[' && last != '{' {
		e.b = append(e.b, ',')
	}
	e.b = append(e.b, c)
}

func (e *requestWriter) shut(c byte) { e.b = append(e.b, c) }

func (e *requestWriter) stop() {
	if len(e.r.Stop) == 0 {
		return
	}
	e.open("stop", '[')
	for i, s := range e.r.Stop {
		e.b = wire.AppendString(comma(e.b, i), s)
	}
	e.shut(']')
}

func (e *requestWriter) format() {
	f := e.r.Format
	if f == nil {
		return
	}
	e.open("response_format", '{')
	e.text("type", f.Kind)
	if f.Kind == "json_schema" {
		e.open("json_schema", '{')
		name := f.Name
		if name == "" {
			name = "answer" // required here; other dialects have none
		}
		e.text("name", name)
		e.optional("description", f.Description)
		e.raw("schema", f.Schema)
		e.flag("strict", f.Strict)
		e.shut('}')
	}
	e.shut('}')
}

func (e *requestWriter) tools() {
	if len(e.r.Tools) == 0 {
		return
	}
	e.open("tools", '[')
	for i := range e.r.Tools {
		t := &e.r.Tools[i]
		if t.Type != "function" {
			e.b = append(comma(e.b, i), t.Raw...)
			continue
		}
		e.open("", '{')
		e.text("type", "function")
		e.open("function", '{')
		e.text("name", t.Name)
		e.optional("description", t.Description)
		e.raw("parameters", t.Schema)
		e.flag("strict", t.Strict)
		e.shut('}')
		e.raw("cache_control", t.CacheControl)
		e.shut('}')
	}
	e.shut(']')
}

func (e *requestWriter) toolChoice() {
	c := e.r.ToolChoice
	switch {
	case c == nil || c.Mode == "":
	case c.Mode == "tool":
		e.open("tool_choice", '{')
		e.toolNamed(c.Name)
		e.shut('}')
	case c.Allowed != nil:
		e.open("tool_choice", '{')
		e.text("type", "allowed_tools")
		e.open("allowed_tools", '{')
		e.text("mode", c.Mode)
		e.open("tools", '[')
		for _, name := range c.Allowed {
			e.open("", '{')
			e.toolNamed(name)
			e.shut('}')
		}
		e.shut(']')
		e.shut('}')
		e.shut('}')
	default:
		e.text("tool_choice", c.Mode)
	}
}

func (e *requestWriter) toolNamed(name string) {
	kind := "function"
	if e.custom(name) {
		kind = "custom"
	}
	e.text("type", kind)
	e.open(kind, '{')
	e.text("name", name)
	e.shut('}')
}

// custom reports whether the tool takes text instead of an object.
func (e *requestWriter) custom(name string) bool {
	for i := range e.r.Tools {
		if e.r.Tools[i].Name == name {
			return e.r.Tools[i].Type == "custom"
		}
	}
	return false
}

func (e *requestWriter) messages() error {
	e.open("messages", '[')
	var seen []canon.Part // pictures in tool results, to be shown after them
	show := func() {
		if len(seen) == 0 {
			return
		}
		e.open("", '{')
		e.text("role", string(canon.User))
		e.content(seen)
		e.shut('}')
		seen = nil
	}
	for i := range e.r.Messages {
		m := &e.r.Messages[i]
		var rest []canon.Part
		for j := range m.Parts {
			p := &m.Parts[j]
			if p.Kind != canon.ToolResult {
				rest = append(rest, *p)
				continue
			}
			seen = append(seen, e.toolResult(p, m.CacheControl, e.r.Messages[:i])...)
		}
		if m.Role == canon.ToolRole && len(rest) == 0 {
			continue
		}
		if len(rest) < len(m.Parts) && len(rest) > 0 && m.Role != canon.Assistant {
			// The results have been told; what is left is the user's.
			show()
			if err := e.message(&canon.Message{Role: canon.User, Name: m.Name, Parts: rest, CacheControl: m.CacheControl}); err != nil {
				return err
			}
			continue
		}
		if len(m.Parts) > 0 && len(rest) == 0 {
			continue
		}
		show()
		if err := e.message(m); err != nil {
			return err
		}
	}
	show()
	e.shut(']')
	return nil
}

// toolResult writes the message of a result, and returns the parts of it that
// such a message cannot hold.
func (e *requestWriter) toolResult(p *canon.Part, cache canon.Raw, before []canon.Message) []canon.Part {
	var texts, media []canon.Part
	for i := range p.Parts {
		if p.Parts[i].Media == nil {
			texts = append(texts, p.Parts[i])
		} else {
			if len(media) == 0 {
				media = append(media, canon.Part{Kind: canon.Text, Text: "Result of tool call " + p.ID + ":"})
			}
			media = append(media, p.Parts[i])
		}
	}
	e.open("", '{')
	e.text("role", string(canon.ToolRole))
	e.text("tool_call_id", p.ID)
	if p.Name != "" && !called(before, p.ID) {
		e.text("name", p.Name)
	}
	e.content(texts)
	if p.IsError {
		e.raw("is_error", canon.Raw("true"))
	}
	if cache == nil {
		cache = p.CacheControl
	}
	e.raw("cache_control", cache)
	e.shut('}')
	return media
}

// called reports whether a message before holds the call: then its name is known.
func called(before []canon.Message, id string) bool {
	for i := range before {
		for j := range before[i].Parts {
			if p := &before[i].Parts[j]; p.Kind == canon.ToolCall && p.ID == id {
				return true
			}
		}
	}
	return false
}

func (e *requestWriter) message(m *canon.Message) error {
	var said, thought, calls []canon.Part
	audio := ""
	for i := range m.Parts {
		switch p := &m.Parts[i]; {
		case p.Kind == canon.Thinking || p.Kind == canon.Redacted:
			thought = append(thought, *p)
		case p.Kind == canon.ToolCall:
			calls = append(calls, *p)
		case p.Kind == canon.Audio && m.Role == canon.Assistant && p.Media != nil && p.Media.FileID != "":
			audio = p.Media.FileID
		case p.Kind == canon.Text || p.Kind == canon.Refusal || p.Media != nil:
			said = append(said, *p)
		default:
			return fmt.Errorf("encode a %s message: part %d of kind %d has no content", m.Role, i, p.Kind)
		}
	}
	e.open("", '{')
	e.text("role", string(m.Role))
	e.optional("name", m.Name)
	if len(said) == 0 && (len(calls) > 0 || audio != "") {
		e.raw("content", canon.Raw("null"))
	} else {
		e.content(said)
	}
	e.thoughts(thought)
	e.calls(calls)
	if audio != "" {
		e.open("audio", '{')
		e.text("id", audio)
		e.shut('}')
	}
	e.raw("cache_control", m.CacheControl)
	e.shut('}')
	return nil
}

func (e *requestWriter) thoughts(parts []canon.Part) {
	if len(parts) == 0 {
		return
	}
	var all strings.Builder
	for i := range parts {
		if parts[i].Kind == canon.Thinking {
			all.WriteString(parts[i].Text)
		}
	}
	e.optional("reasoning_content", all.String())
	if p := &parts[0]; len(parts) == 1 && p.Kind == canon.Thinking && p.Text != "" && p.Signature == "" && p.CacheControl == nil {
		return
	}
	e.open("thinking_blocks", '[')
	for i := range parts {
		e.thought(&parts[i])
	}
	e.shut(']')
}

func (e *requestWriter) thought(p *canon.Part) {
	e.open("", '{')
	if p.Kind == canon.Redacted {
		e.text("type", "redacted_thinking")
		e.text("data", p.Text)
	} else {
		e.text("type", "thinking")
		e.text("thinking", p.Text)
		e.optional("signature", p.Signature)
	}
	e.raw("cache_control", p.CacheControl)
	e.shut('}')
}
