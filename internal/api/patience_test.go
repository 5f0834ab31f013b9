package api

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// A client that does not read is given up, and one that has read its answer may
// use its connection again.
func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	ended := make(chan error, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &sink{q: &request{w: w, r: r}, rc: http.NewResponseController(w), within: 100 * time.Millisecond}
		defer s.unbound()
		piece := []byte(strings.Repeat("x", 64<<10))
		for range r.ContentLength {
			_, err := s.Write(piece)
			if err == nil {
				err = s.Flush()
			}
			if err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}))
	defer server.Close()

	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n"+strings.Repeat("x", 10_000)); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("a client that reads nothing holds its call")
	}

	for range 3 { // longer than a piece may take, all together
		res, err := http.Post(server.URL, "text/plain", strings.NewReader("xx"))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); n != 128<<10 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		res.Body.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		<-time.After(120 * time.Millisecond)
	}
}
