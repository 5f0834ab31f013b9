package anthropic

import (
	"strconv"

	"penstock/internal/canon"
	"penstock/internal/gateway"
)

// minBudget is the smallest thinking budget the API takes.
const minBudget = 1024

func itoa(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

// budgetOf returns the thinking budget that stands for an effort on models
// that count tokens, 0 for none. The numbers are LiteLLM's.
func budgetOf(effort string) (int64, bool) {
	switch effort {
	case "none":
		return 0, true
	case "minimal", "low":
		return 1024, true
	case "medium":
		return 2048, true
	case "high":
		return 4096, true
	case "xhigh":
		return 8192, true
	case "max":
		return 16384, true
	}
	return 0, false
}

// effortOf is the way back, for a client's budget on models that only know effort.
func effortOf(budget int64) string {
	switch {
	case budget >= 8192:
		return "xhigh"
	case budget >= 4096:
		return "high"
	case budget >= 2048:
		return "medium"
	}
	return "low"
}

// decideThinking says whether the model thinks and how long the answer may be.
func (e *encoder) decideThinking(p *planner) error {
	e.maxTokens = e.r.MaxTokens
	if e.maxTokens == 0 {
		e.maxTokens = e.o.MaxTokens
	}
	var err error
	if thinking := e.clientThinking(); given(thinking) {
		err = e.thinkAsTold(thinking, p)
	} else if e.r.Reasoning != nil && e.r.Reasoning.Effort != "" {
		err = e.thinkByEffort(e.r.Reasoning.Effort, p)
	}
	if e.maxTokens == 0 {
		e.maxTokens = defaultMaxTokens
	}
	return err
}

func (e *encoder) clientThinking() canon.Raw {
	if e.r.Reasoning != nil && e.r.Reasoning.Thinking != nil {
		return e.r.Reasoning.Thinking
	}
	return e.other("thinking")
}

// thinkByEffort translates OpenAI's reasoning_effort.
func (e *encoder) thinkByEffort(effort string, p *planner) error {
	budget, ok := budgetOf(effort)
	switch {
	case !ok:
		return gateway.Invalidf("reasoning_effort", "reasoning_effort must be none, minimal, low, medium, high, xhigh or max, got %q", clip(effort, 40))
	case budget == 0:
	case e.can.adaptive:
		e.adapt(effort)
	case !e.can.thinking:
		e.lack("reasoning_effort")
	case bareToolTurn(p):
		// The client keeps no thinking blocks, so this loop of tool calls was
		// begun by answers we cannot show. Refusing would end the loop.
		e.drop("reasoning_effort")
	default:
		return e.enable(budget, "reasoning_effort")
	}
	return nil
}

// thinkAsTold takes the client's own thinking object, translated where the
// model knows another form only.
func (e *encoder) thinkAsTold(thinking canon.Raw, p *planner) error {
	o, ok := object(thinking)
	if !ok {
		return gateway.Invalidf("thinking", `thinking must be an object such as {"type":"enabled","budget_tokens":2048}`)
	}
	kind := str(o, "type")
	budget, _ := o.Int("budget_tokens")
	switch {
	case kind == "disabled":
		if e.can.always {
			e.drop("thinking")
		} else if e.can.thinking {
			e.think = thinking
		}
	case !e.can.thinking && !e.can.adaptive:
		e.lack("thinking")
	case kind == "adaptive" && e.can.adaptive:
		e.think, e.thinks = thinking, true
		if r := e.r.Reasoning; r != nil && r.Effort != "" && r.Effort != "none" {
			e.effort = e.knownEffort(r.Effort)
		}
	case kind == "adaptive":
		return e.enableUnlessBare(2048, p)
	case kind != "enabled":
		return gateway.Invalidf("thinking", "thinking.type must be enabled, adaptive or disabled, got %q", clip(kind, 40))
	case !e.can.legacy:
		e.adapt(effortOf(budget))
	case budget >= minBudget && (e.maxTokens == 0 || budget < e.maxTokens) && !bareToolTurn(p):
		e.think, e.thinks = thinking, true
		if e.maxTokens == 0 {
			e.maxTokens = budget + defaultMaxTokens
		}
	case budget == 0:
		return gateway.Invalidf("thinking.budget_tokens", "thinking.budget_tokens must be a number from %d", minBudget)
	default:
		return e.enableUnlessBare(max(budget, minBudget), p)
	}
	return nil
}

func (e *encoder) enableUnlessBare(budget int64, p *planner) error {
	if !bareToolTurn(p) {
		return e.enable(budget, "thinking")
	}
	if !e.o.DropParams {
		return gateway.Invalidf("thinking", "the last assistant turn with tool calls must begin with its thinking block: send it back as it came, or leave thinking out")
	}
	e.drop("thinking")
	return nil
}

// enable asks for a thinking budget, made smaller if the answer may not be
// longer. Without any room thinking is left out or refused; param is what asked for it.
func (e *encoder) enable(budget int64, param string) error {
	switch {
	case e.maxTokens == 0:
		e.maxTokens = budget + defaultMaxTokens
	case e.maxTokens <= minBudget:
		if !e.o.DropParams {
			return gateway.Invalidf("max_tokens", "max_tokens is %d and must be above %d for model=%s to think: raise it, or leave %s out",
				e.maxTokens, minBudget, e.o.Model, param)
		}
		e.drop(param)
		return nil
	case e.maxTokens <= budget:
		budget = max(minBudget, e.maxTokens/2)
	}
	e.think = append(append([]byte(`{"type":"enabled","budget_tokens":`), itoa(budget)...), '}')
	e.thinks = true
	return nil
}

// adapt lets the model choose how long to think.
func (e *encoder) adapt(effort string) {
	e.think = canon.Raw(`{"type":"adaptive","display":"summarized"}`)
	e.thinks = true
	e.effort = e.knownEffort(effort)
	if e.maxTokens == 0 {
		budget, _ := budgetOf(effort)
		e.maxTokens = budget + defaultMaxTokens
	}
}

// knownEffort returns the nearest effort that the model knows.
func (e *encoder) knownEffort(effort string) string {
	switch {
	case effort == "minimal":
		return "low"
	case effort == "xhigh" && !e.can.xhigh, effort == "max" && !e.can.max:
		return "high"
	}
	return effort
}

// bareToolTurn reports whether the last assistant turn with tool calls does
// not begin with thinking: with a thinking budget the API refuses that.
func bareToolTurn(p *planner) bool {
	for i := len(p.turns) - 1; i >= 0; i-- {
		t := &p.turns[i]
		if t.role != canon.Assistant {
			// A user turn of results continues the model's turn; any other begins a new one.
			if t.role == canon.User && t.results == 0 {
				return false
			}
			continue
		}
		if t.calls == 0 {
			return false
		}
		k := t.blocks[0].part.Kind
		return k != canon.Thinking && k != canon.Redacted
	}
	return false
}

// outputConfig returns the output_config member, nil for none: the client's
// own, with effort and format added where it says nothing.
func (e *encoder) outputConfig() []byte {
	own, ok := object(e.other("output_config"))
	if !ok {
		own = nil
	}
	if own == nil && e.effort == "" && e.format == nil {
		return nil
	}
	b := []byte{'{'}
	if own != nil {
		for _, m := range own.Members {
			b = appendMember(b, m.Name, own.Body[m.Start:m.End])
		}
	}
	if e.effort != "" && (own == nil || own.Find("effort") == nil) {
		b = appendText(b, "effort", e.effort)
	}
	if e.format != nil && (own == nil || own.Find("format") == nil) {
		b = append(appendName(b, "format"), `{"type":"json_schema","schema":`...)
		b = append(append(b, e.format...), '}')
	}
	if own != nil && own.Find("effort") != nil && !e.can.adaptive {
		e.beta(betaEffort)
	}
	return append(b, '}')
}

// appendRawList appends values as a JSON array.
func appendRawList(b []byte, values []canon.Raw) []byte {
	b = append(b, '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, v...)
	}
	return append(b, ']')
}
