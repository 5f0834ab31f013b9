package openai

import "penstock/internal/canon"

// FinishOf returns OpenAI's word for a vendor's finish reason. Words that no
// one has heard of count as a stop: an answer that arrived must not fail over
// its last word.
func FinishOf(native string) canon.Finish {
	switch native {
	case "length", "max_tokens", "MAX_TOKENS", "model_length", "model_context_window_exceeded":
		return canon.Length
	case "tool_calls", "function_call", "tool_use", "TOOL_CALL":
		return canon.ToolCalls
	case "content_filter", "refusal", "content_filtered", "guardrail_intervened", "sensitive", "SAFETY":
		return canon.ContentFilter
	}
	return canon.Stop
}

// failedFinish reports whether a finish reason says that the vendor gave up.
func failedFinish(native []byte) bool {
	switch string(native) {
	case `"error"`, `"insufficient_system_resource"`:
		return true
	}
	return false
}
