package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// blocks returns the README's blocks of code of one language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(b), -1) {
		out = append(out, m[1])
	}
	return out
}

// blockWith returns the block that has text in it, without the line of the
// command, as the README shows it.
func blockWith(t *testing.T, text string) string {
	t.Helper()
	for _, b := range blocks(t, "") {
		if strings.Contains(b, text) {
			return strings.TrimPrefix(b, "$ ./scripts/run\n")
		}
	}
	t.Fatalf("the README has no block with %q", text)
	return ""
}

// changing is what two starts do not have in common.
var changing = regexp.MustCompile(`sk-[\w-]{30,}|penstock \w+ listens|127\.0\.0\.1:\d+|"created":\d+`)

func TestTheReadmeShowsTheFirstStartAndItsAnswer(t *testing.T) {
	t.Parallel()
	want := blockWith(t, "$ ./scripts/run")
	h := open(t, "")
	same := func(s string) string { return strings.TrimSpace(changing.ReplaceAllString(s, "~")) }
	// The curl is printed after the line that says where the gateway listens.
	for deadline := time.Now().Add(10 * time.Second); same(h.out.String()) != same(want); {
		if time.Now().After(deadline) {
			t.Fatalf("the first start says\n%s\nand the README\n%s", h.out, want)
		}
		h.do("GET", "/health/liveliness", "", "")
	}

	printed := h.out.String()
	key := regexp.MustCompile(`Bearer (sk-[\w-]+)`).FindStringSubmatch(printed)
	body := regexp.MustCompile(`(?m)-d '(.*)'$`).FindStringSubmatch(printed)
	if key == nil || body == nil {
		t.Fatalf("no curl: %s", printed)
	}
	a := h.do("POST", "/v1/chat/completions", key[1], body[1])
	if shown := blockWith(t, `{"id":"chatcmpl-mock-1"`); a.status != 200 || same(a.body) != same(shown) {
		t.Errorf("the curl is answered with\n%s\nand the README shows\n%s", a, shown)
	}
}

func TestTheConfigurationsShownAreServedAsTheyAre(t *testing.T) {
	t.Parallel()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	shown := blocks(t, "yaml")
	if len(shown) == 0 {
		t.Fatal("the README has no configuration")
	}
	for _, b := range shown {
		f := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(f, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	for _, f := range files {
		check := exec.CommandContext(t.Context(), path, "check", f)
		check.Env = []string{env(), "OPENAI_API_KEY=a", "ANTHROPIC_API_KEY=b", "GEMINI_API_KEY=c"}
		if out, err := check.CombinedOutput(); err != nil || !strings.Contains(string(out), " 0 settings not honoured, 0 warnings") {
			t.Errorf("%s: %v, want it valid and honoured: %s", f, err, out)
		}
	}
}
