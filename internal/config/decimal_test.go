package config

import (
	"math/big"
	"strings"
	"testing"
)

func TestDecimal(t *testing.T) {
	for _, tt := range []struct {
		name, in, plain string
		nano            int64
		exact, fits, ok bool
	}{
		{"a whole number", "12", "12", 12e9, true, true, true},
		{"a fraction", "0.10", "0.1", 1e8, true, true, true},
		{"no leading zero", ".5", "0.5", 5e8, true, true, true},
		{"no fraction", "1.", "1", 1e9, true, true, true},
		{"an exponent", "1e-7", "0.0000001", 100, true, true, true},
		{"below a nano rounds down", "1.4e-9", "0.0000000014", 1, false, true, true},
		{"half a nano rounds up", "0.5e-9", "0.0000000005", 1, false, true, true},
		{"far below a nano is nothing", "9e-12", "0.000000000009", 0, false, true, true},
		{"zero with an exponent", "0e40", "0", 0, true, true, true},
		{"underscores in the whole part", "1_000.5", "1000.5", 1000_500_000_000, true, true, true},
		{"the largest amount", "9223372036.854775807", "9223372036.854775807", 9223372036854775807, true, true, true},
		{"one more", "9223372036.854775808", "9223372036.854775808", 0, false, false, true},
		{"rounding over the edge", "9223372036.8547758079", "9223372036.8547758079", 0, false, false, true},
		{"an exponent that would fill the memory", "1e999999999", "", 0, false, false, false},
		{"nothing", "", "", 0, false, false, false},
		{"a point", ".", "", 0, false, false, false},
		{"not a number", "nan", "", 0, false, false, false},
		{"infinity", ".inf", "", 0, false, false, false},
		{"hexadecimal", "0x1p-2", "", 0, false, false, false},
		{"two points", "1.2.3", "", 0, false, false, false},
		{"two signs", "--1", "", 0, false, false, false},
		{"an empty exponent", "1e", "", 0, false, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, ok := parseDecimal(tt.in)
			if ok != tt.ok {
				t.Fatalf("parseDecimal(%q) ok = %v, want %v", tt.in, ok, tt.ok)
			}
			if !ok {
				return
			}
			if got := d.String(); got != tt.plain {
				t.Errorf("%q in plain notation is %q, want %q", tt.in, got, tt.plain)
			}
			v, exact, fits := d.scaled(9)
			if fits != tt.fits || fits && (v != tt.nano || exact != tt.exact) {
				t.Errorf("%q in billionths is %d (exact %v, fits %v), want %d (exact %v, fits %v)", tt.in, v, exact, fits, tt.nano, tt.exact, tt.fits)
			}
		})
	}
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"1e-7", "0.10", "-3", "1_000", "9223372036.854775808", "0e0", ".5e1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := parseDecimal(s)
		if !ok {
			return
		}
		want, okRat := new(big.Rat).SetString(strings.ReplaceAll(s, "_", ""))
		if !okRat {
			t.Fatalf("parseDecimal takes %q, math/big does not", s)
		}
		got, okRat := new(big.Rat).SetString(d.String())
		if !okRat || got.Cmp(want) != 0 {
			t.Fatalf("%q became %q", s, d.String())
		}
		if v, exact, fits := d.scaled(9); fits && exact && !d.neg {
			if r := new(big.Rat).SetFrac64(v, 1e9); r.Cmp(want) != 0 {
				t.Fatalf("%q became %d billionths", s, v)
			}
		}
	})
}
