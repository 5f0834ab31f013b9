package limit_test

import (
	"testing"
	"time"

	"penstock/internal/limit"
)

func TestParseWindow(t *testing.T) {
	for text, want := range map[string]limit.Window{
		"": {}, "30s": {30, limit.Seconds}, "5m": {5, limit.Minutes}, "2h": {2, limit.Hours}, "24h": {1, limit.Days}, "1d": {1, limit.Days},
		"7d": {1, limit.Weeks}, "1w": {1, limit.Weeks}, "30d": {1, limit.Months}, "1mo": {1, limit.Months}, "monthly": {1, limit.Months}, "daily": {1, limit.Days},
		"3d": {3, limit.Days}, "2mo": {2, limit.Months},
	} {
		if got, err := limit.ParseWindow(text); err != nil || got != want {
			t.Errorf("ParseWindow(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"soon", "0d", "-1d", "1y", "d", "1.5h", " 1d", "1d ", "01d", "1D", "999999999999d", "1mom", "+1d"} {
		if got, err := limit.ParseWindow(text); err == nil {
			t.Errorf("ParseWindow(%q) = %v, want an error", text, got)
		}
	}
}

func TestBounds(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name       string
		window     string
		now        string
		anchor     string
		zone       *time.Location
		reset      time.Duration
		start, end string
	}{
		{"a day is the calendar's", "1d", "2026-03-18T10:20:30Z", "", nil, 0, "2026-03-18T00:00:00Z", "2026-03-19T00:00:00Z"},
		{"midnight belongs to the new day", "1d", "2026-03-18T00:00:00Z", "", nil, 0, "2026-03-18T00:00:00Z", "2026-03-19T00:00:00Z"},
		{"days can begin at six", "1d", "2026-03-18T05:59:59Z", "", nil, 6 * time.Hour, "2026-03-17T06:00:00Z", "2026-03-18T06:00:00Z"},
		{"a week begins on Monday", "7d", "2026-03-18T10:20:30Z", "", nil, 0, "2026-03-16T00:00:00Z", "2026-03-23T00:00:00Z"},
		{"Sunday is the week's last day", "7d", "2026-03-22T23:59:59Z", "", nil, 0, "2026-03-16T00:00:00Z", "2026-03-23T00:00:00Z"},
		{"thirty days are a month", "30d", "2026-03-31T10:20:30Z", "", nil, 0, "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"},
		{"February", "1mo", "2028-02-29T10:20:30Z", "", nil, 0, "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"},
		{"months can begin at six", "1mo", "2026-03-01T05:00:00Z", "", nil, 6 * time.Hour, "2026-02-01T06:00:00Z", "2026-03-01T06:00:00Z"},
		{"three days count from the anchor", "3d", "2026-03-18T10:20:30Z", "2026-03-10T17:00:00Z", nil, 0, "2026-03-16T00:00:00Z", "2026-03-19T00:00:00Z"},
		{"two months count from the anchor", "2mo", "2026-03-18T10:20:30Z", "2025-12-10T17:00:00Z", nil, 0, "2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z"},
		{"two hours on the grid of the day", "2h", "2026-03-18T11:20:30Z", "", nil, 0, "2026-03-18T10:00:00Z", "2026-03-18T12:00:00Z"},
		{"five hours end at midnight", "5h", "2026-03-18T21:20:30Z", "", nil, 0, "2026-03-18T20:00:00Z", "2026-03-19T00:00:00Z"},
		{"48 hours are two days", "48h", "2026-03-18T21:20:30Z", "2026-03-17T09:00:00Z", nil, 0, "2026-03-17T00:00:00Z", "2026-03-19T00:00:00Z"},
		{"half a minute", "30s", "2026-03-18T21:20:31Z", "", nil, 0, "2026-03-18T21:20:30Z", "2026-03-18T21:21:00Z"},
		{"five minutes", "5m", "2026-03-18T21:24:59Z", "", nil, 0, "2026-03-18T21:20:00Z", "2026-03-18T21:25:00Z"},
		{"a day in Berlin", "1d", "2026-03-18T23:30:00Z", "", berlin, 0, "2026-03-18T23:00:00Z", "2026-03-19T23:00:00Z"},
		{"the day that clocks go forward has 23 hours", "1d", "2026-03-29T12:00:00Z", "", berlin, 0, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"the day that clocks go back has 25 hours", "1d", "2026-10-25T12:00:00Z", "", berlin, 0, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		{"a year's end", "7d", "2027-01-01T12:00:00Z", "", nil, 0, "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := limit.ParseWindow(tt.window)
			if err != nil {
				t.Fatal(err)
			}
			start, end := w.Bounds(at(t, tt.now), at(t, tt.anchor), limit.Calendar{Zone: tt.zone, Reset: tt.reset})
			if !start.Equal(at(t, tt.start)) || !end.Equal(at(t, tt.end)) {
				t.Errorf("Bounds(%s) = %s, %s; want %s, %s", tt.now, start.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339), tt.start, tt.end)
			}
		})
	}
}

// A calendar that changes leaves the open window as it is, and the next one
// begins where that ends.
func TestBoundsWhenTheCalendarChanges(t *testing.T) {
	since := "2026-03-18T10:00:00Z"
	west := limit.Calendar{Zone: time.FixedZone("west", -5*3600), Before: &limit.Calendar{}, Since: at(t, since)}
	east := limit.Calendar{Zone: time.FixedZone("east", 5*3600), Before: &west, Since: at(t, "2026-03-19T12:00:00Z")}
	for _, tt := range []struct {
		name        string
		c           limit.Calendar
		anchor, now string
		start, end  string
	}{
		{"before the change", west, "", "2026-03-17T10:00:00Z", "2026-03-17T00:00:00Z", "2026-03-18T00:00:00Z"},
		{"the open day ends when it would have", west, "", "2026-03-18T23:59:59Z", "2026-03-18T00:00:00Z", "2026-03-19T00:00:00Z"},
		{"the next day is a short one", west, "", "2026-03-19T00:00:00Z", "2026-03-19T00:00:00Z", "2026-03-19T05:00:00Z"},
		{"then days are the new calendar's", west, "", "2026-03-19T05:00:00Z", "2026-03-19T05:00:00Z", "2026-03-20T05:00:00Z"},
		{"what was made after the change knows the new calendar only", west, "2026-03-18T11:00:00Z", "2026-03-18T23:59:59Z", "2026-03-18T05:00:00Z", "2026-03-19T05:00:00Z"},
		{"two changes", east, "", "2026-03-20T04:00:00Z", "2026-03-19T05:00:00Z", "2026-03-20T05:00:00Z"},
		{"after two changes", east, "", "2026-03-20T05:00:00Z", "2026-03-20T05:00:00Z", "2026-03-20T19:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start, end := limit.Window{N: 1, Unit: limit.Days}.Bounds(at(t, tt.now), at(t, tt.anchor), tt.c)
			if !start.Equal(at(t, tt.start)) || !end.Equal(at(t, tt.end)) {
				t.Errorf("Bounds(%s) = %s, %s; want %s, %s", tt.now, start.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339), tt.start, tt.end)
			}
		})
	}
}

// Whatever the window, the zone and the moment, and whenever the calendar
// changed: the window holds the moment,
// and the next one begins where it ends.
func FuzzBounds(f *testing.F) {
	f.Add(int64(1_774_000_000), "1d", "Europe/Berlin", int64(0), uint16(0), int64(0))
	f.Add(int64(1_793_000_000), "5h", "America/New_York", int64(1_700_000_000), uint16(6), int64(1_792_990_000))
	f.Add(int64(1_793_000_000), "2mo", "Australia/Lord_Howe", int64(1_700_000_000), uint16(23), int64(1_793_000_001))
	f.Fuzz(func(t *testing.T, now int64, text, zone string, anchor int64, reset uint16, since int64) {
		w, err := limit.ParseWindow(text)
		loc, zerr := time.LoadLocation(zone)
		if err != nil || zerr != nil || w.Unit == limit.Lifetime || now < 0 || now > 4e9 || anchor < 0 || anchor > 4e9 {
			return // not a window, a zone or a time of this century
		}
		c := limit.Calendar{Zone: loc, Reset: time.Duration(reset%24) * time.Hour}
		if since > 0 && since < 4e9 {
			c.Before, c.Since = &limit.Calendar{}, time.Unix(since, 0)
		}
		n, a := time.Unix(now, 0), time.Unix(anchor, 0)
		start, end := w.Bounds(n, a, c)
		if start.After(n) || !end.After(n) {
			t.Errorf("%s at %v in %s: [%v, %v) does not hold it", text, n.In(loc), zone, start.In(loc), end.In(loc))
		}
		for _, at := range []time.Time{start, end.Add(-1)} {
			if s, e := w.Bounds(at, a, c); !s.Equal(start) || !e.Equal(end) {
				t.Errorf("%s in %s: [%v, %v) holds %v, whose window is [%v, %v)", text, zone, start.In(loc), end.In(loc), at.In(loc), s.In(loc), e.In(loc))
			}
		}
		if s, _ := w.Bounds(end, a, c); !s.Equal(end) {
			t.Errorf("%s in %s: after [%v, %v) the next window starts %v", text, zone, start.In(loc), end.In(loc), s.In(loc))
		}
	})
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	if s == "" {
		return time.Time{}
	}
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
