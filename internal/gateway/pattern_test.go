package gateway_test

import (
	"slices"
	"testing"

	"penstock/internal/gateway"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
		stars         []string
	}{
		{"gpt-4o", "gpt-4o", true, nil},
		{"gpt-4o", "gpt-4o-mini", false, nil},
		{"*", "anything/at all", true, []string{"anything/at all"}},
		{"openai/*", "openai/gpt-4o", true, []string{"gpt-4o"}},
		{"openai/*", "openai", false, nil},
		{"*-mini", "gpt-4o-mini", true, []string{"gpt-4o"}},
		{"a*a", "a", false, nil},
		{"a*a", "aa", true, []string{""}},
		{"a*b*c", "a1b2c", true, []string{"1", "2"}},
		{"a*b*c", "a1c2b", false, nil},
		{"a*b*c", "abxbc", true, []string{"", "xb"}},
	} {
		var stars []string
		got := gateway.Match(tt.pattern, tt.name, &stars)
		if got != tt.want || got && !slices.Equal(stars, tt.stars) {
			t.Errorf("Match(%q, %q) = %v with %q, want %v with %q", tt.pattern, tt.name, got, stars, tt.want, tt.stars)
		}
		if bare := gateway.Match(tt.pattern, tt.name, nil); bare != got {
			t.Errorf("Match(%q, %q) is %v with stars and %v without", tt.pattern, tt.name, got, bare)
		}
	}
}
