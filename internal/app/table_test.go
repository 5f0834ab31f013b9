package app_test

import (
	"os"
	"strings"
	"testing"
)

// A call keeps the table it began with: a reload takes its deployment, its
// fallback and its model away, and it is answered all the same.
func TestACallKeepsTheTableItBeganWith(t *testing.T) {
	h := start(t, `
model_list:
  - {model_name: going, litellm_params: {model: "openai/mock-latency=400,status=500", api_base: MOCK/v1, api_key: k}}
  - {model_name: rescue, litellm_params: {model: openai/well, api_base: MOCK/v1, api_key: k}}
  - {model_name: streams, litellm_params: {model: "openai/mock-chunks=12,gap=60", api_base: MOCK/v1, api_key: k}}
  - {model_name: stays, litellm_params: {model: openai/well, api_base: MOCK/v1, api_key: k}}
router_settings: {num_retries: 0, fallbacks: [{going: [rescue]}]}
`)
	before, err := os.ReadFile(h.config)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan *heard, 2)
	ask := func(model, members string) {
		go func() { answers <- h.talk("/v1/chat/completions", model, members) }()
	}
	ask("going", "")
	ask("streams", `,"stream":true`)
	h.eventually("both are asked", func() bool { return len(h.mock.Calls()) == 2 })
	var kept []string
	for line := range strings.Lines(string(before)) {
		if !strings.Contains(line, "going") && !strings.Contains(line, "rescue") && !strings.Contains(line, "streams") {
			kept = append(kept, line)
		}
	}
	h.write(strings.Join(kept, ""))
	h.eventually("the models are gone", func() bool {
		res, _ := h.do("GET", "/v1/models/going", master, "")
		return res.StatusCode == 404
	})
	for range 2 {
		if a := <-answers; !a.correct(hello) {
			t.Errorf("a call that had begun before the reload: %s %s", a.broken, a)
		}
	}
	if a := h.talk("/v1/chat/completions", "going", ""); a.status != 400 {
		t.Errorf("a call that began after it: %s", a)
	}
}
