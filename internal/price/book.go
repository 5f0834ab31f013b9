package price

import (
	"cmp"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// prices is LiteLLM's published table in our form; go generate rewrites it.
//
//go:generate go run ./gen -in model_prices_and_context_window.json -out prices.tsv
//go:embed prices.tsv
var prices string

// Book is a price table. It never changes, and is safe for concurrent use.
//
// A book keeps its text and the offset of each line; a model's line is parsed
// when it is first asked for. So the published table of 4,200 models opens in
// 0.15 ms and 60 KB, and a lookup takes 0.1 us; a map of parsed entries would
// hold megabytes of models that nobody calls.
type Book struct {
	text    string
	version string
	lines   []uint32 // offsets of the entries, sorted by key
	models  []atomic.Pointer[Model]
}

// Model is what a book says about one model. It is immutable.
type Model struct {
	Key       string // name in the table, e.g. "azure/gpt-4o"
	Provider  string // LiteLLM's word, e.g. "vertex_ai-anthropic_models"
	Mode      string // "chat", "embedding", …
	MaxInput  int64  // most input tokens, 0 if unknown
	MaxOutput int64  // most output tokens, 0 if unknown
	Rate      *Rate  // nil if tokens have no price
	// Ends is the day from which the provider may not serve the model any more,
	// "2026-12-31"; "" if none was announced.
	Ends      string
	abilities string
}

// Published returns the table that is built in.
func Published() *Book {
	b, err := Parse(prices)
	if err != nil {
		// The generator and a test have read it before.
		panic("built-in price table: " + err.Error())
	}
	return b
}

// Parse reads a table that Convert wrote. It keeps text.
func Parse(text string) (*Book, error) {
	b := &Book{text: text, lines: make([]uint32, 0, strings.Count(text, "\n"))}
	last := ""
	for offset, n := 0, 1; offset < len(text); n++ {
		end := strings.IndexByte(text[offset:], '\n')
		if end < 0 {
			return nil, fmt.Errorf("price table line %d: cut off", n)
		}
		line := text[offset : offset+end]
		if version, ok := strings.CutPrefix(line, "# version "); ok {
			b.version = version
		}
		if line != "" && line[0] != '#' {
			key, _, ok := strings.Cut(line, "\t")
			if !ok || key <= last {
				return nil, fmt.Errorf("price table line %d: key %q does not follow %q in order", n, key, last)
			}
			last = key
			b.lines = append(b.lines, uint32(offset))
		}
		offset += end + 1
	}
	if b.version == "" || len(b.lines) == 0 {
		return nil, fmt.Errorf("price table of %d bytes has no version or no models", len(text))
	}
	b.models = make([]atomic.Pointer[Model], len(b.lines))
	return b, nil
}

// Version names the table: its date and a hash of its content, for example
// "2026-11-24.3fa9c1".
func (b *Book) Version() string { return b.version }

// Len returns how many models the table has.
func (b *Book) Len() int { return len(b.lines) }

// Check parses every line and returns the first error.
func (b *Book) Check() error {
	for i := range b.lines {
		if _, err := parseModel(b.line(i)); err != nil {
			return err
		}
	}
	return nil
}

func (b *Book) line(i int) string {
	line := b.text[b.lines[i]:]
	return line[:strings.IndexByte(line, '\n')]
}

// find returns the model whose key is prefix/name, or name if prefix is empty.
func (b *Book) find(prefix, name string) *Model {
	var buf [256]byte
	key := buf[:0]
	if prefix != "" {
		key = append(append(key, prefix...), '/')
	}
	key = append(key, name...)
	// Not slices.BinarySearchFunc: key would move to the heap.
	i, end := 0, len(b.lines)
	for i < end {
		mid := (i + end) / 2
		if compareKey(b.text[b.lines[mid]:], key) < 0 {
			i = mid + 1
		} else {
			end = mid
		}
	}
	if i == len(b.lines) || compareKey(b.text[b.lines[i]:], key) != 0 {
		return nil
	}
	if m := b.models[i].Load(); m != nil {
		return m
	}
	m, err := parseModel(b.line(i))
	if err != nil {
		// A line that cannot be read is a model without a price: a refreshed
		// table is checked before it is used.
		return nil
	}
	b.models[i].Store(m)
	return m
}

// compareKey compares the key that line begins with, up to the tab, with key.
func compareKey(line string, key []byte) int {
	for i, c := range key {
		// The key in the table ends here, and the shorter one comes first. A key
		// that holds a tab itself, from a client, must not match beyond it.
		if line[i] == '\t' {
			return -1
		}
		if line[i] != c {
			return cmp.Compare(line[i], c)
		}
	}
	if line[len(key)] == '\t' {
		return 0
	}
	return 1
}

// parseModel reads one line: key, provider, mode, most input tokens, most
// output tokens, abilities and prices, with tabs between.
func parseModel(line string) (*Model, error) {
	columns := strings.Split(line, "\t")
	if len(columns) != 7 && len(columns) != 8 {
		return nil, fmt.Errorf("price table entry %q: %d columns, want 7 or 8", columns[0], len(columns))
	}
	m := &Model{Key: columns[0], Provider: columns[1], Mode: columns[2], abilities: columns[5]}
	var err error
	if m.MaxInput, err = parseCount(columns[3]); err == nil {
		m.MaxOutput, err = parseCount(columns[4])
	}
	if err != nil {
		return nil, fmt.Errorf("price table entry %q: %w", m.Key, err)
	}
	t, err := parseTerms(columns[6])
	if err != nil {
		return nil, fmt.Errorf("price table entry %q: %w", m.Key, err)
	}
	// xAI's long-prompt prices begin at the threshold, everybody else's above it.
	t.atLeast = m.Provider == "xai"
	if rate, ok := newRate(t); ok {
		m.Rate = rate
	}
	if len(columns) == 8 {
		if m.Ends = columns[7]; !isDay(m.Ends) {
			return nil, fmt.Errorf("price table entry %q: %q is no day", m.Key, m.Ends)
		}
	}
	return m, nil
}

func parseCount(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	return strconv.ParseInt(text, 10, 64)
}

// Keys returns the names of the models that have the prefix, in order. With ""
// these are thousands.
func (b *Book) Keys(prefix string) []string {
	var out []string
	i, _ := slices.BinarySearchFunc(b.lines, prefix, func(at uint32, p string) int { return strings.Compare(b.key(at), p) })
	for ; i < len(b.lines) && strings.HasPrefix(b.key(b.lines[i]), prefix); i++ {
		out = append(out, b.key(b.lines[i]))
	}
	return out
}

// key returns the name in the line at an offset.
func (b *Book) key(at uint32) string {
	line := b.text[at:]
	return line[:strings.IndexByte(line, '\t')]
}
