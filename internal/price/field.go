package price

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// part is one thing a price is for.
type part uint8

const (
	input part = iota
	cacheRead
	cacheWrite
	cacheWrite1h
	audioIn
	imageIn
	output
	reasoning
	audioOut
	imageOut
	billed // the parts before it are in every rate

	// Published, and kept in the table, but nothing in gateway.Usage counts them.
	cachedAudio
	cachedImage
	audioCacheWrite
	explicitCacheRead
	videoIn
	videoOut
	citation

	search // per web search, not per token
	searchLow
	searchHigh
	parts
)

// names spells the parts: in our table, and in LiteLLM's price file and configs.
var names = [parts]struct{ short, litellm string }{
	input:             {"input", "input_cost_per_token"},
	cacheRead:         {"cache_read", "cache_read_input_token_cost"},
	cacheWrite:        {"cache_write", "cache_creation_input_token_cost"},
	cacheWrite1h:      {"cache_write_1h", "cache_creation_input_token_cost_above_1hr"},
	audioIn:           {"audio_in", "input_cost_per_audio_token"},
	imageIn:           {"image_in", "input_cost_per_image_token"},
	output:            {"output", "output_cost_per_token"},
	reasoning:         {"reasoning", "output_cost_per_reasoning_token"},
	audioOut:          {"audio_out", "output_cost_per_audio_token"},
	imageOut:          {"image_out", "output_cost_per_image_token"},
	cachedAudio:       {"cached_audio", "cache_read_input_audio_token_cost"},
	cachedImage:       {"cached_image", "cache_read_input_image_token_cost"},
	audioCacheWrite:   {"audio_cache_write", "cache_creation_input_audio_token_cost"},
	explicitCacheRead: {"explicit_cache_read", "explicit_cache_read_input_token_cost"},
	videoIn:           {"video_in", "input_cost_per_video_token"},
	videoOut:          {"video_out", "output_cost_per_video_token"},
	citation:          {"citation", "citation_cost_per_token"},
	search:            {"search", "search_context_size_medium"},
	searchLow:         {"search_low", "search_context_size_low"},
	searchHigh:        {"search_high", "search_context_size_high"},
}

// tierNames are the service tiers that have prices of their own.
var tierNames = []string{"flex", "priority", "balanced", "ultrafast", "batches", "decisions"}

// field is one published price: which part, and when it applies.
type field struct {
	part part
	over int64  // only for prompts of more tokens than this
	upTo int64  // only for prompts of at most this many tokens, 0 for any size
	tier string // only for this service tier, "" for all
}

// priced is a field and what it says.
type priced struct {
	field
	price amount
}

// String spells f as the table does: "output>272000@priority", "input..256000".
func (f field) String() string {
	s := names[f.part].short
	if f.over > 0 {
		s += ">" + strconv.FormatInt(f.over, 10)
	}
	if f.upTo > 0 {
		s += ".." + strconv.FormatInt(f.upTo, 10)
	}
	if f.tier != "" {
		s += "@" + f.tier
	}
	return s
}

// parseField reads what String wrote.
func parseField(s string) (field, error) {
	var f field
	rest, tier, tiered := strings.Cut(s, "@")
	if tiered {
		f.tier = canonicalTier(tier)
		if tier == offPeak {
			f.tier = offPeak
		}
		if f.tier == "" {
			return f, fmt.Errorf("price field %q: unknown service tier", s)
		}
	}
	var err error
	if name, n, ok := strings.Cut(rest, ">"); ok {
		f.over, err = strconv.ParseInt(n, 10, 64)
		rest = name
	} else if name, n, ok := strings.Cut(rest, ".."); ok {
		f.upTo, err = strconv.ParseInt(n, 10, 64)
		rest = name
	}
	if err != nil {
		return f, fmt.Errorf("price field %q: %w", s, err)
	}
	for p, n := range names {
		if n.short == rest && rest != "" {
			f.part = part(p)
			return f, nil
		}
	}
	return f, fmt.Errorf("price field %q: unknown", s)
}

// parseLiteLLM reads LiteLLM's name of a price, for example
// "cache_read_input_token_cost_above_272k_tokens_priority". It reports false
// for names of anything else.
func parseLiteLLM(name string) (field, bool) {
	best, suffix := billed, ""
	for p, n := range names {
		rest, ok := strings.CutPrefix(name, n.litellm)
		// One name can begin another ("…_cost" and "…_cost_above_1hr").
		if ok && n.litellm != "" && (best == billed || len(rest) < len(suffix)) {
			best, suffix = part(p), rest
		}
	}
	if best == billed {
		return field{}, false
	}
	f := field{part: best}
	if rest, ok := strings.CutPrefix(suffix, "_above_"); ok {
		thousands, rest, ok := strings.Cut(rest, "k_tokens")
		n, err := strconv.ParseInt(thousands, 10, 32)
		if !ok || err != nil || n <= 0 {
			return field{}, false
		}
		f.over, suffix = n*1000, rest
	}
	if tier, ok := strings.CutPrefix(suffix, "_"); ok {
		f.tier, suffix = canonicalTier(tier), ""
		if f.tier == "" {
			return field{}, false
		}
	}
	return f, suffix == ""
}

// canonicalTier returns the constant of a tier name, so that tables hold no
// references into the text they were read from; "" if it is not a tier.
func canonicalTier(name string) string {
	for _, t := range tierNames {
		if t == name {
			return t
		}
	}
	return ""
}

// servedTier maps the words vendors use for a service tier to the one its
// prices are listed under, "" for the standard prices.
func servedTier(name string) string {
	switch name {
	case "", "default", "auto", "standard", "on_demand", "ON_DEMAND":
		return ""
	case "fast", "on_demand_priority", "ON_DEMAND_PRIORITY":
		return "priority"
	case "on_demand_flex", "ON_DEMAND_FLEX":
		return "flex"
	case "batch", "BATCH":
		return "batches"
	}
	return canonicalTier(name)
}

// compareFields orders prices for people: the standard ones first, then long
// prompts, then the other service tiers.
func compareFields(a, b field) int {
	return cmp.Or(
		cmp.Compare(a.tier, b.tier), cmp.Compare(a.over, b.over),
		cmp.Compare(a.upTo, b.upTo), cmp.Compare(a.part, b.part),
	)
}
