package price_test

import (
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/price"
)

func TestOffPeakPrices(t *testing.T) {
	const table = "input=2e-06 output=8e-06 cache_read=5e-07 input@off=1e-06 output@off=4e-06 "
	u := gateway.Usage{Prompt: 1000, CacheRead: 500, Completion: 100}
	const peak, off = 1_000_000 + 250_000 + 800_000, 500_000 + 250_000 + 400_000
	for _, tt := range []struct {
		name, hours, at string
		want            gateway.NanoUSD
	}{
		{"a working day's morning is peak", "0;12345,0-60,240-360;67,0-1440", "2026-11-24T02:00:00Z", peak},
		{"before it is off-peak", "0;12345,0-60,240-360;67,0-1440", "2026-11-24T00:59:59Z", off},
		{"a window ends before its last minute", "0;12345,0-60,240-360;67,0-1440", "2026-11-24T01:00:00Z", peak},
		{"a window begins with its first minute", "0;12345,0-60,240-360;67,0-1440", "2026-11-24T04:00:00Z", off},
		{"Sunday is off-peak all day", "0;12345,0-60,240-360;67,0-1440", "2026-11-22T23:59:59Z", off},
		{"hours are UTC wherever the gateway is", "0;12345,0-60,240-360;67,0-1440", "2026-11-24T09:30:00+09:00", off},
		{"days are the vendor's: Saturday has begun in Shanghai", "480;67,0-1440", "2026-11-27T16:00:00Z", off},
		{"and a minute before it had not", "480;67,0-1440", "2026-11-27T15:59:00Z", peak},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			r := rate(t, "", table+"off_hours="+tt.hours)
			if got := r.At(at).Cost(u); got != tt.want {
				t.Errorf("hours %s: cost at %s = %v, want %v", tt.hours, tt.at, got, tt.want)
			}
			if got := r.Cost(u); got != peak {
				t.Errorf("cost without a time = %v, want the peak price %v", got, gateway.NanoUSD(peak))
			}
			own, err := price.Override(r, map[string]string{"input_cost_per_token": "2e-06", "output_cost_per_token": "8e-06"})
			if err != nil {
				t.Fatal(err)
			}
			if got := own.At(at).Cost(u); got != peak {
				t.Errorf("a deployment's own prices at %s = %v, want them to hold all day: %v", tt.at, got, gateway.NanoUSD(peak))
			}
		})
	}
}

func TestConvertOffPeakPrices(t *testing.T) {
	const windows = `[{"hours_utc": ["00:00-01:00", "10:00-00:00"], "weekdays": [1, 2]}, {"hours_utc": "00:00-00:00", "weekdays": [6, 7]}]`
	text, _, err := price.Convert([]byte(`{"m": {"input_cost_per_token": 2e-06, "off_peak_pricing": {
		"input_cost_per_token": 1.0e-06, "weekday_timezone": "Asia/Shanghai", "windows": `+windows+`}}}`), day)
	if err != nil {
		t.Fatal(err)
	}
	if want := "input=2e-06 input@off=1.0e-06 off_hours=480;12,0-60,600-1440;67,0-1440\n"; !strings.HasSuffix(text, want) {
		t.Errorf("got %q, want %q", text[strings.LastIndex(text, "\t")+1:], want)
	}
	for name, offPeak := range map[string]string{
		"a window across midnight":     `{"input_cost_per_token": 1, "windows": [{"hours_utc": "22:00-02:00", "weekdays": [1]}]}`,
		"an hour that is none":         `{"input_cost_per_token": 1, "windows": [{"hours_utc": "25:00-26:00", "weekdays": [1]}]}`,
		"a day that is none":           `{"input_cost_per_token": 1, "windows": [{"hours_utc": "00:00-01:00", "weekdays": [0]}]}`,
		"a price that is none":         `{"input_cost": 1, "windows": []}`,
		"a time zone with summer time": `{"weekday_timezone": "Europe/Berlin", "windows": []}`,
	} {
		if text, _, err := price.Convert([]byte(`{"m": {"off_peak_pricing": `+offPeak+`}}`), day); err == nil {
			t.Errorf("%s: converted to %q", name, text)
		}
	}
}
