package litellm_test

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the report into docs/migrating.md")

// TestTheReportInTheDocsIsARealOne compares the page's report with that of the
// database that these tests fill.
func TestTheReportInTheDocsIsARealOne(t *testing.T) {
	const path = "../../docs/migrating.md"
	var report strings.Builder
	_, err := newSource(t).into(nil).WriteTo(&report)
	must(t, err)
	page, err := os.ReadFile(path)
	must(t, err)
	before, rest, _ := strings.Cut(string(page), "```text\n")
	shown, after, _ := strings.Cut(rest, "```\n")
	if *update && shown != report.String() {
		must(t, os.WriteFile(path, []byte(before+"```text\n"+report.String()+"```\n"+after), 0o644))
		return
	}
	same(t, "the report in docs/migrating.md", shown, report.String())
}
