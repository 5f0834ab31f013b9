package price

import "strings"

// abilities spells what a model may be able to do: in our table, and in
// LiteLLM's "supports_…" fields, which are the names callers use.
var abilities = []struct{ short, litellm string }{
	{"fn", "function_calling"},
	{"pfn", "parallel_function_calling"},
	{"tc", "tool_choice"},
	{"ftu", "forced_tool_use"},
	{"vis", "vision"},
	{"rsn", "reasoning"},
	{"at", "adaptive_thinking"},
	{"lt", "legacy_thinking"},
	{"schema", "response_schema"},
	{"nso", "native_structured_output"},
	{"oc", "output_config"},
	{"cache", "prompt_caching"},
	{"pcb", "prompt_cache_breakpoint"},
	{"ain", "audio_input"},
	{"aout", "audio_output"},
	{"pdf", "pdf_input"},
	{"vin", "video_input"},
	{"img", "image_input"},
	{"eimg", "embedding_image_input"},
	{"samp", "sampling_params"},
	{"sys", "system_messages"},
	{"mcs", "mid_conversation_system"},
	{"pre", "assistant_prefill"},
	{"web", "web_search"},
	{"url", "url_context"},
	{"cu", "computer_use"},
	{"ts", "tool_search"},
	{"ns", "native_streaming"},
	{"fast", "fast_mode"},
	{"e0", "none_reasoning_effort"},
	{"emin", "minimal_reasoning_effort"},
	{"elow", "low_reasoning_effort"},
	{"exh", "xhigh_reasoning_effort"},
	{"emax", "max_reasoning_effort"},
}

// Supports reports whether m can do what ability names, in the words of
// LiteLLM's fields without "supports_" ("function_calling", "vision"). A table
// that does not say leaves known false: that is not a no.
func (m *Model) Supports(ability string) (yes, known bool) {
	for _, a := range abilities {
		if a.litellm != ability {
			continue
		}
		for word := range strings.SplitSeq(m.abilities, ",") {
			if word == a.short {
				return true, true
			}
			if no, ok := strings.CutPrefix(word, "!"); ok && no == a.short {
				return false, true
			}
		}
		return false, false
	}
	return false, false
}

// Abilities returns everything the table says m can or cannot do, by the names
// that Supports takes.
func (m *Model) Abilities() map[string]bool {
	known := map[string]bool{}
	for _, a := range abilities {
		if yes, ok := m.Supports(a.litellm); ok {
			known[a.litellm] = yes
		}
	}
	return known
}
