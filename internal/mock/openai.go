package mock

import "slices"

// renderOpenAI writes the plan as a chat completion.
//
// Format: https://platform.openai.com/docs/api-reference/chat
func (x *exchange) renderOpenAI() {
	p := &x.plan
	x.openAIHead("chat.completion")
	for c := range x.n {
		if c > 0 {
			x.str(",")
		}
		x.str(`{"index":`)
		x.num(int64(c))
		x.str(`,"message":{"role":"assistant","content":`)
		if p.tool != "" {
			x.str("null")
		} else {
			x.out = p.text.appendSpan(x.out, 0, p.words)
		}
		x.str(`,"refusal":null,"annotations":[]`)
		if p.thoughts > 0 {
			x.str(`,"reasoning_content":`)
			x.quote(x.thoughts())
		}
		if p.tool != "" {
			x.str(`,"tool_calls":[{"id":`)
			x.callID("call_mock_", c)
			x.str(`,"type":"function","function":{"name":`)
			x.quote(p.tool)
			x.str(`,"arguments":`)
			x.quote(string(p.args))
			x.str(`}}]`)
		}
		x.str(`},"logprobs":null,"finish_reason":"`)
		x.str(x.openAIFinish())
		x.str(`"}`)
	}
	x.str("]")
	if !x.step.NoUsage {
		x.openAIUsage()
	}
	x.str("}")
}

// streamOpenAI writes the plan as chunks.
func (x *exchange) streamOpenAI() {
	p := &x.plan
	x.str("data: ")
	x.openAIHead("chat.completion.chunk")
	head := slices.Clip(x.out)
	// tail ends a chunk. With a usage chunk to come, the others say null.
	tail := "]}\n\n"
	if x.usage {
		tail = "],\"usage\":null}\n\n"
	}
	first := true
	chunk := func(choice int, delta func(), finish string) {
		if !first {
			x.raw(head)
		}
		first = false
		x.str(`{"index":`)
		x.num(int64(choice))
		x.str(`,"delta":{`)
		delta()
		x.str(`},"logprobs":null,"finish_reason":`)
		if finish == "" {
			x.str("null}")
		} else {
			x.str(`"` + finish + `"}`)
		}
		x.str(tail)
	}

	for c := range x.n {
		chunk(c, func() { x.str(`"role":"assistant","content":"","refusal":null`) }, "")
		if p.thoughts > 0 {
			chunk(c, func() { x.str(`"reasoning_content":`); x.quote(x.thoughts()) }, "")
		}
		if p.tool != "" {
			chunk(c, func() {
				x.str(`"tool_calls":[{"index":0,"id":`)
				x.callID("call_mock_", c)
				x.str(`,"type":"function","function":{"name":`)
				x.quote(p.tool)
				x.str(`,"arguments":""}}]`)
			}, "")
		}
	}
	x.mark(false)
	for i := range p.chunks {
		for c := range x.n {
			chunk(c, func() { x.str(`"content":`); x.span(p.text, i) }, "")
		}
		x.mark(true)
	}
	if p.tool != "" {
		for _, part := range fragments(p.args) {
			for c := range x.n {
				chunk(c, func() {
					x.str(`"tool_calls":[{"index":0,"function":{"arguments":`)
					x.quote(part)
					x.str(`}}]`)
				}, "")
			}
			x.mark(true)
		}
	}
	for c := range x.n {
		chunk(c, func() {}, x.openAIFinish())
	}
	if x.usage && !x.step.NoUsage {
		x.raw(head)
		x.str("]")
		x.openAIUsage()
		x.str("}\n\n")
	}
	x.str("data: [DONE]\n\n")
	x.mark(false)
}

func (x *exchange) openAIHead(object string) {
	x.str(`{"id":"chatcmpl-mock-`)
	x.num(x.plan.id)
	x.str(`","object":"`)
	x.str(object)
	x.str(`","created":`)
	x.num(x.plan.created)
	x.str(`,"model":`)
	x.raw(x.model.quoted)
	x.str(`,"service_tier":"default","system_fingerprint":"fp_mock","choices":[`)
}

func (x *exchange) openAIFinish() string {
	switch {
	case x.plan.tool != "":
		return "tool_calls"
	case x.plan.capped:
		return "length"
	}
	return "stop"
}

func (x *exchange) openAIUsage() {
	p := &x.plan
	x.str(`,"usage":{"prompt_tokens":`)
	x.num(int64(p.prompt))
	x.str(`,"completion_tokens":`)
	x.num(int64(p.completion))
	x.str(`,"total_tokens":`)
	x.num(int64(p.prompt + p.completion))
	x.str(`,"prompt_tokens_details":{"cached_tokens":`)
	x.num(int64(p.cached))
	x.str(`,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":`)
	x.num(int64(x.n * p.thoughts))
	x.str(`,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`)
}

// callID writes the id of a tool call as JSON.
func (x *exchange) callID(prefix string, choice int) {
	x.str(`"` + prefix)
	x.num(x.plan.id)
	x.str("_")
	x.num(int64(choice))
	x.str(`"`)
}

// thoughts returns the words of reasoning that the cap left.
func (x *exchange) thoughts() string {
	return newText(thought, thoughtWords).span(0, x.plan.thoughts)
}
