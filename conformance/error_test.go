package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/openai/openai-go/v3"
)

// status returns the HTTP status that the library reports, or 0.
func status(err error) int {
	var e *openai.Error
	if errors.As(err, &e) {
		return e.StatusCode
	}
	return 0
}

func TestErrorsOfTheProvider(t *testing.T) {
	rows := []struct {
		name, model string
		status      int
		retryAfter  string
	}{
		{"a key that the provider refuses", "mock-status=401", 401, ""},
		{"a model that the key may not use", "mock-status=403", 403, ""},
		{"a model that the provider does not have", "mock-status=404", 404, ""},
		{"a prompt that is too long", "mock-status=400", 400, ""},
		{"a rate limit", "mock-status=429,retry_after=7", 429, "7"},
		{"a failure", "mock-status=500", 500, ""},
		{"an overload", "mock-status=503", 503, ""},
		{"an HTML page of a proxy in between", "mock-status=502", 502, ""},
	}
	each(t, func(t *testing.T, u upstream) {
		for _, row := range rows {
			for _, how := range []string{"", " in a stream"} {
				t.Run(row.name+how, func(t *testing.T) {
					c, ctx := client(t), deadline(t)
					p := openai.ChatCompletionNewParams{Model: u.prefix + "/" + row.model, Messages: say("Hi")}
					var err error
					if how == "" {
						_, err = c.Chat.Completions.New(ctx, p)
					} else {
						s := c.Chat.Completions.NewStreaming(ctx, p)
						defer s.Close()
						for s.Next() {
							t.Errorf("a chunk: %s", s.Current().RawJSON())
						}
						err = s.Err()
					}
					wantError(t, err, row.status, row.retryAfter)
				})
			}
		}
	})
}

func wantError(t *testing.T, err error, status int, retryAfter string) {
	t.Helper()
	var e *openai.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T %v, want the library's own with status %d", err, err, status)
	}
	if e.StatusCode != status {
		t.Errorf("status is %d, want %d: %s", e.StatusCode, status, e.RawJSON())
	}
	if e.Message == "" || e.Type == "" || e.Code == "" {
		t.Errorf("error is %s, want a message, a type and a code", e.RawJSON())
	}
	if status == 403 && e.Type == "authentication_error" {
		t.Errorf("type is %q for a status 403", e.Type)
	}
	if got := e.Response.Header.Get("Retry-After"); got != retryAfter {
		t.Errorf("Retry-After is %q, want %q", got, retryAfter)
	}
}

func TestErrorsOfTheGateway(t *testing.T) {
	master := setting(t, "PENSTOCK_KEY")
	rows := []struct {
		name, key, model string
		status           int
	}{
		{"a key that nobody made", "sk-nobody-made-this", "openai/x", 401},
		{"a key for another model", newKey(t, `{"models":["plain-name"]}`), "openai/x", 403},
		{"a model that is not configured", master, "no-such-model", 400},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := clientWith(t, row.key)
			_, err := c.Chat.Completions.New(deadline(t), openai.ChatCompletionNewParams{Model: row.model, Messages: say("Hi")})
			wantError(t, err, row.status, "")
		})
	}
	t.Run("a key that has used up its requests of the minute", func(t *testing.T) {
		c := clientWith(t, newKey(t, `{"rpm_limit":1}`))
		p := openai.ChatCompletionNewParams{Model: "plain-name", Messages: say("Hi")}
		if _, err := c.Chat.Completions.New(deadline(t), p); err != nil {
			t.Fatalf("the first call: %v", err)
		}
		_, err := c.Chat.Completions.New(deadline(t), p)
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != 429 || e.Response.Header.Get("Retry-After") == "" {
			t.Errorf("error is %v, want a 429 with Retry-After", err)
		}
	})
}

// newKey makes a virtual key.
func newKey(t *testing.T, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(deadline(t), http.MethodPost, setting(t, "PENSTOCK_URL")+"/key/generate", bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+setting(t, "PENSTOCK_KEY"))
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var made struct {
		Key string `json:"key"`
	}
	if err := json.NewDecoder(res.Body).Decode(&made); err != nil || made.Key == "" {
		t.Fatalf("make a key with %s: status %d, %v", body, res.StatusCode, err)
	}
	return made.Key
}
