package config

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// Report is what Load saw beside the settings themselves.
type Report struct {
	// Files are all files that were read, the main one first: those to watch.
	Files []string
	// Ignored are settings that LiteLLM knows and this gateway does not honour.
	Ignored []Ignored
	// Warnings are for people, one sentence each, and start with file:line
	// where they are about a place.
	Warnings []string

	// sums are the contents of Files as they were read; a file that could not
	// be read has none.
	sums map[string][sha256.Size]byte
}

// Ignored is a setting without effect.
type Ignored struct {
	File string
	Line int
	Key  string // path in the file, e.g. "litellm_settings.cache"
	Why  string
}

// String returns the entry as one line.
func (i Ignored) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", i.File, i.Line, i.Key, i.Why)
}

// Problem is one mistake.
type Problem struct {
	File string // "" if it is not in a file
	Line int    // 0 if it is not about a line
	Key  string // path in the file, "" if it is not about a key
	What string // what is wrong and what to write instead; never a secret
}

// String returns the problem as one line, in the form editors can jump to.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.What)
	return b.String()
}

// Errors is every mistake found in one Load.
type Errors struct {
	Problems []Problem
}

// Error lists the problems, one a line.
func (e *Errors) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// sort orders problems as a reader meets them in the files. It is stable, so
// that those without a line keep the order they were found in.
func (e *Errors) sort(files []string) {
	rank := ranks(files)
	slices.SortStableFunc(e.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(rank[a.File], rank[b.File]), cmp.Compare(a.Line, b.Line))
	})
}

func (r *Report) sort() {
	rank := ranks(r.Files)
	slices.SortStableFunc(r.Ignored, func(a, b Ignored) int {
		return cmp.Or(cmp.Compare(rank[a.File], rank[b.File]), cmp.Compare(a.Line, b.Line))
	})
}

func ranks(files []string) map[string]int {
	rank := make(map[string]int, len(files))
	for i, f := range files {
		rank[f] = i
	}
	return rank
}
