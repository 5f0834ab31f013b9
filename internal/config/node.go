package config

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// shape is what a node is, after aliases and merge keys are gone.
type shape uint8

const (
	null shape = iota
	scalar
	list
	mapping
)

// node is one value of a file. Unlike a yaml.Node it knows its file and its
// path, and has no aliases or merge keys left.
type node struct {
	shape  shape
	tag    string // of a scalar: "!!str", "!!int", …
	plain  bool   // scalar without quotes
	text   string // of a scalar, as written
	items  []*node
	fields []field
	file   string
	line   int
	path   string // "router_settings.num_retries"
	env    string // environment variable that text came from, "" if none
	stored bool   // it comes from the database
}

type field struct {
	name  string
	line  int
	value *node
}

// get returns the member called name, nil if there is none.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for _, f := range n.fields {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

// isNull reports whether n is missing or null.
func (n *node) isNull() bool { return n == nil || n.shape == null }

// empty reports whether the value asks for nothing, so that it does no harm
// when the setting is not honoured.
func (n *node) empty() bool {
	switch n.shape {
	case null:
		return true
	case list:
		return len(n.items) == 0
	case mapping:
		return len(n.fields) == 0
	}
	v, ok := truth(n.text)
	return n.text == "" || ok && !v
}

const (
	// maxNodes bounds what anchors may expand to: twenty lines of YAML can
	// mean billions of values.
	maxNodes = 200_000
	maxDepth = 64
)

// tree turns the YAML of one file into nodes.
type tree struct {
	file     string
	nodes    *int
	problems []Problem
	open     map[*yaml.Node]bool // anchors being expanded, against cycles
}

// parse reads one file. The node is nil if there are problems. nodes counts the
// values of all files of a configuration.
func parse(file string, data []byte, nodes *int) (*node, []Problem) {
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		return nil, yamlProblems(file, data, err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, []Problem{{File: file, What: emptyFile}}
	}
	t := &tree{file: file, nodes: nodes, open: map[*yaml.Node]bool{}}
	root := t.build(doc.Content[0], "", 0)
	switch {
	case len(t.problems) > 0:
		return nil, t.problems
	case root.shape == null:
		return nil, []Problem{{File: file, What: emptyFile}}
	case root.shape != mapping:
		return nil, []Problem{{File: file, Line: root.line, What: "want settings like model_list: at the top, got " + root.describe()}}
	}
	return root, nil
}

const emptyFile = "the file is empty; write at least a model_list, for example " +
	"model_list: [{model_name: gpt-4o, litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY}}]"

func yamlProblems(file string, data []byte, err error) []Problem {
	// LoadErrors first: errors.As for a LoadError would unwrap it to its first.
	if many, ok := errors.AsType[*yaml.LoadErrors](err); ok {
		var ps []Problem
		for _, e := range many.Errors {
			ps = append(ps, yamlProblem(file, data, e))
		}
		return ps
	}
	if one, ok := errors.AsType[*yaml.LoadError](err); ok {
		return []Problem{yamlProblem(file, data, one)}
	}
	return []Problem{{File: file, What: "not YAML: " + err.Error()}}
}

func yamlProblem(file string, data []byte, e *yaml.LoadError) Problem {
	what := strings.TrimPrefix(e.Message, "yaml: ")
	switch {
	case strings.Contains(what, "no documents in stream"):
		return Problem{File: file, What: emptyFile}
	case strings.Contains(what, "expected single document"):
		return Problem{File: file, What: "want one YAML document, got several; remove the line ---"}
	}
	if lines := strings.Split(string(data), "\n"); e.Mark.Line > 0 && e.Mark.Line <= len(lines) && strings.HasPrefix(strings.TrimLeft(lines[e.Mark.Line-1], " "), "\t") {
		return Problem{File: file, Line: e.Mark.Line, What: "not YAML: indented with a tab; use spaces"}
	}
	// An unclosed bracket or quote is reported at the end of the file; where
	// it was opened is what the reader has to find.
	if e.ContextMsg != "" {
		what = e.ContextMsg + ": " + what
	}
	if e.ContextMark.Line > 0 && e.ContextMark.Line != e.Mark.Line {
		what += fmt.Sprintf(" (it starts on line %d)", e.ContextMark.Line)
	}
	return Problem{File: file, Line: e.Mark.Line, What: "not YAML: " + what}
}

func (t *tree) bad(line int, path, what string) {
	t.problems = append(t.problems, Problem{File: t.file, Line: line, Key: path, What: what})
}

func (t *tree) build(y *yaml.Node, path string, depth int) *node {
	n := &node{file: t.file, line: y.Line, path: path}
	*t.nodes++
	switch {
	case *t.nodes > maxNodes:
		if *t.nodes == maxNodes+1 { // said once is enough
			t.bad(y.Line, path, fmt.Sprintf("want at most %d values, anchors expanded", maxNodes))
		}
		return n
	case depth > maxDepth:
		t.bad(y.Line, path, fmt.Sprintf("want at most %d levels", maxDepth))
		return n
	}
	switch y.Kind {
	case yaml.AliasNode:
		if t.open[y.Alias] {
			t.bad(y.Line, path, fmt.Sprintf("*%s refers to itself", y.Value))
			return n
		}
		t.open[y.Alias] = true
		a := t.build(y.Alias, path, depth+1)
		delete(t.open, y.Alias)
		return a
	case yaml.SequenceNode:
		n.shape = list
		defer t.enter(y)()
		for i, item := range y.Content {
			n.items = append(n.items, t.build(item, fmt.Sprintf("%s[%d]", path, i), depth+1))
		}
	case yaml.MappingNode:
		n.shape = mapping
		defer t.enter(y)()
		t.members(n, y, depth)
	case yaml.ScalarNode:
		n.shape, n.tag, n.text = scalar, y.ShortTag(), y.Value
		n.plain = y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
		if n.tag == "!!null" {
			n.shape = null
		}
	}
	return n
}

// enter marks an anchored collection as being expanded.
func (t *tree) enter(y *yaml.Node) (leave func()) {
	if y.Anchor == "" || t.open[y] {
		return func() {}
	}
	t.open[y] = true
	return func() { delete(t.open, y) }
}

func (t *tree) members(n *node, y *yaml.Node, depth int) {
	var merged []field
	lines := map[string]int{}
	for i := 0; i+1 < len(y.Content) && *t.nodes <= maxNodes; i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			t.bad(k.Line, n.path, "want a name before the colon, got a list or mapping")
			continue
		}
		if k.ShortTag() == "!!merge" {
			merged = append(merged, t.merge(v, n.path, depth)...)
			continue
		}
		path := k.Value
		if n.path != "" {
			path = n.path + "." + k.Value
		}
		if first, twice := lines[k.Value]; twice {
			t.bad(k.Line, path, fmt.Sprintf("written twice; the first is on line %d", first))
			continue
		}
		lines[k.Value] = k.Line
		n.fields = append(n.fields, field{k.Value, k.Line, t.build(v, path, depth+1)})
	}
	// The mapping's own members win over merged ones, and earlier merged ones
	// over later ones: https://yaml.org/type/merge.html
	for _, f := range merged {
		if _, have := lines[f.name]; !have {
			lines[f.name] = f.line
			n.fields = append(n.fields, f)
		}
	}
}

func (t *tree) merge(y *yaml.Node, path string, depth int) []field {
	m := t.build(y, path, depth+1)
	switch m.shape {
	case mapping:
		return m.fields
	case list:
		var fs []field
		for _, item := range m.items {
			fs = append(fs, item.fields...)
		}
		return fs
	}
	t.bad(y.Line, path, "want a mapping or a list of mappings after <<, got "+m.describe())
	return nil
}

// describe says what a value is, for "got …". The value itself is only shown
// where it is short and cannot be a credential.
func (n *node) describe() string {
	switch {
	case n.shape == null:
		return "nothing"
	case n.shape == list:
		return "a list"
	case n.shape == mapping:
		return "a mapping"
	case n.env != "":
		return "something else in the environment variable " + n.env
	case len(n.text) > 24 || looksSecret(n.text):
		return fmt.Sprintf("a text of %d characters", len(n.text))
	}
	return fmt.Sprintf("%q", n.text)
}

// looksSecret errs on the side of silence: a key pasted under the wrong name
// must not end up in a log.
func looksSecret(s string) bool {
	for _, p := range []string{"sk-", "pk-", "sk_", "pk_", "key", "AKIA", "AIza", "Bearer ", "gsk_", "hf_", "xai-"} {
		if len(s) >= len(p) && strings.EqualFold(s[:len(p)], p) {
			return true
		}
	}
	return len(s) >= 16 && !strings.ContainsAny(s, " ")
}
