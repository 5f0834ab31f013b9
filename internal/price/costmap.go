package price

import (
	"iter"
	"strconv"
	"strings"
)

// All calls yield with every model of the table, in the order of their keys. They
// are read for it and not remembered: these are thousands.
func (b *Book) All() iter.Seq[*Model] {
	return func(yield func(*Model) bool) {
		for i := range b.lines {
			m, err := parseModel(b.line(i))
			if err == nil && !yield(m) { // a book that is built in has no error
				return
			}
		}
	}
}

// Prices yields what the table says of the model's prices, by LiteLLM's names
// ("input_cost_per_token_above_200k_tokens"), as decimal text in dollars. Prices
// that LiteLLM's file has another form for (by sizes of prompts, off-peak) are left out.
func (m *Model) Prices() iter.Seq2[string, string] {
	return func(yield func(name, price string) bool) {
		if m.Rate == nil {
			return
		}
		for _, f := range m.Rate.terms.fields {
			name := names[f.part].litellm
			if f.upTo > 0 || f.tier == offPeak || f.over%1000 != 0 {
				continue
			}
			if f.over > 0 {
				name += "_above_" + strconv.FormatInt(f.over/1000, 10) + "k_tokens"
			}
			if f.tier != "" {
				name += "_" + f.tier
			}
			if !yield(name, f.price.decimal()) {
				return
			}
		}
	}
}

// SearchPrice reports whether a price's name is of a web search: LiteLLM's file has
// those in an object of their own, search_context_cost_per_query.
func SearchPrice(name string) bool { return strings.HasPrefix(name, "search_context_size_") }
