package relay

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/router"
)

const (
	// maxAnswer bounds an answer that is not streamed, in bytes.
	maxAnswer = 256 << 20
	// maxRefusal bounds an error body: it is read for its message only.
	maxRefusal = 64 << 10
	// maxEvent bounds one streamed event. Images and whole tool calls come in one.
	maxEvent = 64 << 20
)

// errTimeout is the cause of a context that our own timer has cancelled.
var errTimeout = errors.New("the provider took too long")

// watch cancels an attempt that makes no progress in time.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	after  time.Duration
	set    time.Time
}

// newWatch returns a watch that cancels its context after d.
func newWatch(ctx context.Context, d time.Duration) *watch {
	w := &watch{after: d, set: time.Now()}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(d, func() { w.cancel(errTimeout) })
	return w
}

// progress starts the time anew. Setting a timer for every chunk would cost
// more than reading it, so it is done when a tenth of the time is gone.
func (w *watch) progress(now time.Time) {
	if now.Sub(w.set) > w.after/10 {
		w.timer.Reset(w.after)
		w.set = now
	}
}

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// send sends the request and returns the answer's head, or why there is none.
// The caller closes the body.
func (l *line) send(w *watch, p provider.Provider, t router.Target, up *provider.Request) (*http.Response, error) {
	req, err := newRequest(w.ctx, up)
	if err != nil {
		return nil, &gateway.Error{Kind: gateway.Internal, Message: fmt.Sprintf("deployment %s has no usable address", t.ID), Err: err}
	}
	start := time.Now()
	res, err := l.s.Transport.RoundTrip(req)
	if err != nil {
		l.vendor += time.Since(start)
		return nil, l.broken(w, t, err)
	}
	l.vendor += time.Since(start)
	if res.StatusCode/100 != 2 {
		defer res.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxRefusal)) // what there is of it has to do
		return nil, p.Refusal(res.StatusCode, res.Header, body)
	}
	return res, nil
}

// newRequest makes the HTTP request.
func newRequest(ctx context.Context, up *provider.Request) (*http.Request, error) {
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
		Body: up.Body.Reader(), ContentLength: int64(up.Body.Len),
		GetBody: func() (io.ReadCloser, error) { return up.Body.Reader(), nil },
	}
	return req.WithContext(ctx), nil
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
func (l *line) broken(w *watch, t router.Target, err error) *gateway.Error {
	if errors.Is(context.Cause(w.ctx), errTimeout) || isTimeout(err) {
		return &gateway.Error{
			Kind: gateway.UpstreamTimeout, Err: err,
			Message: fmt.Sprintf("%s did not answer within %s (deployment %s)", t.Provider, w.after, t.ID),
		}
	}
	if w.ctx.Err() != nil {
		return &gateway.Error{Kind: gateway.Canceled, Message: "client closed the request", Err: err}
	}
	return &gateway.Error{Kind: gateway.UpstreamFailed, Message: fmt.Sprintf("cannot reach %s (deployment %s)", t.Provider, t.ID), Type: "api_connection_error", Err: scrub(err)}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// scrub takes the URL out of an HTTP client's error: it may hold a key.
func scrub(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
