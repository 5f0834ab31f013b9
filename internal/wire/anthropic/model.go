package anthropic

import "strings"

// abilities are the differences between models that decide what a request may say.
type abilities struct {
	thinking bool // thinks when asked
	legacy   bool // takes thinking.type "enabled" with a budget
	adaptive bool // takes thinking.type "adaptive" and output_config.effort
	always   bool // always thinks: thinking.type "disabled" is refused
	sampling bool // takes temperature other than 1, top_p and top_k
	xhigh    bool // knows effort xhigh
	max      bool // knows effort max
	system   bool // takes role "system" inside messages
	schema   bool // takes output_config.format
	forced   bool // takes tool_choice any and tool
}

// abilitiesOf tells a model's abilities from its name, so that a release that
// came after this program is served by its version number. Models of other
// vendors that speak this dialect are treated like the first Claude that
// thinks: nothing newer is sent to them.
func abilitiesOf(model string) abilities {
	family, v := claudeVersion(model)
	early := family == "fable" || family == "mythos"
	switch {
	case v == 0 && early:
		v = 407
	case v == 0:
		return abilities{thinking: true, legacy: true, sampling: true, forced: true}
	}
	big := family == "sonnet" || family == "opus"
	return abilities{
		thinking: v >= 307,
		legacy:   v >= 307 && v <= 406,
		adaptive: v >= 406,
		always:   early || big && v >= 505,
		sampling: v < 407,
		xhigh:    v >= 407,
		max:      v >= 406,
		system:   v >= 408,
		schema:   v >= 405,
		forced:   !(early && v >= 501 || big && v >= 505),
	}
}

// claudeVersion finds a Claude id in the model name ("claude-opus-4-5-20251101",
// "us.anthropic.claude-3-7-sonnet-20250219-v1:0") and returns its family and
// 100 times the major plus the minor version, 0 if it names none.
func claudeVersion(model string) (family string, version int) {
	_, after, ok := strings.Cut(model, "claude-")
	if !ok {
		return "", 0
	}
	rest := after
	if rest == "" {
		return "", 0
	}
	if rest[0] >= '0' && rest[0] <= '9' {
		version, rest = versionNumber(rest)
		return letters(strings.TrimLeft(rest, "-._")), version
	}
	family = letters(rest)
	rest = rest[len(family):]
	if len(rest) > 1 && rest[0] == '-' {
		version, _ = versionNumber(rest[1:])
	}
	return family, version
}

// letters returns the letters s starts with; "claude" if there are none, for
// claude-2.1.
func letters(s string) string {
	n := 0
	for n < len(s) && s[n] >= 'a' && s[n] <= 'z' {
		n++
	}
	if n == 0 {
		return "claude"
	}
	return s[:n]
}

// versionNumber reads "4-5", "4.5" or "4". A number of more than two digits is
// a date, and a major of two digits is a short form of an old name
// ("claude-opus-41").
func versionNumber(s string) (version int, rest string) {
	major, n := digits(s)
	if n == 0 {
		return 0, s
	}
	if n == 2 {
		return major/10*100 + major%10, s[n:]
	}
	if n > 2 {
		return 0, s
	}
	s = s[n:]
	if len(s) > 1 && strings.IndexByte("-._", s[0]) >= 0 {
		if minor, n := digits(s[1:]); n == 1 || n == 2 {
			return major*100 + minor, s[1+n:]
		}
	}
	return major * 100, s
}

func digits(s string) (value, n int) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		value = min(value*10+int(s[n]-'0'), 1e6)
		n++
	}
	return value, n
}
