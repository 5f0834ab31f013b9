package config

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"penstock/internal/typo"
)

// loader is one Load under way.
type loader struct {
	o        Options
	cfg      *Config
	report   *Report
	problems []Problem
	nodes    int               // values read so far
	vars     map[string]string // environment_variables of the file
	told     map[string]bool   // unset variables and ignored keys already reported, by place
	redis    redisParts
	logs     logParts
	jwt      Issuer            // litellm_jwtauth but for its issuers
	roles    []Permission      // role_permissions
	fill     *node             // router_settings.default_litellm_params
	creds    map[string]*node  // of the file
	stored   map[string]*node  // of the database
	ids      map[string]string // deployment id -> where it was set
}

func newLoader(o Options) *loader {
	l := &loader{
		o:      o.withDefaults(),
		report: &Report{sums: map[string][sha256.Size]byte{}},
		told:   map[string]bool{},
		creds:  map[string]*node{},
		stored: map[string]*node{},
		ids:    map[string]string{},
		jwt:    Issuer{Claims: defaultClaims()},
	}
	l.cfg = &Config{
		Router: Router{
			Strategy: "simple-shuffle", NumRetries: 2, Timeout: 10 * time.Minute,
			MaxFallbacks: 5, CooldownTime: 5 * time.Second, TagMatchAny: true, CacheAffinity: true, AffinityTTL: time.Hour,
		},
		Server: Server{
			Host: "0.0.0.0", Port: 4000, MaxRequestBytes: 100 << 20,
			RequireMetricsAuth: true, BudgetExceededStatus: 422, Timezone: time.UTC, Health: Health{Details: true},
			JournalFsync: Fsync{Every: 100 * time.Millisecond}, Rotation: Rotation{Every: 15 * time.Second}, RetentionInterval: 24 * time.Hour, DrainTimeout: 30 * time.Second,
			CountTokens: "total", Unpriced: "block", UnpricedInput: "0.00001", UnpricedOutput: "0.00003",
			JWT: JWT{KeysTTL: 10 * time.Minute, StaleTTL: time.Hour, Leeway: time.Minute, UserInfo: UserInfo{TTL: 5 * time.Minute}, Opaque: Opaque{Issuer: Issuer{Claims: opaqueClaims()}}}, KeyCacheTTL: time.Minute, ConfigPoll: 30 * time.Second, DataDir: o.DataDir,
		},
		Logging: Logging{Level: "info"},
		env:     l.lookup,
		opts:    l.o,
	}
	return l
}

// lookup is the environment as this configuration sees it.
func (l *loader) lookup(name string) (string, bool) {
	if v, ok := l.vars[name]; ok {
		return v, true
	}
	return l.o.Env(name)
}

func (l *loader) bad(n *node, format string, args ...any) {
	l.problems = append(l.problems, Problem{File: n.file, Line: n.line, Key: n.path, What: fmt.Sprintf(format, args...)})
}

func (l *loader) want(n *node, kind string) { l.bad(n, "want %s, got %s", kind, n.describe()) }

func (l *loader) warn(n *node, format string, args ...any) {
	l.report.Warnings = append(l.report.Warnings,
		Problem{File: n.file, Line: n.line, Key: n.path, What: fmt.Sprintf(format, args...)}.String())
}

func (l *loader) ignore(n *node, why string) {
	if n.empty() || l.told["ignored "+place(n)] {
		return
	}
	l.told["ignored "+place(n)] = true
	l.report.Ignored = append(l.report.Ignored, Ignored{File: n.file, Line: n.line, Key: n.path, Why: why})
}

func place(n *node) string { return fmt.Sprintf("%s:%d: %s", n.file, n.line, n.path) }

const (
	envPrefix = "os.environ/"
	// filePrefix begins the path of a file that a secret is in, as containers
	// are given them: "file:///run/secrets/openai" is /run/secrets/openai.
	filePrefix = "file://"
)

// resolve replaces os.environ/NAME by what the environment says. It is called
// when a value is read and not before, so that settings nobody reads may name
// variables nobody has set.
func (l *loader) resolve(n *node) (*node, bool) {
	if n.shape != scalar || !strings.HasPrefix(n.text, envPrefix) {
		return n, true
	}
	name := strings.TrimSpace(strings.TrimPrefix(n.text, envPrefix))
	v, ok := l.lookup(name)
	if !ok {
		if at := "unset " + place(n); !l.told[at] {
			l.told[at] = true
			l.bad(n, "the environment variable %s is not set", name)
		}
		return n, false
	}
	r := *n
	r.tag, r.plain, r.text, r.env = "!!str", false, v, name
	return &r, true
}

// key is one known setting of a section.
type key struct {
	name string
	kind string
	why  string // why it is not honoured; "" if it is
	set  func(*loader, *node)
}

// bind makes a key that is read by r into dst.
func bind[T any](name string, r reader[T], dst *T) key {
	return use(name, r, func(_ *loader, v T) { *dst = v })
}

// maybe is bind for values that may be absent.
func maybe[T any](name string, r reader[T], dst **T) key {
	return use(name, r, func(_ *loader, v T) { *dst = &v })
}

// use makes a key that is read by r and handed to f.
func use[T any](name string, r reader[T], f func(*loader, T)) key {
	return key{name: name, kind: r.kind, set: func(l *loader, n *node) {
		if v, ok := r.read(l, n); ok {
			f(l, v)
		}
	}}
}

// custom makes a key that does all by itself.
func custom(name, kind string, set func(*loader, *node)) key {
	return key{name: name, kind: kind, set: set}
}

// later makes keys that are known but not honoured.
func later(why string, names ...string) []key {
	ks := make([]key, len(names))
	for i, name := range names {
		ks[i] = key{name: name, kind: "any value", why: why}
	}
	return ks
}

// apply reads the section n by its table.
func (l *loader) apply(n *node, keys []key) {
	if n == nil || n.shape == null {
		return
	}
	if n.shape != mapping {
		l.want(n, "a mapping")
		return
	}
	byName := make(map[string]key, len(keys))
	for _, k := range keys {
		byName[k.name] = k
	}
	for _, f := range n.fields {
		k, ok := byName[f.name]
		if !ok {
			l.unknown(f, slices.Sorted(maps.Keys(byName)))
			continue
		}
		l.take(k, f.value)
	}
}

func (l *loader) take(k key, n *node) {
	switch {
	case k.why != "":
		l.ignore(n, k.why)
	case n.shape != null: // "key:" alone leaves the default, as in LiteLLM
		k.set(l, n)
	}
}

// unknown warns about f. It is no error: files come from other versions of
// LiteLLM, and LiteLLM itself takes any key.
func (l *loader) unknown(f field, known []string) {
	at := *f.value
	at.line = f.line
	at.path = strings.TrimSuffix(strings.TrimSuffix(at.path, f.name), ".")
	if s := typo.Nearest(f.name, known); s != "" {
		l.warn(&at, "unknown key %q, did you mean %q?", f.name, s)
		return
	}
	l.warn(&at, "unknown key %q has no effect", f.name)
}
