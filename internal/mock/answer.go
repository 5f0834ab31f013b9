package mock

import (
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/wire"
)

// plan is the answer before it has a wire form.
type plan struct {
	id       int64
	created  int64
	text     *text
	words    int
	chunks   int
	thoughts int // words of reasoning
	capped   bool
	tool     string // name of the tool to call, "" for none
	args     []byte // its arguments, a JSON object

	prompt, cached, completion int
}

// decide makes the plan of a chat answer.
func (s *Server) decide(x *exchange) {
	st := &x.step
	p := plan{id: s.ids.Add(1), created: x.start.Unix(), text: s.ready}
	p.prompt = promptTokens(x.prompt)
	if st.Prompt > 0 {
		p.prompt = st.Prompt
	}
	p.cached = min(st.Cached, p.prompt)

	room := x.limit
	if room == 0 {
		room = maxCount
	}
	if st.Reason {
		p.thoughts = min(thoughtWords, room)
		room -= p.thoughts
	}
	if len(x.tools) > 0 && wantsTool(x.last) {
		p.tool, p.args = toolCall(x.tools)
	}
	if p.tool != "" {
		p.completion = p.thoughts + 1 + (len(p.args)+3)/4
		x.plan = p
		return
	}

	switch {
	case st.Tokens > 0:
		p.words = st.Tokens
	case st.Text != "":
		p.text = newText(st.Text, 0)
		p.words = len(p.text.ends)
	case st.Chunks > 0:
		p.words = st.Chunks
	default:
		p.words = defaultWords
	}
	if p.words > room {
		p.words, p.capped = room, true
	}
	switch {
	case st.Text != "" && st.Tokens > 0:
		p.text = newText(st.Text, p.words)
	case st.Text == "" && p.words > readyWords:
		p.text = newText(sentence, p.words)
	}
	p.chunks = p.words
	if st.Chunks > 0 && st.Chunks < p.words {
		p.chunks = st.Chunks
	}
	p.completion = max(x.n, 1) * (p.thoughts + p.words)
	x.plan = p
}

func promptTokens(textBytes int) int { return 4 + (textBytes+3)/4 }

// piece returns the words of chunk i: from a up to b.
func (p *plan) piece(i int) (a, b int) {
	return p.words * i / p.chunks, p.words * (i + 1) / p.chunks
}

// mark is the end of something that is sent in one piece.
type mark struct {
	end  int
	text bool // it is a chunk of the answer, not of its frame
}

func (x *exchange) mark(text bool) { x.ends = append(x.ends, mark{len(x.out), text}) }

func (x *exchange) str(s string)        { x.out = append(x.out, s...) }
func (x *exchange) raw(b []byte)        { x.out = append(x.out, b...) }
func (x *exchange) num(n int64)         { x.out = strconv.AppendInt(x.out, n, 10) }
func (x *exchange) quote(s string)      { x.out = wire.AppendString(x.out, s) }
func (x *exchange) span(t *text, i int) { a, b := x.plan.piece(i); x.out = t.appendSpan(x.out, a, b) }

// fragments cuts the arguments of a tool call into the pieces of a stream.
func fragments(args []byte) []string {
	third := max((len(args)+2)/3, 1)
	var out []string
	for s := string(args); s != ""; {
		n := min(third, len(s))
		for n < len(s) && s[n]&0xc0 == 0x80 { // not inside a character
			n++
		}
		out = append(out, s[:n])
		s = s[n:]
	}
	return out
}

// tool is a tool in any of the three dialects.
type tool struct {
	Function    *tool          `json:"function"`
	Name        string         `json:"name"`
	Parameters  jsontext.Value `json:"parameters"`
	InputSchema jsontext.Value `json:"input_schema"`
	JSONSchema  jsontext.Value `json:"parametersJsonSchema"`
}

type schema struct {
	Properties map[string]property `json:"properties"`
	Required   []string            `json:"required"`
}

type property struct {
	Type jsontext.Value   `json:"type"`
	Enum []jsontext.Value `json:"enum"`
}

// toolCall returns the name of the first tool with a name, and arguments that
// have every required property; "" if there is no such tool.
func toolCall(tools []byte) (name string, args []byte) {
	var list []tool
	if json.Unmarshal(tools, &list) != nil {
		return "", nil
	}
	for i := range list {
		t := &list[i]
		if t.Function != nil {
			t = t.Function
		}
		if t.Name == "" {
			continue
		}
		raw := t.Parameters
		if raw == nil {
			raw = t.InputSchema
		}
		if raw == nil {
			raw = t.JSONSchema
		}
		return t.Name, arguments(raw)
	}
	return "", nil
}

func arguments(raw []byte) []byte {
	var sc schema
	if len(raw) == 0 || json.Unmarshal(raw, &sc) != nil {
		return []byte("{}")
	}
	args := []byte{'{'}
	for i, name := range sc.Required {
		if i > 0 {
			args = append(args, ',')
		}
		args = wire.AppendString(args, name)
		args = append(args, ':')
		args = append(args, example(sc.Properties[name])...)
	}
	return append(args, '}')
}

func example(p property) []byte {
	if len(p.Enum) > 0 {
		return p.Enum[0]
	}
	switch string(unquoted(p.Type)) {
	case "integer", "number", "INTEGER", "NUMBER":
		return []byte("1")
	case "boolean", "BOOLEAN":
		return []byte("true")
	case "array", "ARRAY":
		return []byte("[]")
	case "object", "OBJECT":
		return []byte("{}")
	}
	return []byte(`"Paris"`)
}
