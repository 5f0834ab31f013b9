package price_test

import (
	"strings"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/price"
)

func TestOverride(t *testing.T) {
	const public = "input=1e-06 cache_read=1e-07 output=2e-06 input>200000=4e-06 output@priority=9e-06"
	u := gateway.Usage{Prompt: 1000, CacheRead: 500, Completion: 100}
	for _, tt := range []struct {
		name   string
		base   string
		fields map[string]string
		u      gateway.Usage
		want   gateway.NanoUSD
	}{
		{
			"a price of one's own without a public one", "",
			map[string]string{"input_cost_per_token": "0.000002", "output_cost_per_token": "1e-5"},
			u, 2_000_000 + 1_000_000,
		},
		{
			"one price changes, the others stay", public,
			map[string]string{"input_cost_per_token": "3e-06"},
			u, 1_500_000 + 50_000 + 200_000,
		},
		{
			"a long-prompt price changes alone", public,
			map[string]string{"input_cost_per_token_above_200k_tokens": "5e-06"},
			gateway.Usage{Prompt: 200_001},
			1_000_005_000,
		},
		{
			"a tier's price changes alone", public,
			map[string]string{"output_cost_per_token_priority": "8e-06"},
			gateway.Usage{Completion: 100, Tier: "priority"},
			800_000,
		},
		{
			"a plain price takes the place of ranges", "input..1000=1e-06 output..1000=2e-06 input..2000=5e-06 output..2000=6e-06",
			map[string]string{"input_cost_per_token": "1e-05"},
			gateway.Usage{Prompt: 1500, Completion: 10},
			15_000_000 + 60_000,
		},
		{
			"zero for input and output leaves nothing to pay", public,
			map[string]string{"input_cost_per_token": "0", "output_cost_per_token": "0.0"},
			u, 0,
		},
		{"no fields change nothing", public, nil, u, 500_000 + 50_000 + 200_000},
		{
			"a price finer than ours rounds up, not to nothing", "",
			map[string]string{"input_cost_per_token": "1e-40", "output_cost_per_token": "0"},
			gateway.Usage{Prompt: 500_000_000_000_000},
			1,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var base *price.Rate
			if tt.base != "" {
				base = rate(t, "", tt.base)
			}
			r, err := price.Override(base, tt.fields)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Cost(tt.u); got != tt.want {
				t.Errorf("%v over %q: cost of %+v = %v, want %v", tt.fields, tt.base, tt.u, got, tt.want)
			}
			if base != nil && base.Cost(u) != 500_000+50_000+200_000 && tt.base == public {
				t.Errorf("the public price changed to %v", base.Cost(u))
			}
		})
	}
	free, err := price.Override(rate(t, "", public), map[string]string{"input_cost_per_token": "0", "output_cost_per_token": "0"})
	if err != nil || !free.Free() {
		t.Errorf("zero for both over a public price: free %v, %v; want free", free.Free(), err)
	}
}

func TestOverrideNamesWhatIsWrong(t *testing.T) {
	for name, value := range map[string]string{
		"input_cost_per_tokn":                   "1",
		"input_cost_per_second":                 "0.1",
		"output_cost_per_token":                 "-1e-06",
		"cache_read_input_token_cost":           "NaN",
		"cache_creation_input_token_cost":       "Infinity",
		"input_cost_per_audio_token":            "",
		"output_cost_per_reasoning_token":       "1 cent",
		"output_cost_per_token_above_1k_tokens": "1e99",
	} {
		_, err := price.Override(nil, map[string]string{"input_cost_per_token": "1e-06", name: value})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), value) {
			t.Errorf("%s: %q: error %v, want one that names both", name, value, err)
		}
	}
	if !price.TokenPrice("input_cost_per_token_flex") || price.TokenPrice("input_cost_per_second") {
		t.Error("TokenPrice does not tell a price per token from one per second")
	}
	if r, err := price.Override(nil, nil); err == nil {
		t.Errorf("no price at all made the rate %+v", r)
	}
}
