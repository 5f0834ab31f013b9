package admin

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// lifetime returns the moment at which something made at now with the given
// key duration ("30s", "30m", "30h", "30d", "2w", "1mo") ends. Other than a
// budget window it is exact: a month is the same day of the next month, or its
// last day where that day does not exist.
func lifetime(text string, now time.Time) (time.Time, error) {
	bad := fmt.Errorf("want a whole number and a unit, like 30s, 30m, 30h, 30d, 2w or 1mo")
	digits := strings.TrimRight(text, "smhdwo")
	n, err := strconv.Atoi(digits)
	if err != nil || n <= 0 || n > 1_000_000_000 || digits != strconv.Itoa(n) {
		return time.Time{}, bad
	}
	var end time.Time
	switch text[len(digits):] {
	case "s":
		end = now.Add(time.Duration(n) * time.Second)
	case "m":
		end = time.Unix(now.Unix()+int64(n)*60, int64(now.Nanosecond()))
	case "h":
		end = time.Unix(now.Unix()+int64(n)*3600, int64(now.Nanosecond()))
	case "d":
		end = time.Unix(now.Unix()+int64(n)*24*3600, int64(now.Nanosecond()))
	case "w":
		end = time.Unix(now.Unix()+int64(n)*7*24*3600, int64(now.Nanosecond()))
	case "mo":
		if n > 120_000 {
			return time.Time{}, fmt.Errorf("want a moment before the year 10000")
		}
		y, m, d := now.UTC().Date()
		last := time.Date(y, m+time.Month(n)+1, 0, 0, 0, 0, 0, time.UTC).Day()
		end = now.UTC().AddDate(0, 0, 1-d).AddDate(0, n, min(d, last)-1)
	default:
		return time.Time{}, bad
	}
	// Later years do not fit the timestamps that clients read.
	if end = end.UTC(); end.Year() > 9999 {
		return time.Time{}, fmt.Errorf("want a moment before the year 10000")
	}
	return end, nil
}
