package openai

import (
	"strconv"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// Encoder writes an answer in OpenAI's format.
type Encoder struct {
	opts    canon.EncodeOptions
	head    []byte // what each chunk starts with, up to "choices"
	choices []choice
	usage   gateway.Usage
	hasUse  bool
	failed  bool
}

// choice is what a stream must remember about one of its choices.
type choice struct {
	started bool // the role has been sent
	native  string
	finish  canon.Finish
	tools   []call
	images  int
}

type call struct {
	known bool
	args  bool // some of the arguments have been sent
}

var _ canon.Encoder = (*Encoder)(nil)

// NewEncoder returns an encoder for one answer.
func NewEncoder(opts canon.EncodeOptions) canon.Encoder {
	return &Encoder{opts: opts}
}

// Event appends the chunks that tell ev. The finish is held back until End: a
// vendor may name it before its last text, and clients stop reading there.
func (e *Encoder) Event(dst []byte, ev *canon.Event) []byte {
	switch ev.Kind {
	case canon.EvStart:
		if e.head == nil {
			e.start(ev.ID)
		}
		if c := e.choice(ev.Choice); !c.started {
			dst = append(e.open(dst, ev.Choice), `"content":""`...)
			dst = shut(dst)
		}
		return dst
	case canon.EvFinish:
		c := e.choice(ev.Choice)
		c.finish, c.native = ev.Finish, ev.Native
		return dst
	case canon.EvUsage:
		e.usage, e.hasUse = ev.Usage, true
		return dst
	case canon.EvError:
		e.failed = true
		return append(AppendError(append(dst, "data: "...), ev.Err), "\n\n"...)
	case canon.EvLogprobs:
		dst = append(e.chunk(dst, ev.Choice), `"delta":{},"logprobs":`...)
		dst = append(dst, ev.Raw...)
		return append(dst, `,"finish_reason":null}]}`+"\n\n"...)
	}
	mark, started := len(dst), e.choice(ev.Choice).started
	dst = e.open(dst, ev.Choice)
	body := len(dst)
	if dst = e.delta(dst, ev); len(dst) == body {
		e.choice(ev.Choice).started = started
		return dst[:mark]
	}
	return shut(dst)
}

// delta appends the members of the delta that tells ev, none if there is
// nothing to tell.
func (e *Encoder) delta(dst []byte, ev *canon.Event) []byte {
	c := e.choice(ev.Choice)
	switch ev.Kind {
	case canon.EvText:
		return textMember(dst, `"content":`, ev.Text)
	case canon.EvReasoning:
		if ev.Text == "" {
			return dst
		}
		dst = wire.AppendString(append(dst, `"reasoning_content":`...), ev.Text)
		dst = wire.AppendString(append(dst, `,"thinking_blocks":[{"type":"thinking","thinking":`...), ev.Text)
		return append(dst, `}]`...)
	case canon.EvSignature:
		dst = append(dst, `"thinking_blocks":[{"type":"thinking","thinking":"","signature":`...)
		return append(wire.AppendString(dst, ev.Signature), `}]`...)
	case canon.EvRedacted:
		dst = append(dst, `"thinking_blocks":[{"type":"redacted_thinking","data":`...)
		return append(wire.AppendString(dst, ev.Text), `}]`...)
	case canon.EvRefusal:
		return textMember(dst, `"refusal":`, ev.Text)
	case canon.EvToolStart:
		c.tool(ev.Tool).known = true
		dst = strconv.AppendInt(append(dst, `"tool_calls":[{"index":`...), int64(ev.Tool), 10)
		return append(appendCall(append(dst, ','), ev, ""), `]`...)
	case canon.EvToolArgs:
		if ev.Text == "" {
			return dst
		}
		c.tool(ev.Tool).args = true
		dst = strconv.AppendInt(append(dst, `"tool_calls":[{"index":`...), int64(ev.Tool), 10)
		dst = append(dst, `,"function":{"arguments":`...)
		return append(wire.AppendString(dst, ev.Text), `}}]`...)
	case canon.EvMedia:
		if ev.Media == nil {
			return dst
		}
		if isAudio(ev.Media) {
			return appendAudio(append(dst, `"audio":`...), ev)
		}
		dst = appendImage(append(dst, `"images":[`...), ev.Media, c.images)
		c.images++
		return append(dst, ']')
	case canon.EvAnnotation:
		return append(append(append(dst, `"annotations":[`...), ev.Raw...), ']')
	case canon.EvExtra:
		dst = wire.AppendString(append(dst, `"provider_specific_fields":{`...), ev.Name)
		return append(append(append(dst, ':'), ev.Raw...), '}')
	}
	return dst
}

// End appends what was held back, the usage if the client wants it, and the
// end mark. After an error it appends nothing: a client must not take the
// answer for complete.
func (e *Encoder) End(dst []byte) []byte {
	if e.failed {
		return dst
	}
	if len(e.choices) == 0 {
		e.choice(0)
	}
	for i := range e.choices {
		c := &e.choices[i]
		for n := range c.tools {
			// A call without arguments has the arguments {}: clients decode the text.
			if t := &c.tools[n]; t.known && !t.args {
				dst = e.Event(dst, &canon.Event{Kind: canon.EvToolArgs, Choice: i, Tool: n, Text: "{}"})
			}
		}
		if !c.started {
			dst = append(e.open(dst, i), `"content":""`...)
			dst = shut(dst)
		}
		finish, native := c.ending()
		dst = append(e.chunk(dst, i), `"delta":{},"finish_reason":`...)
		dst = wire.AppendString(dst, string(finish))
		if native != "" {
			dst = appendNative(append(dst, ','), native)
		}
		dst = append(dst, "}]}\n\n"...)
	}
	if e.opts.IncludeUsage && e.hasUse {
		dst = append(append(dst, "data: "...), e.head...)
		dst = append(dst, `"choices":[],"usage":`...)
		dst = append(e.appendTier(appendUsage(dst, &e.usage)), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

// ending returns the finish to show, and the vendor's own word if it differs.
func (c *choice) ending() (canon.Finish, string) {
	f := c.finish
	if f == "" || f == canon.Stop && len(c.tools) > 0 {
		f = canon.Stop
		if len(c.tools) > 0 {
			f = canon.ToolCalls
		}
	}
	if c.native == string(f) {
		return f, ""
	}
	return f, c.native
}

func appendNative(dst []byte, native string) []byte {
	dst = append(dst, `"provider_specific_fields":{"native_finish_reason":`...)
	return append(wire.AppendString(dst, native), '}')
}

// start fixes what all chunks have in common.
func (e *Encoder) start(id string) {
	e.head = append(e.appendHead(make([]byte, 0, 192), id, "chat.completion.chunk"), ',')
}

func (e *Encoder) appendHead(dst []byte, id, object string) []byte {
	if id == "" {
		id = e.opts.FallbackID
	}
	dst = wire.AppendString(append(dst, `{"id":`...), id)
	dst = append(append(dst, `,"object":"`...), object...)
	dst = strconv.AppendInt(append(dst, `","created":`...), e.opts.Created, 10)
	return wire.AppendString(append(dst, `,"model":`...), e.opts.Model)
}

func (e *Encoder) appendTier(dst []byte) []byte {
	if e.usage.Tier == "" {
		return dst
	}
	return wire.AppendString(append(dst, `,"service_tier":`...), e.usage.Tier)
}

// chunk appends a chunk up to the members of its choice.
func (e *Encoder) chunk(dst []byte, choice int) []byte {
	if e.head == nil {
		e.start("")
	}
	dst = append(append(dst, "data: "...), e.head...)
	dst = strconv.AppendInt(append(dst, `"choices":[{"index":`...), int64(choice), 10)
	return append(dst, ',')
}

// open appends a chunk up to the members of its delta.
func (e *Encoder) open(dst []byte, choice int) []byte {
	dst = append(e.chunk(dst, choice), `"delta":{`...)
	if c := e.choice(choice); !c.started {
		c.started = true
		dst = append(dst, `"role":"assistant",`...)
	}
	return dst
}

// shut appends the end of a chunk whose delta is open.
func shut(dst []byte) []byte {
	return append(dst, `},"finish_reason":null}]}`+"\n\n"...)
}

// maxIndex bounds choices and calls: a vendor that counts wildly must not make
// us allocate wildly.
const maxIndex = 1 << 10

func (e *Encoder) choice(i int) *choice {
	i = min(max(i, 0), maxIndex)
	for len(e.choices) <= i {
		e.choices = append(e.choices, choice{})
	}
	return &e.choices[i]
}

func (c *choice) tool(i int) *call {
	i = min(max(i, 0), maxIndex)
	for len(c.tools) <= i {
		c.tools = append(c.tools, call{})
	}
	return &c.tools[i]
}

func textMember(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	return wire.AppendString(append(dst, name...), text)
}
