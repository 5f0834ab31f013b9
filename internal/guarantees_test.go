package internal_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that the page of guarantees names is there.
func TestGuaranteesNameTestsThatExist(t *testing.T) {
	page, err := os.ReadFile("../docs/guarantees.md")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+|Fuzz\w+|Benchmark\w+)\(`)
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			have[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)\\w+)`").FindAllSubmatch(page, -1)
	if len(named) < 20 {
		t.Errorf("the page names only %d tests", len(named))
	}
	for _, m := range named {
		if name := string(m[1]); !have[name] {
			t.Errorf("docs/guarantees.md names %s, and there is no such test", name)
		}
	}
	// A row that claims something without a test is no guarantee.
	for line := range strings.Lines(string(page)) {
		first, last, ok := strings.Cut(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if ok && strings.Contains(last, "nothing") && !strings.Contains(last, "`Test") {
			t.Errorf("docs/guarantees.md says that nothing is lost and names no test: %s", strings.TrimSpace(first))
		}
	}
}
