package mock

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"time"
)

// dripper is a connection whose header block comes line by line. It stands in
// for the server's own ResponseWriter, which can only send headers at once.
type dripper struct {
	s      *Server
	conn   net.Conn
	total  time.Duration
	header http.Header
	ctx    context.Context //nolint:containedctx // it stands in for the request's, which hijacking ends
	cancel context.CancelFunc
	gone   chan struct{} // closed when the watcher has ended
	body   io.Writer
	chunks io.Closer // ends a chunked body, nil if it has a length
	err    error
}

// drip takes w's connection over; false if it cannot be taken, as in HTTP/2.
func (s *Server) drip(w http.ResponseWriter, total time.Duration) (*dripper, bool) {
	hj, ok := w.(http.Hijacker)
	if !ok {
		return nil, false
	}
	conn, _, err := hj.Hijack()
	if err != nil {
		return nil, false
	}
	d := &dripper{s: s, conn: conn, total: total, header: http.Header{}, gone: make(chan struct{})}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	// A server watches only connections it owns. This watcher ends when the
	// client leaves or close closes the connection.
	go func() {
		defer close(d.gone)
		var b [1]byte
		_, _ = conn.Read(b[:])
		d.cancel()
	}()
	return d, true
}

// Header implements http.ResponseWriter.
func (d *dripper) Header() http.Header { return d.header }

// WriteHeader implements http.ResponseWriter.
func (d *dripper) WriteHeader(status int) {
	d.header["Connection"] = closeConn
	d.body = d.conn
	if d.header.Get("Content-Length") == "" {
		d.header.Set("Transfer-Encoding", "chunked")
		c := httputil.NewChunkedWriter(d.conn)
		d.body, d.chunks = c, c
	}
	lines := []string{fmt.Sprintf("HTTP/1.1 %d %s\r\n", status, http.StatusText(status))}
	for name, values := range d.header {
		lines = append(lines, name+": "+values[0]+"\r\n")
	}
	for _, line := range append(lines, "\r\n") {
		if line == "\r\n" || line == lines[0] || d.s.wait(d.ctx, d.total/time.Duration(len(lines)-1)) {
			d.send(line)
		} else {
			d.err = net.ErrClosed
		}
	}
}

func (d *dripper) send(line string) {
	if d.err == nil {
		_, d.err = io.WriteString(d.conn, line)
	}
}

// Write implements http.ResponseWriter.
func (d *dripper) Write(p []byte) (int, error) {
	if d.err != nil {
		return 0, d.err
	}
	if len(p) == 0 {
		return 0, nil // a chunk of nothing would end the body
	}
	return d.body.Write(p)
}

// Flush implements http.Flusher: nothing is buffered here.
func (d *dripper) Flush() {}

// finish ends a chunked body.
func (d *dripper) finish() {
	if d.chunks != nil && d.err == nil {
		_ = d.chunks.Close()
		d.send("\r\n")
	}
}

// close ends the connection and its watcher.
func (d *dripper) close() {
	_ = d.conn.Close()
	d.cancel()
	<-d.gone
}
