package mock

// renderGemini writes the plan as one GenerateContentResponse.
//
// Format: https://ai.google.dev/api/generate-content
func (x *exchange) renderGemini() {
	p := &x.plan
	x.str(`{"candidates":[{"content":{"parts":[`)
	if p.thoughts > 0 {
		x.geminiThought()
		x.str(",")
	}
	if p.tool != "" {
		x.geminiCall()
	} else {
		x.str(`{"text":`)
		x.out = p.text.appendSpan(x.out, 0, p.words)
		x.str("}")
	}
	x.str(`],"role":"model"},"finishReason":"`)
	x.str(x.geminiFinish())
	x.str(`","index":0}]`)
	x.geminiTail(p.completion)
}

// streamGemini writes the plan as chunks. Google ends lines with CRLF and has
// no end mark; without alt=sse a stream is a JSON array that grows.
func (x *exchange) streamGemini() {
	p := &x.plan
	chunk := func(parts func(), tokens int, finish string) {
		x.geminiOpen()
		x.str(`{"candidates":[{"content":{"parts":[`)
		parts()
		x.str(`],"role":"model"}`)
		if finish != "" {
			x.str(`,"finishReason":"` + finish + `"`)
		}
		x.str(`,"index":0}]`)
		x.geminiTail(tokens)
		x.geminiClose()
	}
	if p.thoughts > 0 {
		chunk(x.geminiThought, p.thoughts, "")
	}
	x.mark(false)
	for i := range p.chunks {
		_, words := p.piece(i)
		chunk(func() { x.str(`{"text":`); x.span(p.text, i); x.str("}") }, p.thoughts+words, "")
		x.mark(true)
	}
	if p.tool != "" {
		chunk(x.geminiCall, p.completion, "") // calls come whole
		x.mark(true)
	}
	chunk(func() { x.str(`{"text":""}`) }, p.completion, x.geminiFinish())
	if x.array {
		x.str("]")
	}
	x.mark(false)
}

// geminiOpen writes what stands before a chunk.
func (x *exchange) geminiOpen() {
	switch {
	case !x.array:
		x.str("data: ")
	case len(x.out) == 0:
		x.str("[")
	default:
		x.str(",\r\n")
	}
}

// geminiClose writes what stands after a chunk.
func (x *exchange) geminiClose() {
	x.str("\r\n")
	if !x.array {
		x.str("\r\n")
	}
}

func (x *exchange) geminiThought() {
	x.str(`{"text":`)
	x.quote(x.thoughts())
	x.str(`,"thought":true}`)
}

func (x *exchange) geminiCall() {
	x.str(`{"functionCall":{"name":`)
	x.quote(x.plan.tool)
	x.str(`,"args":`)
	x.raw(x.plan.args)
	x.str("}}")
}

// geminiFinish: Gemini says STOP for a function call too.
func (x *exchange) geminiFinish() string {
	if x.plan.capped {
		return "MAX_TOKENS"
	}
	return "STOP"
}

// geminiTail writes the usage after tokens of output, which here are told
// apart from thoughts, and the end of the object.
func (x *exchange) geminiTail(tokens int) {
	p := &x.plan
	if !x.step.NoUsage {
		x.str(`,"usageMetadata":{"promptTokenCount":`)
		x.num(int64(p.prompt))
		x.str(`,"candidatesTokenCount":`)
		x.num(int64(tokens - p.thoughts))
		x.str(`,"totalTokenCount":`)
		x.num(int64(p.prompt + tokens))
		if p.cached > 0 {
			x.str(`,"cachedContentTokenCount":`)
			x.num(int64(p.cached))
		}
		if p.thoughts > 0 {
			x.str(`,"thoughtsTokenCount":`)
			x.num(int64(p.thoughts))
		}
		x.str(`,"promptTokensDetails":[{"modality":"TEXT","tokenCount":`)
		x.num(int64(p.prompt))
		x.str(`}]}`)
	}
	x.str(`,"modelVersion":`)
	x.raw(x.model.quoted)
	x.str(`,"responseId":"resp_mock_`)
	x.num(p.id)
	x.str(`"}`)
}
