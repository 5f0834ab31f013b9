package litellm_test

import (
	"os"
	"strings"
	"testing"
)

// TestTheReportInTheDocsIsARealOne compares the page's report with that of the
// database that these tests fill.
func TestTheReportInTheDocsIsARealOne(t *testing.T) {
	var report strings.Builder
	_, err := newSource(t).into(nil).WriteTo(&report)
	must(t, err)
	page, err := os.ReadFile("../../docs/migrating.md")
	must(t, err)
	_, rest, _ := strings.Cut(string(page), "```text\n")
	shown, _, _ := strings.Cut(rest, "```\n")
	same(t, "the report in docs/migrating.md", shown, report.String())
}
