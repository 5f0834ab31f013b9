package limit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Window is the span in which a budget is counted. The zero Window is the
// lifetime of what it limits.
type Window struct {
	N    int
	Unit Unit
}

// Unit is the unit of a Window.
type Unit byte

// The units of windows.
const (
	Lifetime Unit = iota
	Seconds
	Minutes
	Hours
	Days
	Weeks
	Months
)

// ParseWindow reads a budget duration: a whole number and one of s, m, h, d, w
// and mo, or hourly, daily, weekly, monthly. "" is the lifetime.
func ParseWindow(text string) (Window, error) {
	switch text {
	case "":
		return Window{}, nil
	case "hourly":
		return Window{1, Hours}, nil
	case "daily":
		return Window{1, Days}, nil
	case "weekly":
		return Window{1, Weeks}, nil
	case "monthly":
		return Window{1, Months}, nil
	}
	digits := strings.TrimRight(text, "smhdwo")
	n, err := strconv.Atoi(digits)
	bad := func() (Window, error) {
		return Window{}, fmt.Errorf("invalid budget_duration %q: want a format like 30s, 5m, 2h, 1d, 7d, 30d or 1mo", text)
	}
	if err != nil || n <= 0 || n > 100_000 || digits != strconv.Itoa(n) {
		return bad()
	}
	w := Window{N: n}
	switch text[len(digits):] {
	case "s":
		w.Unit = Seconds
	case "m":
		w.Unit = Minutes
	case "h":
		w.Unit = Hours
	case "d":
		w.Unit = Days
	case "w":
		w.Unit = Weeks
	case "mo":
		w.Unit = Months
	default:
		return bad()
	}
	// Seven days are a week and thirty a month to everybody who writes them in
	// a budget, and so to LiteLLM: they start on Mondays and on the first.
	switch w {
	case Window{7, Days}:
		w = Window{1, Weeks}
	case Window{30, Days}:
		w = Window{1, Months}
	case Window{24, Hours}:
		w = Window{1, Days}
	}
	return w, nil
}

// String returns the duration in one form for all that mean the same, as
// ParseWindow reads it: "1d", "1w", "1mo"; "" for the lifetime.
func (w Window) String() string {
	if w.Unit == Lifetime {
		return ""
	}
	return strconv.Itoa(w.N) + [...]string{"", "s", "m", "h", "d", "w", "mo"}[w.Unit]
}

// Calendar says when days begin for budgets.
type Calendar struct {
	Zone *time.Location // nil is UTC
	// Reset is the time of day at which days, weeks and months begin.
	Reset time.Duration
	// Before is the calendar that held until Since, nil if there was none.
	Before *Calendar
	Since  time.Time
}

// Bounds returns the window that now is in: [start, end). Days, weeks and
// months follow the calendar; hours, minutes and seconds are counted from
// midnight; several days, weeks or months count from the anchor's day (the
// creation of what is limited), or from a fixed one if it is zero. For the
// lifetime both are zero.
//
// Nothing is stored and no job has to run: whoever reads a budget asks for the
// window that holds at that moment.
//
// A window that was open when the calendar changed ends when it would have
// ended, and the next begins there: what was spent in it stays spent, and nobody
// has two budgets for one day. What was made since the change knows no other
// calendar.
func (w Window) Bounds(now, anchor time.Time, c Calendar) (start, end time.Time) {
	start, end = w.bounds(now, anchor, &c)
	if c.Before == nil || w.Unit == Lifetime || anchor.After(c.Since) {
		return start, end
	}
	from, until := w.Bounds(c.Since, anchor, *c.Before)
	switch {
	case now.Before(from):
		return w.Bounds(now, anchor, *c.Before)
	case now.Before(until):
		return from, until
	case start.Before(until):
		start = until
	}
	return start, end
}

// bounds is Bounds by the calendar alone.
func (w Window) bounds(now, anchor time.Time, c *Calendar) (start, end time.Time) {
	if w.Unit == Lifetime {
		return time.Time{}, time.Time{}
	}
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	t := now.In(zone)
	y, mo, d := t.Date()
	// at returns the reset time of the given day; days and months overflow as
	// in time.Date. An hour that a clock change skips is the next that exists.
	at := func(mo time.Month, d int) time.Time {
		r := int(c.Reset / time.Second)
		return time.Date(y, mo, d, r/3600, r/60%60, r%60, 0, zone)
	}
	switch w.Unit {
	case Months:
		if t.Before(at(mo, 1)) {
			mo--
		}
		if w.N > 1 {
			a := anchorOr(anchor, zone)
			months := (y-a.Year())*12 + int(mo) - int(a.Month())
			mo -= time.Month(mod(months, w.N))
		}
		return at(mo, 1), at(mo+time.Month(w.N), 1)
	case Weeks, Days:
		if t.Before(at(mo, d)) {
			d--
		}
		n := w.N
		switch {
		case w.Unit == Weeks && w.N == 1:
			d -= mod(int(time.Date(y, mo, d, 12, 0, 0, 0, time.UTC).Weekday())-int(time.Monday), 7)
			n = 7
		case w.Unit == Weeks || w.N > 1:
			if w.Unit == Weeks {
				n *= 7
			}
			a := anchorOr(anchor, zone)
			days := dayNumber(y, mo, d) - dayNumber(a.Year(), a.Month(), a.Day())
			d -= mod(days, n)
		}
		return at(mo, d), at(mo, d+n)
	}
	// The grid of the day.
	size := w.N
	switch w.Unit {
	case Hours:
		size *= 3600
	case Minutes:
		size *= 60
	}
	if size >= 24*3600 {
		// Longer than a day: steps from the anchor's midnight, in real time.
		a := anchorOr(anchor, zone)
		from := time.Date(a.Year(), a.Month(), a.Day(), 0, 0, 0, 0, zone)
		step := time.Duration(size) * time.Second
		k := now.Sub(from) / step
		if now.Before(from) {
			k--
		}
		start = from.Add(k * step)
		return start, start.Add(step)
	}
	// Counted in real time: when clocks go back, an hour of wall-clock time comes
	// twice, and a grid of wall-clock times would have windows that overlap.
	midnight, next := time.Date(y, mo, d, 0, 0, 0, 0, zone), time.Date(y, mo, d+1, 0, 0, 0, 0, zone)
	step := time.Duration(size) * time.Second
	start = midnight.Add(now.Sub(midnight) / step * step)
	if end = start.Add(step); end.After(next) {
		end = next
	}
	return start, end
}

// anchorOr returns the day that windows of several days count from. The fixed
// one is a Monday.
func anchorOr(anchor time.Time, zone *time.Location) time.Time {
	if anchor.IsZero() {
		return time.Date(2024, time.January, 1, 0, 0, 0, 0, zone)
	}
	return anchor.In(zone)
}

func dayNumber(y int, mo time.Month, d int) int {
	return int(time.Date(y, mo, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func mod(a, n int) int { return ((a % n) + n) % n }
