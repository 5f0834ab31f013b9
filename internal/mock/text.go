package mock

import (
	"strings"

	"penstock/internal/wire"
)

const (
	sentence     = "Hello from the Penstock mock."
	thought      = "Let me think first." // what a reasoning model thinks
	thoughtWords = 4
	defaultWords = 12
	readyWords   = 2048 // built once; longer answers build their own
)

// text is what the mock says, cut into words. A word has the space before it,
// so words joined are the text.
type text struct {
	s     string
	ends  []int
	plain bool // nothing in it needs escaping in JSON
}

// newText returns the words of s repeated to n words; n 0 is once.
func newText(s string, n int) *text {
	words := strings.Fields(s)
	if len(words) == 0 {
		return &text{plain: true}
	}
	if n == 0 {
		n = len(words)
	}
	t := &text{ends: make([]int, n)}
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(words[i%len(words)])
		t.ends[i] = b.Len()
	}
	t.s = b.String()
	t.plain = len(wire.Quote(s)) == len(s)+2
	return t
}

// span returns the words from a up to b.
func (t *text) span(a, b int) string {
	if a >= b {
		return ""
	}
	start := 0
	if a > 0 {
		start = t.ends[a-1]
	}
	return t.s[start:t.ends[b-1]]
}

// appendSpan appends the words from a up to b as a JSON string.
func (t *text) appendSpan(dst []byte, a, b int) []byte {
	if !t.plain {
		return wire.AppendString(dst, t.span(a, b))
	}
	dst = append(dst, '"')
	dst = append(dst, t.span(a, b)...)
	return append(dst, '"')
}
