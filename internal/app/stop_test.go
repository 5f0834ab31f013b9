package app_test

import (
	"bufio"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/store"
)

// Streams that outlive the drain time are cut, and what they had streamed is
// on the books when the process ends: nothing is left for the next one.
func TestStreamsCutByTheEndAreBooked(t *testing.T) {
	const streams = 20
	h := start(t, `
model_list:
  - {model_name: m, litellm_params: {model: "openai/mock-prompt=7,chunks=2000,gap=20", api_base: MOCK/v1, api_key: k, input_cost_per_token: 0.01, output_cost_per_token: 0.001}}
`, "GRACEFUL_SHUTDOWN_TIMEOUT", "0.05")
	key := h.key(`"max_budget":1000`)
	for range streams {
		req, err := http.NewRequestWithContext(t.Context(), "POST", h.url+"/v1/chat/completions", strings.NewReader(`{"model":"m","stream":true,"messages":[{"role":"user","content":"Hello"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if _, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil {
			t.Fatalf("the stream did not begin: %v", err)
		}
		go func() { _, _ = io.Copy(io.Discard, res.Body) }()
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(filepath.Dir(h.config), "data", "penstock.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Calls(t.Context(), store.CallFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != streams {
		t.Errorf("%d calls are on the books after the end, want %d", len(rows), streams)
	}
	for _, r := range rows {
		if r.Cost <= 70_000_000 {
			t.Errorf("a stream costs %d nano-dollars, which is no more than its prompt", r.Cost)
		}
	}
}
