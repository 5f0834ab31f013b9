package admin

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A route that nobody describes would be in /openapi.json without its body, its
// parameters and its answer.
func TestEveryRouteHasAShape(t *testing.T) {
	known := shapes()
	for _, rt := range New(Options{}).Routes() {
		name := rt.Method + " " + rt.Pattern
		if _, ok := known[name]; !ok {
			t.Errorf("%s is not described: say in shapes (schema.go) what it takes and shows", name)
		}
		delete(known, name)
	}
	for name := range known {
		t.Errorf("%s is described in shapes (schema.go), but is no route", name)
	}
}

// What handlers look for in the query string is described at one route at least.
func TestEveryQueryParameterIsDescribed(t *testing.T) {
	described := map[string]bool{}
	for _, s := range shapes() {
		for _, p := range s.params {
			described[p.Name] = true
		}
	}
	readers := map[string]bool{"text": true, "long": true, "number": true, "flag": true, "oneOf": true, "moment": true, "csv": true, "dollars": true}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	look := func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !readers[sel.Sel.Name] {
			return true
		}
		on, isName := sel.X.(*ast.Ident)
		name, isText := call.Args[0].(*ast.BasicLit)
		if !isName || on.Name != "q" || !isText {
			return true
		}
		found++
		if text, _ := strconv.Unquote(name.Value); !described[text] {
			t.Errorf("the query parameter %s is read, but described at no route in shapes (schema.go)", text)
		}
		return true
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, look)
	}
	if found < 50 {
		t.Errorf("only %d parameters were found in the source", found)
	}
}
