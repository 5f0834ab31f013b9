package mock

// mockSignature stands for the signature of a thinking block.
const mockSignature = "bW9jaw=="

// renderAnthropic writes the plan as a message.
//
// Format: https://docs.anthropic.com/en/api/messages
func (x *exchange) renderAnthropic() {
	p := &x.plan
	x.anthropicHead()
	x.str(`"content":[`)
	if p.thoughts > 0 {
		x.str(`{"type":"thinking","thinking":`)
		x.quote(x.thoughts())
		x.str(`,"signature":"` + mockSignature + `"},`)
	}
	if p.tool != "" {
		x.str(`{"type":"tool_use","id":`)
		x.callID("toolu_mock_", 0)
		x.str(`,"name":`)
		x.quote(p.tool)
		x.str(`,"input":`)
		x.raw(p.args)
		x.str("}")
	} else {
		x.str(`{"type":"text","text":`)
		x.out = p.text.appendSpan(x.out, 0, p.words)
		x.str("}")
	}
	x.str(`],"stop_reason":"`)
	x.str(x.anthropicStop())
	x.str(`","stop_sequence":null`)
	if !x.step.NoUsage {
		x.str(`,"usage":{`)
		x.anthropicInput()
		x.num(int64(p.completion))
		x.str(`,"service_tier":"standard"}`)
	}
	x.str("}")
}

// streamAnthropic writes the plan as events.
//
// Format: https://docs.anthropic.com/en/docs/build-with-claude/streaming
func (x *exchange) streamAnthropic() {
	p := &x.plan
	x.str("event: message_start\ndata: {\"type\":\"message_start\",\"message\":")
	x.anthropicHead()
	x.str(`"content":[],"stop_reason":null,"stop_sequence":null`)
	if !x.step.NoUsage {
		x.str(`,"usage":{`)
		x.anthropicInput()
		x.str(`1,"service_tier":"standard"}`)
	}
	x.str("}}\n\n")

	block := 0
	if p.thoughts > 0 {
		x.blockStart(block, func() { x.str(`{"type":"thinking","thinking":"","signature":""}`) })
		x.blockDelta(block, func() { x.str(`{"type":"thinking_delta","thinking":`); x.quote(x.thoughts()) })
		x.blockDelta(block, func() { x.str(`{"type":"signature_delta","signature":"` + mockSignature + `"`) })
		x.blockStop(block)
		block++
	}
	if p.tool != "" {
		x.blockStart(block, func() {
			x.str(`{"type":"tool_use","id":`)
			x.callID("toolu_mock_", 0)
			x.str(`,"name":`)
			x.quote(p.tool)
			x.str(`,"input":{}}`)
		})
		x.str("event: ping\ndata: {\"type\": \"ping\"}\n\n")
		x.blockDelta(block, func() { x.str(`{"type":"input_json_delta","partial_json":""`) })
		x.mark(false)
		for _, part := range fragments(p.args) {
			x.blockDelta(block, func() { x.str(`{"type":"input_json_delta","partial_json":`); x.quote(part) })
			x.mark(true)
		}
	} else {
		x.blockStart(block, func() { x.str(`{"type":"text","text":""}`) })
		x.str("event: ping\ndata: {\"type\": \"ping\"}\n\n")
		x.mark(false)
		for i := range p.chunks {
			x.blockDelta(block, func() { x.str(`{"type":"text_delta","text":`); x.span(p.text, i) })
			x.mark(true)
		}
	}
	x.blockStop(block)

	x.str("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"")
	x.str(x.anthropicStop())
	x.str(`","stop_sequence":null}`)
	if !x.step.NoUsage {
		x.str(`,"usage":{"output_tokens":`)
		x.num(int64(p.completion))
		x.str("}")
	}
	x.str("}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")
	x.mark(false)
}

func (x *exchange) anthropicHead() {
	x.str(`{"id":"msg_mock_`)
	x.num(x.plan.id)
	x.str(`","type":"message","role":"assistant","model":`)
	x.raw(x.model.quoted)
	x.str(",")
}

// anthropicInput writes a usage object up to the number of output tokens.
// Here the input tokens leave out what came from the cache.
func (x *exchange) anthropicInput() {
	x.str(`"input_tokens":`)
	x.num(int64(x.plan.prompt - x.plan.cached))
	x.str(`,"cache_creation_input_tokens":0,"cache_read_input_tokens":`)
	x.num(int64(x.plan.cached))
	x.str(`,"output_tokens":`)
}

func (x *exchange) anthropicStop() string {
	switch {
	case x.plan.tool != "":
		return "tool_use"
	case x.plan.capped:
		return "max_tokens"
	}
	return "end_turn"
}

func (x *exchange) blockStart(i int, block func()) {
	x.str("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":")
	x.num(int64(i))
	x.str(`,"content_block":`)
	block()
	x.str("}\n\n")
}

// blockDelta writes a delta; delta leaves its object open.
func (x *exchange) blockDelta(i int, delta func()) {
	x.str("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":")
	x.num(int64(i))
	x.str(`,"delta":`)
	delta()
	x.str("}}\n\n")
}

func (x *exchange) blockStop(i int) {
	x.str("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":")
	x.num(int64(i))
	x.str("}\n\n")
}

// renderCount writes the answer of a call that only counts tokens.
func (x *exchange) renderCount() {
	n := promptTokens(x.prompt)
	if x.step.Prompt > 0 {
		n = x.step.Prompt
	}
	if x.dialect == gemini {
		x.str(`{"totalTokens":`)
	} else {
		x.str(`{"input_tokens":`)
	}
	x.num(int64(n))
	x.str("}")
}
