package gemini

import (
	"bytes"
	"fmt"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// thoughtMark stands between a call's id and its signature in ids that carry
// both (call_1__thought__c2ln): the way for clients whose format has no place
// for the signature.
const thoughtMark = "__thought__"

// noSignature is what Google documents for calls that no Gemini model made:
// without any signature, Gemini 3 refuses the history.
// It is base64 of skip_thought_signature_validator.
//
// See https://ai.google.dev/gemini-api/docs/thought-signatures
const noSignature = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="

// turn is consecutive messages of one side. The vendor wants all results of a
// turn's calls in one turn, before anything else.
type turn struct {
	role    string // "user" or "model"
	results []item
	parts   []item
}

// item is a part and where the client wrote it.
type item struct {
	*canon.Part
	msg, at int
}

func (it item) path() string { return fmt.Sprintf("messages[%d].content[%d]", it.msg, it.at) }

func (e *encoder) contents() error {
	system, turns, err := e.turns()
	if err != nil {
		return err
	}
	// Contents may not be empty: a system message alone is asked as a question.
	// Gemma up to 3 has no system instruction at all.
	if len(turns) == 0 || len(system) > 0 && e.m.gemma && e.m.major < 4 {
		if len(turns) == 0 || turns[0].role != "user" {
			turns = append([]turn{{role: "user"}}, turns...)
		}
		turns[0].parts = append(system, turns[0].parts...)
		system = nil
	}
	if len(system) > 0 {
		e.w.key("systemInstruction")
		e.w.open('{')
		e.w.key("parts")
		e.w.open('[')
		for _, it := range system {
			e.text(it.Text)
		}
		e.w.close(']')
		e.w.close('}')
	}
	names := e.callNames()
	e.w.key("contents")
	e.w.open('[')
	for i := range turns {
		if err := e.turn(&turns[i], names); err != nil {
			return err
		}
	}
	e.w.close(']')
	return nil
}

// turns sorts the messages' parts into the system instruction and turns.
func (e *encoder) turns() (system []item, turns []turn, err error) {
	for i := range e.r.Messages {
		m := &e.r.Messages[i]
		role := "user"
		switch m.Role {
		case canon.System, canon.Developer:
			for j := range m.Parts {
				it := item{&m.Parts[j], i, j}
				if it.Kind != canon.Text {
					return nil, nil, gateway.Invalidf(it.path(), "gemini takes only text in system messages; move the rest to a user message")
				}
				if it.Text != "" {
					system = append(system, it)
				}
			}
			continue
		case canon.Assistant:
			role = "model"
		}
		if len(turns) == 0 || turns[len(turns)-1].role != role {
			turns = append(turns, turn{role: role})
		}
		t := &turns[len(turns)-1]
		for j := range m.Parts {
			it := item{&m.Parts[j], i, j}
			switch it.Kind {
			case canon.ToolResult:
				t.results = append(t.results, it)
			case canon.Thinking, canon.Redacted:
				// Thoughts are summaries that the vendor does not read again, and
				// another vendor's signature would be refused.
			case canon.Text, canon.Refusal:
				if it.Text != "" { // some models refuse empty text
					t.parts = append(t.parts, it)
				}
			default:
				t.parts = append(t.parts, it)
			}
		}
	}
	return system, turns, nil
}

// callNames returns the tool's name for every call id: a result has to carry
// the name, and clients send only the id.
func (e *encoder) callNames() map[string]string {
	names := make(map[string]string)
	for i := range e.r.Messages {
		for j := range e.r.Messages[i].Parts {
			if p := &e.r.Messages[i].Parts[j]; p.Kind == canon.ToolCall {
				id, _, _ := strings.Cut(p.ID, thoughtMark)
				names[id] = p.Name
			}
		}
	}
	return names
}

func (e *encoder) turn(t *turn, names map[string]string) error {
	e.w.open('{')
	e.w.key("role")
	e.w.str(t.role)
	e.w.key("parts")
	e.w.open('[')
	for _, it := range t.results {
		if err := e.result(it, names); err != nil {
			return err
		}
	}
	if !e.m.since(3, 0) {
		// Before Gemini 3 a result holds no media: it follows the results.
		for _, it := range t.results {
			if err := e.resultMedia(it); err != nil {
				return err
			}
		}
	}
	calls := 0
	seen := make(map[string]bool)
	for _, it := range t.parts {
		switch it.Kind {
		case canon.Text, canon.Refusal:
			e.text(it.Text)
		case canon.Image, canon.Audio, canon.File:
			if err := e.media(it.Part, it.path()); err != nil {
				return err
			}
		case canon.ToolCall:
			if err := e.call(it, calls == 0, seen); err != nil {
				return err
			}
			calls++
		default:
			return gateway.Invalidf(it.path(), "gemini has no place for this kind of content")
		}
	}
	if len(t.results) == 0 && len(t.parts) == 0 {
		e.text(" ")
	}
	e.w.close(']')
	e.w.close('}')
	return nil
}

func (e *encoder) text(s string) {
	e.w.open('{')
	e.w.key("text")
	e.w.str(s)
	e.w.close('}')
}

// call writes a functionCall part. Parallel calls share one signature, on the
// first: a signature that stands twice is refused.
func (e *encoder) call(it item, first bool, seen map[string]bool) error {
	args := bytes.TrimSpace(it.Args)
	switch {
	case len(args) == 0:
		args = []byte("{}")
	case args[0] != '{' || !wire.Valid(args):
		return gateway.Invalidf(fmt.Sprintf("messages[%d].tool_calls", it.msg),
			"arguments of the call of %q are not a JSON object", it.Name)
	}
	id, inID, _ := strings.Cut(it.ID, thoughtMark)
	signature := it.Signature
	if signature == "" {
		signature = inID
	}
	if signature == "" && first && e.m.since(3, 0) {
		signature = noSignature
	}
	e.w.open('{')
	e.w.key("functionCall")
	e.w.open('{')
	e.callID(id)
	e.w.key("name")
	e.w.str(it.Name)
	e.w.key("args")
	e.w.raw(args)
	e.w.close('}')
	if signature != "" && !seen[signature] {
		seen[signature] = true
		e.w.key("thoughtSignature")
		e.w.str(signature)
	}
	e.w.close('}')
	return nil
}

// callID writes the id by which Gemini 3 matches results with calls; Vertex
// and older models refuse or ignore it.
func (e *encoder) callID(id string) {
	if id != "" && e.m.since(3, 0) && !e.o.Vertex {
		e.w.key("id")
		e.w.str(id)
	}
}

// result writes a functionResponse part.
func (e *encoder) result(it item, names map[string]string) error {
	id, _, _ := strings.Cut(it.ID, thoughtMark)
	name := names[id]
	if name == "" {
		name = it.Name
	}
	if name == "" {
		return gateway.Invalidf(fmt.Sprintf("messages[%d].tool_call_id", it.msg),
			"no assistant message before this one has a tool call with id %q", it.ID)
	}
	var text strings.Builder
	media := 0
	for i := range it.Parts {
		switch p := &it.Parts[i]; p.Kind {
		case canon.Text, canon.Refusal:
			text.WriteString(p.Text)
		case canon.Image, canon.Audio, canon.File:
			media++
		default:
			return gateway.Invalidf(it.path(), "gemini takes only text and media as a tool's result")
		}
	}
	e.w.open('{')
	e.w.key("functionResponse")
	e.w.open('{')
	e.callID(id)
	e.w.key("name")
	e.w.str(name)
	e.w.key("response")
	if v := strings.TrimSpace(text.String()); strings.HasPrefix(v, "{") && wire.Valid([]byte(v)) {
		e.w.raw([]byte(v))
	} else {
		key := "content"
		if it.IsError {
			key = "error"
		}
		e.w.open('{')
		e.w.key(key)
		e.w.str(text.String())
		e.w.close('}')
	}
	if media > 0 && e.m.since(3, 0) {
		e.w.key("parts")
		e.w.open('[')
		if err := e.resultMedia(it); err != nil {
			return err
		}
		e.w.close(']')
	}
	e.w.close('}')
	e.w.close('}')
	return nil
}

func (e *encoder) resultMedia(it item) error {
	for i := range it.Parts {
		p := &it.Parts[i]
		switch p.Kind {
		case canon.Image, canon.Audio, canon.File:
			if err := e.media(p, it.path()); err != nil {
				return err
			}
		}
	}
	return nil
}
