package price_test

import (
	"strconv"
	"strings"
	"testing"

	"penstock/internal/price"
)

// What the table says under LiteLLM's names means the same when it is read by them.
func TestPricesByLiteLLMsNames(t *testing.T) {
	book := price.Published()
	n := 0
	for m := range book.All() {
		n++
		fields := map[string]string{}
		for name, text := range m.Prices() {
			if _, err := strconv.ParseFloat(text, 64); err != nil {
				t.Fatalf("%s: %s is %q, want a number", m.Key, name, text)
			}
			if !price.SearchPrice(name) {
				fields[name] = text
			}
		}
		if m.Rate != nil && len(fields) == 0 && !strings.Contains(m.Rate.Terms(), "..") { // prices by sizes have no such names
			t.Errorf("%s has prices, and none of them has a name", m.Key)
		}
		for name := range fields {
			if !price.TokenPrice(name) {
				t.Errorf("%s: %s is no name of a price", m.Key, name)
			}
		}
	}
	if n != book.Len() {
		t.Errorf("%d models, want %d", n, book.Len())
	}
	m, ok := book.Model("openai", "gpt-4o")
	if !ok {
		t.Fatal("gpt-4o is not there")
	}
	for name, text := range m.Prices() {
		if name == "input_cost_per_token" && text != "2.5e-6" {
			t.Errorf("a token of gpt-4o costs %s, want 2.5e-6", text)
		}
	}
}
