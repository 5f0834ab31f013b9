package limit

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// headerNames are the canonical names of the headers that tell what is left, by
// scope and kind, and whether the limit is on one model: joining them anew for
// every call cost 4 us.
var headerNames = func() (names [scopeKinds][kinds][3]headerPair) {
	for s := range names {
		for k := range names[s] {
			for i, of := range [...]string{Scopes[s].Name, Scopes[s].Model, tagPerKey} {
				base := "x-ratelimit-" + of
				names[s][k][i] = headerPair{
					http.CanonicalHeaderKey(base + "-limit-" + Kinds[k].Name), http.CanonicalHeaderKey(base + "-remaining-" + Kinds[k].Name),
				}
			}
		}
	}
	return names
}()

type headerPair struct{ limit, remaining string }

// family is OpenAI's name for a group of kinds, of which the tightest is told.
type family uint8

const (
	requestsFamily family = iota
	tokensFamily
	families
)

func (k Kind) family() (family, bool) {
	switch k {
	case Requests:
		return requestsFamily, true
	case Tokens, InputTokens, OutputTokens:
		return tokensFamily, true
	}
	return 0, false
}

var familyNames = [families]struct{ limit, remaining, reset string }{
	{"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
	{"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
}

// seconds are durations as OpenAI writes them, up to what a rate can need.
var seconds = func() (s [ringSize + 1]string) {
	for i := range s {
		s[i] = (time.Duration(i) * time.Second).String()
	}
	return s
}()

// resets renders a wait, rounded up: who comes then must not come too early.
func resets(d time.Duration) string {
	n := int64((d + time.Second - 1) / time.Second)
	return seconds[min(max(n, 0), ringSize)]
}

// AppendHeaders tells a client what it has left: every limit under LiteLLM's
// name for its scope, and the tightest of requests and of tokens under OpenAI's
// names. The names given to number and text are canonical.
func (h *Hold) AppendHeaders(number func(name string, n int64), text func(name, value string)) {
	for i := range h.entries {
		e := &h.entries[i]
		l := e.take.Limit
		if l.Kind == Money || l.Amount == Unlimited {
			continue
		}
		left := max(e.left, 0)
		names := &headerNames[e.take.Set.Scope.Kind][l.Kind][l.row()]
		number(names.limit, l.AmountAt(h.admitted))
		number(names.remaining, left)
		if l.header != "" {
			number(l.header, left)
		}
	}
	for f, i := range h.tightest {
		if i < 0 || i >= len(h.entries) {
			continue
		}
		e := &h.entries[i]
		number(familyNames[f].limit, e.take.Limit.AmountAt(h.admitted))
		number(familyNames[f].remaining, max(e.left, 0))
		text(familyNames[f].reset, resets(e.reset))
	}
}

// row is where in headerNames the names of the limit stand.
func (l *Limit) row() int {
	switch _, tag := l.tag(); {
	case tag:
		return 2
	case l.Model != "":
		return 1
	}
	return 0
}

// tagPerKey is LiteLLM's descriptor of a key's limit on calls with one tag.
const tagPerKey = "tag_per_key"

// headers are what a refused client is told about the limit that refused it.
func (f *Refusal) headers(retry time.Duration) map[string]string {
	l := f.Limit
	names := &headerNames[f.Set.Scope.Kind][l.Kind][l.row()]
	left := strconv.FormatInt(max(f.Amount-f.Used-f.Reserved, 0), 10)
	amount := strconv.FormatInt(f.Amount, 10)
	out := map[string]string{"rate_limit_type": Kinds[l.Kind].Name, names.limit: amount, names.remaining: left}
	if l.header != "" {
		out[l.header] = left
	}
	if fam, ok := l.Kind.family(); ok {
		n := &familyNames[fam]
		out[n.limit], out[n.remaining], out[n.reset] = amount, left, resets(retry)
	}
	return out
}

// keyModelHeader returns LiteLLM's header for what a key has left of one model,
// "" for patterns and kinds that have none.
func keyModelHeader(s ScopeKind, l *Limit) string {
	if _, tag := l.tag(); tag || s != KeyScope || l.Model == "" || strings.Contains(l.Model, "*") || l.Kind != Requests && l.Kind != Tokens {
		return ""
	}
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, l.Model)
	return http.CanonicalHeaderKey("x-litellm-key-remaining-" + Kinds[l.Kind].Name + "-" + clean)
}
