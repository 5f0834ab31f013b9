package gateway

import "strings"

// Match reports whether name matches the pattern, in which each * stands for
// any run of characters. If stars is not nil, what each star stood for is
// appended to it; on a mismatch that is of no meaning.
func Match(pattern, name string, stars *[]string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	stood := func(s string) {
		if stars != nil {
			*stars = append(*stars, s)
		}
	}
	name = name[len(first):]
	for {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			if !strings.HasSuffix(name, part) {
				return false
			}
			stood(name[:len(name)-len(part)])
			return true
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		stood(name[:i])
		name, rest = name[i+len(part):], more
	}
}
