package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/app"
	"penstock/internal/config"
	"penstock/internal/store/storetest"
)

// docsConfig is the gateway that the pages under docs talk to.
const docsConfig = `
model_list:
  - model_name: gpt-4o
    litellm_params: {model: "openai/mock", api_base: MOCK/v1, api_key: up-key, input_cost_per_token: 0.0000025, output_cost_per_token: 0.00001}
  - model_name: gpt-4o-mini
    litellm_params: {model: "openai/mock", api_base: MOCK/v1, api_key: up-key, input_cost_per_token: 0.00000015, output_cost_per_token: 0.0000006}
general_settings: {store_model_in_db: true}
`

// TestTheExamplesOfTheDocsWork runs the sh blocks of docs/*.md, top to bottom,
// each page against a gateway of its own, and compares with the json blocks.
//
// A sh block holds curl commands, one a line but for lines that end in \ and
// texts in single quotes, with $PENSTOCK (the address), $MASTER_KEY, and what
// the page has set itself with NAME=$(curl … | jq -r .member). The json block after it is the answer of its
// last command: what it shows must be there; "…" stands for anything, alone or
// at the end of a text. A line "HTTP 403" before the JSON is its status, which
// is 200 otherwise.
func TestTheExamplesOfTheDocsWork(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	fence := regexp.MustCompile("(?ms)^```(sh|json)\n(.*?)^```$")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := fence.FindAllStringSubmatch(string(text), -1)
		if !slices.ContainsFunc(found, func(m []string) bool { return m[1] == "sh" }) {
			continue
		}
		t.Run(filepath.Base(page)+" on SQLite", func(t *testing.T) {
			t.Parallel()
			followPage(t, found)
		})
		t.Run(filepath.Base(page)+" on PostgreSQL", func(t *testing.T) {
			url := storetest.PostgresURL(t)
			t.Parallel()
			followPage(t, found, "DATABASE_URL", url)
		})
	}
}

// followPage does what the blocks of a page say, on a gateway of its own.
func followPage(t *testing.T, blocks [][]string, env ...string) {
	t.Helper()
	d := &doc{t: t, h: start(t, docsConfig, env...), vars: map[string]string{"MASTER_KEY": master}}
	d.vars["PENSTOCK"] = d.h.url
	for _, m := range blocks {
		if m[1] == "sh" {
			d.flush()
			d.run(m[2])
		} else {
			d.compare(m[2])
		}
	}
	d.flush()
}

// The settings that the docs show are known and honoured.
func TestTheSettingsOfTheDocsAreHonoured(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	fence := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
			o := app.ConfigOptions(page, func(string) (string, bool) { return "", false })
			o.ReadFile = func(string) ([]byte, error) { return []byte(m[1]), nil }
			c, report, err := config.Load(o)
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if len(report.Warnings)+len(report.Ignored)+len(app.Unhonoured(c)) > 0 {
				t.Errorf("%s: warnings %v, ignored %v, not honoured %v, of\n%s", page, report.Warnings, report.Ignored, app.Unhonoured(c), m[1])
			}
		}
	}
}

// doc is a page that is being followed.
type doc struct {
	t      *testing.T
	h      *house
	vars   map[string]string
	call   string // the last command, "" if its answer has been compared
	status int
	body   string
}

// flush wants a success of a command whose answer the page does not show.
func (d *doc) flush() {
	d.t.Helper()
	if d.call != "" && d.status/100 != 2 {
		d.t.Errorf("%s\nis answered with %d %s", d.call, d.status, d.body)
	}
	d.call = ""
}

var (
	capture  = regexp.MustCompile(`^(\w+)=\$\((curl .*) \| jq -r \.(\w+)\)$`)
	variable = regexp.MustCompile(`\$(\w+)`)
)

func (d *doc) run(block string) {
	d.t.Helper()
	open := ""
	for line := range strings.Lines(strings.ReplaceAll(block, "\\\n", " ")) {
		if line = open + strings.TrimSpace(line); strings.Count(line, "'")%2 == 1 {
			open = line + " " // a text goes on
			continue
		}
		open = ""
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		d.flush()
		name, member := "", ""
		if m := capture.FindStringSubmatch(line); m != nil {
			name, line, member = m[1], m[2], m[3]
		}
		d.curl(line)
		if name == "" {
			continue
		}
		var v map[string]jsontext.Value
		if err := json.Unmarshal([]byte(d.body), &v); err != nil || v[member] == nil {
			d.t.Fatalf("%s\nhas no %s: %d %s", line, member, d.status, d.body)
		}
		if err := json.Unmarshal(v[member], new(string)); err != nil {
			d.vars[name] = string(v[member])
			continue
		}
		s := ""
		_ = json.Unmarshal(v[member], &s) // it has just been read
		d.vars[name] = s
	}
}

// curl makes the call that a command line would.
func (d *doc) curl(line string) {
	d.t.Helper()
	words := d.words(line)
	if len(words) == 0 || words[0] != "curl" {
		d.t.Fatalf("not a curl command: %s", line)
	}
	method, url, body := "", "", ""
	var header []string
	for i := 1; i < len(words); i++ {
		switch w := words[i]; w {
		case "-s", "-N":
		case "-X", "-H", "-d":
			i++
			if i == len(words) {
				d.t.Fatalf("%s needs a value: %s", w, line)
			}
			switch w {
			case "-X":
				method = words[i]
			case "-d":
				body = words[i]
			case "-H":
				name, value, _ := strings.Cut(words[i], ": ")
				header = append(header, name, value)
			}
		default:
			url = w
		}
	}
	if method == "" {
		method = "GET"
		if body != "" {
			method = "POST"
		}
	}
	path, ok := strings.CutPrefix(url, d.h.url)
	if !ok {
		d.t.Fatalf("not a call of $PENSTOCK: %s", line)
	}
	res, answer := d.h.do(method, path, "", body, header...)
	d.call, d.status, d.body = line, res.StatusCode, answer
}

// words splits a command line as a shell does, quotes and variables included.
func (d *doc) words(line string) []string {
	d.t.Helper()
	var out []string
	for rest := strings.TrimSpace(line); rest != ""; rest = strings.TrimSpace(rest) {
		word := ""
		for rest != "" && rest[0] != ' ' {
			switch rest[0] {
			case '\'', '"':
				quote := rest[:1]
				inside, after, closed := strings.Cut(rest[1:], quote)
				if !closed {
					d.t.Fatalf("a quote is not closed: %s", line)
				}
				if quote == `"` {
					inside = d.expand(inside)
				}
				word, rest = word+inside, after
			default:
				end := strings.IndexAny(rest, ` '"`)
				if end < 0 {
					end = len(rest)
				}
				word, rest = word+d.expand(rest[:end]), rest[end:]
			}
		}
		out = append(out, word)
	}
	return out
}

func (d *doc) expand(s string) string {
	return variable.ReplaceAllStringFunc(s, func(v string) string {
		value, ok := d.vars[v[1:]]
		if !ok {
			d.t.Fatalf("%s is not set", v)
		}
		return value
	})
}

// compare wants the answer of the last command to show what the page shows.
func (d *doc) compare(want string) {
	d.t.Helper()
	if d.call == "" {
		return // JSON that is no answer
	}
	call, status := d.call, 200
	d.call = ""
	if first, rest, _ := strings.Cut(want, "\n"); strings.HasPrefix(first, "HTTP ") {
		n, err := strconv.Atoi(strings.TrimPrefix(first, "HTTP "))
		if err != nil {
			d.t.Fatalf("no status: %s", first)
		}
		status, want = n, rest
	}
	if d.status != status {
		d.t.Errorf("%s\nis answered with %d %s, want %d", call, d.status, d.body, status)
		return
	}
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		d.t.Fatalf("the page shows what is no JSON: %v in %s", err, want)
	}
	if err := json.Unmarshal([]byte(d.body), &g); err != nil {
		d.t.Errorf("%s\nis answered with what is no JSON: %s", call, d.body)
		return
	}
	if at := shown("", w, g); at != "" {
		d.t.Errorf("%s\nis answered with %s\nwhich differs from the page: %s", call, d.body, at)
	}
}

// shown says where got is not what the page shows, "" if nowhere.
func shown(at string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %v, no object", at, got)
		}
		for name, v := range w {
			have, ok := g[name]
			if !ok {
				return fmt.Sprintf("%s has no %s", at, name)
			}
			if s := shown(at+"."+name, v, have); s != "" {
				return s
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok {
			return fmt.Sprintf("%s is %v, no list", at, got)
		}
		if len(w) > 0 && w[len(w)-1] == "…" && len(g) >= len(w)-1 {
			w, g = w[:len(w)-1], g[:len(w)-1]
		}
		if len(w) != len(g) {
			return fmt.Sprintf("%s has %d elements, not %d", at, len(g), len(w))
		}
		for i := range w {
			if s := shown(fmt.Sprintf("%s[%d]", at, i), w[i], g[i]); s != "" {
				return s
			}
		}
		return ""
	case string:
		if begin, open := strings.CutSuffix(w, "…"); open {
			if g, ok := got.(string); w == "…" || ok && strings.HasPrefix(g, begin) {
				return ""
			}
		}
	}
	if want != got {
		return fmt.Sprintf("%s is %v, not %v", at, got, want)
	}
	return ""
}
