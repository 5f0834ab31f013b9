package relay

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/router"
	"penstock/internal/wire"
)

const (
	// maxAnswer bounds an answer that is not streamed, in bytes.
	maxAnswer = 256 << 20
	// maxRefusal bounds an error body: it is read for its message only.
	maxRefusal = 64 << 10
	// maxEvent bounds one streamed event. Images and whole tool calls come in one.
	maxEvent = 64 << 20
)

// The causes of a context that our own timer has cancelled.
var (
	errTimeout = errors.New("the provider took too long")
	errTotal   = errors.New("the answer took too long in all")
	errQuicker = errors.New("another deployment was quicker")
)

// stage is how far an attempt has come.
type stage uint8

const (
	noHead    stage = iota // the head of the answer has not come
	noByte                 // the head has, but nothing of a stream
	streaming              // events are coming
)

// watch cancels an attempt that makes no progress in time, or that never ends.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	after  time.Duration
	total  time.Duration
	start  time.Time
	set    time.Time
	stage  stage
}

// newWatch returns a watch that cancels its context when there was no progress
// for after, and at the latest when total is over.
func newWatch(ctx context.Context, after, total time.Duration) *watch {
	now := time.Now()
	w := &watch{after: min(after, total), total: total, start: now, set: now}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(w.after, func() {
		if time.Since(w.start) >= w.total && w.total > w.after {
			w.cancel(errTotal)
			return
		}
		w.cancel(errTimeout)
	})
	return w
}

// progress starts the time anew. Setting a timer for every chunk would cost
// more than reading it, so it is done when a tenth of the time is gone.
func (w *watch) progress(now time.Time) {
	w.stage = streaming
	if now.Sub(w.set) > w.after/10 {
		w.timer.Reset(max(min(w.after, w.total-now.Sub(w.start)), 0))
		w.set = now
	}
}

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// late says what t did not do in time.
func (w *watch) late(t router.Target) string {
	switch {
	case errors.Is(context.Cause(w.ctx), errTotal):
		return fmt.Sprintf("the answer of %s did not end within %s (deployment %s)", t.Provider, w.total, t.ID)
	case w.stage == noByte:
		return fmt.Sprintf("%s began no answer within %s (deployment %s)", t.Provider, w.after, t.ID)
	case w.stage == streaming:
		return fmt.Sprintf("%s sent nothing more for %s (deployment %s)", t.Provider, w.after, t.ID)
	}
	return fmt.Sprintf("%s did not answer within %s (deployment %s)", t.Provider, w.after, t.ID)
}

// send sends the request and returns the answer's head, or why there is none.
// The caller closes the body.
func (l *line) send(w *watch, p provider.Provider, t router.Target, up *provider.Request) (*http.Response, error) {
	res, waited, err := l.roundTrip(w, p, t, up)
	l.vendor += waited
	return res, err
}

// roundTrip does the same, and returns how long it waited. It changes nothing
// of the line: two may run beside each other.
func (l *line) roundTrip(w *watch, p provider.Provider, t router.Target, up *provider.Request) (*http.Response, time.Duration, error) {
	req, err := newRequest(w.ctx, up, l.c.Lent)
	if err != nil {
		return nil, 0, &gateway.Error{Kind: gateway.Internal, Message: fmt.Sprintf("deployment %s has no usable address", t.ID), Err: err}
	}
	start := time.Now()
	res, err := l.s.Transport.RoundTrip(req)
	waited := time.Since(start)
	if err != nil {
		return nil, waited, broken(w, t, err)
	}
	w.stage = noByte
	if res.StatusCode/100 != 2 {
		defer res.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxRefusal)) // what there is of it has to do
		return nil, waited, p.Refusal(res.StatusCode, res.Header, body)
	}
	return res, waited, nil
}

// newRequest makes the HTTP request.
func newRequest(ctx context.Context, up *provider.Request, lent *atomic.Int32) (*http.Request, error) {
	u, err := parseURL(up.URL)
	if err != nil {
		return nil, err
	}
	h := up.Header
	if h == nil {
		h = http.Header{}
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = jsonType
	}
	if h["User-Agent"] == nil {
		h["User-Agent"] = userAgent
	}
	if u.User != nil && h["Authorization"] == nil { // https://user:password@host as api_base
		password, _ := u.User.Password()
		h["Authorization"] = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))}
	}
	method := up.Method
	if method == "" {
		method = http.MethodPost
	}
	req := &http.Request{
		Method: method, URL: u, Host: u.Host, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: lend(up, lent), ContentLength: int64(up.Body.Len),
		GetBody: func() (io.ReadCloser, error) { return lend(up, lent), nil },
	}
	return req.WithContext(ctx), nil
}

// lend returns a reader of the request's body. A transport may read on when it
// has an answer already, so the bytes are free only once all readers are closed.
func lend(up *provider.Request, lent *atomic.Int32) io.ReadCloser {
	if lent == nil {
		return up.Body.Reader()
	}
	lent.Add(1)
	return &loan{body: up.Body.Reader(), lent: lent}
}

// loan is a reader that is counted until it is closed. HTTP/2 closes a body
// while another goroutine may be reading it, hence the lock: what has been
// closed is not read any more.
type loan struct {
	mu     sync.Mutex
	body   *wire.BodyReader
	lent   *atomic.Int32
	closed bool
}

// Read implements io.Reader.
func (n *loan) Read(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return n.body.Read(p)
}

// Close implements io.Closer. Transports close more than once.
func (n *loan) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.closed = true
		n.lent.Add(-1)
	}
	return nil
}

var (
	jsonType  = []string{"application/json"}
	userAgent = []string{"penstock"}
)

func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("want an http or https address, got scheme %q and host %q", u.Scheme, u.Host)
	}
	return u, nil
}

// broken says why there was no answer.
func broken(w *watch, t router.Target, err error) *gateway.Error {
	cause := context.Cause(w.ctx)
	switch {
	case errors.Is(cause, errTimeout), errors.Is(cause, errTotal):
		return &gateway.Error{Kind: gateway.UpstreamTimeout, Err: err, Message: w.late(t)}
	case errors.Is(cause, errQuicker):
		return &gateway.Error{Kind: gateway.Canceled, Message: "another deployment was quicker", Err: err}
	case w.ctx.Err() != nil:
		return &gateway.Error{Kind: gateway.Canceled, Message: "client closed the request", Err: err}
	}
	// Also a connection that took too long to make: that has a limit of its
	// own, and nobody has the prompt yet.
	return &gateway.Error{Kind: gateway.UpstreamFailed, Message: fmt.Sprintf("cannot reach %s (deployment %s)", t.Provider, t.ID), Type: "api_connection_error", Err: scrub(err)}
}

// scrub takes the URL out of an HTTP client's error: it may hold a key.
func scrub(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
