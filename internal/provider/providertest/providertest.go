package providertest

import (
	"bytes"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"penstock/internal/provider"
	"penstock/internal/wire"
)

var update = flag.Bool("update", false, "rewrite what adapters produce in golden files")

// Options say more about the adapter under test.
type Options struct {
	// Dir holds the golden files; "testdata" if empty.
	Dir string
	// NativeTap makes the tap of the vendor's own dialect, for client parts
	// that start with "POST native".
	NativeTap func(wire.TapOptions) wire.Tap
}

// Run plays every testdata/*.golden of the calling package through p.
func Run(t *testing.T, p provider.Provider) {
	t.Helper()
	RunWith(t, p, Options{})
}

// RunWith is Run with options.
func RunWith(t *testing.T, p provider.Provider, opts Options) {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = "testdata"
	}
	files, err := filepath.Glob(filepath.Join(opts.Dir, "*.golden"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files in %s (%v)", opts.Dir, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".golden"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			x := parse(t, string(want))
			got := x.play(t, p, opts)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs; run with -update and read the diff\n%s\ngot:\n%s\nwant:\n%s", file, firstDiff(string(got), string(want)), got, want)
			}
		})
	}
}

// exchange is a parsed golden file.
type exchange struct {
	deployment string // "" if the file has no such part
	client     string
	title      string // of the upstream answer part, "" if the file has none
	status     int
	header     http.Header
	answer     string
}

// parse reads the parts that people write; the others are ours to produce.
func parse(t *testing.T, file string) *exchange {
	t.Helper()
	x := &exchange{}
	var to *string
	var ours string
	for line := range strings.Lines(file) {
		title, ok := strings.CutPrefix(line, "-- ")
		if title, end := strings.CutSuffix(strings.TrimRight(title, "\r\n"), " --"); ok && end {
			switch {
			case title == "deployment":
				to = &x.deployment
			case title == "client":
				to = &x.client
			case strings.HasPrefix(title, "upstream answer "):
				x.title, to = title, &x.answer
			case title == "upstream request" || title == "answer":
				to = &ours
			default:
				t.Fatalf("golden file has a part %q; want deployment, client, upstream request, upstream answer STATUS, answer", title)
			}
			continue
		}
		if to == nil {
			t.Fatalf("golden file starts with %q, want a part title like -- client --", line)
		}
		*to += line
	}
	if x.client == "" {
		t.Fatal("golden file has no client part")
	}
	x.header = http.Header{}
	if x.title != "" {
		words := strings.Fields(strings.TrimPrefix(x.title, "upstream answer "))
		status, err := strconv.Atoi(words[0])
		if err != nil {
			t.Fatalf("part %q: want an HTTP status, got %q", x.title, words[0])
		}
		x.status = status
		for _, w := range words[1:] {
			name, value, ok := strings.Cut(w, "=")
			if !ok {
				t.Fatalf("part %q: want header=value, got %q", x.title, w)
			}
			x.header.Set(name, value)
		}
	}
	return x
}

// firstDiff shows the first line that differs.
func firstDiff(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := 0; i < len(g) || i < len(w); i++ {
		a, b := "(end)", "(end)"
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return "line " + strconv.Itoa(i+1) + "\n got " + a + "\nwant " + b
		}
	}
	return ""
}
