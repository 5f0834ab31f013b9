package gemini

import (
	"bytes"

	"github.com/go-json-experiment/json"

	"penstock/internal/wire"
)

// Tap watches a generateContent answer that passes through. It implements
// wire.Tap. The usage in it is the vendor's habit, not asked for by anyone, so
// TapOptions.HideUsage changes nothing.
type Tap struct {
	seen    wire.Seen
	model   []byte // quoted; nil to leave the vendor's
	choices []tapChoice
	blocked bool
	buf     []byte
}

type tapChoice struct {
	calls    int
	searches int64
	done     bool
}

var _ wire.Tap = (*Tap)(nil)

// NewTap returns a tap for one answer, whole or streamed.
func NewTap(o wire.TapOptions) wire.Tap {
	t := &Tap{}
	if o.Model != "" {
		t.model = wire.Quote(o.Model)
	}
	return t
}

// Seen implements wire.Tap.
func (t *Tap) Seen() *wire.Seen { return &t.seen }

// Event implements wire.Tap.
func (t *Tap) Event(ev wire.Event) ([]byte, error) {
	data := bytes.TrimSpace(ev.Data)
	if len(data) == 0 || string(data) == "[DONE]" {
		return ev.Raw, nil
	}
	out, err := t.document(data)
	if err != nil {
		return nil, err
	}
	if out == nil {
		return ev.Raw, nil
	}
	at := bytes.Index(ev.Raw, data)
	if at < 0 {
		// The data stood on several lines; line breaks are blanks in JSON.
		for i, c := range out {
			if c == '\n' || c == '\r' {
				out[i] = ' '
			}
		}
		return append(append([]byte("data: "), out...), '\n', '\n'), nil
	}
	raw := make([]byte, 0, len(ev.Raw)+len(out)-len(data))
	raw = append(append(append(raw, ev.Raw[:at]...), out...), ev.Raw[at+len(data):]...)
	return raw, nil
}

// Whole implements wire.Tap. The body may be an array of answers, which is
// what the vendor streams without alt=sse.
func (t *Tap) Whole(body []byte) ([]byte, error) {
	docs, err := documents(body)
	if err != nil {
		return nil, unreadable(err)
	}
	if trimmed := bytes.TrimSpace(body); trimmed[0] != '[' {
		out, err := t.document(trimmed)
		if err != nil {
			return nil, err
		}
		if out == nil {
			return body, nil
		}
		return out, nil
	}
	all := []byte{'['}
	for i, doc := range docs {
		out, err := t.document(doc)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = doc
		}
		if i > 0 {
			all = append(all, ",\n"...)
		}
		all = append(all, out...)
	}
	return append(all, ']'), nil
}

// document looks at one answer and returns it with the client's model name,
// nil if nothing changes. The result is valid until the next call.
func (t *Tap) document(data []byte) ([]byte, error) {
	var r response
	if err := r.read(data); err != nil {
		return nil, err
	}
	if e := r.failure(data); e != nil {
		return nil, e
	}
	t.look(&r)
	if t.model == nil || r.ModelVersion == "" {
		return nil, nil
	}
	var o wire.Object
	if err := o.Parse(data); err != nil {
		return nil, nil // readable leniently: the client gets it as it is
	}
	m := o.Find("modelVersion")
	t.buf = append(append(append(t.buf[:0], data[:m.Start]...), t.model...), data[m.End:]...)
	return t.buf, nil
}

func (t *Tap) look(r *response) {
	if t.seen.ID == "" {
		t.seen.ID = r.ResponseID
	}
	if r.ModelVersion != "" {
		t.seen.Model = r.ModelVersion
	}
	for i := range r.Candidates {
		t.candidate(i, &r.Candidates[i])
	}
	if r.PromptFeedback != nil && r.PromptFeedback.BlockReason != "" && len(t.choices) == 0 {
		t.blocked = true
		t.seen.Finish = string(finish("SAFETY", 0))
	}
	if r.Usage != nil {
		t.seen.Usage, t.seen.HasUsage = r.Usage.canonical(), true
	}
	t.seen.Usage.WebSearches = 0
	t.seen.Done = t.blocked || len(t.choices) > 0
	for i := range t.choices {
		t.seen.Done = t.seen.Done && t.choices[i].done
		t.seen.Usage.WebSearches += t.choices[i].searches
	}
}

func (t *Tap) candidate(i int, c *candidate) {
	n := int(c.Index)
	if n == 0 && i > 0 {
		n = i
	}
	if n >= maxChoices {
		return
	}
	for len(t.choices) <= n {
		t.choices = append(t.choices, tapChoice{})
	}
	ch := &t.choices[n]
	for j := range c.Content.Parts {
		p := &c.Content.Parts[j]
		t.seen.TextBytes += len(p.Text)
		if p.Call != nil {
			ch.calls++
			t.seen.TextBytes += len(p.Call.Args)
		}
	}
	if given(c.Grounding) {
		var g groundingMetadata
		if json.Unmarshal(c.Grounding, &g, lenient) == nil {
			ch.searches = max(ch.searches, g.searches(t.seen.Model))
		}
	}
	if c.FinishReason != "" && !ch.done {
		ch.done = true
		t.seen.Finish = string(finish(c.FinishReason, ch.calls))
	}
}
