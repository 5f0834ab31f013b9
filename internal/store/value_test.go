package store

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestTimesAreMicrosecondsAndZeroIsNever(t *testing.T) {
	for _, tt := range []struct {
		name     string
		in, want time.Time
	}{
		{"never", time.Time{}, time.Time{}},
		{"nanoseconds are cut", time.Unix(5, 1999), time.Unix(5, 1000)},
		{"before 1970", time.Unix(-5, 1000), time.Unix(-5, 1000)},
		{"the last microsecond", time.UnixMicro(math.MaxInt64), time.UnixMicro(math.MaxInt64)},
		{"the first microsecond", time.UnixMicro(math.MinInt64), time.UnixMicro(math.MinInt64)},
		{"another zone", time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("x", 3600)), time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC)},
	} {
		if got := instant(micros(tt.in)); !got.Equal(tt.want) || got.Location() != time.UTC {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestClipCutsBetweenRunes(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 3, "abc"}, {"abc", 2, "ab"}, {"aé", 2, "a"}, {"🦀", 3, ""}, {"", 0, ""},
	} {
		if got := clip(tt.in, tt.n); got != tt.want {
			t.Errorf("clip(%q, %d) = %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}

// Whatever a client sends as an id, the ledger can keep and index it, finds it
// again under the same name, and leaves it alone where it can.
func FuzzFitID(f *testing.F) {
	for _, s := range []string{"", "user-1", "a\x00b", "\xff\xfe", strings.Repeat("é", 300), strings.Repeat("\x00", 600)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := fitID(s)
		if !storable(got) || len(got) > maxID {
			t.Errorf("fitID(%q) = %q, %d bytes, which cannot be kept", s, got, len(got))
		}
		if again := fitID(got); again != got {
			t.Errorf("fitID(%q) = %q, and of that %q", s, got, again)
		}
		if storable(s) && len(s) <= maxID && got != s {
			t.Errorf("fitID(%q) = %q, want it unchanged", s, got)
		}
	})
}

func TestObjectsAreObjects(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		ok       bool
	}{
		{"nothing", "", true},
		{"an object with spaces", ` {"a" : 1.0} `, true},
		{"null", "null", false},
		{"a list", "[]", false},
		{"two objects", "{}{}", false},
		{"a repeated name", `{"a":1,"a":2}`, false},
		{"half an object", `{"a":`, false},
		{"a NUL byte", "{\"a\":\"\x00\"}", false},
	} {
		got, err := encodeObject("metadata", []byte(tt.in))
		if (err == nil) != tt.ok {
			t.Errorf("%s: got error %v, want one: %t", tt.name, err, !tt.ok)
		} else if tt.ok && got != tt.in {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.in)
		}
	}
}
