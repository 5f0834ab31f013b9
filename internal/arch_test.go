// Package internal_test holds the house rules that a compiler cannot check.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "penstock/internal/"

// floors lists packages from the ground up. A package may import those on
// floors below its own, and nothing on its own floor. This is the map of the
// house: when the house changes, change it in the same commit.
var floors = [][]string{
	{"gateway"},
	{"wire", "canon", "secret", "typo"},
	{"wire/openai"},
	{"wire/anthropic", "wire/gemini", "config"},
	{"price", "token", "provider", "limit", "router", "auth", "spend", "export", "health", "explain", "mock", "openapi"},
	{"relay", "figures", "redis", "store"},
	{"api", "admin", "ledger", "litellm"},
	{"app"},
	{"e2e"}, // tests only: it knows the program, not its rooms
}

// shelves are folders whose subfolders are interchangeable. A book on a shelf
// may import its shelf and the floors below it, and only app, through all, may
// import it.
var shelves = []string{"provider", "export"}

// sources calls f with every file of ours that is not a test, and its folder.
func sources(t *testing.T, mode parser.Mode, f func(path, pkg string, imports []string, documented bool)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, mode|parser.ParseComments)
		if err != nil {
			return err
		}
		var imports []string
		for _, im := range file.Imports {
			if dep, ours := strings.CutPrefix(strings.Trim(im.Path.Value, `"`), module); ours {
				imports = append(imports, dep)
			}
		}
		f(path, filepath.ToSlash(filepath.Dir(path)), imports, file.Doc != nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImports(t *testing.T) {
	floor := map[string]int{}
	for i, names := range floors {
		for _, n := range names {
			floor[n] = i
		}
	}
	sources(t, parser.ImportsOnly, func(path, pkg string, imports []string, _ bool) {
		if strings.HasSuffix(pkg, "test") { // helpers of tests may look anywhere
			return
		}
		shelf, book, isBook := strings.Cut(pkg, "/")
		isBook = isBook && slices.Contains(shelves, shelf)
		if _, ok := floor[pkg]; !ok && !isBook && !strings.HasSuffix(pkg, "/gen") {
			t.Errorf("%s is in package %s, which stands on no floor: give it one in arch_test.go", path, pkg)
			return
		}
		for _, dep := range imports {
			switch {
			case strings.HasSuffix(pkg, "/gen"):
			case isBook:
				if dep != shelf && (book != "all" || !strings.HasPrefix(dep, shelf+"/")) && floor[dep] >= floor[shelf] {
					t.Errorf("%s imports %s: a book on the shelf %s may import the shelf and the floors below it", path, dep, shelf)
				}
			case isShelved(dep):
				if pkg != "app" || !strings.HasSuffix(dep, "/all") {
					t.Errorf("%s imports %s: only app imports it, through all", path, dep)
				}
			default:
				if _, ok := floor[dep]; !ok {
					t.Errorf("%s imports %s, which stands on no floor", path, dep)
				} else if floor[dep] >= floor[pkg] {
					t.Errorf("%s (floor %d) imports %s (floor %d): imports go down", path, floor[pkg], dep, floor[dep])
				}
			}
		}
	})
}

func isShelved(dep string) bool {
	shelf, _, ok := strings.Cut(dep, "/")
	return ok && slices.Contains(shelves, shelf)
}

func TestEveryPackageHasItsSentence(t *testing.T) {
	docs := map[string]int{}
	sources(t, parser.PackageClauseOnly, func(_, pkg string, _ []string, documented bool) {
		docs[pkg] += 0
		if documented {
			docs[pkg]++
		}
	})
	for pkg, n := range docs {
		if n != 1 {
			t.Errorf("%s has %d package comments, want 1", pkg, n)
		}
	}
}
