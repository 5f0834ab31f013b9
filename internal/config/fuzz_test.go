package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/config"
)

// FuzzLoad reads random files. Whatever they are, Load returns either a Config
// or an *Errors with at least one problem, all JSON in the Config is valid, and
// a text that is only in the environment is in no message.
func FuzzLoad(f *testing.F) {
	for _, dir := range []string{"testdata/good/*.yaml", "testdata/broken/*.yaml"} {
		names, _ := filepath.Glob(dir)
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data))
		}
	}
	f.Add("a: &a [*a, *a]\nb: &b {x: *a, <<: *b}")
	const secret = "a-value-of-the-environment"
	// Settings with a variable of their own would all be wrong, and no file right.
	own := map[string]bool{"LITELLM_ENVIRONMENT": true}
	for _, k := range config.Reference() {
		own[k.Name] = own[k.Name] || k.Section == "environment"
	}
	f.Fuzz(func(t *testing.T, yaml string) {
		o := options(yaml, nil)
		o.Env = func(name string) (string, bool) {
			if own[name] {
				return "", false
			}
			return secret, true
		}
		o.ReadFile = func(string) ([]byte, error) { return []byte(yaml), nil } // every include is there
		cfg, rep, err := config.Load(o)
		if rep == nil {
			t.Fatal("no report")
		}
		var said strings.Builder
		for _, i := range rep.Ignored {
			said.WriteString(i.String())
		}
		said.WriteString(strings.Join(rep.Warnings, "\n"))
		if err != nil {
			many, ok := errors.AsType[*config.Errors](err)
			if !ok || len(many.Problems) == 0 || cfg != nil {
				t.Fatalf("got %v and error %#v", cfg, err)
			}
			said.WriteString(err.Error())
		}
		if strings.Contains(said.String(), secret) && !strings.Contains(yaml, secret) {
			t.Fatalf("the environment is shown: %s", said.String())
		}
		if cfg == nil {
			return
		}
		ids := map[string]bool{}
		for _, d := range cfg.Models {
			if d.ID == "" || ids[d.ID] {
				t.Fatalf("id %q is empty or used twice", d.ID)
			}
			ids[d.ID] = true
			for _, p := range d.Defaults {
				if !jsontext.Value(p.Value).IsValid() {
					t.Fatalf("%s is not JSON: %s", p.Name, p.Value)
				}
			}
		}
	})
}

// bomb is a file whose anchors expand to 9^n values.
func bomb(n int) string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < n; i++ {
		name := string(rune('0' + i%10))
		prev := string(rune('0' + (i-1)%10))
		b.WriteString("b" + name + ": &b" + name + " [" + strings.TrimSuffix(strings.Repeat("*"+map[bool]string{true: "a0", false: "b" + prev}[i == 1]+",", 9), ",") + "]\n")
	}
	return b.String()
}

func TestAnchorsCannotFillTheMemory(t *testing.T) {
	_, _, err := config.Load(options(bomb(9), nil))
	if err == nil || !strings.Contains(err.Error(), "want at most 200000 values") {
		t.Errorf("got %v, want an error about the number of values", err)
	}
	if n := strings.Count(err.Error(), "\n"); n > 10 {
		t.Errorf("got %d lines about it, want few", n)
	}
}
