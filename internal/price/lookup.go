package price

import (
	"iter"
	"strings"
)

// Lookup returns what the tokens of a provider's model cost. It tries, as
// LiteLLM does, provider/model, the model as given, the model without its first
// segment, and then the same names without what distinguishes one edition of a
// model from another: date, version, region and fine-tuning suffix. The first
// that has a price wins. A model without a price is not free.
//
// provider may name a region as well, as in "bedrock/eu-west-1" or "azure/eu".
func (b *Book) Lookup(provider, model string) (*Rate, bool) {
	for m := range b.candidates(provider, model) {
		if m.Rate != nil {
			return m.Rate, true
		}
	}
	return nil, false
}

// Model returns what the table says about a provider's model, priced or not,
// and false if it says nothing.
func (b *Book) Model(provider, model string) (*Model, bool) {
	for m := range b.candidates(provider, model) {
		return m, true
	}
	return nil, false
}

// MaxInput returns the most input tokens the model takes, 0 if that is not known.
func (b *Book) MaxInput(provider, model string) int64 {
	for m := range b.candidates(provider, model) {
		if m.MaxInput > 0 {
			return m.MaxInput
		}
	}
	return 0
}

// MaxOutput returns the most output tokens the model gives, 0 if that is not known.
func (b *Book) MaxOutput(provider, model string) int64 {
	for m := range b.candidates(provider, model) {
		if m.MaxOutput > 0 {
			return m.MaxOutput
		}
	}
	return 0
}

// maxName bounds the names that are looked up. The longest in the table has 76
// bytes; a client's megabyte of ":1:1:1…" must not be shortened step by step.
const maxName = 256

// candidates yields the entries that may be meant, best first.
func (b *Book) candidates(provider, model string) iter.Seq[*Model] {
	return func(yield func(*Model) bool) {
		if len(model) > maxName {
			return
		}
		for name, ok := model, model != ""; ok; name, ok = shorter(name) {
			if m := b.find(provider, name); m != nil && provider != "" && !yield(m) {
				return
			}
			if m := b.find("", name); m != nil && !yield(m) {
				return
			}
			if _, tail, ok := strings.Cut(name, "/"); ok {
				if m := b.find("", tail); m != nil && !yield(m) {
					return
				}
			}
		}
	}
}

// regions are the prefixes of Bedrock's cross-region profiles.
var regions = []string{"us.", "eu.", "apac.", "global.", "us-gov.", "jp.", "au.", "ca."}

// shorter returns name without one thing that distinguishes editions of a
// model, and false if there is none.
func shorter(name string) (string, bool) {
	if base, ok := strings.CutPrefix(name, "ft:"); ok {
		// ft:base:organization::id; the table has fine-tuned prices as ft:base.
		if base, _, ok := strings.Cut(base, ":"); ok {
			return "ft:" + base, true
		}
		if shortened, ok := shorter(base); ok {
			return "ft:" + shortened, true
		}
		// A fine-tuned model must not pass for the cheaper one it is made from.
		return "", false
	}
	for _, r := range regions {
		if base, ok := strings.CutPrefix(name, r); ok {
			return base, true
		}
	}
	if at := strings.LastIndexByte(name, '@'); at > 0 {
		return name[:at], true
	}
	if colon := strings.LastIndexByte(name, ':'); colon > 0 && number(name[colon+1:]) {
		return name[:colon], true
	}
	if base, ok := strings.CutSuffix(name, "-latest"); ok && base != "" {
		return base, true
	}
	// -20241022 and -2024-10-22.
	for _, date := range []string{"-dddddddd", "-dddd-dd-dd"} {
		if base, ok := cutPattern(name, date); ok {
			return base, true
		}
	}
	return "", false
}

// cutPattern cuts a suffix off name in which d stands for any digit.
func cutPattern(name, pattern string) (string, bool) {
	start := len(name) - len(pattern)
	if start <= 0 {
		return "", false
	}
	for i, p := range []byte(pattern) {
		c := name[start+i]
		if p == 'd' && (c < '0' || c > '9') || p != 'd' && c != p {
			return "", false
		}
	}
	return name[:start], true
}

func number(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
