package price

import (
	"testing"

	"penstock/internal/gateway"
)

// Every published price can be written down and read back, and costs the same
// then for every kind of usage.
func TestTermsComputeTheSameCosts(t *testing.T) {
	b := Published()
	n := 0
	for i := range b.lines {
		m, err := parseModel(b.line(i))
		if err != nil {
			t.Fatal(err)
		}
		if m.Rate == nil {
			continue
		}
		n++
		rates := []*Rate{m.Rate}
		if m.Rate.off != nil {
			rates = append(rates, m.Rate.off)
		}
		for _, r := range rates {
			again, err := ParseTerms(r.Terms())
			if err != nil {
				t.Fatalf("%s: %q: %v", m.Key, r.Terms(), err)
			}
			if again.ID() != r.ID() || again.Terms() != r.Terms() {
				t.Errorf("%s: %q came back as %q", m.Key, r.Terms(), again.Terms())
			}
			for _, tier := range []string{"", "flex", "priority"} {
				for _, prompt := range []int64{0, 7, 128_000, 200_001, 272_000, 1_000_001} {
					u := gateway.Usage{
						Prompt: prompt, CacheRead: prompt / 3, CacheWrite: prompt / 7, CacheWrite1h: prompt / 9, AudioIn: 3, ImageIn: 2,
						Completion: 12345, Reasoning: 99, AudioOut: 5, ImageOut: 4, WebSearches: 2, Tier: tier,
					}
					if a, b := r.Cost(u), again.Cost(u); a != b {
						t.Errorf("%s: %+v costs %d by the rate and %d by its terms", m.Key, u, a, b)
					}
				}
			}
		}
	}
	if n < 1000 {
		t.Errorf("only %d prices were tried", n)
	}
	for _, bad := range []string{"", "input", "input=x", "what=1", "off_hours=x"} {
		if _, err := ParseTerms(bad); err == nil {
			t.Errorf("terms %q were taken", bad)
		}
	}
}
