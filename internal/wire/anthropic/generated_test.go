package anthropic_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire/anthropic"
)

// TestGeneratedConversations sends conversations put together at random: what
// comes out must obey the API's rules about turns, and nothing a person or a
// tool said may be lost.
func TestGeneratedConversations(t *testing.T) {
	models := []string{oldClaude, claude45, claude46, claude48, claude55, "other"}
	refused := 0
	const rounds = 3000
	for seed := range uint64(rounds) {
		g := generator{rand.New(rand.NewPCG(seed, 7)), 0}
		r := g.request()
		enc, err := anthropic.EncodeRequest(r, anthropic.Options{Model: models[seed%6], DropParams: true})
		if err != nil {
			if e := gateway.AsError(err); e.Kind != gateway.Invalid || e.Param == "" {
				t.Fatalf("seed %d: error %v (param %q), want an Invalid error that names a field", seed, e, e.Param)
			}
			refused++
			continue
		}
		checkBody(t, enc.Body, fmt.Appendf(nil, "seed %d", seed))
		checkTools(t, enc.Body)
		checkSaid(t, enc.Body, r)
		if t.Failed() {
			t.Fatalf("seed %d, model %s\nrequest: %+v\nbody: %s", seed, models[seed%6], r.Messages, enc.Body)
		}
	}
	if refused > rounds/2 {
		t.Errorf("%d of %d conversations were refused: this test shows little", refused, rounds)
	}
}

type generator struct {
	*rand.Rand
	said int
}

func (g *generator) text() string {
	g.said++
	if g.IntN(8) == 0 {
		return " "
	}
	return fmt.Sprintf("said %d", g.said)
}

func (g *generator) request() *canon.Request {
	r := &canon.Request{Model: "m", Stream: g.IntN(2) == 0}
	if g.IntN(2) == 0 {
		r.MaxTokens = int64(1 + g.IntN(6000))
	}
	if g.IntN(3) == 0 {
		r.Reasoning = &canon.Reasoning{Effort: []string{"none", "low", "high", "max"}[g.IntN(4)]}
	}
	if g.IntN(3) == 0 {
		r.Tools = []canon.Tool{{Type: "function", Name: "a.b"}, {Type: "function", Name: "f"}}
		r.ToolChoice = &canon.ToolChoice{Mode: []string{"auto", "none", "required"}[g.IntN(3)]}
	}
	if g.IntN(4) == 0 {
		r.Format = &canon.Format{Kind: "json_schema", Schema: canon.Raw(`{"type":"array","items":{}}`)}
	}
	for range g.IntN(9) {
		g.add(r)
	}
	return r
}

// add adds one message, or a tool call with its results.
func (g *generator) add(r *canon.Request) {
	say := func(role canon.Role) {
		m := canon.Message{Role: role}
		for range g.IntN(3) {
			m.Parts = append(m.Parts, canon.Part{Text: g.text()})
		}
		r.Messages = append(r.Messages, m)
	}
	switch g.IntN(5) {
	case 0:
		say(canon.System)
	case 1, 2:
		say(canon.User)
	case 3:
		say(canon.Assistant)
	case 4:
		m := canon.Message{Role: canon.Assistant}
		if g.IntN(2) == 0 {
			m.Parts = append(m.Parts, canon.Part{Kind: canon.Thinking, Text: "t", Signature: "s"})
		}
		n := 1 + g.IntN(3)
		ids := make([]string, n)
		for i := range n {
			ids[i] = []string{"x", "y.z", "x", "0"}[g.IntN(4)]
			m.Parts = append(m.Parts, canon.Part{Kind: canon.ToolCall, ID: ids[i], Name: "a.b"})
		}
		r.Messages = append(r.Messages, m)
		for _, i := range g.Perm(n) {
			if g.IntN(3) == 0 {
				say([]canon.Role{canon.System, canon.User}[g.IntN(2)])
			}
			if g.IntN(40) == 0 {
				continue // a lost result
			}
			result := canon.Part{Kind: canon.ToolResult, ID: ids[i], Parts: []canon.Part{{Text: g.text()}}}
			r.Messages = append(r.Messages, canon.Message{Role: canon.ToolRole, Parts: []canon.Part{result}})
		}
	}
}

type sentTurn struct {
	Role    string
	Content []struct {
		Type, ID, Text string
		ToolUseID      string `json:"tool_use_id"`
	}
}

// checkTools checks that each turn's tool calls are answered at the start of
// the next, and that no id comes twice.
func checkTools(t *testing.T, body []byte) {
	t.Helper()
	open, seen := map[string]bool{}, map[string]bool{}
	for _, turn := range decode[struct{ Messages []sentTurn }](t, body).Messages {
		content := turn.Content
		for len(open) > 0 {
			if len(content) == 0 || content[0].Type != "tool_result" || !open[content[0].ToolUseID] {
				t.Errorf("tool calls %v have no result at the start of the next turn", open)
				return
			}
			delete(open, content[0].ToolUseID)
			content = content[1:]
		}
		calls := false
		for _, b := range content {
			switch {
			case b.Type == "tool_result":
				t.Errorf("result %q for no call of the turn before", b.ToolUseID)
			case b.Type == "tool_use" && seen[b.ID]:
				t.Errorf("tool call id %q comes twice", b.ID)
			case b.Type != "tool_use" && calls:
				t.Errorf("a %s block behind a tool call", b.Type)
			}
			if b.Type == "tool_use" {
				calls, open[b.ID], seen[b.ID] = true, true, true
			}
		}
	}
}

// checkSaid checks that every text is in the body.
func checkSaid(t *testing.T, body []byte, r *canon.Request) {
	t.Helper()
	var want, got int
	for _, m := range r.Messages {
		for _, p := range m.Parts {
			if p.Kind == canon.Text && p.Text != " " {
				want++
			}
		}
	}
	sent := decode[struct {
		System   []struct{ Text string }
		Messages []sentTurn
	}](t, body)
	got = len(sent.System)
	for _, turn := range sent.Messages {
		for _, b := range turn.Content {
			if b.Type == "text" && b.Text != "." {
				got++
			}
		}
	}
	if got != want {
		t.Errorf("%d texts were sent, want %d", got, want)
	}
}
