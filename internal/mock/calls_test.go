package mock_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"penstock/internal/mock"
)

func TestCallsShowWhatWasReceived(t *testing.T) {
	s := mock.New(mock.Options{Keep: 2})
	for i := range 7 {
		body := chat(fmt.Sprintf("m%d", i), `"stream":true,`)
		call(t, s, "POST", "/v1/chat/completions?a=b", body, "Authorization", "Bearer x")
	}
	calls := s.Calls()
	if len(calls) != 2 {
		t.Fatalf("%d calls kept, want the last 2", len(calls))
	}
	c := calls[1]
	if c.Model != "m6" || c.Method != "POST" || c.Path != "/v1/chat/completions?a=b" || c.Header.Get("Authorization") != "Bearer x" ||
		string(c.Body) != chat("m6", `"stream":true,`) || !c.Stream || c.Outcome != mock.Answered || c.End.IsZero() {
		t.Errorf("last call %+v is not what was sent", c)
	}
	s.Reset()
	if got := s.Stats(); got != (mock.Stats{}) || len(s.Calls()) != 0 {
		t.Errorf("after Reset: %+v and %d calls, want nothing", got, len(s.Calls()))
	}
}

func TestNothingIsKeptWhenNotWanted(t *testing.T) {
	s := mock.New(mock.Options{Keep: -1})
	serve(s, "/v1/chat/completions", chat("m", ""))
	if n := len(s.Calls()); n != 0 || s.Stats().Answered != 1 {
		t.Errorf("%d calls kept, counters %+v; want none kept, one answered", n, s.Stats())
	}
}

func TestCountersOverHTTP(t *testing.T) {
	s := mock.New(mock.Options{})
	serve(s, "/v1/chat/completions", chat("m", ""))
	serve(s, "/v1/chat/completions", chat("mock-status=500", ""))
	serve(s, "/v1/chat/completions", chat("mock-short=0", `"stream":true,`))
	tests := []struct {
		name, method, query string
		status              int
		want                string
	}{
		{"everything", "GET", "", 200, `{"received":3,"answered":1,"refused":1,"cancelled":0,"broken":1,"models":{` +
			`"m":{"received":1,"answered":1,"refused":0,"cancelled":0,"broken":0},` +
			`"mock-short=0":{"received":1,"answered":0,"refused":0,"cancelled":0,"broken":1},` +
			`"mock-status=500":{"received":1,"answered":0,"refused":1,"cancelled":0,"broken":0}}}`},
		{"one model", "GET", "?model=m", 200, `{"received":1,"answered":1,"refused":0,"cancelled":0,"broken":0}`},
		{"a model nobody asked for", "GET", "?model=x", 200, `{"received":0,"answered":0,"refused":0,"cancelled":0,"broken":0}`},
		{"counters that are there already", "GET", "?model=m&received=3&refused=1", 200, `{"received":1,"answered":1,"refused":0,"cancelled":0,"broken":0}`},
		{"counters that never come", "GET", "?cancelled=1&timeout=50", 408, "not so many calls in time\n"},
		{"the last call", "GET", "?model=m&recent=1", 200, `"model":"mock-short=0","stream":true,"outcome":"broken"`},
		{"no such page", "GET", "x", 404, "the mock has GET and DELETE /mock/calls\n"},
		{"reset", "DELETE", "", 204, ""},
		{"after the reset", "GET", "?model=m", 200, `{"received":0,"answered":0,"refused":0,"cancelled":0,"broken":0}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Not in a bubble: the mock was made outside, so its clock could not move.
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tt.method, "/mock/calls"+tt.query, nil))
			if got := w.Body.String(); w.Code != tt.status || !strings.Contains(got, tt.want) {
				t.Errorf("%s /mock/calls%s\n got %d %s\nwant %d %s", tt.method, tt.query, w.Code, got, tt.status, tt.want)
			}
		})
	}
}

func TestWaitEndsWhenTheCallArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mock.New(mock.Options{})
		w := httptest.NewRecorder()
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/mock/calls?answered=1&model=m", nil))
		}()
		synctest.Wait() // until the question waits
		serve(s, "/v1/chat/completions", chat("m", ""))
		<-done
		if want := `"answered":1`; w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("got %d %s, want 200 and in it %s", w.Code, w.Body, want)
		}
	})
}
