package gemini

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// NewCallID returns an id for a tool call. The vendor names calls by the
// function only, or not at all, and two calls of one function need two ids.
func NewCallID() string { return "call_" + rand.Text() }

// DecodeAnswer reads a whole answer. The error is a *gateway.Error: the
// vendor's own inside the body, or an answer that cannot be read.
func DecodeAnswer(body []byte) ([]canon.Event, error) { return DecodeAnswerIDs(body, NewCallID) }

// DecodeAnswerIDs is DecodeAnswer with the ids of tool calls from newID.
func DecodeAnswerIDs(body []byte, newID func() string) ([]canon.Event, error) {
	docs, err := documents(body)
	if err != nil {
		return nil, unreadable(err)
	}
	d := &Decoder{newID: newID}
	var out []canon.Event
	for _, doc := range docs {
		if out, err = d.Decode("", doc, out); err != nil {
			return nil, err
		}
	}
	for i := range out {
		if out[i].Kind == canon.EvError {
			return nil, out[i].Err
		}
	}
	if len(d.choices) == 0 && !d.blocked {
		return nil, &gateway.Error{Kind: gateway.UpstreamFailed, Message: "gemini sent an answer without candidates"}
	}
	// The body came to its end, so a candidate without a reason is whole.
	for i := range d.choices {
		out = d.end(i, "", "", out)
	}
	return out, nil
}

// Decoder reads one streamed answer. It implements canon.Decoder.
type Decoder struct {
	newID   func() string
	started bool
	blocked bool
	web     int64 // searches so far
	model   string
	ids     []string // of calls so far
	choices []choice
}

var _ canon.Decoder = (*Decoder)(nil)

// NewDecoder returns a decoder of one stream.
func NewDecoder() canon.Decoder { return NewDecoderIDs(NewCallID) }

// NewDecoderIDs is NewDecoder with the ids of tool calls from newID.
func NewDecoderIDs(newID func() string) canon.Decoder { return &Decoder{newID: newID} }

// choice is what is known of one candidate.
type choice struct {
	calls      int
	done       bool
	text       []byte // what grounding's offsets count in, up to maxGrounded
	grounding  jsontext.Value
	citations  jsontext.Value
	urls       jsontext.Value
	safety     jsontext.Value
	signatures []string         // of parts that are neither thoughts nor calls
	code       []jsontext.Value // executableCode and codeExecutionResult parts
}

// maxChoices bounds the candidate index, which we use to index a slice.
const maxChoices = 128

// maxGrounded bounds how much text is kept to count citations' offsets in.
const maxGrounded = 1 << 20

// Done implements canon.Decoder: every candidate has its finishReason, or the
// prompt was blocked.
func (d *Decoder) Done() bool {
	if d.blocked {
		return true
	}
	return len(d.choices) > 0 && !slices.ContainsFunc(d.choices, func(c choice) bool { return !c.done })
}

// Decode implements canon.Decoder.
func (d *Decoder) Decode(_ string, data []byte, out []canon.Event) ([]canon.Event, error) {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || string(data) == "[DONE]" {
		return out, nil // proxies in OpenAI's style add it
	}
	docs, err := documents(data)
	if err != nil {
		return out, unreadable(err)
	}
	for _, doc := range docs {
		var r response
		if err := r.read(doc); err != nil {
			return out, err
		}
		if e := r.failure(doc); e != nil {
			return append(out, canon.Event{Kind: canon.EvError, Err: e}), nil
		}
		if out, err = d.response(&r, out); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (d *Decoder) response(r *response, out []canon.Event) ([]canon.Event, error) {
	if r.ModelVersion != "" {
		d.model = r.ModelVersion
	}
	block := r.PromptFeedback != nil && r.PromptFeedback.BlockReason != "" && len(r.Candidates) == 0
	if !d.started && (block || len(r.Candidates) > 0) {
		d.started = true
		out = append(out, canon.Event{Kind: canon.EvStart, ID: r.ResponseID, Model: r.ModelVersion})
	}
	for i := range r.Candidates {
		c := &r.Candidates[i]
		n := int(c.Index)
		if n == 0 && i > 0 {
			n = i // no index at all: the position is it
		}
		if n >= maxChoices {
			return out, unreadable(nil)
		}
		for len(d.choices) <= n {
			d.choices = append(d.choices, choice{})
		}
		out = d.candidate(n, c, out)
	}
	if block && !d.blocked && len(d.choices) == 0 {
		d.blocked = true
		if given(r.PromptFeedback.Safety) {
			out = append(out, extra(0, "safety_ratings", r.PromptFeedback.Safety))
		}
		if m := r.PromptFeedback.BlockMessage; m != "" {
			out = append(out, extra(0, "finish_message", wire.Quote(m)))
		}
		out = append(out, canon.Event{Kind: canon.EvFinish, Finish: canon.ContentFilter, Native: r.PromptFeedback.BlockReason})
	}
	if r.Usage != nil {
		u := r.Usage.canonical()
		u.WebSearches = d.web
		out = append(out, canon.Event{Kind: canon.EvUsage, Usage: u})
	}
	return out, nil
}

func extra(choice int, name string, raw []byte) canon.Event {
	return canon.Event{Kind: canon.EvExtra, Choice: choice, Name: name, Raw: raw}
}

func (d *Decoder) candidate(n int, c *candidate, out []canon.Event) []canon.Event {
	ch := &d.choices[n]
	for i := range c.Content.Parts {
		out = d.part(n, &c.Content.Parts[i], out)
	}
	if lp := c.Logprobs.openAI(); lp != nil {
		out = append(out, canon.Event{Kind: canon.EvLogprobs, Choice: n, Raw: lp})
	}
	keep := func(to *jsontext.Value, v jsontext.Value) {
		if given(v) {
			*to = v.Clone()
		}
	}
	keep(&ch.grounding, c.Grounding)
	keep(&ch.citations, c.Citations)
	keep(&ch.urls, c.URLContext)
	keep(&ch.safety, c.Safety)
	if c.FinishReason != "" {
		out = d.end(n, c.FinishReason, c.FinishMessage, out)
	}
	return out
}

func (d *Decoder) part(n int, p *part, out []canon.Event) []canon.Event {
	ch := &d.choices[n]
	switch {
	case p.Call != nil:
		return d.call(n, p, out)
	case p.Thought:
		// Images in thoughts are drafts, not part of the answer.
		if p.Text != "" {
			out = append(out, canon.Event{Kind: canon.EvReasoning, Choice: n, Text: p.Text})
		}
		if p.Signature != "" {
			out = append(out, canon.Event{Kind: canon.EvSignature, Choice: n, Signature: p.Signature})
		}
		return out
	case p.Inline != nil:
		out = append(out, canon.Event{Kind: canon.EvMedia, Choice: n, Media: &canon.Media{
			MIME: p.Inline.MIME, Data: p.Inline.Data, Format: audioFormat(p.Inline.MIME),
		}})
	case p.File != nil:
		out = append(out, canon.Event{Kind: canon.EvMedia, Choice: n, Media: &canon.Media{
			MIME: p.File.MIME, URL: p.File.URI, Format: audioFormat(p.File.MIME),
		}})
	case given(p.Code):
		ch.code = append(ch.code, wrap("executableCode", p.Code))
	case given(p.CodeExecution):
		ch.code = append(ch.code, wrap("codeExecutionResult", p.CodeExecution))
	case p.Text != "":
		out = append(out, canon.Event{Kind: canon.EvText, Choice: n, Text: p.Text})
		if len(ch.text) < maxGrounded {
			ch.text = append(ch.text, p.Text...)
		}
	}
	if p.Signature != "" {
		ch.signatures = append(ch.signatures, p.Signature)
	}
	return out
}

// wrap returns {name: v}.
func wrap(name string, v []byte) jsontext.Value {
	var w writer
	w.open('{')
	w.key(name)
	w.raw(v)
	w.close('}')
	return w.b
}

// audioFormat returns OpenAI's word for an audio type, "" for other media.
func audioFormat(mime string) string {
	kind, sub, _ := strings.Cut(mime, "/")
	sub, _, _ = strings.Cut(sub, ";")
	switch {
	case kind != "audio":
		return ""
	case strings.EqualFold(sub, "l16"), strings.EqualFold(sub, "pcm"):
		return "pcm16"
	case sub == "mpeg":
		return "mp3"
	}
	return sub
}

// call tells a function call, which always comes whole.
func (d *Decoder) call(n int, p *part, out []canon.Event) []canon.Event {
	ch := &d.choices[n]
	id := p.Call.ID
	// The vendor's id is worth keeping only if it can tell two calls apart.
	if len(id) < 4 || id == p.Call.Name || slices.Contains(d.ids, id) {
		id = d.newID()
	}
	d.ids = append(d.ids, id)
	signature := p.Signature
	if signature == "" {
		signature = p.Call.Signature
	}
	args := "{}"
	if given(p.Call.Args) {
		args = string(p.Call.Args)
	}
	tool := ch.calls
	ch.calls++
	return append(out,
		canon.Event{Kind: canon.EvToolStart, Choice: n, Tool: tool, ID: id, Name: p.Call.Name, Signature: signature},
		canon.Event{Kind: canon.EvToolArgs, Choice: n, Tool: tool, Text: args})
}

// end tells what is known only at a candidate's end, and its finish. Old
// models say STOP in every chunk: the first counts, because the client is to
// see one.
func (d *Decoder) end(n int, reason, message string, out []canon.Event) []canon.Event {
	ch := &d.choices[n]
	if ch.done {
		return out
	}
	ch.done = true
	out = d.ground(n, out)
	if ch.citations != nil {
		out = append(out, extra(n, "vertex_ai_citation_metadata", ch.citations))
	}
	if ch.urls != nil {
		out = append(out, extra(n, "vertex_ai_url_context_metadata", ch.urls))
	}
	if len(ch.signatures) > 0 {
		var w writer
		w.open('[')
		for _, s := range ch.signatures {
			w.str(s)
		}
		w.close(']')
		out = append(out, extra(n, "thought_signatures", w.b))
	}
	if len(ch.code) > 0 {
		var w writer
		w.open('[')
		for _, c := range ch.code {
			w.raw(c)
		}
		w.close(']')
		out = append(out, extra(n, "code_execution", w.b))
	}
	f := finish(reason, ch.calls)
	if f == canon.ContentFilter && ch.safety != nil {
		out = append(out, extra(n, "safety_ratings", ch.safety))
	}
	if message != "" {
		out = append(out, extra(n, "finish_message", wire.Quote(message)))
	}
	return append(out, canon.Event{Kind: canon.EvFinish, Choice: n, Finish: f, Native: reason})
}
