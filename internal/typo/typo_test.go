package typo_test

import (
	"testing"

	"penstock/internal/typo"
)

func TestNearest(t *testing.T) {
	names := []string{"num_retries", "timeout", "fallbacks", "cache"}
	for _, tt := range []struct{ in, want string }{
		{"num_retrys", "num_retries"},
		{"tiemout", "timeout"},
		{"falbacks", "fallbacks"},
		{"completely_else", ""},
		{"x", ""},
		{"cach", "cache"},
		{"cache", ""},
	} {
		if got := typo.Nearest(tt.in, names); got != tt.want {
			t.Errorf("Nearest(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"gpt-4o", "gpt-4o", 0},
		{"gpt-4o", "gpt-4", 1},
		{"gtp-4o", "gpt-4o", 1},
		{"claude", "cluade-3", 3},
		{"", "abc", 3},
	} {
		if got := typo.Distance(tt.a, tt.b, 10); got != tt.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	if got := typo.Distance("a", "abcdef", 2); got <= 2 {
		t.Errorf("beyond the limit of 2: %d", got)
	}
}
