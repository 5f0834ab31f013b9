package openai

import (
	"slices"
	"strconv"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

func (d *decoder) messages() error {
	v, err := d.o.array("messages")
	if err != nil {
		return err
	}
	if v == nil {
		return gateway.Invalidf("messages", "messages is missing")
	}
	for i, e := range elements(v) {
		o, err := parseObject(e, index("messages", i))
		if err != nil {
			return err
		}
		m, err := d.message(o, i)
		if err != nil {
			return err
		}
		d.r.Messages = append(d.r.Messages, m)
	}
	if len(d.r.Messages) == 0 {
		return gateway.Invalidf("messages", "messages is empty")
	}
	return nil
}

func (d *decoder) message(o *object, i int) (canon.Message, error) {
	role, err := o.str("role")
	if err != nil {
		return canon.Message{}, err
	}
	m := canon.Message{Role: canon.Role(role), CacheControl: o.raw("cache_control")}
	if m.Name, err = o.str("name"); err != nil {
		return m, err
	}
	switch m.Role {
	case canon.System, canon.Developer, canon.User:
		m.Parts, err = spoken(o)
	case canon.Assistant:
		err = d.assistant(o, &m, i)
	case canon.ToolRole, "function":
		err = d.toolResult(o, &m)
	case "":
		err = gateway.Invalidf(o.at("role"), "%s is missing", o.at("role"))
	default:
		err = gateway.Invalidf(o.at("role"), "%s must be system, developer, user, assistant or tool, got %q", o.at("role"), role)
	}
	return m, err
}

// spoken reads the content of someone who is not the model: there is no
// thinking in it.
func spoken(o *object) ([]canon.Part, error) {
	parts, err := content(o, "content", nil)
	for i := range parts {
		if kind := parts[i].Kind; kind == canon.Thinking || kind == canon.Redacted {
			return nil, gateway.Invalidf(o.at("content"), "%s: only an assistant message can hold thinking", o.at("content"))
		}
	}
	return parts, err
}

// assistant reads a turn of the model: thinking first, as it came, then what
// was said, then the calls.
func (d *decoder) assistant(o *object, m *canon.Message, i int) (err error) {
	if m.Parts, err = thinking(o); err != nil {
		return err
	}
	if m.Parts, err = content(o, "content", m.Parts); err != nil {
		return err
	}
	// Anthropic's clients have the thinking among the content.
	slices.SortStableFunc(m.Parts, func(a, b canon.Part) int { return unthought(a) - unthought(b) })
	refusal, err := o.str("refusal")
	if err != nil {
		return err
	}
	if refusal != "" {
		m.Parts = append(m.Parts, canon.Part{Kind: canon.Refusal, Text: refusal})
	}
	audio, err := o.obj("audio")
	if err != nil {
		return err
	}
	if audio != nil {
		id, err := audio.str("id")
		if err != nil {
			return err
		}
		m.Parts = append(m.Parts, canon.Part{Kind: canon.Audio, Media: &canon.Media{FileID: id}})
	}
	calls, err := o.array("tool_calls")
	if err != nil {
		return err
	}
	if calls != nil {
		for j, e := range elements(calls) {
			c, err := parseObject(e, index(o.at("tool_calls"), j))
			if err != nil {
				return err
			}
			p, err := toolCall(c)
			if err != nil {
				return err
			}
			m.Parts = append(m.Parts, p)
		}
	}
	legacy, err := o.obj("function_call")
	if legacy == nil || err != nil {
		return err
	}
	// The old form has no ids; the result that follows names the function.
	p := canon.Part{Kind: canon.ToolCall, ID: "call_" + strconv.Itoa(i)}
	if err := function(legacy, &p); err != nil {
		return err
	}
	m.Parts = append(m.Parts, p)
	return nil
}

// unthought is 0 for thinking, 1 for anything else.
func unthought(p canon.Part) int {
	if p.Kind == canon.Thinking || p.Kind == canon.Redacted {
		return 0
	}
	return 1
}

// thinking reads LiteLLM's reasoning members. The blocks hold the same text as
// reasoning_content and have the signatures besides, so they win.
func thinking(o *object) ([]canon.Part, error) {
	blocks, err := o.array("thinking_blocks")
	if err != nil {
		return nil, err
	}
	var parts []canon.Part
	if blocks != nil {
		for i, e := range elements(blocks) {
			b, err := parseObject(e, index(o.at("thinking_blocks"), i))
			if err != nil {
				return nil, err
			}
			kind, err := b.str("type")
			if err != nil {
				return nil, err
			}
			p := canon.Part{Kind: canon.Thinking, CacheControl: b.raw("cache_control")}
			switch kind {
			case "thinking":
				if p.Text, err = b.str("thinking"); err == nil {
					p.Signature, err = b.str("signature")
				}
			case "redacted_thinking":
				p.Kind = canon.Redacted
				p.Text, err = b.str("data")
			default:
				err = gateway.Invalidf(b.at("type"), `%s must be "thinking" or "redacted_thinking", got %q`, b.at("type"), kind)
			}
			if err != nil {
				return nil, err
			}
			parts = append(parts, p)
		}
	}
	if len(parts) > 0 {
		return parts, nil
	}
	text, err := o.str("reasoning_content")
	if err != nil {
		return nil, err
	}
	if text != "" {
		parts = append(parts, canon.Part{Kind: canon.Thinking, Text: text})
	}
	return parts, nil
}

func toolCall(o *object) (p canon.Part, err error) {
	p.Kind = canon.ToolCall
	if p.ID, err = o.str("id"); err != nil {
		return p, err
	}
	p.ID, p.Signature = splitSignature(p.ID)
	p.CacheControl = o.raw("cache_control")
	kind, err := o.str("type")
	if err != nil {
		return p, err
	}
	if kind == "custom" {
		c, err := o.need("custom")
		if err != nil {
			return p, err
		}
		if p.Name, err = c.str("name"); err != nil {
			return p, err
		}
		if p.Name == "" {
			return p, gateway.Invalidf(c.at("name"), "%s is missing", c.at("name"))
		}
		input, err := c.str("input")
		if err != nil {
			return p, err
		}
		p.Args = customArgs(input)
		return p, signature(o, &p)
	}
	f, err := o.need("function")
	if err != nil {
		return p, err
	}
	if err := function(f, &p); err != nil {
		return p, err
	}
	if err := signature(f, &p); err != nil {
		return p, err
	}
	return p, signature(o, &p)
}

// customArgs is the input of a custom tool, which is text, as arguments.
func customArgs(input string) canon.Raw {
	return append(wire.AppendString([]byte(`{"input":`), input), '}')
}

// signatureMark stands between a tool call's id and a vendor's signature on the
// call. OpenAI's format has no member for the signature, and clients send the
// id back but drop members they do not know.
const signatureMark = "__thought__"

func splitSignature(id string) (plain, signature string) {
	plain, signature, _ = strings.Cut(id, signatureMark)
	return plain, signature
}

// signature reads provider_specific_fields.thought_signature.
func signature(o *object, p *canon.Part) error {
	if v := o.raw("provider_specific_fields"); v == nil || v[0] != '{' {
		return nil
	}
	f, err := o.obj("provider_specific_fields")
	if err != nil {
		return err
	}
	s, err := f.str("thought_signature")
	if s != "" {
		p.Signature = s
	}
	return err
}

// function reads name and arguments of a call. Arguments are JSON text in a
// string; an object as it is has been seen too.
func function(o *object, p *canon.Part) (err error) {
	if p.Name, err = o.str("name"); err != nil {
		return err
	}
	if p.Name == "" {
		return gateway.Invalidf(o.at("name"), "%s is missing", o.at("name"))
	}
	v := o.raw("arguments")
	if v == nil {
		return nil
	}
	text := []byte(v)
	if v[0] == '"' {
		s, ok := wire.Unquote(v)
		if !ok {
			return o.wrong("arguments", "a string", v)
		}
		text = []byte(strings.TrimSpace(s))
	}
	if len(text) == 0 || string(text) == "null" {
		return nil
	}
	if text[0] != '{' || !wire.Valid(text) {
		return gateway.Invalidf(o.at("arguments"), "%s must be the JSON text of an object", o.at("arguments"))
	}
	p.Args = text
	return nil
}

func (d *decoder) toolResult(o *object, m *canon.Message) (err error) {
	p := canon.Part{Kind: canon.ToolResult, Name: m.Name}
	if p.ID, err = o.str("tool_call_id"); err != nil {
		return err
	}
	p.ID, _ = splitSignature(p.ID)
	if p.Parts, err = spoken(o); err != nil {
		return err
	}
	if isError, err := o.boolean("is_error"); err != nil {
		return err
	} else if isError != nil {
		p.IsError = *isError
	}
	legacy := m.Role == "function"
	m.Role, m.Name = canon.ToolRole, ""
	if call := d.call(p.ID, p.Name, legacy); call != nil {
		p.ID, p.Name = call.ID, call.Name
	} else if p.ID == "" {
		return gateway.Invalidf(o.at("tool_call_id"), "%s is missing", o.at("tool_call_id"))
	}
	m.Parts = []canon.Part{p}
	return nil
}

// call finds the latest call that a result answers: by id, or by name for the
// old form.
func (d *decoder) call(id, name string, byName bool) *canon.Part {
	for _, v := range slices.Backward(d.r.Messages) {
		parts := v.Parts
		for j := range parts {
			p := &parts[j]
			if p.Kind == canon.ToolCall && (byName && p.Name == name || !byName && id != "" && p.ID == id) {
				return p
			}
		}
	}
	return nil
}
