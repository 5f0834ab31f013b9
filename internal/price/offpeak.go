package price

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// offPeak marks, in place of a service tier, the prices of quiet hours.
const offPeak = "off"

// hours says when off-peak prices apply.
type hours struct {
	offset  int // of the time zone in which days are counted, in minutes
	windows []window
}

// window is a part of some days.
type window struct {
	days     string // digits, 1 is Monday
	from, to int    // minutes of the UTC day, to not included
}

// include reports whether t is off-peak. The time of day is UTC; the day of the
// week is that of the vendor's time zone.
func (h hours) include(t time.Time) bool {
	t = t.UTC()
	minute := t.Hour()*60 + t.Minute()
	day := t.Add(time.Duration(h.offset) * time.Minute).Weekday()
	if day == time.Sunday {
		day = 7
	}
	return slices.ContainsFunc(h.windows, func(w window) bool {
		return minute >= w.from && minute < w.to && strings.Contains(w.days, strconv.Itoa(int(day)))
	})
}

// String spells h as the table does: "480;12345,0-60,240-360;67,0-1440".
func (h hours) String() string {
	s := strconv.AppendInt(nil, int64(h.offset), 10)
	for i, w := range h.windows {
		if i == 0 || h.windows[i-1].days != w.days {
			s = append(append(s, ';'), w.days...)
		}
		s = fmt.Appendf(s, ",%d-%d", w.from, w.to)
	}
	return string(s)
}

// parseHours reads what String wrote.
func parseHours(text string) (hours, error) {
	var h hours
	for i, part := range strings.Split(text, ";") {
		if i == 0 {
			offset, err := strconv.Atoi(part)
			if err != nil {
				return h, fmt.Errorf("off-peak hours %q: %w", text, err)
			}
			h.offset = offset
			continue
		}
		days, spans, _ := strings.Cut(part, ",")
		for span := range strings.SplitSeq(spans, ",") {
			from, to, _ := strings.Cut(span, "-")
			a, err := strconv.Atoi(from)
			b, err2 := strconv.Atoi(to)
			if err != nil || err2 != nil || a < 0 || a >= b || b > 24*60 || strings.Trim(days, "1234567") != "" || days == "" {
				return h, fmt.Errorf("off-peak hours %q: window %q of days %q is none", text, span, days)
			}
			h.windows = append(h.windows, window{days, a, b})
		}
	}
	return h, nil
}

// offPeakFields returns fields as they are off-peak: the prices for these hours
// take the place of the standard ones of the same part.
func offPeakFields(fields []priced) []priced {
	var off []priced
	for _, f := range fields {
		if f.tier == offPeak {
			f.tier = ""
			off = append(off, f)
		}
	}
	replaced := len(off)
	for _, f := range fields {
		if f.tier != offPeak && !slices.ContainsFunc(off[:replaced], func(o priced) bool { return o.field == f.field }) {
			off = append(off, f)
		}
	}
	return off
}

// offPeakEntry is LiteLLM's off_peak_pricing.
type offPeakEntry struct {
	Windows []struct {
		Hours jsontext.Value `json:"hours_utc"` // "00:00-01:00", or a list of such
		Days  []int          `json:"weekdays"`  // 1 is Monday
	} `json:"windows"`
	Zone string                    `json:"weekday_timezone"`
	Rest map[string]jsontext.Value `json:",embed"`
}

// hours returns when e applies.
func (e *offPeakEntry) hours() (hours, error) {
	var h hours
	if e.Zone != "" {
		zone, err := time.LoadLocation(e.Zone)
		if err != nil {
			return h, err
		}
		_, winter := time.Date(2026, 1, 1, 0, 0, 0, 0, zone).Zone()
		_, summer := time.Date(2026, 7, 1, 0, 0, 0, 0, zone).Zone()
		if winter != summer {
			// The table keeps an offset, so that a gateway needs no time zone files.
			return h, fmt.Errorf("weekday_timezone %s has summer time, which the table cannot say", e.Zone)
		}
		h.offset = winter / 60
	}
	for _, w := range e.Windows {
		var spans []string
		if w.Hours.Kind() == '"' {
			spans = make([]string, 1)
			if err := json.Unmarshal(w.Hours, &spans[0]); err != nil {
				return h, err
			}
		} else if err := json.Unmarshal(w.Hours, &spans); err != nil {
			return h, err
		}
		days := ""
		for _, d := range w.Days {
			days += strconv.Itoa(d)
		}
		if days == "" {
			days = "1234567"
		}
		for _, span := range spans {
			from, to, _ := strings.Cut(span, "-")
			a, err := time.Parse("15:04", from)
			b, err2 := time.Parse("15:04", to)
			if err != nil || err2 != nil {
				return h, fmt.Errorf("hours_utc %q is not from-to", span)
			}
			end := b.Hour()*60 + b.Minute()
			if end == 0 {
				end = 24 * 60
			}
			h.windows = append(h.windows, window{days, a.Hour()*60 + a.Minute(), end})
		}
	}
	// What is written must be readable: this refuses windows across midnight too.
	return parseHours(h.String())
}
