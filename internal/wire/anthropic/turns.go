package anthropic

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
)

// block is one content block of a turn, not yet written.
type block struct {
	part  *canon.Part
	text  string // of text, refusals and system messages: what is sent
	id    string // of tool calls and results: the id that is sent
	cache canon.Raw
	where int // index of the client's message, for errors
}

// turn is one message as the API wants it: consecutive messages of one side in one.
type turn struct {
	role   canon.Role // User, Assistant or System
	blocks []block
	// results counts the tool results at the front of a user turn, calls the
	// tool calls at the end of an assistant turn: the API insists on both places.
	results, calls int
}

// openCall is a tool call of the last assistant turn.
type openCall struct {
	asked, sent, name string
	where             int
	answered          bool
}

// planner sorts a client's messages into turns.
type planner struct {
	can    abilities
	system []block
	turns  []turn
	open   []openCall
	held   []block         // system messages that wait for tool results
	ids    map[string]bool // tool ids sent so far
}

// operatorNote marks a system message in the middle of a conversation for
// models that have no such role there.
const operatorNote = "[Instruction from the operator of this application]\n"

// placeholder is the user turn of a conversation that does not start with one.
const placeholder = "."

// plan sorts messages into turns: system messages out, roles alternating, the
// user first, every tool result directly behind its call.
func plan(messages []canon.Message, can abilities) (*planner, error) {
	p := &planner{can: can}
	for i := range messages {
		m := &messages[i]
		var err error
		switch m.Role {
		case canon.System, canon.Developer:
			err = p.systemMessage(i, m)
		case canon.Assistant:
			err = p.assistantMessage(i, m)
		case canon.User, canon.ToolRole:
			err = p.userMessage(i, m)
		default:
			err = gateway.Invalidf(at(i, "role"), "anthropic does not know the role %q", m.Role)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := p.settled(); err != nil {
		return nil, err
	}
	p.release()
	if len(p.turns) == 0 || p.turns[0].role != canon.User {
		first := turn{role: canon.User, blocks: []block{{part: &canon.Part{}, text: placeholder}}}
		p.turns = slices.Insert(p.turns, 0, first)
	}
	p.trimPrefill()
	return p, nil
}

// at names a member of a message in an error.
func at(i int, member string) string { return "messages[" + strconv.Itoa(i) + "]." + member }

func (p *planner) systemMessage(i int, m *canon.Message) error {
	var blocks []block
	for k := range m.Parts {
		part := &m.Parts[k]
		if part.Kind != canon.Text {
			return gateway.Invalidf(at(i, "content"), "anthropic takes only text in a %s message", m.Role)
		}
		if !blank(part.Text) {
			blocks = append(blocks, block{part: part, text: part.Text, cache: part.CacheControl, where: i})
		}
	}
	markLast(blocks, m.CacheControl)
	switch {
	case len(p.turns) == 0:
		p.system = append(p.system, blocks...)
	case p.waiting():
		p.held = append(p.held, blocks...)
	default:
		p.addSystem(blocks)
	}
	return nil
}

// addSystem puts a system message in its place. The API takes the role only
// between a user turn and an assistant turn, or at the end.
func (p *planner) addSystem(blocks []block) {
	if len(blocks) == 0 {
		return
	}
	switch last := p.last(); {
	case p.can.system && last != nil && last.role == canon.System:
		last.blocks = append(last.blocks, blocks...)
	case p.can.system && last != nil && last.role == canon.User:
		p.turns = append(p.turns, turn{role: canon.System, blocks: blocks})
	default:
		t := p.userTurn()
		t.blocks = append(t.blocks, asNotes(blocks)...)
	}
}

func asNotes(blocks []block) []block {
	for i := range blocks {
		blocks[i].text = operatorNote + blocks[i].text
	}
	return blocks
}

func (p *planner) assistantMessage(i int, m *canon.Message) error {
	var thoughts, said, calls []block
	for k := range m.Parts {
		part := &m.Parts[k]
		b := block{part: part, cache: part.CacheControl, where: i}
		switch part.Kind {
		case canon.Thinking:
			// The API refuses thinking that it cannot verify.
			if part.Signature != "" {
				thoughts = append(thoughts, block{part: part, where: i})
			}
		case canon.Redacted:
			thoughts = append(thoughts, block{part: part, where: i})
		case canon.Text, canon.Refusal:
			if b.text = part.Text; !blank(b.text) {
				said = append(said, b)
			}
		case canon.ToolCall:
			calls = append(calls, b)
		case canon.ToolResult:
			return gateway.Invalidf(at(i, "content"), "a tool result cannot stand in an assistant message")
		default:
			said = append(said, b)
		}
	}
	said = append(thoughts, said...)
	if len(said)+len(calls) == 0 {
		return nil
	}
	if last := p.last(); last == nil || last.role != canon.Assistant {
		if err := p.settled(); err != nil {
			return err
		}
		p.release()
		p.open = p.open[:0]
		p.turns = append(p.turns, turn{role: canon.Assistant})
	}
	for k := range calls {
		c := &calls[k]
		c.id = p.freshID(c.part.ID)
		p.open = append(p.open, openCall{asked: c.part.ID, sent: c.id, name: c.part.Name, where: i})
	}
	if len(calls) > 0 {
		markLast(calls, m.CacheControl)
	} else {
		markLast(said, m.CacheControl)
	}
	t := p.last()
	t.blocks = slices.Insert(t.blocks, len(t.blocks)-t.calls, said...)
	t.blocks = append(t.blocks, calls...)
	t.calls += len(calls)
	return nil
}

func (p *planner) userMessage(i int, m *canon.Message) error {
	var results, rest []block
	for k := range m.Parts {
		part := &m.Parts[k]
		b := block{part: part, cache: part.CacheControl, where: i}
		switch part.Kind {
		case canon.ToolResult:
			call := p.callFor(part)
			if call == nil {
				return gateway.Invalidf(at(i, "tool_call_id"),
					"the assistant turn before this one has no tool call %q left to answer", part.ID)
			}
			call.answered = true
			b.id = call.sent
			for n := range part.Parts {
				if c := part.Parts[n].CacheControl; given(c) && !given(b.cache) {
					b.cache = c
				}
			}
			results = append(results, b)
		case canon.ToolCall:
			return gateway.Invalidf(at(i, "content"), "a tool call cannot stand in a %s message", m.Role)
		case canon.Thinking, canon.Redacted:
			return gateway.Invalidf(at(i, "content"), "thinking cannot stand in a %s message", m.Role)
		case canon.Text, canon.Refusal:
			if b.text = part.Text; !blank(b.text) {
				rest = append(rest, b)
			}
		default:
			rest = append(rest, b)
		}
	}
	if len(rest) > 0 {
		markLast(rest, m.CacheControl)
	} else {
		markLast(results, m.CacheControl)
	}
	if len(results)+len(rest) > 0 {
		t := p.userTurn()
		t.blocks = slices.Insert(t.blocks, t.results, results...)
		t.results += len(results)
		t.blocks = append(t.blocks, rest...)
	}
	if !p.waiting() {
		p.release()
	}
	return nil
}

// last returns the last turn, nil if there is none.
func (p *planner) last() *turn {
	if len(p.turns) == 0 {
		return nil
	}
	return &p.turns[len(p.turns)-1]
}

// userTurn returns the user turn to add to. A system turn in the way becomes
// part of it: the API wants an assistant turn behind a system turn.
func (p *planner) userTurn() *turn {
	last := p.last()
	if last != nil && last.role == canon.System {
		notes := asNotes(last.blocks)
		p.turns = p.turns[:len(p.turns)-1]
		last = p.last() // a user turn: a system turn stands behind nothing else
		last.blocks = append(last.blocks, notes...)
	}
	if last == nil || last.role != canon.User {
		p.turns = append(p.turns, turn{role: canon.User})
	}
	return p.last()
}

// waiting reports whether a tool call has no result yet.
func (p *planner) waiting() bool {
	return slices.ContainsFunc(p.open, func(c openCall) bool { return !c.answered })
}

// release puts the system messages that waited for tool results behind them.
func (p *planner) release() {
	held := p.held
	p.held = nil
	p.addSystem(held)
}

// settled reports a tool call without a result as an error: the API refuses
// such a conversation, and says less about where.
func (p *planner) settled() error {
	for _, c := range p.open {
		if !c.answered {
			return gateway.Invalidf(at(c.where, "tool_calls"),
				"tool call %q has no result: add a tool message with this tool_call_id before the next assistant turn", c.asked)
		}
	}
	return nil
}

// callFor finds the call that a tool result answers. Results of the legacy
// function role have no id and are matched by name, then by order.
func (p *planner) callFor(r *canon.Part) *openCall {
	var byOrder *openCall
	for i := range p.open {
		c := &p.open[i]
		switch {
		case c.answered:
		case r.ID != "" && c.asked == r.ID, r.ID == "" && r.Name != "" && c.name == r.Name:
			return c
		case r.ID == "" && r.Name == "" && byOrder == nil:
			byOrder = c
		}
	}
	return byOrder
}

// freshID returns the id to send for a tool call: letters, digits, - and _
// only, and never twice in a conversation, which clients do with ids like "0".
func (p *planner) freshID(id string) string {
	sent := id
	switch {
	case id == "":
		sent = "call"
	case !plainID(id):
		sent = escape(id)
	}
	if p.ids == nil {
		p.ids = map[string]bool{}
	}
	base := sent
	for n := 2; p.ids[sent]; n++ {
		sent = fmt.Sprintf("%s_%d", base, n)
	}
	p.ids[sent] = true
	return sent
}

// trimPrefill removes the white space at the end of a last assistant turn: the
// API refuses it.
func (p *planner) trimPrefill() {
	last := p.last()
	if last.role != canon.Assistant {
		return
	}
	if b := &last.blocks[len(last.blocks)-1]; b.part.Kind == canon.Text {
		b.text = strings.TrimRight(b.text, " \t\r\n\v\f")
	}
}

// markLast puts a message's cache mark on its last block that can have one.
func markLast(blocks []block, mark canon.Raw) {
	if !given(mark) {
		return
	}
	for i := len(blocks) - 1; i >= 0; i-- {
		if k := blocks[i].part.Kind; k != canon.Thinking && k != canon.Redacted {
			if !given(blocks[i].cache) {
				blocks[i].cache = mark
			}
			return
		}
	}
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }
