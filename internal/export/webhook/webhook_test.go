package webhook_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/internal/export"
	"penstock/internal/export/webhook"
	"penstock/internal/gateway"
)

func TestSend(t *testing.T) {
	for _, tt := range []struct {
		format string
		status int
		posts  int
		starts string
		check  func(error) bool
	}{
		{"", 200, 1, `[{"id":"r1"`, func(err error) bool { return err == nil }},
		{"ndjson", 200, 1, `{"id":"r1"`, func(err error) bool { return err == nil }},
		{"single", 200, 2, `{"id":"r1"`, func(err error) bool { return err == nil }},
		{"", 503, 1, `[`, func(err error) bool { return err != nil && !errors.Is(err, export.ErrPermanent) }},
		{"", 429, 1, `[`, func(err error) bool {
			r, ok := errors.AsType[*export.RetryAfter](err)
			return ok && r.Wait == 7*time.Second
		}},
		{"", 400, 1, `[`, func(err error) bool { return errors.Is(err, export.ErrPermanent) }},
	} {
		var bodies []string
		var key string
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			bodies, key = append(bodies, string(b)), r.Header.Get("X-Key")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(tt.status)
		}))
		d, err := webhook.New("w", map[string]string{"endpoint": srv.URL, "headers": "X-Key=v, B=c", "log_format": tt.format}, srv.Client())
		if err != nil {
			t.Fatal(err)
		}
		err = d.Send(t.Context(), []*gateway.Record{
			{ResponseID: "r1", Cost: 28_500, Call: gateway.Call{Model: "m"}, Output: []byte("data: not json\n\n")},
			{ResponseID: "r2", Err: &gateway.Error{Kind: gateway.Exceeded, Message: "no"}},
		})
		srv.Close()
		if !tt.check(err) || len(bodies) != tt.posts || !strings.HasPrefix(bodies[0], tt.starts) || key != "v" {
			t.Errorf("%q, status %d: error %v, %d posts, first %.60s, key %q", tt.format, tt.status, err, len(bodies), bodies[0], key)
		}
		if tt.status == 200 && !strings.Contains(bodies[0], `"response_cost":2.85e-05`) {
			t.Errorf("no cost in %s", bodies[0])
		}
	}
	for _, bad := range []map[string]string{{}, {"endpoint": "ftp://x"}, {"endpoint": "http://x", "log_format": "xml"}} {
		if _, err := webhook.New("w", bad, nil); err == nil {
			t.Errorf("New(%v) took it", bad)
		}
	}
}

// A record that was delivered is not sent again because a later one failed.
func TestSingleRecordsAreDeliveredOnce(t *testing.T) {
	var mu sync.Mutex
	got := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		id := string(b)[len(`{"id":"`):][:2]
		mu.Lock()
		defer mu.Unlock()
		if got[id]++; id == "r2" && got[id] == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	d, err := webhook.New("w", map[string]string{"endpoint": srv.URL, "log_format": "single"}, srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	e := export.New(export.Options{Flush: time.Millisecond, RetryMin: time.Millisecond}, slog.New(slog.DiscardHandler), export.Target{Destination: d, OnSuccess: true})
	for _, id := range []string{"r1", "r2", "r3"} {
		e.Emit(&gateway.Record{ResponseID: id})
	}
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got["r1"] != 1 || got["r2"] != 2 || got["r3"] != 1 {
		t.Errorf("delivered %v", got)
	}
}
