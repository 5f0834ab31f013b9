package openai

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// Decoder reads a streamed answer in OpenAI's format.
type Decoder struct {
	started bool
	done    bool
	tier    string
	usage   gateway.Usage
	choices []vendorChoice
}

// vendorChoice is what is known of one choice of the vendor's.
type vendorChoice struct {
	finished bool
	calls    []vendorCall // by our index
}

// vendorCall is a tool call as the vendor numbers it.
type vendorCall struct {
	index int
	id    string
}

var _ canon.Decoder = (*Decoder)(nil)

// NewDecoder returns a decoder for one streamed answer.
func NewDecoder() canon.Decoder { return &Decoder{} }

// Done implements canon.Decoder. A finish reason is an end as good as [DONE]:
// some vendors leave the mark out.
func (d *Decoder) Done() bool { return d.done }

// Decode implements canon.Decoder.
func (d *Decoder) Decode(name string, data []byte, out []canon.Event) ([]canon.Event, error) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return out, nil
	}
	if string(data) == "[DONE]" {
		d.done = true
		return out, nil
	}
	var o wire.Object
	if err := o.Parse(data); err != nil {
		return out, &gateway.Error{Kind: gateway.UpstreamFailed, Message: "the provider sent an event that is not a JSON object", Err: err}
	}
	if o.Has("error") || name == "error" {
		return append(out, canon.Event{Kind: canon.EvError, Err: ParseError(http.StatusOK, nil, data)}), nil
	}
	return d.object(&o, "delta", out)
}

// DecodeAnswer reads a whole answer. The error is the vendor's own if the body
// holds one in spite of its status.
func DecodeAnswer(body []byte) ([]canon.Event, error) {
	var o wire.Object
	if err := o.Parse(body); err != nil {
		return nil, &gateway.Error{Kind: gateway.UpstreamFailed, Message: "the provider's answer is not a JSON object", Err: err}
	}
	if !o.Has("choices") {
		return nil, ParseError(http.StatusOK, nil, body)
	}
	d := &Decoder{}
	return d.object(&o, "message", nil)
}

// object reads a chunk or an answer; text is the member that holds the text.
func (d *Decoder) object(o *wire.Object, text string, out []canon.Event) ([]canon.Event, error) {
	if !d.started {
		d.started = true
		ev := canon.Event{Kind: canon.EvStart}
		ev.ID, _ = o.String("id")
		ev.Model, _ = o.String("model")
		out = append(out, ev)
	}
	if s, ok := o.String("service_tier"); ok {
		d.tier = s
	}
	if v := o.Get("choices"); len(v) > 0 && v[0] == '[' {
		for i, c := range elements(v) {
			var err error
			if out, err = d.choice(c, i, text, out); err != nil {
				return out, err
			}
		}
	}
	if u, ok := ReadUsage(o.Get("usage")); ok {
		d.usage, d.usage.Tier = u, d.tier
		out = append(out, canon.Event{Kind: canon.EvUsage, Usage: d.usage})
	}
	return out, nil
}

func (d *Decoder) choice(c []byte, at int, text string, out []canon.Event) ([]canon.Event, error) {
	var body, logprobs, finish []byte
	f := fieldsOf(c)
	for f.next() {
		switch string(f.name) {
		case "index":
			if n, ok := wire.ParseInt(f.val); ok && n >= 0 && n <= maxIndex {
				at = int(n)
			}
		case text:
			body = f.val
		case "logprobs":
			logprobs = f.val
		case "finish_reason":
			finish = f.val
		}
	}
	if at > maxIndex {
		return out, &gateway.Error{Kind: gateway.UpstreamFailed, Message: "the provider's answer has too many choices"}
	}
	for len(d.choices) <= at {
		d.choices = append(d.choices, vendorChoice{})
	}
	out = d.said(body, at, out)
	if len(logprobs) > 0 && logprobs[0] == '{' {
		out = append(out, canon.Event{Kind: canon.EvLogprobs, Choice: at, Raw: bytes.Clone(logprobs)})
	}
	if failedFinish(finish) {
		return append(out, canon.Event{Kind: canon.EvError, Choice: at, Err: gaveUp()}), nil
	}
	native, ok := wire.Unquote(finish)
	if !ok && text == "delta" || native == "" && text == "delta" {
		return out, nil
	}
	ch := &d.choices[at]
	d.done = true
	if ch.finished {
		return out, nil
	}
	ch.finished = true
	ev := canon.Event{Kind: canon.EvFinish, Choice: at, Finish: FinishOf(native), Native: native}
	if ev.Finish == canon.Stop && len(ch.calls) > 0 {
		ev.Finish = canon.ToolCalls
	}
	return append(out, ev), nil
}

// said reads a delta or a message.
func (d *Decoder) said(v []byte, at int, out []canon.Event) []canon.Event {
	var reasoning, blocks, content, refusal, calls, legacy []byte
	f := fieldsOf(v)
	var rest []canon.Event
	for f.next() {
		switch string(f.name) {
		case "reasoning_content":
			reasoning = f.val
		case "reasoning":
			if len(reasoning) == 0 || reasoning[0] != '"' {
				reasoning = f.val
			}
		case "thinking_blocks":
			blocks = f.val
		case "content":
			content = f.val
		case "refusal":
			refusal = f.val
		case "tool_calls":
			calls = f.val
		case "function_call":
			legacy = f.val
		case "images":
			rest = appendImages(rest, f.val, at)
		case "audio":
			rest = appendRecording(rest, f.val, at)
		case "annotations":
			if f.val[0] == '[' {
				for _, a := range elements(f.val) {
					rest = append(rest, canon.Event{Kind: canon.EvAnnotation, Choice: at, Raw: bytes.Clone(a)})
				}
			}
		case "provider_specific_fields":
			g := fieldsOf(f.val)
			for g.next() {
				if name, ok := wire.Unquote(quoted(g.name)); ok && g.val[0] != 'n' {
					rest = append(rest, canon.Event{Kind: canon.EvExtra, Choice: at, Name: name, Raw: bytes.Clone(g.val)})
				}
			}
		}
	}
	if len(blocks) > 0 && blocks[0] == '[' {
		out = appendBlocks(out, blocks, at)
	} else {
		out = appendText(out, canon.EvReasoning, reasoning, at)
	}
	if len(content) > 0 && content[0] == '[' {
		out = appendParts(out, content, at)
	} else {
		out = appendText(out, canon.EvText, content, at)
	}
	out = appendText(out, canon.EvRefusal, refusal, at)
	if len(calls) > 0 && calls[0] == '[' {
		for i, c := range elements(calls) {
			out = d.call(c, i, at, out)
		}
	}
	if len(legacy) > 0 && legacy[0] == '{' {
		out = d.call(append(append([]byte(`{"index":0,"function":`), legacy...), '}'), 0, at, out)
	}
	return append(out, rest...)
}

// call reads a tool call, or a fragment of one. Vendors number calls as they
// like: some give all of them index 0, some leave the index out. A new id is a
// new call whatever its number.
func (d *Decoder) call(v []byte, n, at int, out []canon.Event) []canon.Event {
	index, id, name, args, signed := n, "", "", "", ""
	f := fieldsOf(v)
	for f.next() {
		switch string(f.name) {
		case "index":
			if i, ok := wire.ParseInt(f.val); ok {
				index = int(i)
			}
		case "id":
			id, _ = wire.Unquote(f.val)
		case "function", "custom":
			g := fieldsOf(f.val)
			for g.next() {
				switch string(g.name) {
				case "name":
					name, _ = wire.Unquote(g.val)
				case "arguments", "input":
					var ok bool
					if args, ok = wire.Unquote(g.val); !ok && g.val[0] == '{' {
						args = string(g.val)
					}
				}
			}
		case "provider_specific_fields", "extra_content":
			signed = findSignature(f.val)
		}
	}
	plain, inID := splitSignature(id)
	if signed == "" {
		signed = inID
	}
	c := &d.choices[at]
	ours := -1
	for i := range c.calls {
		if c.calls[i].index == index && (plain == "" || c.calls[i].id == plain) {
			ours = i // the latest one with this number
		}
	}
	if ours < 0 {
		if len(c.calls) > maxIndex {
			return out
		}
		ours = len(c.calls)
		if plain == "" {
			plain = "call_" + strconv.Itoa(ours)
		}
		c.calls = append(c.calls, vendorCall{index: index, id: plain})
		out = append(out, canon.Event{Kind: canon.EvToolStart, Choice: at, Tool: ours, ID: plain, Name: name, Signature: signed})
	}
	if args != "" {
		out = append(out, canon.Event{Kind: canon.EvToolArgs, Choice: at, Tool: ours, Text: args})
	}
	return out
}

// findSignature looks for a thought signature where LiteLLM and Google's own
// OpenAI endpoint put it.
func findSignature(v []byte) string {
	f := fieldsOf(v)
	for f.next() {
		switch string(f.name) {
		case "thought_signature":
			s, _ := wire.Unquote(f.val)
			return s
		case "google":
			return findSignature(f.val)
		}
	}
	return ""
}

func quoted(name []byte) []byte {
	return append(append([]byte{'"'}, name...), '"')
}

func appendText(out []canon.Event, kind canon.EventKind, v []byte, at int) []canon.Event {
	if s, ok := wire.Unquote(v); ok && s != "" {
		out = append(out, canon.Event{Kind: kind, Choice: at, Text: s})
	}
	return out
}

func appendImages(out []canon.Event, v []byte, at int) []canon.Event {
	if v[0] != '[' {
		return out
	}
	for i, e := range elements(v) {
		o, err := parseObject(e, index("images", i))
		if err != nil {
			continue
		}
		if m, err := linked(o, "image_url"); err == nil {
			out = append(out, canon.Event{Kind: canon.EvMedia, Choice: at, Media: m})
		}
	}
	return out
}

func appendRecording(out []canon.Event, v []byte, at int) []canon.Event {
	f := fieldsOf(v)
	ev := canon.Event{Kind: canon.EvMedia, Choice: at, Media: &canon.Media{MIME: "audio/wav"}}
	for f.next() {
		switch string(f.name) {
		case "id":
			ev.ID, _ = wire.Unquote(f.val)
		case "data":
			ev.Media.Data, _ = wire.Unquote(f.val)
		case "transcript":
			ev.Text, _ = wire.Unquote(f.val)
		}
	}
	if ev.Media.Data == "" && ev.Text == "" {
		return out
	}
	return append(out, ev)
}

func appendBlocks(out []canon.Event, v []byte, at int) []canon.Event {
	for _, e := range elements(v) {
		f := fieldsOf(e)
		var text, signature, data []byte
		for f.next() {
			switch string(f.name) {
			case "thinking":
				text = f.val
			case "signature":
				signature = f.val
			case "data":
				data = f.val
			}
		}
		out = appendText(out, canon.EvReasoning, text, at)
		if s, ok := wire.Unquote(signature); ok && s != "" {
			out = append(out, canon.Event{Kind: canon.EvSignature, Choice: at, Signature: s})
		}
		out = appendText(out, canon.EvRedacted, data, at)
	}
	return out
}

// appendParts reads content that comes as a list: Mistral's thinking and text,
// and Databricks' reasoning with a summary.
func appendParts(out []canon.Event, v []byte, at int) []canon.Event {
	for _, e := range elements(v) {
		var kind string
		var text, nested []byte
		f := fieldsOf(e)
		for f.next() {
			switch string(f.name) {
			case "type":
				kind, _ = wire.Unquote(f.val)
			case "text":
				text = f.val
			case "thinking", "summary":
				nested = f.val
			}
		}
		switch {
		case kind == "text" || kind == "":
			out = appendText(out, canon.EvText, text, at)
		case len(nested) > 0 && nested[0] == '[':
			var all strings.Builder
			for _, n := range elements(nested) {
				g := fieldsOf(n)
				for g.next() {
					if string(g.name) == "text" {
						s, _ := wire.Unquote(g.val)
						all.WriteString(s)
					}
				}
			}
			if all.Len() > 0 {
				out = append(out, canon.Event{Kind: canon.EvReasoning, Choice: at, Text: all.String()})
			}
		default:
			out = appendText(out, canon.EvReasoning, nested, at)
		}
	}
	return out
}
