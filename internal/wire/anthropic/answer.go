package anthropic

import (
	"net/http"
	"slices"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// DecodeAnswer reads a whole answer. An error object with a good status is
// returned as the error it tells.
func DecodeAnswer(body []byte) ([]canon.Event, error) {
	o, err := answerObject(body)
	if err != nil {
		return nil, err
	}
	a := answer{events: make([]canon.Event, 0, 8)}
	a.add(canon.Event{Kind: canon.EvStart, ID: str(o, "id"), Model: str(o, "model")})
	var text string
	for _, raw := range elements(o.Get("content")) {
		block, ok := object(raw)
		if !ok {
			continue
		}
		if err := a.block(block, raw, &text); err != nil {
			return nil, err
		}
	}
	a.extras(o)
	reason := str(o, "stop_reason")
	a.add(canon.Event{Kind: canon.EvFinish, Finish: finishOf(reason, a.tools > 0, a.json), Native: reason})
	var c counts
	if c.read(o.Get("usage")); c.seen {
		a.add(canon.Event{Kind: canon.EvUsage, Usage: c.usage()})
	}
	return a.events, nil
}

// answerObject parses the body of an answer with a good status.
func answerObject(body []byte) (*wire.Object, error) {
	var o wire.Object
	if err := o.Parse(body); err != nil {
		return nil, &gateway.Error{
			Kind: gateway.UpstreamFailed, Status: http.StatusBadGateway,
			Message: "the provider's answer is not JSON: " + clip(mask(string(body)), 200), Err: err,
		}
	}
	if str(&o, "type") == "error" || o.Has("error") && !o.Has("content") {
		return nil, ParseError(http.StatusOK, nil, body)
	}
	return &o, nil
}

// answer collects the events of a whole answer.
type answer struct {
	events            []canon.Event
	tools             int // tool calls so far
	json              bool
	citations, hosted []canon.Raw
}

func (a *answer) add(ev canon.Event) { a.events = append(a.events, ev) }

// block adds a content block. text is all text so far: citations say where
// in it they stand.
func (a *answer) block(o *wire.Object, raw canon.Raw, text *string) error {
	switch kind := str(o, "type"); kind {
	case "text":
		s := str(o, "text")
		start := runes(*text)
		*text += s
		if s != "" {
			a.add(canon.Event{Kind: canon.EvText, Text: s})
		}
		if cited := elements(o.Get("citations")); len(cited) > 0 {
			a.citations = append(a.citations, slices.Clone(o.Get("citations")))
			for _, c := range cited {
				if note := annotation(c, start, runes(*text)); note != nil {
					a.add(canon.Event{Kind: canon.EvAnnotation, Raw: note})
				}
			}
		}
	case "thinking":
		if s := str(o, "thinking"); s != "" {
			a.add(canon.Event{Kind: canon.EvReasoning, Text: s})
		}
		if s := str(o, "signature"); s != "" {
			a.add(canon.Event{Kind: canon.EvSignature, Signature: s})
		}
	case "redacted_thinking":
		a.add(canon.Event{Kind: canon.EvRedacted, Text: str(o, "data")})
	case "tool_use":
		name := str(o, "name")
		input := compact(o.Get("input"))
		if name == jsonTool || name == jsonToolValues {
			a.json = true
			*text += string(unwrap(name, input))
			a.add(canon.Event{Kind: canon.EvText, Text: string(unwrap(name, input))})
			return nil
		}
		a.add(canon.Event{Kind: canon.EvToolStart, Tool: a.tools, ID: str(o, "id"), Name: UnescapeName(name)})
		a.add(canon.Event{Kind: canon.EvToolArgs, Tool: a.tools, Text: string(input)})
		a.tools++
	default:
		if hostedBlock(kind) {
			a.hosted = append(a.hosted, raw)
		}
	}
	return nil
}

// extras adds what only this vendor says.
func (a *answer) extras(o *wire.Object) {
	if len(a.citations) > 0 {
		a.add(canon.Event{Kind: canon.EvExtra, Name: "citations", Raw: appendRawList(nil, a.citations)})
	}
	if len(a.hosted) > 0 {
		a.add(canon.Event{Kind: canon.EvExtra, Name: "server_tool_blocks", Raw: appendRawList(nil, a.hosted)})
	}
	for _, name := range vendorMembers {
		if v := o.Get(name); given(v) {
			a.add(canon.Event{Kind: canon.EvExtra, Name: name, Raw: slices.Clone(v)})
		}
	}
}

// vendorMembers are the members of an answer that no other dialect has.
var vendorMembers = []string{"stop_sequence", "container", "context_management"}

// hostedBlock reports whether a block tells of a tool that the vendor runs.
func hostedBlock(kind string) bool {
	switch kind {
	case "server_tool_use", "mcp_tool_use", "mcp_tool_result", "container_upload", "compaction":
		return true
	}
	const suffix = "_tool_result"
	return len(kind) > len(suffix) && kind[len(kind)-len(suffix):] == suffix
}

// compact returns a tool's input without spaces, "{}" if there is none.
// Numbers and the order of members stay.
func compact(input []byte) canon.Raw {
	if !given(input) {
		return canon.Raw("{}")
	}
	v := canon.Raw(slices.Clone(input))
	if err := v.Compact(lenientFormat()); err != nil {
		return canon.Raw(slices.Clone(input))
	}
	return v
}

// unwrap returns the client's answer from the input of a tool that stands in
// for response_format.
func unwrap(name string, input canon.Raw) canon.Raw {
	if name == jsonToolValues {
		if o, ok := object(input); ok && o.Find("values") != nil {
			return o.Get("values")
		}
	}
	return input
}

// annotation returns a citation of the web in OpenAI's form, nil for a citation
// of anything else.
func annotation(citation canon.Raw, start, end int) canon.Raw {
	o, ok := object(citation)
	if !ok || str(o, "type") != "web_search_result_location" {
		return nil
	}
	b := append([]byte{}, `{"type":"url_citation","url_citation":{`...)
	b = appendInt(b, "start_index", int64(start))
	b = appendInt(b, "end_index", int64(end))
	b = appendText(b, "url", str(o, "url"))
	b = appendText(b, "title", str(o, "title"))
	return append(b, "}}"...)
}
