package price_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/price"
)

// rate returns the rate of a table with one entry.
func rate(t *testing.T, provider, prices string) *price.Rate {
	t.Helper()
	b, err := price.Parse("# version test\nm\t" + provider + "\tchat\t\t\t\t" + prices + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	r, ok := b.Lookup("", "m")
	if !ok {
		t.Fatalf("no price in %q", prices)
	}
	return r
}

func TestPublishedCosts(t *testing.T) {
	b := price.Published()
	for _, tt := range []struct {
		name            string
		provider, model string
		u               gateway.Usage
		want            string // dollars
	}{
		{
			"gpt-4o, a fifth of the prompt cached", "openai", "gpt-4o",
			// 800 x 2.5e-06 + 200 x 1.25e-06 + 100 x 1e-05
			gateway.Usage{Prompt: 1000, CacheRead: 200, Completion: 100},
			"0.00325",
		},
		{
			"gpt-4o served with priority", "openai", "gpt-4o",
			// 800 x 4.25e-06 + 200 x 2.125e-06 + 100 x 1.7e-05
			gateway.Usage{Prompt: 1000, CacheRead: 200, Completion: 100, Tier: "priority"},
			"0.005525",
		},
		{
			"gpt-4o has no flex prices and takes the standard ones", "openai", "gpt-4o",
			gateway.Usage{Prompt: 1000, CacheRead: 200, Completion: 100, Tier: "flex"},
			"0.00325",
		},
		{
			"claude with both kinds of cache write", "anthropic", "claude-sonnet-4-5",
			// 100 x 3e-06 + 1000 x 3e-07 + 200 x 3.75e-06 + 300 x 6e-06 + 50 x 1.5e-05
			gateway.Usage{Prompt: 1600, CacheRead: 1000, CacheWrite: 200, CacheWrite1h: 300, Completion: 50},
			"0.0039",
		},
		{
			"claude with web searches", "anthropic", "claude-sonnet-4-5",
			// 2 x 0.01 + 10 x 3e-06 + 10 x 1.5e-05
			gateway.Usage{Prompt: 10, Completion: 10, WebSearches: 2},
			"0.02018",
		},
		{
			"gemini at 200,000 tokens is short", "vertex_ai", "gemini-2.5-pro",
			// 200,000 x 1.25e-06 + 1000 x 1e-05
			gateway.Usage{Prompt: 200_000, Completion: 1000},
			"0.26",
		},
		{
			"gemini one token later is long, all of it", "vertex_ai", "gemini-2.5-pro",
			// 200,001 x 2.5e-06 + 1000 x 1.5e-05
			gateway.Usage{Prompt: 200_001, Completion: 1000},
			"0.5150025",
		},
		{
			"gemini long and with priority", "vertex_ai", "gemini-2.5-pro",
			// 200,001 x 4.5e-06 + 1000 x 2.7e-05
			gateway.Usage{Prompt: 200_001, Completion: 1000, Tier: "ON_DEMAND_PRIORITY"},
			"0.9270045",
		},
		{
			"qwen in its first range", "dashscope", "qwen3-coder-flash",
			// 31,000 x 3e-07 + 1000 x 8e-08 + 100 x 1.5e-06
			gateway.Usage{Prompt: 32_000, CacheRead: 1000, Completion: 100},
			"0.00953",
		},
		{
			"qwen in its second", "dashscope", "qwen3-coder-flash",
			// 31,001 x 5e-07 + 1000 x 1.2e-07 + 100 x 2.5e-06
			gateway.Usage{Prompt: 32_001, CacheRead: 1000, Completion: 100},
			"0.0158705",
		},
		{
			"qwen beyond its last range has the prices of the last", "dashscope", "qwen3-coder-flash",
			// 2,000,000 x 1.6e-06 + 100 x 9.6e-06
			gateway.Usage{Prompt: 2_000_000, Completion: 100},
			"3.20096",
		},
		{
			"qwen that thinks has a price for it", "dashscope", "qwen-plus-latest",
			// 1000 x 4e-07 + 100 x 1.2e-06 + 400 x 4e-06
			gateway.Usage{Prompt: 1000, Completion: 500, Reasoning: 400},
			"0.00212",
		},
		{
			"grok is long at 200,000 tokens already", "xai", "grok-4.5",
			// 200,000 x 4e-06
			gateway.Usage{Prompt: 200_000},
			"0.8",
		},
		{
			"a price with the noise of a double is taken as published", "databricks", "databricks-claude-opus-4",
			// 1,000,000 x 1.5000020000000002e-05
			gateway.Usage{Prompt: 1_000_000},
			"15.00002",
		},
		{
			"an embedding has no output price", "openai", "text-embedding-3-small",
			gateway.Usage{Prompt: 1_000_000},
			"0.02",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, ok := b.Lookup(tt.provider, tt.model)
			if !ok {
				t.Fatalf("no price for %s/%s", tt.provider, tt.model)
			}
			if got := price.FormatUSD(r.Cost(tt.u)); got != tt.want {
				t.Errorf("%s/%s: cost of %+v = %s, want %s", tt.provider, tt.model, tt.u, got, tt.want)
			}
		})
	}
}

func TestCost(t *testing.T) {
	for _, tt := range []struct {
		name             string
		provider, prices string
		u                gateway.Usage
		want             gateway.NanoUSD
	}{
		{
			"cached tokens without a price cost what input costs", "", "input=1e-06 output=2e-06",
			gateway.Usage{Prompt: 100, CacheRead: 40, CacheWrite: 10, CacheWrite1h: 5},
			100_000,
		},
		{
			"cached tokens at an explicit zero are free", "", "input=1e-06 cache_read=0 output=2e-06",
			gateway.Usage{Prompt: 100, CacheRead: 40},
			60_000,
		},
		{
			"an hour's cache without a price costs what five minutes cost", "", "input=1e-06 cache_write=3e-06 output=0",
			gateway.Usage{Prompt: 100, CacheWrite1h: 100},
			300_000,
		},
		{
			"audio and images have prices of their own", "", "input=1e-06 audio_in=5e-06 image_in=3e-06 output=1e-06 audio_out=9e-06 image_out=7e-06",
			gateway.Usage{Prompt: 100, AudioIn: 10, ImageIn: 20, Completion: 100, AudioOut: 30, ImageOut: 40},
			70_000 + 50_000 + 60_000 + 30_000 + 270_000 + 280_000,
		},
		{
			"reasoning without a price costs what output costs", "", "input=1e-06 output=2e-06",
			gateway.Usage{Completion: 100, Reasoning: 60},
			200_000,
		},
		{
			"reasoning has a price of its own", "", "input=1e-06 output=2e-06 reasoning=5e-06",
			gateway.Usage{Completion: 100, Reasoning: 60},
			80_000 + 300_000,
		},
		{
			"a tier with its own output price does not use the standard reasoning price", "",
			"input=1e-06 output=2e-06 reasoning=5e-06 output@priority=4e-06",
			gateway.Usage{Completion: 100, Reasoning: 60, Tier: "priority"},
			400_000,
		},
		{
			"a tier without an output price does", "", "input=1e-06 output=2e-06 reasoning=5e-06 input@priority=4e-06",
			gateway.Usage{Completion: 100, Reasoning: 60, Tier: "priority"},
			80_000 + 300_000,
		},
		{
			"a model priced for image output only charges that for text", "", "input=1e-06 image_out=8e-06",
			gateway.Usage{Completion: 10},
			80_000,
		},
		{
			"fast is another word for priority", "", "input=1e-06 output=2e-06 input@priority=2e-06",
			gateway.Usage{Prompt: 10, Tier: "fast"},
			20_000,
		},
		{
			"default is no tier", "", "input=1e-06 output=2e-06 input@priority=2e-06",
			gateway.Usage{Prompt: 10, Tier: "default"},
			10_000,
		},
		{
			"an unheard-of tier has the standard prices", "", "input=1e-06 output=2e-06 input@priority=2e-06",
			gateway.Usage{Prompt: 10, Tier: "platinum"},
			10_000,
		},
		{
			"a long prompt without a price for the tier has the standard long price", "",
			"input=1e-06 output=0 input@priority=2e-06 input>200000=3e-06",
			gateway.Usage{Prompt: 300_000, Tier: "priority"},
			900_000_000,
		},
		{
			"the largest threshold that is exceeded counts", "", "input=1e-06 output=0 input>128000=2e-06 input>256000=4e-06",
			gateway.Usage{Prompt: 256_001},
			1_024_004_000,
		},
		{
			"a long prompt keeps the short price of what has no long one", "", "input=1e-06 cache_read=5e-07 output=2e-06 input>1000=9e-06",
			gateway.Usage{Prompt: 2000, CacheRead: 1000, Completion: 10},
			9_000_000 + 500_000 + 20_000,
		},
		{
			"a range that lacks a cache price charges its own input price", "", "cache_read=1e-09 input..100=1e-06 output..100=0 input..200=2e-06 output..200=0",
			gateway.Usage{Prompt: 150, CacheRead: 150},
			300_000,
		},
		{
			"audio counted twice by the vendor is charged once", "", "input=1e-06 audio_in=5e-06 cache_read=1e-07 output=0",
			gateway.Usage{Prompt: 100, CacheRead: 90, AudioIn: 50},
			9_000 + 50_000,
		},
		{
			"cached tokens that the vendor left out of the prompt are charged", "", "input=1e-06 cache_read=1e-07 output=0",
			gateway.Usage{Prompt: 10, CacheRead: 1000},
			100_000,
		},
		{
			"more reasoning than output is not charged", "", "input=1e-06 output=2e-06 reasoning=5e-06",
			gateway.Usage{Completion: 10, Reasoning: 60},
			50_000,
		},
		{
			"negative counts are nothing", "", "input=1e-06 output=2e-06 search=0.01",
			gateway.Usage{Prompt: -10, CacheRead: -5, Completion: -10, Reasoning: -1, WebSearches: -1},
			0,
		},
		{"half a nano-dollar rounds up", "", "input=5e-10 output=0", gateway.Usage{Prompt: 1}, 1},
		{
			"parts of a nano-dollar add up before they are rounded", "", "input=4e-10 output=4e-10",
			gateway.Usage{Prompt: 1, Completion: 1},
			1,
		},
		{
			"a cost beyond all money stops at the end of it", "", "input=1000 output=1000",
			gateway.Usage{Prompt: math.MaxInt64, Completion: math.MaxInt64},
			math.MaxInt64,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := rate(t, tt.provider, tt.prices).Cost(tt.u); got != tt.want {
				t.Errorf("%s: cost of %+v = %v, want %v", tt.prices, tt.u, got, tt.want)
			}
		})
	}
}

func TestFree(t *testing.T) {
	for _, tt := range []struct {
		name, prices string
		want         bool
	}{
		{"zero for both is free", "input=0 output=0.0", true},
		{"zero for input alone is not", "input=0", false},
		{"a price anywhere is not", "input=0 output=0 output@priority=1e-09", false},
		{"a price for searches is not", "input=0 output=0 search=0.01", false},
		{"the smallest price is not", "input=1e-24 output=0", false},
	} {
		if got := rate(t, "", tt.prices).Free(); got != tt.want {
			t.Errorf("%s: %q is free: %v, want %v", tt.name, tt.prices, got, tt.want)
		}
	}
}

func TestBound(t *testing.T) {
	r := rate(t, "", "input=1e-06 cache_write_1h=2e-06 output=4e-06 reasoning=5e-06 input>100=3e-06 input@priority=8e-06 input@ultrafast=2e-05")
	for _, tt := range []struct {
		name          string
		r             *price.Rate
		input, output int64
		want          gateway.NanoUSD
	}{
		{"a standard call has the dearest part of the standard tier", r.AtTier(""), 100, 10, 200_000 + 50_000},
		{"an unknown tier is the standard one", r.AtTier("platinum"), 100, 10, 200_000 + 50_000},
		{"a prompt that may be long has the long price", r.AtTier("default"), 101, 10, 303_000 + 50_000},
		{"a tier bounds itself", r.AtTier("priority"), 100, 10, 800_000 + 50_000},
		{"without a tier the dearest counts", r, 100, 10, 2_000_000 + 50_000},
		{"nothing costs nothing", r, 0, 0, 0},
	} {
		if got := tt.r.Bound(tt.input, tt.output); got != tt.want {
			t.Errorf("%s: Bound(%d, %d) = %v, want %v", tt.name, tt.input, tt.output, got, tt.want)
		}
	}
	if got := rate(t, "", "input=1e-24 output=0").Bound(1, 0); got != 1 {
		t.Errorf("the smallest price is bounded by %d, want 1", int64(got))
	}
}

func TestAffordable(t *testing.T) {
	r := rate(t, "", "input=1e-06 output=4e-06 output>100=8e-06")
	for _, tt := range []struct {
		name   string
		budget gateway.NanoUSD
		input  int64
		want   int64
	}{
		{"what is left after the input goes into output", 500_000, 100, 100},
		{"a long prompt makes output dearer", 901_000, 101, 100},
		{"a budget that the input uses up leaves nothing", 100_000, 100, 0},
		{"a budget below the input is refused", 99_999, 100, -1},
		{"a part of a token is none", 103_999, 100, 0},
		{"a negative budget is refused", -1, 0, -1},
	} {
		if got := r.Affordable(tt.budget, tt.input); got != tt.want {
			t.Errorf("%s: Affordable(%v, %d) = %d, want %d", tt.name, tt.budget, tt.input, got, tt.want)
		}
	}
	if got := r.AffordableOutput(800_000); got != 100 {
		t.Errorf("AffordableOutput at the dearest level = %d, want 100", got)
	}
	if got := rate(t, "", "input=1e-06 output=0").AffordableOutput(1); got != math.MaxInt64 {
		t.Errorf("free output: AffordableOutput = %d, want no end", got)
	}
}

// Random calls on every published model: nothing may cost more than the bound
// that was reserved for it, parts must add up, and what a budget affords must
// be within it.
func TestNoCallCostsMoreThanItsBound(t *testing.T) {
	b := price.Published()
	random := rand.New(rand.NewPCG(1, 2))
	n := func(most int64) int64 { return random.Int64N(most + 1) }
	tiers := []string{"", "", "flex", "priority", "batches", "ultrafast", "balanced", "decisions"}
	rates := 0
	for key := range keys(t) {
		r, ok := b.Lookup("", key)
		if !ok {
			continue
		}
		rates++
		for range 30 {
			input, output := n(1<<random.UintN(22)), n(1<<random.UintN(18))
			u := gateway.Usage{Prompt: n(input), Completion: n(output), Tier: tiers[random.IntN(len(tiers))]}
			u.CacheRead = n(u.Prompt)
			u.CacheWrite = n(u.Prompt - u.CacheRead)
			u.CacheWrite1h = n(u.Prompt - u.CacheRead - u.CacheWrite)
			u.AudioIn, u.ImageIn = n(u.Prompt), n(u.Prompt)
			u.Reasoning, u.AudioOut, u.ImageOut = n(u.Completion), n(u.Completion), n(u.Completion)

			cost := r.Cost(u)
			if bound := r.Bound(input, output); cost > bound {
				t.Fatalf("%s: %+v costs %v, over Bound(%d, %d) = %v", key, u, cost, input, output, bound)
			}
			if bound := r.AtTier(u.Tier).Bound(input, output); cost > bound {
				t.Fatalf("%s: %+v costs %v, over its tier's Bound(%d, %d) = %v", key, u, cost, input, output, bound)
			}
			at := time.Unix(n(1<<31), 0)
			if off := r.At(at).Cost(u); off > r.Bound(input, output) {
				t.Fatalf("%s: %+v at %v costs %v, over the bound %v", key, u, at, off, r.Bound(input, output))
			}
			u.WebSearches = n(3)
			p := r.Breakdown(u)
			sum := p.Input + p.CacheRead + p.CacheWrite + p.AudioIn + p.ImageIn +
				p.Output + p.Reasoning + p.AudioOut + p.ImageOut + p.Search
			if sum != r.Cost(u) || p.Total != sum {
				t.Fatalf("%s: %+v: parts %+v add up to %v, cost is %v", key, u, p, sum, r.Cost(u))
			}
			budget := gateway.NanoUSD(n(1_000_000_000))
			if got := r.Affordable(budget, input); got >= 0 && got < math.MaxInt64 {
				if r.Bound(input, got) > budget || r.Bound(input, got+1) <= budget {
					t.Fatalf("%s: %v affords %d tokens after %d: bound is %v, one more %v",
						key, budget, got, input, r.Bound(input, got), r.Bound(input, got+1))
				}
			}
		}
	}
	if rates < 3000 {
		t.Errorf("%d models with a price, want at least 3,000", rates)
	}
}
