package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/internal/gateway"
)

// reader reads a node as a T. It reports what is wrong itself.
type reader[T any] struct {
	kind string // what the file must have there, for messages and the reference
	read func(l *loader, n *node) (T, bool)
}

// one makes a reader of a scalar from a function of its text.
func one[T any](kind string, parse func(string) (T, bool)) reader[T] {
	return reader[T]{kind, func(l *loader, n *node) (T, bool) {
		var zero T
		r, ok := l.resolve(n)
		if !ok {
			return zero, false
		}
		if r.shape == scalar {
			if v, ok := parse(strings.TrimSpace(r.text)); ok {
				return v, true
			}
		}
		l.want(r, kind)
		return zero, false
	}}
}

func boolean() reader[bool] { return one("true or false", truth) }

// truth reads the spellings of YAML 1.1, which is what files for LiteLLM are
// written in.
func truth(s string) (v, ok bool) {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "1":
		return true, true
	case "false", "no", "off", "0":
		return false, true
	}
	return false, false
}

func whole[T ~int | ~int64](low, high int64) reader[T] {
	kind := "a whole number"
	if high < math.MaxInt64 {
		kind += fmt.Sprintf(" from %d to %d", low, high)
	}
	return one(kind, func(s string) (T, bool) {
		v, ok := integer(s)
		return T(v), ok && v >= low && v <= high && int64(T(v)) == v
	})
}

// count is a whole number that is not negative.
func count[T ~int | ~int64]() reader[T] { return whole[T](0, math.MaxInt64) }

// integer reads an int as YAML 1.1 and 1.2 write it, and a float without a
// fraction.
func integer(s string) (int64, bool) {
	if v, err := strconv.ParseInt(s, 0, 64); err == nil {
		return v, true
	}
	d, ok := parseDecimal(s)
	if !ok || d.neg {
		return 0, false
	}
	v, exact, ok := d.scaled(0)
	return v, ok && exact
}

func number() reader[float64] {
	return one("a number that is not negative", func(s string) (float64, bool) {
		if _, ok := parseDecimal(s); !ok { // leaves out inf, nan and hexadecimal floats
			return 0, false
		}
		v, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
		return v, err == nil && v >= 0
	})
}

// maxSeconds keeps sums of durations far from overflow.
const maxSeconds = 10 * 365 * 24 * 3600

func seconds() reader[time.Duration] {
	return one("a number of seconds", func(s string) (time.Duration, bool) {
		d, ok := parseDecimal(s)
		if !ok || d.neg {
			return 0, false
		}
		ns, _, ok := d.scaled(9)
		return time.Duration(ns), ok && ns <= maxSeconds*int64(time.Second)
	})
}

// money is an amount of US dollars.
func money() reader[gateway.NanoUSD] {
	return one("an amount of US dollars", func(s string) (gateway.NanoUSD, bool) {
		d, ok := parseDecimal(s)
		if !ok || d.neg {
			return 0, false
		}
		v, _, ok := d.scaled(9)
		return gateway.NanoUSD(v), ok
	})
}

// price is a decimal in plain notation, whatever notation the file has.
func price() reader[string] {
	return one("a price in US dollars", func(s string) (string, bool) {
		d, ok := parseDecimal(s)
		return d.String(), ok && !d.neg
	})
}

func text() reader[string] {
	return one("text", func(s string) (string, bool) { return s, true })
}

// secret reads a text, which may stand in the environment or in a file.
func secret() reader[gateway.Secret] {
	plain := one("text", func(s string) (gateway.Secret, bool) { return gateway.Secret(s), true })
	return reader[gateway.Secret]{plain.kind, func(l *loader, n *node) (gateway.Secret, bool) {
		path, ok := strings.CutPrefix(strings.TrimSpace(n.text), filePrefix)
		// Who may write to the database may not therefore read our files.
		if n.shape != scalar || !ok || n.stored {
			return plain.read(l, n)
		}
		b, err := l.o.ReadFile(path)
		switch {
		case err != nil:
			l.bad(n, "the secret's file cannot be read: %s", unreadable(err))
		case strings.TrimSpace(string(b)) == "":
			l.bad(n, "the secret's file %s is empty", path)
		default:
			return gateway.Secret(strings.TrimSpace(string(b))), true
		}
		return "", false
	}}
}

func choice(names ...string) reader[string] {
	return one("one of "+strings.Join(names, ", "), func(s string) (string, bool) {
		return s, slices.Contains(names, s)
	})
}

// span is a length of time as budgets and retention write it: "30s", "12h",
// "30d", "1mo".
func span() reader[string] {
	return one(`a duration like "30s", "12h", "30d" or "1mo"`, func(s string) (string, bool) {
		if same, ok := spanWords[s]; ok {
			return same, true
		}
		_, ok := spanLength(s)
		return s, ok
	})
}

var spanWords = map[string]string{"hourly": "1h", "daily": "24h", "weekly": "7d", "monthly": "30d"}

// spanLength returns how long a span is, a month being 30 days.
func spanLength(s string) (time.Duration, bool) {
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n <= 0 {
		return 0, false
	}
	const day = 24 * time.Hour
	unit, ok := map[string]time.Duration{
		"s": time.Second, "m": time.Minute, "h": time.Hour, "d": day, "w": 7 * day, "mo": 30 * day,
	}[s[len(digits):]]
	if !ok || time.Duration(n) > maxSeconds*time.Second/unit {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

// length is a span where only how long it is matters.
func length() reader[time.Duration] { return one(span().kind, spanLength) }

// words is a list of texts; one text alone is a list of one.
func words() reader[[]string] {
	return reader[[]string]{"a list of names", func(l *loader, n *node) ([]string, bool) {
		if n.shape == scalar {
			n = &node{shape: list, items: []*node{n}, file: n.file, line: n.line, path: n.path}
		}
		if n.shape != list {
			l.want(n, "a list of names")
			return nil, false
		}
		out, good := make([]string, 0, len(n.items)), true
		for _, item := range n.items {
			s, ok := text().read(l, item)
			out, good = append(out, s), good && ok
		}
		return out, good
	}}
}

// dict is a mapping of names to values that r reads.
func dict[T any](r reader[T]) reader[map[string]T] {
	kind := "a mapping of names to " + r.kind
	return reader[map[string]T]{kind, func(l *loader, n *node) (map[string]T, bool) {
		if n.shape != mapping {
			l.want(n, kind)
			return nil, false
		}
		out, good := make(map[string]T, len(n.fields)), true
		for _, f := range n.fields {
			if f.value.shape == null {
				continue
			}
			v, ok := r.read(l, f.value)
			if ok {
				out[f.name] = v
			}
			good = good && ok
		}
		return out, good
	}}
}

// object is a mapping, as JSON.
func object() reader[[]byte] {
	return reader[[]byte]{"a mapping", func(l *loader, n *node) ([]byte, bool) {
		if n.shape != mapping {
			l.want(n, "a mapping")
			return nil, false
		}
		return l.json(nil, n)
	}}
}

// params is a mapping, as JSON by name in the order of the file.
func params() reader[[]gateway.Param] {
	return reader[[]gateway.Param]{"a mapping", func(l *loader, n *node) ([]gateway.Param, bool) {
		if n.shape != mapping {
			l.want(n, "a mapping")
			return nil, false
		}
		var out []gateway.Param
		good := true
		for _, f := range n.fields {
			v, ok := l.json(nil, f.value)
			out, good = append(out, gateway.Param{Name: f.name, Value: v}), good && ok
		}
		return out, good
	}}
}
