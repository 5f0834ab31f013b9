package app_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Large bodies share memory from call to call. A provider that answers before
// it has read the whole of one must never see another call's bytes in it, and
// no client another's answer.
func TestLargeBodiesNeverMix(t *testing.T) {
	var mixed sync.Map
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		early := rand.IntN(3) == 0
		buf := make([]byte, 16<<10)
		var letter byte
		answer := func() {
			_, _ = fmt.Fprintf(w, `{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`,
				strings.Repeat(string(letter), 50_000))
		}
		for {
			n, err := r.Body.Read(buf)
			for _, c := range buf[:n] {
				if c < 'A' || c > 'Z' {
					continue
				}
				if letter == 0 {
					letter = c
					if early {
						answer()
						_ = http.NewResponseController(w).Flush()
					}
				}
				if c != letter {
					mixed.Store(string([]byte{letter, c}), true)
				}
			}
			if err != nil {
				if err == io.EOF && !early {
					answer()
				}
				return
			}
		}
	}))
	t.Cleanup(up.Close)
	h := start(t, `
model_list:
  - {model_name: m, litellm_params: {model: openai/m, api_base: "`+up.URL+`/v1", api_key: k, input_cost_per_token: 0, output_cost_per_token: 0}}
router_settings: {num_retries: 0, disable_cooldowns: true}
`)
	var wg sync.WaitGroup
	var answered atomic.Int32
	for i := range 8 {
		letter := string(rune('A' + i))
		wg.Go(func() {
			for _, size := range []int{60_000, 400_000, 33_000, 2_000_000, 300, 60_000} {
				res, body := h.do("POST", "/v1/chat/completions", master, `{"model":"m","messages":[{"role":"user","content":"`+strings.Repeat(letter, size)+`"}]}`)
				if res.StatusCode != http.StatusOK {
					continue // the upstream hung up early; what it saw is what counts
				}
				answered.Add(1)
				content := strings.Repeat(letter, 50_000)
				if !strings.Contains(body, content) {
					t.Errorf("the call of %s got another's answer: %.80s", letter, body)
				}
			}
		})
	}
	wg.Wait()
	if n := answered.Load(); n < 24 {
		t.Errorf("%d of 48 calls were answered, which shows nothing", n)
	}
	mixed.Range(func(k, _ any) bool {
		t.Errorf("one body had bytes of two calls: %s", k)
		return true
	})
}
