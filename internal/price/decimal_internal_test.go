package price

import (
	"math"
	"math/big"
	"testing"
)

func (a amount) big() *big.Int {
	n := new(big.Int).SetUint64(a.hi)
	return n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(a.lo))
}

func FuzzAmountIsArithmetic(f *testing.F) {
	f.Add(uint64(0), uint64(1), uint64(0), uint64(1), int64(1))
	f.Add(uint64(1), uint64(math.MaxUint64), uint64(0), uint64(1), int64(1))
	f.Add(uint64(1)<<62, uint64(7), uint64(3), uint64(9), int64(8))
	f.Add(uint64(math.MaxUint64), uint64(math.MaxUint64), uint64(0), uint64(perNano), int64(math.MaxInt64))
	f.Add(uint64(5), uint64(5), uint64(5), uint64(6), int64(-3))
	f.Fuzz(func(t *testing.T, hi, lo, hi2, lo2 uint64, n int64) {
		a, b := amount{hi, lo}, amount{hi2, lo2}
		check := func(name string, got amount, want *big.Int) {
			t.Helper()
			if want.Sign() < 0 {
				want = new(big.Int)
			}
			if want.Cmp(maxAmount.big()) > 0 {
				want = maxAmount.big()
			}
			if got.big().Cmp(want) != 0 {
				t.Errorf("%s of %v, %v, %d = %v, want %v", name, a.big(), b.big(), n, got.big(), want)
			}
		}
		check("add", a.add(b), new(big.Int).Add(a.big(), b.big()))
		check("sub", a.sub(b), new(big.Int).Sub(a.big(), b.big()))
		check("times", a.times(n), new(big.Int).Mul(a.big(), big.NewInt(n)))
		if got, want := a.less(b), a.big().Cmp(b.big()) < 0; got != want {
			t.Errorf("%v less than %v: %v, want %v", a.big(), b.big(), got, want)
		}
		if !b.zero() {
			want := new(big.Int).Div(a.big(), b.big())
			if want.Cmp(big.NewInt(math.MaxInt64)) > 0 {
				want = big.NewInt(math.MaxInt64)
			}
			if got := a.over(b); want.Cmp(big.NewInt(got)) != 0 {
				t.Errorf("%v over %v = %d, want %v", a.big(), b.big(), got, want)
			}
		}
		sum := new(big.Int).Add(a.big(), big.NewInt(perNano/2))
		if sum.Cmp(maxAmount.big()) > 0 {
			sum = maxAmount.big()
		}
		nano := sum.Div(sum, big.NewInt(perNano))
		if nano.Cmp(big.NewInt(math.MaxInt64)) > 0 {
			nano = big.NewInt(math.MaxInt64)
		}
		if got := a.rounded(); nano.Cmp(big.NewInt(int64(got))) != 0 {
			t.Errorf("%v in nano-dollars = %d, want %v", a.big(), int64(got), nano)
		}
	})
}

func FuzzParsePriceIsExact(f *testing.F) {
	for _, text := range []string{"2.5e-06", "1.5000020000000002e-05", "0", "1", "1e-24", "1.0e-25", "10000", "1e-9999", "0x1p-3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parsePrice(text, exact)
		if err != nil || len(text) > 100 {
			return
		}
		want, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("parsePrice(%q) = %v, but it is not a number", text, got.big())
		}
		unit := new(big.Rat).SetFrac(got.big(), new(big.Int).Exp(big.NewInt(10), big.NewInt(places), nil))
		if unit.Cmp(want) != 0 {
			t.Errorf("parsePrice(%q) = %v units, which is %v", text, got.big(), unit)
		}
	})
}

func TestLiteLLMNamesSurviveTheTable(t *testing.T) {
	for name, want := range map[string]string{
		"input_cost_per_token":                                        "input",
		"output_cost_per_token_above_272k_tokens_priority":            "output>272000@priority",
		"cache_creation_input_token_cost":                             "cache_write",
		"cache_creation_input_token_cost_flex":                        "cache_write@flex",
		"cache_creation_input_token_cost_above_200k_tokens":           "cache_write>200000",
		"cache_creation_input_token_cost_above_1hr":                   "cache_write_1h",
		"cache_creation_input_token_cost_above_1hr_above_200k_tokens": "cache_write_1h>200000",
		"cache_read_input_token_cost_above_200k_tokens_batches":       "cache_read>200000@batches",
		"input_cost_per_audio_token_priority":                         "audio_in@priority",
		"output_cost_per_reasoning_token":                             "reasoning",
		"search_context_size_medium":                                  "search",
	} {
		f, ok := parseLiteLLM(name)
		if !ok || f.String() != want {
			t.Errorf("parseLiteLLM(%q) = %s, %v; want %s", name, f, ok, want)
			continue
		}
		if again, err := parseField(f.String()); err != nil || again != f {
			t.Errorf("parseField(%q) = %+v, %v; want %+v", f, again, err, f)
		}
	}
	for _, name := range []string{
		"", "_priority", "input_cost_per_token_", "input_cost_per_token_cheap", "input_cost_per_token_cache_hit",
		"input_cost_per_second", "input_cost_per_token_above_k_tokens", "input_cost_per_token_above_-1k_tokens",
		"input_cost_per_token_above_272k_tokensX", "input_cost_per_tokens", "output_cost_per_image",
	} {
		if f, ok := parseLiteLLM(name); ok {
			t.Errorf("parseLiteLLM(%q) = %s, want no token price", name, f)
		}
	}
}
