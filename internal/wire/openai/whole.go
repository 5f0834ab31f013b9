package openai

import (
	"strconv"

	"penstock/internal/canon"
	"penstock/internal/wire"
)

// answer is one choice of a whole answer, put together from its events.
type answer struct {
	choice
	hasText     bool
	text        []byte
	reasoning   []byte
	refusal     []byte
	blocks      []block
	calls       []toolCallText
	images      []*canon.Media
	audio       *canon.Event
	annotations []canon.Raw
	logprobs    canon.Raw
	extra       []*canon.Event
}

type block struct {
	redacted  bool
	text      []byte
	signature string
}

type toolCallText struct {
	start *canon.Event
	args  []byte
}

// Whole appends the chat completion that evs tell.
func (e *Encoder) Whole(dst []byte, evs []canon.Event) []byte {
	id := ""
	var answers []*answer
	for i := range evs {
		ev := &evs[i]
		switch ev.Kind {
		case canon.EvStart:
			if id == "" {
				id = ev.ID
			}
		case canon.EvUsage:
			e.usage, e.hasUse = ev.Usage, true
			continue
		case canon.EvError:
			return AppendError(dst, ev.Err)
		}
		n := min(max(ev.Choice, 0), maxIndex)
		for len(answers) <= n {
			answers = append(answers, &answer{})
		}
		answers[n].add(ev)
	}
	if len(answers) == 0 {
		answers = append(answers, &answer{})
	}
	dst = e.appendHead(dst, id, "chat.completion")
	dst = append(dst, `,"choices":[`...)
	for i, a := range answers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"index":`...), int64(i), 10)
		dst = a.append(append(dst, `,"message":`...))
	}
	dst = append(dst, ']')
	if e.hasUse {
		dst = appendUsage(append(dst, `,"usage":`...), &e.usage)
	}
	return append(e.appendTier(dst), '}')
}

func (a *answer) add(ev *canon.Event) {
	switch ev.Kind {
	case canon.EvText:
		a.hasText = true
		a.text = append(a.text, ev.Text...)
	case canon.EvReasoning:
		a.reasoning = append(a.reasoning, ev.Text...)
		b := a.block()
		b.text = append(b.text, ev.Text...)
	case canon.EvSignature:
		a.block().signature = ev.Signature
	case canon.EvRedacted:
		a.blocks = append(a.blocks, block{redacted: true, text: []byte(ev.Text)})
	case canon.EvRefusal:
		a.refusal = append(a.refusal, ev.Text...)
	case canon.EvToolStart:
		a.call(ev.Tool).start = ev
	case canon.EvToolArgs:
		c := a.call(ev.Tool)
		c.args = append(c.args, ev.Text...)
	case canon.EvMedia:
		if ev.Media == nil {
			return
		}
		if isAudio(ev.Media) {
			a.audio = ev
		} else {
			a.images = append(a.images, ev.Media)
		}
	case canon.EvAnnotation:
		a.annotations = append(a.annotations, ev.Raw)
	case canon.EvLogprobs:
		a.logprobs = ev.Raw
	case canon.EvExtra:
		for i := range a.extra {
			if a.extra[i].Name == ev.Name {
				a.extra[i] = ev
				return
			}
		}
		a.extra = append(a.extra, ev)
	case canon.EvFinish:
		a.finish, a.native = ev.Finish, ev.Native
	}
}

// block returns the thinking block that is being written: a signature ends one.
func (a *answer) block() *block {
	if n := len(a.blocks); n > 0 && !a.blocks[n-1].redacted && a.blocks[n-1].signature == "" {
		return &a.blocks[n-1]
	}
	a.blocks = append(a.blocks, block{})
	return &a.blocks[len(a.blocks)-1]
}

func (a *answer) call(i int) *toolCallText {
	i = min(max(i, 0), maxIndex)
	for len(a.calls) <= i {
		a.calls = append(a.calls, toolCallText{})
	}
	return &a.calls[i]
}

// append writes the message, and what follows it in the choice, up to the
// choice's closing brace.
func (a *answer) append(dst []byte) []byte {
	dst = append(dst, `{"role":"assistant","content":`...)
	switch {
	case a.hasText, len(a.refusal) == 0 && len(a.calls) == 0 && a.audio == nil && len(a.images) == 0:
		dst = wire.AppendString(dst, string(a.text))
	default:
		dst = append(dst, "null"...)
	}
	dst = appendOrNull(append(dst, `,"refusal":`...), string(a.refusal))
	if len(a.reasoning) > 0 {
		dst = wire.AppendString(append(dst, `,"reasoning_content":`...), string(a.reasoning))
	}
	if len(a.blocks) > 0 {
		dst = append(dst, `,"thinking_blocks":[`...)
		for i := range a.blocks {
			dst = a.blocks[i].append(comma(dst, i))
		}
		dst = append(dst, ']')
	}
	n := 0
	for i := range a.calls {
		c := &a.calls[i]
		if c.start == nil {
			continue
		}
		if n == 0 {
			dst = append(dst, `,"tool_calls":[`...)
		}
		args := string(c.args)
		if args == "" {
			args = "{}"
		}
		dst = appendCall(append(comma(dst, n), '{'), c.start, args)
		n++
	}
	if n > 0 {
		dst = append(dst, ']')
		a.tools = append(a.tools, call{known: true})
	}
	if a.audio != nil {
		dst = appendAudio(append(dst, `,"audio":`...), a.audio)
	}
	if len(a.images) > 0 {
		dst = append(dst, `,"images":[`...)
		for i, m := range a.images {
			dst = appendImage(comma(dst, i), m, i)
		}
		dst = append(dst, ']')
	}
	if len(a.annotations) > 0 {
		dst = append(dst, `,"annotations":[`...)
		for i, v := range a.annotations {
			dst = append(comma(dst, i), v...)
		}
		dst = append(dst, ']')
	}
	if len(a.extra) > 0 {
		dst = append(dst, `,"provider_specific_fields":{`...)
		for i, ev := range a.extra {
			dst = wire.AppendString(comma(dst, i), ev.Name)
			dst = append(append(dst, ':'), ev.Raw...)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `},"logprobs":`...)
	if a.logprobs != nil {
		dst = append(dst, a.logprobs...)
	} else {
		dst = append(dst, "null"...)
	}
	finish, native := a.ending()
	dst = wire.AppendString(append(dst, `,"finish_reason":`...), string(finish))
	if native != "" {
		dst = appendNative(append(dst, ','), native)
	}
	return append(dst, '}')
}

func (b *block) append(dst []byte) []byte {
	if b.redacted {
		dst = append(dst, `{"type":"redacted_thinking","data":`...)
		return append(wire.AppendString(dst, string(b.text)), '}')
	}
	dst = append(dst, `{"type":"thinking","thinking":`...)
	dst = wire.AppendString(dst, string(b.text))
	if b.signature != "" {
		dst = wire.AppendString(append(dst, `,"signature":`...), b.signature)
	}
	return append(dst, '}')
}

func comma(dst []byte, i int) []byte {
	if i > 0 {
		return append(dst, ',')
	}
	return dst
}
