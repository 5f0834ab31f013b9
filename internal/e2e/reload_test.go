package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestReloadsUnderLoadFailNoCall(t *testing.T) {
	t.Parallel()
	h := open(t, oneModel("mock-tokens=5,latency=1"), env())
	text, err := os.ReadFile(h.config)
	if err != nil {
		t.Fatal(err)
	}
	also := func(name string) string {
		return string(text) + "  - {model_name: " + name + ", litellm_params: {model: mock/mock}}\n"
	}
	served := func(name string) bool { return h.do("GET", "/v1/models/"+name, master, "").status == 200 }

	const least, changes = 10_000, 10
	var calls atomic.Int64
	var wg sync.WaitGroup
	reloaded := make(chan struct{})
	finish := sync.OnceFunc(func() { close(reloaded) })
	defer wg.Wait() // after finish, also where the test fails
	defer finish()
	over := func() bool {
		select {
		case <-reloaded:
			return calls.Load() >= least
		default:
			return false
		}
	}
	keys := [2]string{h.key(""), h.key("")} // a list of calls has room for 10,000
	for n := range 8 {
		key := keys[n/2%2]
		members := `"model":"m"`
		if n%2 == 0 {
			members += `,"stream":true`
		}
		wg.Go(func() {
			for !over() && !t.Failed() {
				if a := h.ask(key, members); !a.whole() {
					t.Errorf("during a reload: %s", a)
				}
				calls.Add(1)
			}
		})
	}

	h.write(also("watched"))
	h.eventually("a changed file is in force", func() bool { return served("watched") })
	h.write(also("again"))
	h.eventually("what is no longer in the file is no longer served", func() bool { return served("again") && !served("watched") })

	said := func(what string) int { return strings.Count(h.log.String(), what) }
	// SIGHUP while the file is as it was: the watcher has no part in it.
	before := said("configuration reloaded")
	h.signal(syscall.SIGHUP)
	h.eventually("SIGHUP reads the file again", func() bool { return said("configuration reloaded") > before })

	for what, config := range map[string]string{
		"no YAML":            "model_list: [",
		"a list of numbers":  "model_list: [7]\n",
		"a provider unknown": strings.Replace(also("broken"), "mock/mock", "nobody/x", 1),
	} {
		const complaint = "configuration not reloaded"
		before := said(complaint)
		h.write(config)
		h.eventually("it complains about "+what, func() bool { return said(complaint) > before })
		before = said(complaint)
		h.signal(syscall.SIGHUP)
		h.eventually("SIGHUP makes it complain again about "+what, func() bool { return said(complaint) > before })
		if !served("m") || !served("again") || served("broken") {
			t.Errorf("%s replaced the configuration in force", what)
		}
	}
	// Each time the deployment that answers is another one.
	for i := range changes {
		name := fmt.Sprint("changed", i)
		h.write(strings.ReplaceAll(also(name), "latency=1", fmt.Sprint("latency=1,prompt=", i+1)))
		h.eventually("the changed file is in force", func() bool { return served(name) && (i == 0 || !served(fmt.Sprint("changed", i-1))) })
	}
	h.write(also("mended"))
	h.eventually("the mended file is in force", func() bool { return served("mended") })
	finish()
	wg.Wait()
	if n := len(h.rows(keys[0])) + len(h.rows(keys[1])); int64(n) != calls.Load() {
		t.Errorf("%d rows, want one for each of %d calls", n, calls.Load())
	}
	t.Logf("%d calls ran beside the reloads", calls.Load())
}
