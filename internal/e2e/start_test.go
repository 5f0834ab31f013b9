package e2e_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"penstock/internal/store/storetest"
)

// holds returns the files of the data directory that hold the text.
func (h *house) holds(text string) []string {
	h.t.Helper()
	var found []string
	files := 0
	err := filepath.WalkDir(filepath.Join(h.dir, "data"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		files++
		if strings.Contains(string(b), text) {
			found = append(found, path)
		}
		return err
	})
	if err != nil || files == 0 {
		h.t.Fatalf("read the data directory: %d files, %v", files, err)
	}
	return found
}

func TestTheFirstStartMakesAMasterKeyAndKeepsOnlyItsHash(t *testing.T) {
	t.Parallel()
	h := open(t, "")
	_, rest, ok := strings.Cut(h.out.String(), "master key (shown this once, stored hashed): ")
	key := strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0])
	if !ok || !strings.HasPrefix(key, "sk-") || len(key) < 20 {
		t.Fatalf("no master key was shown: %q", h.out)
	}
	var virtual string
	if a := h.do("POST", "/key/generate", key, `{"key_alias":"findable"}`); a.status != 200 {
		t.Fatalf("the key shown cannot manage: %s", a)
	} else {
		_, rest, _ := strings.Cut(a.body, `"key":"`)
		virtual, _, _ = strings.Cut(rest, `"`)
	}
	if a := h.ask(virtual, `"model":"mock"`); !a.whole() {
		t.Errorf("the first call: %s", a)
	}

	h.signal(syscall.SIGTERM)
	if err := h.wait(); err != nil {
		t.Errorf("stop: %v", err)
	}
	// What is looked for can be found, or finding nothing would prove nothing.
	if len(h.holds("findable")) == 0 {
		t.Error("the key's alias is nowhere in the data directory")
	}
	for what, secret := range map[string]string{"master": key, "virtual": virtual} {
		if !strings.HasPrefix(secret, "sk-") {
			t.Errorf("no %s key was made: %q", what, secret)
		} else if found := h.holds(secret); found != nil {
			t.Errorf("the %s key itself is in %v", what, found)
		}
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("the %s key is in the log", what)
		}
	}

	h.start()
	if out := h.out.String(); strings.Contains(out, "stored hashed") || strings.Contains(out, key) {
		t.Errorf("the second start shows a key again: %s", out)
	}
	for what, secret := range map[string]string{"master": key, "virtual": virtual} {
		if a := h.ask(secret, `"model":"mock"`); !a.whole() {
			t.Errorf("the %s key after a restart: %s", what, a)
		}
	}
}

func TestAStartThatFailsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	h := open(t, "", "DEBUG=app:*") // a word for another program
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(h.url, "http://"), ":")
	other := filepath.Join(h.dir, "other")
	for _, c := range []struct {
		name string
		args []string
		env  []string
		want []string
	}{
		{"a data directory in use", []string{"--port=-1", "--data-dir=" + filepath.Join(h.dir, "data")}, nil, []string{"data directory", "used by another penstock", "--data-dir"}},
		{"a data directory that is a file", []string{"--port=-1", "--data-dir=" + path}, nil, []string{"data directory", "--data-dir", "not a directory"}},
		{"a port in use", []string{"--port=" + port, "--data-dir=" + other}, nil, []string{"port " + port, "used by another program", "--port"}},
		{"a port that is a word", []string{"--data-dir=" + other}, []string{"PORT=web"}, []string{"--port", `PORT="web"`}},
		{"a flag that is not there", []string{"--prot=1"}, nil, []string{"--prot", "--port"}},
		{"a file that is not there", []string{"--config=none.yaml"}, nil, []string{"none.yaml", "no such file"}},
		{"a database that does not answer", []string{"--port=-1", "--data-dir=" + other}, []string{"DATABASE_URL=postgresql://u:s3cret@127.0.0.1:1/d"}, []string{"database", "127.0.0.1:1"}},
	} {
		cmd := exec.CommandContext(t.Context(), path, append([]string{"serve"}, c.args...)...)
		cmd.Dir, cmd.Env = h.dir, append([]string{"HOME=" + h.dir}, c.env...)
		out, err := cmd.CombinedOutput()
		if err == nil || strings.Contains(string(out), "master key") || strings.Contains(string(out), "s3cret") {
			t.Errorf("%s: %v, want an error, and neither a key nor a password: %s", c.name, err, out)
		}
		for _, want := range c.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: it does not say %q: %s", c.name, want, out)
			}
		}
	}
}

func TestEveryCommandSaysHowItIsUsed(t *testing.T) {
	t.Parallel()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	help := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), path, append(args, "--help")...).CombinedOutput()
		if err != nil {
			t.Errorf("%v --help: %v", args, err)
		}
		return string(out)
	}
	_, list, _ := strings.Cut(help(), "Commands:")
	commands := regexp.MustCompile(`(?m)^  (\w+) `).FindAllStringSubmatch(list, -1)
	for _, c := range append(commands, []string{"", "version"}) {
		if out := help(c[1]); !strings.Contains(out, "Examples:\n\n    ") || !strings.Contains(out, "penstock "+c[1]) {
			t.Errorf("%s --help has no example:\n%s", c[1], out)
		}
	}
	if len(commands) < 3 {
		t.Errorf("found the commands %v", commands)
	}
}

func TestPostgresKeepsKeysAndSpend(t *testing.T) {
	t.Parallel()
	h := open(t, oneModel("mock-tokens=5"), env(), "DATABASE_URL="+storetest.EmptyPostgresURL(t))
	key := h.key(`"max_budget":0.012`)
	for range 2 {
		if a := h.ask(key, `"model":"m","max_tokens":5`); !a.whole() {
			t.Fatalf("%s", a)
		}
	}
	h.restart()
	if a := h.ask(key, `"model":"m","max_tokens":5`); a.status != 422 {
		t.Errorf("after the restart: %s\nwant the budget to be used up", a)
	}
	if rows, spend := h.rows(key), h.spend(key); len(rows) != 2 || spend != "0.01" {
		t.Errorf("%d rows and a spend of %s, want 2 and 0.01", len(rows), spend)
	}
	// It was PostgreSQL that kept them.
	if db, err := filepath.Glob(filepath.Join(h.dir, "data", "*.db")); err != nil || db != nil {
		t.Errorf("there is an embedded database: %v %v", db, err)
	}
}
