package gemini

import "strings"

// model is what a model's name tells about its abilities. Google documents
// them per generation, and no answer of the API says them.
type model struct {
	name         string
	major, minor int // 0.0 if the name does not say
	flash, lite  bool
	thinks       bool // a thinking preview of a generation that does not think
	gemma        bool
}

func parseModel(name string) model {
	m := model{name: name}
	s := strings.ToLower(name)
	s = s[strings.LastIndexByte(s, '/')+1:]
	m.flash = strings.Contains(s, "flash")
	m.lite = strings.Contains(s, "lite")
	m.thinks = strings.Contains(s, "thinking")
	switch {
	case strings.HasPrefix(s, "gemma-"):
		m.gemma = true
		m.major, m.minor = version(s[len("gemma-"):])
	case strings.HasPrefix(s, "gemini-"):
		rest := strings.TrimPrefix(s[len("gemini-"):], "live-")
		m.major, m.minor = version(rest)
		// gemini-flash-latest and its like follow the newest generation.
		if m.major == 0 && strings.HasSuffix(s, "-latest") {
			m.major = 3
		}
	}
	return m
}

// version reads the number that s starts with: "2.5-flash" is 2, 5.
func version(s string) (major, minor int) {
	major, s = digits(s)
	if rest, ok := strings.CutPrefix(s, "."); ok {
		minor, _ = digits(rest)
	}
	return major, minor
}

func digits(s string) (n int, rest string) {
	i := 0
	for i < len(s) && i < 3 && s[i] >= '0' && s[i] <= '9' {
		n = 10*n + int(s[i]-'0')
		i++
	}
	return n, s[i:]
}

// since reports whether the model is a Gemini known to be of this version or a later one.
func (m *model) since(major, minor int) bool {
	return !m.gemma && (m.major > major || m.major == major && m.minor >= minor)
}

// before reports whether the model is a Gemini known to be older than this
// version. A name we cannot read is neither before nor since anything: the
// vendor decides then.
func (m *model) before(major, minor int) bool {
	return !m.gemma && m.major != 0 && !m.since(major, minor)
}
