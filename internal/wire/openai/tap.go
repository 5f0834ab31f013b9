package openai

import (
	"bytes"
	"net/http"

	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// Tap watches a chat answer in OpenAI's format that passes through.
type Tap struct {
	seen  wire.Seen
	model []byte // quoted; nil to leave the vendor's
	hide  bool
	o     wire.Object
	buf   []byte
}

var _ wire.Tap = (*Tap)(nil)

// NewTap returns a tap for one answer, whole or streamed.
func NewTap(opts wire.TapOptions) wire.Tap {
	t := &Tap{hide: opts.HideUsage}
	if opts.Model != "" {
		t.model = wire.Quote(opts.Model)
	}
	return t
}

// Seen implements wire.Tap.
func (t *Tap) Seen() *wire.Seen { return &t.seen }

// Event implements wire.Tap.
func (t *Tap) Event(ev wire.Event) ([]byte, error) {
	data := bytes.TrimSpace(ev.Data)
	if len(data) == 0 {
		return t.dataless(ev.Raw)
	}
	if data[0] == '[' && string(data) == "[DONE]" {
		t.seen.Done = true
		return ev.Raw, nil
	}
	if err := t.o.Parse(data); err != nil {
		return nil, unreadable(ev, err)
	}
	if t.o.Has("error") || ev.Name == "error" {
		return nil, ParseError(http.StatusOK, nil, data)
	}
	empty, bad := t.look("delta")
	if bad {
		return nil, gaveUp()
	}
	if t.hide && empty && t.o.Has("usage") {
		return nil, nil
	}
	m := t.renamed()
	if m == nil {
		return ev.Raw, nil
	}
	t.buf = t.buf[:0]
	// The data is a part of the raw event, unless it stood on several lines.
	if at := bytes.Index(ev.Raw, data); at >= 0 {
		t.buf = append(t.buf, ev.Raw[:at]...)
		t.splice(data, m)
		t.buf = append(t.buf, ev.Raw[at+len(data):]...)
		return t.buf, nil
	}
	// Line breaks can only stand between values here; a blank does as well.
	if ev.Name != "" {
		t.buf = append(append(append(t.buf, "event: "...), ev.Name...), '\n')
	}
	t.buf = append(t.buf, "data: "...)
	from := len(t.buf)
	t.splice(data, m)
	for i, c := range t.buf[from:] {
		if c == '\n' || c == '\r' {
			t.buf[from+i] = ' '
		}
	}
	t.buf = append(t.buf, "\n\n"...)
	return t.buf, nil
}

// dataless looks at an event without data: a comment, or the body of an error
// that a vendor sends as plain JSON where a stream was promised.
func (t *Tap) dataless(raw []byte) ([]byte, error) {
	body := bytes.TrimSpace(raw)
	if len(body) > 0 && body[0] == '{' && t.o.Parse(body) == nil && (t.o.Has("error") || t.o.Has("message") || t.o.Has("detail")) {
		return nil, ParseError(http.StatusOK, nil, body)
	}
	return raw, nil
}

// Whole implements wire.Tap.
func (t *Tap) Whole(body []byte) ([]byte, error) {
	if err := t.o.Parse(body); err != nil {
		return nil, &gateway.Error{Kind: gateway.UpstreamFailed, Message: "the provider's answer is not a JSON object", Err: err}
	}
	if t.o.Has("error") && !t.o.Has("choices") || !t.o.Has("choices") && unwrappedError(&t.o) {
		return nil, ParseError(http.StatusOK, nil, body)
	}
	if _, bad := t.look("message"); bad {
		return nil, gaveUp()
	}
	t.seen.Done = true
	m := t.renamed()
	if m == nil {
		return body, nil
	}
	t.buf = make([]byte, 0, len(body)+len(t.model))
	t.splice(body, m)
	return t.buf, nil
}

// unwrappedError reports whether a body without choices is an error object
// without its wrapper, as vLLM's ("object":"error"), or MiniMax's base_resp.
func unwrappedError(o *wire.Object) bool {
	kind, _ := o.String("object")
	return kind == "error" || o.Has("base_resp")
}

// renamed returns the model member if the client is to see another name.
func (t *Tap) renamed() *wire.Member {
	if t.model == nil {
		return nil
	}
	m := t.o.Find("model")
	if m == nil || bytes.Equal(t.o.Body[m.Start:m.End], t.model) {
		return nil
	}
	return m
}

func (t *Tap) splice(data []byte, m *wire.Member) {
	t.buf = append(t.buf, data[:m.Start]...)
	t.buf = append(t.buf, t.model...)
	t.buf = append(t.buf, data[m.End:]...)
}

// look reads what the parsed chunk or answer says; text is the member of a
// choice that holds the text. It reports whether there are no choices, and
// whether a choice says that the vendor gave up.
func (t *Tap) look(text string) (empty, failed bool) {
	empty = true
	for i := range t.o.Members {
		m := &t.o.Members[i]
		v := t.o.Body[m.Start:m.End]
		switch m.Name {
		case "id":
			keep(&t.seen.ID, v)
		case "model":
			keep(&t.seen.Model, v)
		case "choices":
			empty, failed = t.choices(v, text)
		case "usage":
			if u, ok := ReadUsage(v); ok {
				u.Tier = t.seen.Usage.Tier
				t.seen.Usage, t.seen.HasUsage = u, true
			}
		case "service_tier":
			// Compared before it is read: every chunk says it again.
			if v[0] == '"' && string(v[1:len(v)-1]) != t.seen.Usage.Tier {
				t.seen.Usage.Tier, _ = wire.Unquote(v)
			}
		case "x_groq":
			// Groq puts usage here when nobody asked for it.
			t.groq(v)
		}
	}
	return empty, failed
}

func (t *Tap) groq(v []byte) {
	f := fieldsOf(v)
	for f.next() {
		if string(f.name) != "usage" {
			continue
		}
		if u, ok := ReadUsage(f.val); ok && !t.seen.HasUsage {
			u.Tier = t.seen.Usage.Tier
			t.seen.Usage, t.seen.HasUsage = u, true
		}
	}
}

// keep stores a string that stays the same in all chunks, once.
func keep(to *string, v []byte) {
	if *to == "" {
		*to, _ = wire.Unquote(v)
	}
}

// choices walks over the choices without allocating.
func (t *Tap) choices(v []byte, text string) (empty, failed bool) {
	empty = true
	l := itemsOf(v)
	for l.next() {
		empty = false
		f := fieldsOf(l.val)
		for f.next() {
			switch string(f.name) {
			case text:
				t.text(f.val)
			case "finish_reason":
				if f.val[0] != '"' {
					continue
				}
				failed = failed || failedFinish(f.val)
				// xAI says "" where others say null or, in a whole answer, "stop".
				if len(f.val) > 2 || text == "message" {
					t.finish(f.val[1 : len(f.val)-1])
				}
			}
		}
	}
	return empty, failed
}

// finish takes a finish reason; the words of OpenAI need no allocation.
func (t *Tap) finish(word []byte) {
	t.seen.Done = true
	if string(word) == "function_call" {
		t.seen.Finish = "function_call"
		return
	}
	t.seen.Finish = string(FinishOf(string(word)))
}

// text counts the bytes of text, reasoning and arguments in a delta or message.
func (t *Tap) text(v []byte) {
	f := fieldsOf(v)
	for f.next() {
		switch string(f.name) {
		case "content", "reasoning_content", "reasoning", "refusal":
			t.count(f.val)
		case "tool_calls", "function_call":
			t.arguments(f.val)
		}
	}
}

func (t *Tap) count(v []byte) {
	switch v[0] {
	case '"':
		t.seen.TextBytes += len(v) - 2
	case '[': // Mistral's parts
		for _, e := range elements(v) {
			f := fieldsOf(e)
			for f.next() {
				if name := string(f.name); name == "text" || name == "thinking" {
					t.count(f.val)
				}
			}
		}
	}
}

func (t *Tap) arguments(v []byte) {
	l := itemsOf(v)
	for l.next() {
		t.arguments(l.val)
	}
	f := fieldsOf(v)
	for f.next() {
		switch string(f.name) {
		case "function", "custom":
			t.arguments(f.val)
		case "arguments", "input":
			if f.val[0] == '"' {
				t.seen.TextBytes += len(f.val) - 2
			}
		}
	}
}

// unreadable is the error for an event that is no JSON object. Half an event
// is what a broken connection leaves.
func unreadable(ev wire.Event, err error) *gateway.Error {
	if n := len(ev.Raw); n > 0 && ev.Raw[n-1] != '\n' && ev.Raw[n-1] != '\r' {
		return &gateway.Error{Kind: gateway.UpstreamCut, Message: "the provider's stream ended in the middle of an event", Err: err}
	}
	return &gateway.Error{Kind: gateway.UpstreamFailed, Message: "the provider sent an event that is not a JSON object", Err: err}
}

func gaveUp() *gateway.Error {
	return &gateway.Error{Kind: gateway.UpstreamFailed, Message: "the provider gave up in the middle of its answer", Status: http.StatusBadGateway}
}
