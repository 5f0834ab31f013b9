package openai

import (
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// ReadUsage reads a usage object. It reports false if v is none (null counts
// as none). Details that vendors give under their own names are found too.
func ReadUsage(v []byte) (u gateway.Usage, ok bool) {
	if len(v) == 0 || v[0] != '{' {
		return u, false
	}
	var total int64
	f := fieldsOf(v)
	for f.next() {
		n, _ := wire.ParseInt(f.val)
		switch string(f.name) {
		case "prompt_tokens", "input_tokens":
			u.Prompt = n
		case "completion_tokens", "output_tokens":
			u.Completion = n
		case "total_tokens":
			total = n
		case "prompt_tokens_details", "input_tokens_details":
			readDetails(&u, f.val, true)
		case "completion_tokens_details", "output_tokens_details":
			readDetails(&u, f.val, false)
		case "prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens":
			u.CacheRead = max(u.CacheRead, n)
		case "cache_creation_input_tokens":
			u.CacheWrite = max(u.CacheWrite, n)
		case "reasoning_tokens":
			u.Reasoning = max(u.Reasoning, n)
		case "num_search_queries":
			u.WebSearches = n
		case "server_tool_use":
			g := fieldsOf(f.val)
			for g.next() {
				if string(g.name) == "web_search_requests" {
					u.WebSearches, _ = wire.ParseInt(g.val)
				}
			}
		}
	}
	switch {
	case u.Reasoning > 0 && total == u.Prompt+u.Completion+u.Reasoning:
		// xAI counts reasoning beside the completion, not in it.
		u.Completion += u.Reasoning
	case u.Prompt == 0 && u.Completion == 0:
		u.Prompt = total // Voyage says only the total
	}
	return u, true
}

func readDetails(u *gateway.Usage, v []byte, prompt bool) {
	f := fieldsOf(v)
	for f.next() {
		n, _ := wire.ParseInt(f.val)
		switch string(f.name) {
		case "cached_tokens":
			u.CacheRead = max(u.CacheRead, n)
		case "cache_creation_tokens", "cache_write_tokens":
			u.CacheWrite = max(u.CacheWrite, n)
		case "reasoning_tokens":
			u.Reasoning = max(u.Reasoning, n)
		case "audio_tokens":
			if prompt {
				u.AudioIn = n
			} else {
				u.AudioOut = n
			}
		case "image_tokens":
			if prompt {
				u.ImageIn = n
			} else {
				u.ImageOut = n
			}
		}
	}
}
