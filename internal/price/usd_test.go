package price_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/price"
)

func TestParseUSD(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       gateway.NanoUSD
	}{
		{"whole dollars", "10", 10_000_000_000},
		{"a fraction", "0.0001", 100_000},
		{"an exponent", "2.85e-05", 28_500},
		{"a large exponent", "1E+3", 1_000_000_000_000},
		{"no digit before the point", ".5", 500_000_000},
		{"no digit after the point", "5.", 5_000_000_000},
		{"zero", "0.000e9", 0},
		{"zero with an absurd exponent", "0e999999999", 0},
		{"zeros in front", "000001.5", 1_500_000_000},
		{"a negative amount", "-1.25", -1_250_000_000},
		{"half a nano-dollar rounds up", "0.0000000005", 1},
		{"just below half rounds down", "0.00000000049999999999999999999999", 0},
		{"half below zero rounds away from it", "-5e-10", -1},
		{"a tenth of half is nothing", "5e-11", 0},
		{"nearly nothing is nothing", "9e-9999", 0},
		{"a double's noise is rounded off", "0.30000000000000004", 300_000_000},
		{"the largest amount", "9223372036.854775807", math.MaxInt64},
		{"many digits that mean little", "1." + strings.Repeat("0", 300) + "1", 1_000_000_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := price.ParseUSD(tt.text)
			if err != nil || got != tt.want {
				t.Errorf("ParseUSD(%q) = %d, %v; want %d", tt.text, int64(got), err, int64(tt.want))
			}
		})
	}
}

func TestParseUSDRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                   "",
		"a word":                    "NaN",
		"infinity":                  "inf",
		"two points":                "1.2.3",
		"two signs":                 "--1",
		"a plus":                    "+1",
		"a sign alone":              "-",
		"a point alone":             ".",
		"an exponent alone":         "e5",
		"an empty exponent":         "1e",
		"an exponent without digit": "1e-",
		"hexadecimal":               "0x10",
		"spaces":                    " 1",
		"a thousands separator":     "1,000",
		"an underscore":             "1_000",
		"a currency":                "$1",
		"more than nine billion":    "9223372036.8547758075",
		"far too much":              "1e30",
		"an absurd exponent":        "1e999999999999999999999",
		"a novel":                   strings.Repeat("0", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := price.ParseUSD(text); err == nil {
				t.Errorf("ParseUSD(%.40q) = %d, want an error", text, int64(got))
			}
		})
	}
}

func TestFormatUSDIsPythonsRepr(t *testing.T) {
	// Right-hand sides are what CPython prints.
	for n, want := range map[gateway.NanoUSD]string{
		0:                  "0.0",
		1:                  "1e-09",
		28_500:             "2.85e-05",
		99_999:             "9.9999e-05",
		100_000:            "0.0001",
		3_250_000:          "0.00325",
		500_000_000:        "0.5",
		10_000_000_000:     "10.0",
		1_234_500_000_000:  "1234.5",
		-28_500:            "-2.85e-05",
		-1_500_000_000:     "-1.5",
		math.MaxInt64:      "9223372036.854775807",
		math.MinInt64:      "-9223372036.854775808",
		100_000_000_000:    "100.0",
		1_000_000_001:      "1.000000001",
		1_000_000_000_000:  "1000.0",
		12_000_000_000_100: "12000.0000001",
	} {
		if got := price.FormatUSD(n); got != want {
			t.Errorf("FormatUSD(%d) = %s, want %s", int64(n), got, want)
		}
	}
}

func FuzzUSDRoundTrip(f *testing.F) {
	for _, n := range []int64{0, 1, -1, 28_500, 99_999, 100_000, 10_000_000_000, math.MaxInt64, -math.MaxInt64} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		if n == math.MinInt64 {
			return // one more than the largest amount, below zero
		}
		text := price.FormatUSD(gateway.NanoUSD(n))
		got, err := price.ParseUSD(text)
		if err != nil || int64(got) != n {
			t.Errorf("ParseUSD(FormatUSD(%d) = %q) = %d, %v", n, text, int64(got), err)
		}
	})
}

func FuzzParseUSD(f *testing.F) {
	for _, text := range []string{"1", "-0.5", "2.85e-05", "1e9", "9e-9999", "1e", "..", "NaN", "+1", "0000.10e+2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := price.ParseUSD(text)
		if err != nil {
			return
		}
		// A double is good to 15 digits: enough to notice a wrong power of ten.
		want, ferr := strconv.ParseFloat(text, 64)
		if ferr != nil && math.IsInf(want, 0) || ferr != nil && want != 0 {
			t.Fatalf("ParseUSD(%q) = %d, but ParseFloat says %v", text, int64(got), ferr)
		}
		if diff := math.Abs(float64(got) - want*1e9); diff > 0.51+math.Abs(want)*1e-5 {
			t.Errorf("ParseUSD(%q) = %d, ParseFloat = %v", text, int64(got), want)
		}
	})
}
