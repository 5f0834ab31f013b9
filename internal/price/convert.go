package price

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// header stands at the top of every table.
const header = `# Prices, sizes and abilities of models, as published by the LiteLLM project in
# model_prices_and_context_window.json (https://github.com/BerriAI/litellm),
# MIT License, Copyright (c) 2023 Berri AI. See NOTICE.
# Written by internal/price/gen; do not edit.
#
# Columns, with tabs between: key, provider, mode, most input tokens, most output
# tokens, abilities ("!" is a published no), prices. Prices are dollars per token,
# in the published digits: part[>tokens][..tokens][@tier]=price, where ">" is for
# prompts above a size and ".." for prompts up to one. "search" is per web search.
# "@off" prices apply in off_hours: offset of the days' time zone in minutes, then
# per window the days (1 is Monday) and minutes of the UTC day.
# An eighth column is the day from which the provider may not serve the model.
`

// entry is what we read of one model in LiteLLM's file. Numbers stay text.
type entry struct {
	Provider  string                      `json:"litellm_provider"`
	Mode      string                      `json:"mode"`
	MaxInput  jsontext.Value              `json:"max_input_tokens"`
	MaxOutput jsontext.Value              `json:"max_output_tokens"`
	MaxTokens jsontext.Value              `json:"max_tokens"`
	Search    map[string]jsontext.Value   `json:"search_context_cost_per_query"`
	Tiers     []map[string]jsontext.Value `json:"tiered_pricing"`
	OffPeak   *offPeakEntry               `json:"off_peak_pricing"`
	Ends      jsontext.Value              `json:"deprecation_date"`
	Rest      map[string]jsontext.Value   `json:",embed"`
}

// Convert turns LiteLLM's price file into the text of a Book. It returns the
// names of cost fields it had no use for, with how often they occur, so that a
// new kind of price does not pass unseen. A price that does not fit into our
// units, a negative one, and a model whose name would break the table's lines
// is an error.
func Convert(file []byte, date time.Time) (text string, unused map[string]int, err error) {
	entries := map[string]jsontext.Value{}
	if err := json.Unmarshal(file, &entries); err != nil {
		return "", nil, fmt.Errorf("read price file: %w", err)
	}
	unused = map[string]int{}
	var body bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if key == "sample_spec" || key == "fallback_generalizations" {
			continue // documentation and rules, no models
		}
		line, err := convertEntry(key, entries[key], unused)
		if err != nil {
			return "", nil, fmt.Errorf("price file entry %q: %w", key, err)
		}
		body.WriteString(line)
	}
	sum := sha256.Sum256(body.Bytes())
	version := date.UTC().Format(time.DateOnly) + "." + hex.EncodeToString(sum[:3])
	return header + "# version " + version + "\n" + body.String(), unused, nil
}

// convertEntry writes the line of one model.
func convertEntry(key string, raw jsontext.Value, unused map[string]int) (string, error) {
	var e entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return "", err
	}
	for _, s := range []string{key, e.Provider, e.Mode} {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' }) || strings.HasPrefix(s, "#") {
			return "", fmt.Errorf("%q does not fit into a line", s)
		}
	}
	prices, err := e.prices(unused)
	if err != nil {
		return "", err
	}
	maxOutput := e.MaxOutput
	if maxOutput == nil && e.Mode != "embedding" {
		maxOutput = e.MaxTokens // the older name of the same
	}
	columns := []string{
		key, e.Provider, e.Mode, count(e.MaxInput), count(maxOutput),
		strings.Join(e.abilities(), ","), strings.Join(prices, " "),
	}
	if e.Ends != nil {
		var day string
		if json.Unmarshal(e.Ends, &day) == nil && isDay(day) {
			columns = append(columns, day)
		} else {
			unused["deprecation_date that is no day"]++
		}
	}
	return strings.Join(columns, "\t") + "\n", nil
}

func isDay(text string) bool {
	_, err := time.Parse(time.DateOnly, text)
	return err == nil
}

// prices returns the price column.
func (e *entry) prices(unused map[string]int) ([]string, error) {
	items := map[field]string{}
	other := false // billed by the second, the image, the query, …
	set := func(f field, value jsontext.Value) error {
		text := value.String()
		if value.Kind() == '"' {
			if err := json.Unmarshal(value, &text); err != nil {
				return err
			}
		}
		if _, err := parsePrice(text, exact); err != nil {
			return err
		}
		items[f] = text
		return nil
	}
	for name, value := range e.Rest {
		f, ok := parseLiteLLM(name)
		if !ok {
			if strings.Contains(name, "cost") {
				unused[name]++
				other = other || nonZero(value)
			}
			continue
		}
		if err := set(f, value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	for name, value := range e.Search {
		f, ok := parseLiteLLM(name)
		if !ok {
			return nil, fmt.Errorf("search_context_cost_per_query: unknown size %s", name)
		}
		if err := set(f, value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	// Nearly always all three are one price.
	for _, p := range []part{searchLow, searchHigh} {
		if items[field{part: p}] == items[field{part: search}] {
			delete(items, field{part: p})
		}
	}
	if e.OffPeak != nil {
		for name, value := range e.OffPeak.Rest {
			f, ok := parseLiteLLM(name)
			if !ok {
				return nil, fmt.Errorf("off_peak_pricing: unknown field %s", name)
			}
			f.tier = offPeak
			if err := set(f, value); err != nil {
				return nil, fmt.Errorf("off_peak_pricing: %s: %w", name, err)
			}
		}
	}
	last := int64(0)
	for _, t := range e.Tiers {
		var bounds []jsontext.Value
		if t["range"] == nil {
			unused["tiered_pricing without range"]++
			continue
		}
		if err := json.Unmarshal(t["range"], &bounds); err != nil || len(bounds) != 2 {
			return nil, fmt.Errorf("tiered_pricing: range %s is not two numbers", t["range"])
		}
		low, errLow := wholeNumber(bounds[0])
		high, errHigh := wholeNumber(bounds[1])
		if errLow != nil || errHigh != nil || low != last || high <= low {
			return nil, fmt.Errorf("tiered_pricing: range %s does not follow %d", t["range"], last)
		}
		last = high
		for name, value := range t {
			if name == "range" {
				continue
			}
			f, ok := parseLiteLLM(name)
			if !ok {
				unused["tiered_pricing "+name]++
				continue
			}
			f.upTo = high
			if err := set(f, value); err != nil {
				return nil, fmt.Errorf("tiered_pricing: %s: %w", name, err)
			}
		}
	}
	// Zero per token beside a price per query means "not by the token". It must
	// not pass for a model that is free.
	if other && items[field{part: input}] != "" && !slices.ContainsFunc(slices.Collect(maps.Values(items)), func(text string) bool {
		return nonZero(jsontext.Value(text))
	}) {
		clear(items)
	}
	keys := slices.SortedFunc(maps.Keys(items), compareFields)
	list := make([]string, 0, len(keys)+1)
	for _, f := range keys {
		list = append(list, f.String()+"="+items[f])
	}
	if e.OffPeak != nil {
		hours, err := e.OffPeak.hours()
		if err != nil {
			return nil, fmt.Errorf("off_peak_pricing: %w", err)
		}
		list = append(list, "off_hours="+hours.String())
	}
	return list, nil
}

// abilities returns the abilities column.
func (e *entry) abilities() []string {
	var words []string
	for _, a := range abilities {
		switch string(e.Rest["supports_"+a.litellm]) {
		case "true":
			words = append(words, a.short)
		case "false":
			words = append(words, "!"+a.short)
		}
	}
	return words
}

// count writes a size column, empty if v is not a whole number above zero.
func count(v jsontext.Value) string {
	n, err := wholeNumber(v)
	if err != nil || n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// wholeNumber reads 128000 and 128000.0; both are published.
func wholeNumber(v jsontext.Value) (int64, error) {
	a, err := parseDecimal(string(v), 0, exact)
	if err != nil || a.hi != 0 || a.lo > 1<<53 {
		return 0, fmt.Errorf("%s is not a whole number", v)
	}
	return int64(a.lo), nil
}

// nonZero reports whether v is a number other than zero.
func nonZero(v jsontext.Value) bool {
	a, err := parseDecimal(string(v), places, up)
	return err == nil && !a.zero()
}
