package anthropic

import (
	"net/http"
	"unicode/utf8"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// Decoder reads one streamed answer.
type Decoder struct {
	usage  counts
	reason string
	tools  int  // tool calls so far
	json   bool // the tool that stands in for response_format was called
	done   bool
	runes  int // characters of text so far, for citations
	blocks map[int64]*openBlock

	event, inner, deep wire.Object // scratch
}

// openBlock is a content block that has begun and not ended.
type openBlock struct {
	kind  string
	raw   canon.Raw // the block as it began, of hosted tools
	tool  int       // index of the tool call
	json  string    // the answer tool's name, if it is one
	start int       // characters of text before the block
	cited []canon.Raw
	args  bool   // arguments have come
	wrap  []byte // arguments of jsonToolValues, kept until they are complete
}

var _ canon.Decoder = (*Decoder)(nil)

// NewDecoder returns a decoder of one streamed answer.
func NewDecoder() *Decoder { return &Decoder{blocks: map[int64]*openBlock{}} }

// Done reports whether message_stop has been seen.
func (d *Decoder) Done() bool { return d.done }

// Decode reads one server-sent event. The type inside the data counts: some
// servers that speak this dialect get the event's name wrong. Unknown events
// are ignored, as the API's documentation asks.
func (d *Decoder) Decode(name string, data []byte, out []canon.Event) ([]canon.Event, error) {
	if len(data) == 0 {
		return out, nil
	}
	if err := d.event.Parse(data); err != nil {
		return out, &gateway.Error{
			Kind: gateway.UpstreamFailed, Status: http.StatusBadGateway,
			Message: "the provider sent an event that is not JSON: " + clip(mask(string(data)), 200), Err: err,
		}
	}
	kind := typeOf(&d.event)
	if kind == "" {
		kind = name
	}
	switch kind {
	case "message_start":
		return d.start(out), nil
	case "content_block_start":
		return d.blockStart(out), nil
	case "content_block_delta":
		return d.delta(out), nil
	case "content_block_stop":
		return d.blockStop(out), nil
	case "message_delta":
		return d.finish(out), nil
	case "message_stop":
		d.done = true
	case "error":
		return append(out, canon.Event{Kind: canon.EvError, Err: ParseError(http.StatusOK, nil, data)}), nil
	}
	return out, nil
}

func (d *Decoder) start(out []canon.Event) []canon.Event {
	m := &d.inner
	if m.Parse(d.event.Get("message")) != nil {
		return append(out, canon.Event{Kind: canon.EvStart})
	}
	out = append(out, canon.Event{Kind: canon.EvStart, ID: str(m, "id"), Model: str(m, "model")})
	return d.readUsage(m.Get("usage"), out)
}

// readUsage reports the usage so far. It is told at the start too, so that a
// stream that breaks is charged for its prompt.
func (d *Decoder) readUsage(raw []byte, out []canon.Event) []canon.Event {
	if d.deep.Parse(raw) != nil {
		return out
	}
	d.usage.readObject(&d.deep)
	return append(out, canon.Event{Kind: canon.EvUsage, Usage: d.usage.usage()})
}

func (d *Decoder) blockStart(out []canon.Event) []canon.Event {
	index, _ := d.event.Int("index")
	raw := d.event.Get("content_block")
	o := &d.inner
	if o.Parse(raw) != nil {
		return out
	}
	b := &openBlock{kind: typeOf(o), start: d.runes}
	d.blocks[index] = b
	switch b.kind {
	case "text":
		return d.text(str(o, "text"), out)
	case "thinking":
		if s := str(o, "thinking"); s != "" {
			out = append(out, canon.Event{Kind: canon.EvReasoning, Text: s})
		}
		if s := str(o, "signature"); s != "" {
			out = append(out, canon.Event{Kind: canon.EvSignature, Signature: s})
		}
	case "redacted_thinking":
		out = append(out, canon.Event{Kind: canon.EvRedacted, Text: str(o, "data")})
	case "tool_use":
		name := str(o, "name")
		if name == jsonTool || name == jsonToolValues {
			d.json, b.json = true, name
		} else {
			b.tool = d.tools
			d.tools++
			out = append(out, canon.Event{Kind: canon.EvToolStart, Tool: b.tool, ID: str(o, "id"), Name: UnescapeName(name)})
		}
		// The input here is a placeholder {}; a server that does not stream
		// arguments puts the whole input in it.
		if input := compact(o.Get("input")); string(input) != "{}" {
			out = d.args(b, string(input), out)
		}
	default:
		if hostedBlock(b.kind) {
			b.raw = append(canon.Raw{}, raw...)
		}
	}
	return out
}

func (d *Decoder) text(s string, out []canon.Event) []canon.Event {
	if s == "" {
		return out
	}
	d.runes += utf8.RuneCountInString(s)
	return append(out, canon.Event{Kind: canon.EvText, Text: s})
}

// args passes a fragment of a tool's arguments on.
func (d *Decoder) args(b *openBlock, s string, out []canon.Event) []canon.Event {
	if s == "" {
		return out
	}
	b.args = true
	switch b.json {
	case "":
		return append(out, canon.Event{Kind: canon.EvToolArgs, Tool: b.tool, Text: s})
	case jsonTool:
		return d.text(s, out)
	}
	b.wrap = append(b.wrap, s...)
	return out
}

func (d *Decoder) delta(out []canon.Event) []canon.Event {
	index, _ := d.event.Int("index")
	o := &d.inner
	if o.Parse(d.event.Get("delta")) != nil {
		return out
	}
	switch typeOf(o) {
	case "text_delta":
		return d.text(str(o, "text"), out)
	case "thinking_delta":
		if s := str(o, "thinking"); s != "" {
			return append(out, canon.Event{Kind: canon.EvReasoning, Text: s})
		}
	case "signature_delta":
		if s := str(o, "signature"); s != "" {
			return append(out, canon.Event{Kind: canon.EvSignature, Signature: s})
		}
	case "input_json_delta":
		if b := d.blocks[index]; b != nil && b.kind == "tool_use" {
			return d.args(b, str(o, "partial_json"), out)
		} else if b != nil && b.raw != nil {
			b.wrap = append(b.wrap, str(o, "partial_json")...)
		}
	case "citations_delta":
		if v := o.Get("citation"); given(v) {
			c := append(canon.Raw{}, v...)
			if b := d.blocks[index]; b != nil {
				b.cited = append(b.cited, c)
			}
			return append(out, canon.Event{Kind: canon.EvExtra, Name: "citation", Raw: c})
		}
	}
	return out
}

func (d *Decoder) blockStop(out []canon.Event) []canon.Event {
	index, _ := d.event.Int("index")
	b := d.blocks[index]
	if b == nil {
		return out
	}
	delete(d.blocks, index)
	switch {
	case b.json == jsonToolValues:
		return d.text(string(unwrap(jsonToolValues, b.wrap)), out)
	case b.kind == "tool_use" && !b.args:
		return d.args(b, "{}", out)
	case b.raw != nil:
		return append(out, canon.Event{Kind: canon.EvExtra, Name: "server_tool_block", Raw: b.hosted()})
	}
	for _, c := range b.cited {
		if note := annotation(c, b.start, d.runes); note != nil {
			out = append(out, canon.Event{Kind: canon.EvAnnotation, Raw: note})
		}
	}
	return out
}

// hosted returns a hosted tool's block with the input that came after its start.
func (b *openBlock) hosted() canon.Raw {
	if !isObject(b.wrap) {
		return b.raw
	}
	o, ok := object(b.raw)
	if !ok {
		return b.raw
	}
	return wire.Segments(b.raw, []wire.Edit{o.Set("input", b.wrap)}).Bytes()
}

func (d *Decoder) finish(out []canon.Event) []canon.Event {
	if o := &d.inner; o.Parse(d.event.Get("delta")) == nil {
		for _, name := range vendorMembers {
			if v := o.Get(name); given(v) {
				out = append(out, canon.Event{Kind: canon.EvExtra, Name: name, Raw: append(canon.Raw{}, v...)})
			}
		}
		if reason, ok := o.String("stop_reason"); ok && d.reason == "" {
			d.reason = reason
			out = append(out, canon.Event{Kind: canon.EvFinish, Finish: finishOf(reason, d.tools > 0, d.json), Native: reason})
		}
	}
	return d.readUsage(d.event.Get("usage"), out)
}
