package price_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/price"
)

var day = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func TestConvertKeepsThePublishedDigits(t *testing.T) {
	text, unused, err := price.Convert([]byte(`{
		"sample_spec": {"litellm_provider": "one of many", "max_input_tokens": "as many as you like", "input_cost_per_token": 0.0},
		"fallback_generalizations": {"rules": []},
		"z/plain": {"litellm_provider": "z", "mode": "chat", "max_tokens": 4096, "max_input_tokens": 8192.0,
			"output_cost_per_token": "2.0e-06", "input_cost_per_token": 1.5000020000000002e-05, "input_dbu_cost_per_token": 1,
			"input_cost_per_token_above_272k_tokens_flex": 3E-6,
			"deprecation_date": "2026-12-31", "supports_vision": false, "supports_function_calling": true, "supports_flying": true},
		"a/ranges": {"litellm_provider": "a", "mode": "chat", "tiered_pricing": [
			{"range": [0, 1000.0], "input_cost_per_token": 1e-07}, {"range": [1000, 2e3], "input_cost_per_token": 2e-07}],
			"search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_medium": 0.01, "search_context_size_high": 0.02}},
		"a/embedding": {"litellm_provider": "a", "mode": "embedding", "max_tokens": 4096, "input_cost_per_token": 0, "output_cost_per_token": 0},
		"a/rerank": {"litellm_provider": "a", "mode": "rerank", "deprecation_date": "soon", "input_cost_per_token": 0.0, "output_cost_per_token": 0.0, "input_cost_per_query": 0.002}
	}`), day)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	got := strings.Join(lines, "\n")
	want := strings.Join([]string{
		"a/embedding	a	embedding				input=0 output=0",
		"a/ranges	a	chat				search=0.01 search_high=0.02 input..1000=1e-07 input..2000=2e-07",
		"a/rerank	a	rerank				",
		"z/plain	z	chat	8192	4096	fn,!vis	input=1.5000020000000002e-05 output=2.0e-06 input>272000@flex=3E-6	2026-12-31",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(unused) != 3 || unused["deprecation_date that is no day"] != 1 || unused["input_dbu_cost_per_token"] != 1 || unused["input_cost_per_query"] != 1 {
		t.Errorf("unused fields %v, want the two that are not per token, and the day that is none", unused)
	}
	b, err := price.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Check(); err != nil {
		t.Error(err)
	}
	if m, ok := b.Model("z", "plain"); !ok || m.Ends != "2026-12-31" {
		t.Errorf("z/plain is %+v, want the day it ends", m)
	}
	if v := b.Version(); !strings.HasPrefix(v, "2026-11-24.") || len(v) != len("2026-11-24.3fa9c1") {
		t.Errorf("version %q, want the day and six digits", v)
	}
}

func TestConvertRefuses(t *testing.T) {
	for name, file := range map[string]string{
		"no JSON":                   `prices`,
		"a price too fine for us":   `{"m": {"input_cost_per_token": 1e-25}}`,
		"a negative price":          `{"m": {"input_cost_per_token": -1}}`,
		"a price that is no number": `{"m": {"input_cost_per_token": true}}`,
		"a name with a tab":         `{"m\t": {"input_cost_per_token": 1}}`,
		"a name that is a comment":  `{"#m": {"input_cost_per_token": 1}}`,
		"ranges with a hole":        `{"m": {"tiered_pricing": [{"range": [0, 5], "input_cost_per_token": 1}, {"range": [6, 9], "input_cost_per_token": 1}]}}`,
		"a range of one number":     `{"m": {"tiered_pricing": [{"range": [0], "input_cost_per_token": 1}]}}`,
		"an unknown size of search": `{"m": {"search_context_cost_per_query": {"search_context_size_huge": 1}}}`,
	} {
		if text, _, err := price.Convert([]byte(file), day); err == nil {
			t.Errorf("%s: converted to\n%s", name, text)
		}
	}
}
