package gateway_test

import (
	"math"
	"testing"

	"penstock/internal/gateway"
)

func TestNanoUSDString(t *testing.T) {
	for _, tt := range []struct {
		in   gateway.NanoUSD
		want string
	}{
		{0, "0.0"},
		{10_000_000_000, "10.0"},
		{100_000, "0.0001"},
		{28_500, "2.85e-05"},
		{99_999, "9.9999e-05"},
		{1, "1e-09"},
		{2_500, "2.5e-06"},
		{10_020_000_000, "10.02"},
		{1_000_000_001, "1.000000001"},
		{-28_500, "-2.85e-05"},
		{-1_500_000_000, "-1.5"},
		{math.MaxInt64, "9223372036.854775807"},
		{math.MinInt64, "-9223372036.854775808"},
	} {
		if got := tt.in.String(); got != tt.want {
			t.Errorf("NanoUSD(%d) = %q, want %q", int64(tt.in), got, tt.want)
		}
	}
}
