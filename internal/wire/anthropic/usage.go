package anthropic

import (
	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// counts is the usage object of an answer. In a stream its members come again
// with the numbers so far: what is there replaces what was.
type counts struct {
	input, cacheRead, cacheWrite int64
	write5m, write1h             int64
	split                        bool // write5m and write1h are known
	output, thinking             int64
	searches                     int64
	tier                         string
	seen                         bool
}

// read takes over what a usage object says.
func (c *counts) read(raw []byte) {
	o, ok := object(raw)
	if !ok {
		return
	}
	c.readObject(o)
}

func (c *counts) readObject(o *wire.Object) {
	c.seen = true
	set(o, "input_tokens", &c.input)
	set(o, "cache_read_input_tokens", &c.cacheRead)
	set(o, "cache_creation_input_tokens", &c.cacheWrite)
	set(o, "output_tokens", &c.output)
	if s, ok := o.String("service_tier"); ok {
		c.tier = s
	}
	if in, ok := object(o.Get("cache_creation")); ok {
		c.split = true
		set(in, "ephemeral_5m_input_tokens", &c.write5m)
		set(in, "ephemeral_1h_input_tokens", &c.write1h)
	}
	if in, ok := object(o.Get("output_tokens_details")); ok {
		set(in, "thinking_tokens", &c.thinking)
	}
	if in, ok := object(o.Get("server_tool_use")); ok {
		set(in, "web_search_requests", &c.searches)
	}
}

// set takes over a count that is there. Nothing can be used less than not at all.
func set(o *wire.Object, name string, to *int64) {
	if n, ok := o.Int(name); ok && n >= 0 {
		*to = n
	}
}

// usage returns the counts in the gateway's terms: Prompt includes what was
// read from the cache or written to it, which Anthropic counts beside it.
func (c *counts) usage() gateway.Usage {
	u := gateway.Usage{
		Prompt:      c.input + c.cacheRead + c.cacheWrite,
		CacheRead:   c.cacheRead,
		CacheWrite:  c.cacheWrite,
		Completion:  c.output,
		Reasoning:   min(c.thinking, c.output),
		WebSearches: c.searches,
	}
	if c.split {
		u.CacheWrite1h = min(c.write1h, c.cacheWrite)
		u.CacheWrite = c.cacheWrite - u.CacheWrite1h
	}
	if c.tier == "priority" {
		u.Tier = c.tier
	}
	return u
}

// finishOf translates a stop_reason. calls says that the answer has tool calls
// for the client, json that it has the tool that stands in for response_format.
func finishOf(reason string, calls, json bool) canon.Finish {
	switch reason {
	case "max_tokens", "model_context_window_exceeded", "compaction":
		return canon.Length
	case "refusal":
		return canon.ContentFilter
	case "tool_use":
		if json && !calls {
			return canon.Stop
		}
		return canon.ToolCalls
	}
	if calls && reason != "pause_turn" {
		return canon.ToolCalls
	}
	return canon.Stop
}
