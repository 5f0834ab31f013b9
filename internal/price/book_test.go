package price_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/price"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// keys returns the keys of the published table, found by reading its file.
func keys(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for line := range strings.Lines(readFile(t, "prices.tsv")) {
		if key, _, ok := strings.Cut(line, "\t"); ok {
			all[key] = true
		}
	}
	return all
}

func TestPublishedTableIsWhole(t *testing.T) {
	b := price.Published()
	if err := b.Check(); err != nil {
		t.Error(err)
	}
	if b.Len() < 4000 {
		t.Errorf("%d models, want at least 4,000", b.Len())
	}
	all := keys(t)
	if len(all) != b.Len() {
		t.Errorf("%d keys in the file, %d in the book", len(all), b.Len())
	}
	for key := range all {
		if m, ok := b.Model("", key); !ok || m.Key != key {
			t.Fatalf("Model(%q) = %v, %v", key, m, ok)
		}
	}
	text := readFile(t, "prices.tsv")
	if !strings.Contains(text, "MIT License, Copyright (c) 2023 Berri AI") {
		t.Error("the table does not say whose it is")
	}
	// A table that was edited by hand must not pass for the published one.
	_, body, _ := strings.Cut(text, b.Version()+"\n")
	sum := sha256.Sum256([]byte(body))
	if want := hex.EncodeToString(sum[:3]); !strings.HasSuffix(b.Version(), "."+want) {
		t.Errorf("version %s, but the content's hash is %s", b.Version(), want)
	}
}

func TestParseRefuses(t *testing.T) {
	const entry = "\tp\tchat\t\t\t\tinput=1e-06\n"
	for name, text := range map[string]string{
		"nothing":                 "",
		"a table without models":  "# version v\n",
		"a table without version": "a" + entry,
		"a line that is cut off":  "# version v\na\tp",
		"keys out of order":       "# version v\nb" + entry + "a" + entry,
		"a key that stands twice": "# version v\na" + entry + "a" + entry,
		"a line without columns":  "# version v\na\n",
	} {
		if b, err := price.Parse(text); err == nil {
			t.Errorf("%s: parsed into %d models", name, b.Len())
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for name, columns := range map[string]string{
		"too few columns":      "p\tchat\t\t\tinput=1",
		"a size in words":      "p\tchat\tmany\t\t\tinput=1",
		"an unknown field":     "p\tchat\t\t\t\tinputs=1",
		"an unknown tier":      "p\tchat\t\t\t\tinput@slow=1",
		"a price in words":     "p\tchat\t\t\t\tinput=cheap",
		"a negative price":     "p\tchat\t\t\t\tinput=-1",
		"a price too fine":     "p\tchat\t\t\t\tinput=1e-25",
		"hours without days":   "p\tchat\t\t\t\tinput=1 off_hours=0;,0-60",
		"hours of a ninth day": "p\tchat\t\t\t\tinput=1 off_hours=0;9,0-60",
		"hours that run back":  "p\tchat\t\t\t\tinput=1 off_hours=0;1,60-0",
		"a threshold in words": "p\tchat\t\t\t\tinput>many=1",
	} {
		b, err := price.Parse("# version v\nm\t" + columns + "\n")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Check(); err == nil || !strings.Contains(err.Error(), `"m"`) {
			t.Errorf("%s: Check() = %v, want an error that names the entry", name, err)
		}
		if m, ok := b.Model("", "m"); ok {
			t.Errorf("%s: Model = %+v, want none", name, m)
		}
	}
}

func TestLookup(t *testing.T) {
	var text strings.Builder
	text.WriteString("# version v\n")
	// Every entry costs a number of its own.
	for i, key := range []string{
		"anthropic.claude-x-20250101-v1:0", "azure/gpt-4o", "bedrock/eu-west-1/amazon.nova", "claude-x", "claude-x@20250101",
		"ft:gpt-4o-2024-08-06", "gpt-4o", "gpt-4o-2024-05-13", "priceless", "us.anthropic.claude-x-20250101-v1:0", "vendor/priceless",
	} {
		prices := "input=" + strings.Repeat("1", i+1) + "e-09 output=0"
		if key == "vendor/priceless" {
			prices = ""
		}
		text.WriteString(key + "\tp\tchat\t\t\t\t" + prices + "\n")
	}
	b, err := price.Parse(text.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, provider, model string
		want                  int // digits of the price, 0 for none
	}{
		{"a provider's own entry comes first", "azure", "gpt-4o", 2},
		{"a bare entry is next", "openai", "gpt-4o", 7},
		{"a prefix in the model is understood", "", "azure/gpt-4o", 2},
		{"a prefix that the table does not have is left out", "openai", "custom/gpt-4o", 7},
		{"an edition with a price keeps it", "openai", "gpt-4o-2024-05-13", 8},
		{"an unknown edition has the model's price", "openai", "gpt-4o-2031-01-01", 7},
		{"an unknown edition at a provider has the provider's price", "azure", "gpt-4o-2031-01-01", 2},
		{"a date without dashes is a date", "anthropic", "claude-x-20310101", 4},
		{"latest is an edition", "anthropic", "claude-x-latest", 4},
		{"a version after @ has its own price", "vertex_ai", "claude-x@20250101", 5},
		{"or the model's", "vertex_ai", "claude-x@20310101", 4},
		{"a cross-region profile has its own price", "bedrock", "us.anthropic.claude-x-20250101-v1:0", 10},
		{"or that of the model", "bedrock", "eu.anthropic.claude-x-20250101-v1:0", 1},
		{"a provider can name a region", "bedrock/eu-west-1", "amazon.nova", 3},
		{"a fine-tuned model has the price of its base when fine-tuned", "openai", "ft:gpt-4o-2024-08-06:acme::abc", 6},
		{"and never the price of the base itself", "openai", "ft:gpt-4o:acme::abc", 0},
		{"an entry without a price gives way to one with", "vendor", "priceless", 9},
		{"a part of a name is another model", "openai", "gpt-4", 0},
		{"a longer name is another model", "openai", "gpt-4o-mini", 0},
		{"nothing is no model", "openai", "", 0},
		{"a date alone is no model", "openai", "-20250101", 0},
		{"a name cannot reach into the columns", "", "gpt-4o\tp", 0},
		{"nor beyond the end of the table", "", "vendor/priceless\tp\tchat\t\t\t\t\nmore", 0},
		{"a name without end is looked up no further", "", "gpt-4o" + strings.Repeat(":1", 1_000_000), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, ok := b.Lookup(tt.provider, tt.model)
			if ok != (tt.want > 0) {
				t.Fatalf("Lookup(%q, %.60q) = %v, %v", tt.provider, tt.model, r, ok)
			}
			if !ok {
				return
			}
			if got := len(price.FormatUSD(r.Cost(gateway.Usage{Prompt: 1_000_000_000}))) - len(".0"); got != tt.want {
				t.Errorf("Lookup(%q, %q) found a price of %d digits, want %d", tt.provider, tt.model, got, tt.want)
			}
		})
	}
}

func TestModel(t *testing.T) {
	b := price.Published()
	m, ok := b.Model("openai", "gpt-4o")
	if !ok || m.Mode != "chat" || m.Provider != "openai" {
		t.Fatalf("Model(gpt-4o) = %+v, %v", m, ok)
	}
	if in, out := b.MaxInput("openai", "gpt-4o"), b.MaxOutput("openai", "gpt-4o"); in != 128_000 || out != 16_384 {
		t.Errorf("gpt-4o takes %d and gives %d tokens, want 128000 and 16384", in, out)
	}
	if got := b.MaxOutput("openai", "no-such-model"); got != 0 {
		t.Errorf("a model that is not there gives %d tokens, want 0 for unknown", got)
	}
	for _, tt := range []struct {
		model, ability string
		yes, known     bool
	}{
		{"gpt-4o", "function_calling", true, true},
		{"gpt-5", "minimal_reasoning_effort", true, true},
		{"gpt-5", "none_reasoning_effort", false, true},
		{"gpt-4o", "sampling_params", false, false},
		{"gpt-4o", "flying", false, false},
	} {
		m, _ := b.Model("openai", tt.model)
		if yes, known := m.Supports(tt.ability); yes != tt.yes || known != tt.known {
			t.Errorf("%s supports %s: %v, known %v; want %v, %v", tt.model, tt.ability, yes, known, tt.yes, tt.known)
		}
	}
	if m, _ := b.Model("openai", "gpt-5"); m.Abilities()["none_reasoning_effort"] || !m.Abilities()["vision"] {
		t.Errorf("gpt-5's abilities = %v", m.Abilities())
	}
}

func FuzzParse(f *testing.F) {
	f.Add("# version v\na\tp\tchat\t1\t2\tfn,!vis\tinput=1e-06 output..1000=2e-06 output>5000@flex=1\n", "a")
	f.Add("# version v\na\tp\nb\t\n", "b\t")
	f.Fuzz(func(t *testing.T, text, model string) {
		b, err := price.Parse(text)
		if err != nil {
			return
		}
		if m, ok := b.Model("", model); ok && b.Check() == nil {
			if r, _ := price.Override(m.Rate, nil); m.Rate != nil && r.Bound(1000, 1000) != m.Rate.Bound(1000, 1000) {
				t.Errorf("%q: an override of nothing changed the price of %q", text, model)
			}
		}
	})
}

func BenchmarkPublished(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		price.Published()
	}
}

func BenchmarkLookup(b *testing.B) {
	b.ReportAllocs()
	book := price.Published()
	for b.Loop() {
		book.Lookup("openai", "gpt-4o")
	}
}

func BenchmarkCost(b *testing.B) {
	b.ReportAllocs()
	r, _ := price.Published().Lookup("openai", "gpt-4o")
	u := gateway.Usage{Prompt: 1000, CacheRead: 200, Completion: 100}
	for b.Loop() {
		r.Cost(u)
	}
}
