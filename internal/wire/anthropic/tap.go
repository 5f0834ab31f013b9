package anthropic

import (
	"bytes"

	"penstock/internal/wire"
)

// tap watches a native answer on its way to a client that speaks this dialect.
type tap struct {
	opts   wire.TapOptions
	seen   wire.Seen
	usage  counts
	calls  bool
	event  wire.Object // scratch
	inner  wire.Object
	buffer []byte
}

// NewTap returns a tap for one answer.
func NewTap(o wire.TapOptions) wire.Tap { return &tap{opts: o} }

// Seen returns what has been learned so far.
func (t *tap) Seen() *wire.Seen { return &t.seen }

const typePrefix = `{"type":"`

// eventType returns the type of an event. Vendors write it first; the scan of
// the whole event is for those that do not.
func (t *tap) eventType(name string, data []byte) string {
	if bytes.HasPrefix(data, []byte(typePrefix)) {
		rest := data[len(typePrefix):]
		if i := bytes.IndexByte(rest, '"'); i > 0 {
			return word(rest[:i])
		}
	}
	if t.event.Parse(data) != nil {
		return ""
	}
	if s, ok := t.event.String("type"); ok {
		return s
	}
	return name
}

// Event looks at one event. Only message_start is ever changed: the model's
// name stands there.
func (t *tap) Event(ev wire.Event) ([]byte, error) {
	if len(ev.Data) == 0 {
		return ev.Raw, nil
	}
	switch t.eventType(ev.Name, ev.Data) {
	case "content_block_delta":
		t.seen.TextBytes += t.deltaText(ev.Data)
	case "content_block_start":
		// A text block may begin with text, and the finish depends on tool calls.
		if bytes.Contains(ev.Data, []byte(`"tool_use"`)) {
			t.calls = true
		}
	case "message_start":
		return t.start(ev), nil
	case "message_delta":
		t.delta(ev.Data)
	case "message_stop":
		t.seen.Done = true
	case "error":
		return nil, ParseError(200, nil, ev.Data)
	}
	return ev.Raw, nil
}

// deltaStarts are the beginnings of deltas with text, as the API writes them.
var deltaStarts = [][]byte{
	[]byte(`"delta":{"type":"text_delta","text":"`),
	[]byte(`"delta":{"type":"input_json_delta","partial_json":"`),
	[]byte(`"delta":{"type":"thinking_delta","thinking":"`),
}

// deltaText returns how many bytes of text a delta has. Escapes are counted as
// they are written: this number serves only as an estimate for streams that
// end without usage.
func (t *tap) deltaText(data []byte) int {
	if bytes.HasSuffix(data, []byte(`"}}`)) {
		for _, start := range deltaStarts {
			// The head of the event is 45 bytes and an index: no need to look further.
			head := data[:min(len(data), 128)]
			if i := bytes.Index(head, start); i >= 0 {
				return len(data) - len(`"}}`) - i - len(start)
			}
		}
	}
	if t.event.Parse(data) != nil || t.inner.Parse(t.event.Get("delta")) != nil {
		return 0
	}
	for _, name := range []string{"text", "partial_json", "thinking"} {
		if v := t.inner.Get(name); len(v) >= 2 {
			return len(v) - 2
		}
	}
	return 0
}

// start reads message_start and puts the client's name of the model in.
func (t *tap) start(ev wire.Event) []byte {
	if t.event.Parse(ev.Data) != nil {
		return ev.Raw
	}
	member := t.event.Find("message")
	if member == nil || t.inner.Parse(ev.Data[member.Start:member.End]) != nil {
		return ev.Raw
	}
	edit, ok := t.head(&t.inner)
	if !ok {
		return ev.Raw
	}
	edit.Start += member.Start
	edit.End += member.Start
	at := bytes.Index(ev.Raw, ev.Data)
	if at < 0 {
		// The data came in several lines: write it in one.
		t.buffer = append(t.buffer[:0], "event: message_start\ndata: "...)
		t.buffer = splice(t.buffer, bytes.ReplaceAll(ev.Data, []byte("\n"), []byte(" ")), edit)
		t.buffer = append(t.buffer, "\n\n"...)
		return t.buffer
	}
	edit.Start += at
	edit.End += at
	t.buffer = splice(t.buffer[:0], ev.Raw, edit)
	return t.buffer
}

func splice(dst, src []byte, e wire.Edit) []byte {
	dst = append(dst, src[:e.Start]...)
	dst = append(dst, e.New...)
	return append(dst, src[e.End:]...)
}

// head reads what stands at the top of a message, and returns the edit of its
// model name, and whether one is needed.
func (t *tap) head(m *wire.Object) (wire.Edit, bool) {
	t.seen.ID, t.seen.Model = str(m, "id"), str(m, "model")
	t.readUsage(m.Get("usage"))
	if t.opts.Model == "" || t.opts.Model == t.seen.Model || m.Find("model") == nil {
		return wire.Edit{}, false
	}
	return m.Set("model", wire.Quote(t.opts.Model)), true
}

func (t *tap) readUsage(raw []byte) {
	t.usage.read(raw)
	if t.usage.seen {
		t.seen.Usage, t.seen.HasUsage = t.usage.usage(), true
	}
}

func (t *tap) delta(data []byte) {
	if t.event.Parse(data) != nil {
		return
	}
	if t.inner.Parse(t.event.Get("delta")) == nil {
		if reason, ok := t.inner.String("stop_reason"); ok {
			t.seen.Finish = string(finishOf(reason, t.calls, false))
		}
	}
	t.readUsage(t.event.Get("usage"))
}

// Whole looks at an answer that is one JSON document.
func (t *tap) Whole(body []byte) ([]byte, error) {
	o, err := answerObject(body)
	if err != nil {
		return nil, err
	}
	for _, raw := range elements(o.Get("content")) {
		t.seen.TextBytes += t.blockText(raw)
	}
	edit, ok := t.head(o)
	if reason, has := o.String("stop_reason"); has {
		t.seen.Finish = string(finishOf(reason, t.calls, false))
	}
	t.seen.Done = true
	if !ok {
		return body, nil
	}
	t.buffer = splice(t.buffer[:0], body, edit)
	return t.buffer, nil
}

func (t *tap) blockText(raw []byte) int {
	if t.inner.Parse(raw) != nil {
		return 0
	}
	switch str(&t.inner, "type") {
	case "text":
		return max(0, len(t.inner.Get("text"))-2)
	case "thinking":
		return max(0, len(t.inner.Get("thinking"))-2)
	case "tool_use":
		t.calls = true
		return len(t.inner.Get("input"))
	}
	return 0
}

var _ wire.Tap = (*tap)(nil)
