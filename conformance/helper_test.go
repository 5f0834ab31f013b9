package conformance

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// upstream is one provider behind the gateway: "openai/x" goes to the mock as
// a call of its OpenAI endpoint for the model x, and so on.
type upstream struct {
	prefix string
	embeds bool
	toolID string // what its tool call ids begin with, "" if it has none of its own
}

func upstreams() []upstream {
	return []upstream{{"openai", true, "call_"}, {"anthropic", false, "toolu_"}, {"gemini", true, ""}}
}

// each runs the test once for every provider.
func each(t *testing.T, test func(*testing.T, upstream)) {
	t.Helper()
	for _, u := range upstreams() {
		t.Run(u.prefix, func(t *testing.T) { test(t, u) })
	}
}

// setting returns what conformance/run has put in the environment.
func setting(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set: these tests need a running gateway, start them with conformance/run", name)
	}
	return v
}

func client(t *testing.T) openai.Client {
	t.Helper()
	return clientWith(t, setting(t, "PENSTOCK_KEY"))
}

func clientWith(t *testing.T, key string) openai.Client {
	t.Helper()
	return openai.NewClient(option.WithBaseURL(setting(t, "PENSTOCK_URL")+"/v1"),
		option.WithAPIKey(key), option.WithMaxRetries(0))
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// received is one call as the mock saw it.
type received struct {
	Method string      `json:"method"`
	Path   string      `json:"path"`
	Model  string      `json:"model"`
	Stream bool        `json:"stream"`
	Header http.Header `json:"header"`
	Body   string      `json:"body"`
}

// sent returns the one call that reached the mock for a model. Tests that use
// it have a model name of their own.
func sent(t *testing.T, model string) received {
	t.Helper()
	q := url.Values{"recent": {"1000"}}
	r, err := http.NewRequestWithContext(deadline(t), http.MethodGet, setting(t, "MOCK_URL")+"/mock/calls?"+q.Encode(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var rep struct {
		Recent []received `json:"recent"`
	}
	if err := json.NewDecoder(res.Body).Decode(&rep); err != nil {
		t.Fatalf("read the mock's calls: %v", err)
	}
	var found []received
	for _, c := range rep.Recent {
		if c.Model == model {
			found = append(found, c)
		}
	}
	if len(found) != 1 {
		t.Fatalf("the mock received %d calls for model %q, want 1", len(found), model)
	}
	return found[0]
}

const greeting = "Hello from the Penstock mock."

func wantGreeting(t *testing.T, text string) {
	t.Helper()
	if !strings.HasPrefix(text, greeting) {
		t.Errorf("text is %q, want it to begin with %q", text, greeting)
	}
}

// A picture of one pixel.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
