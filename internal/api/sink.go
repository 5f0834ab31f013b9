package api

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/relay"
)

// sink writes answers to a client. Headers go out with the first byte, so that
// until then a failed provider can be replaced or reported with a status.
type sink struct {
	a     *API
	q     *request
	rc    *http.ResponseController
	began bool
	// refused says that the answer is too large for the client to get. It was
	// made, and is paid for, all the same.
	refused bool
	// within is how long the client may take to take what is written, and until
	// by when it must have; zero if that is not bounded.
	within time.Duration
	until  time.Time
}

// A client that does not read holds a call, a provider's stream and a slot: it
// has so long for a piece of a stream, and for a large answer.
const (
	pieceWithin  = time.Minute
	answerWithin = 10 * time.Minute
	largeAnswer  = 256 << 10 // bytes; less has room in the connection's buffers
)

// bound bounds the write that follows. It is set anew when a tenth of the time
// is gone, so a piece has nine tenths of it at least.
func (s *sink) bound() {
	if s.within == 0 {
		return
	}
	now := time.Now()
	if s.until.Sub(now) > s.within-s.within/10 {
		return
	}
	s.until = now.Add(s.within)
	_ = s.rc.SetWriteDeadline(s.until) // not every test's writer has deadlines
}

// unbound lets the connection serve another request.
func (s *sink) unbound() {
	if !s.until.IsZero() {
		s.until = time.Time{}
		_ = s.rc.SetWriteDeadline(s.until)
	}
}

var _ relay.Sink = (*sink)(nil)

var (
	jsonType   = []string{"application/json"}
	streamType = []string{"text/event-stream; charset=utf-8"}
	noCache    = []string{"no-cache"}
	no         = []string{"no"}
)

// set sets a header whose name is canonical already.
func set(h http.Header, name, value string) {
	if value != "" {
		h[name] = []string{value}
	}
}

// Begin implements relay.Sink.
func (s *sink) Begin(head *relay.Head) {
	s.began = true
	if most := s.q.s.Policy.MaxResponseBytes; most > 0 && !head.Stream && int64(head.Length) > most {
		s.refused = true
		s.a.fail(s.q, &gateway.Error{
			Kind: gateway.TooLarge, Status: http.StatusBadRequest, Type: "bad_request_error",
			Message: fmt.Sprintf("Response size is too large. Response size is %s MB. Max size is %s MB (general_settings.max_response_size_mb)", megabytes(int64(head.Length)), megabytes(most)),
		})
		return
	}
	switch {
	case head.Stream:
		s.within = pieceWithin
	case head.Length > largeAnswer:
		s.within = answerWithin
	}
	h := s.q.w.Header()
	s.a.names.copy(h, head.Vendor)
	d := s.a.headings.Get().(*heading)
	if head.Stream {
		h["Content-Type"], h["Cache-Control"], h["X-Accel-Buffering"] = streamType, noCache, no
	} else {
		h["Content-Type"] = jsonType
		d.number("Content-Length", int64(head.Length))
		if head.Priced {
			d.money("X-Litellm-Response-Cost", head.Cost)
		}
	}
	t := head.Target
	d.text("X-Litellm-Model-Id", t.ID)
	d.text("X-Litellm-Model-Name", clean(t.Provider+"/"+t.Model))
	d.text("X-Litellm-Model-Group", clean(head.Group))
	base, _, _ := strings.Cut(t.BaseURL, "?")
	d.text("X-Litellm-Model-Api-Base", base)
	d.text("X-Litellm-Version", s.a.Version)
	d.number("X-Litellm-Attempted-Retries", int64(head.Retries))
	d.number("X-Litellm-Attempted-Fallbacks", int64(head.Fallbacks))
	d.number("X-Litellm-Response-Duration-Ms", head.Duration.Milliseconds())
	d.decimal("X-Litellm-Overhead-Duration-Ms", float64((head.Duration-head.Upstream).Microseconds())/1000)
	if len(head.Dropped) > 0 {
		d.text("X-Penstock-Dropped-Params", clean(strings.Join(head.Dropped, ",")))
	}
	if head.Capped > 0 {
		d.number("X-Penstock-Max-Tokens", head.Capped)
	}
	if t := s.q.principal.ReplacedUntil; !t.IsZero() {
		d.text("X-Penstock-Key-Replaced", "valid until "+t.UTC().Format(time.RFC3339))
	}
	if k := s.q.principal.Key; k != nil {
		if k.Limits.Budget != nil {
			d.money("X-Litellm-Key-Max-Budget", *k.Limits.Budget)
		}
		if k.Limits.TPM != nil {
			d.number("X-Litellm-Key-Tpm-Limit", *k.Limits.TPM)
		}
		if k.Limits.RPM != nil {
			d.number("X-Litellm-Key-Rpm-Limit", *k.Limits.RPM)
		}
	}
	head.Hold.AppendHeaders(d.number, d.text)
	d.route(head)
	d.why(s.q, head)
	d.into(h)
	s.a.headings.Put(d)
	s.q.w.WriteHeader(http.StatusOK)
}

// Failed implements relay.Sink: the headers of the error that follows.
func (s *sink) Failed(head *relay.Head) {
	d := s.a.headings.Get().(*heading)
	if t := head.Target; t.Deployment != nil {
		d.text("X-Litellm-Model-Id", t.ID)
		d.text("X-Litellm-Model-Name", clean(t.Provider+"/"+t.Model))
		base, _, _ := strings.Cut(t.BaseURL, "?")
		d.text("X-Litellm-Model-Api-Base", base)
	}
	d.text("X-Litellm-Model-Group", clean(head.Group))
	d.number("X-Litellm-Attempted-Retries", int64(head.Retries))
	d.number("X-Litellm-Attempted-Fallbacks", int64(head.Fallbacks))
	d.number("X-Litellm-Response-Duration-Ms", head.Duration.Milliseconds())
	d.route(head)
	d.why(s.q, head)
	d.into(s.q.w.Header())
	s.a.headings.Put(d)
}

// Write implements relay.Sink.
func (s *sink) Write(p []byte) (int, error) {
	if s.refused {
		return len(p), nil
	}
	s.bound()
	return s.q.w.Write(p)
}

// Flush implements relay.Sink.
func (s *sink) Flush() error { return s.rc.Flush() }

// never are provider headers that say something about the provider's
// connection or to a browser, not about the answer.
var never = map[string]bool{
	"Set-Cookie": true, "Connection": true, "Transfer-Encoding": true, "Content-Encoding": true, "Content-Length": true,
	"Keep-Alive": true, "Trailer": true, "Upgrade": true, "Proxy-Authenticate": true, "Alt-Svc": true, "Strict-Transport-Security": true,
	"Access-Control-Allow-Origin": true, "Access-Control-Allow-Credentials": true, "Access-Control-Expose-Headers": true,
}

// names remembers "Llm_provider-…" names, so that they are not joined again
// for every answer. Providers have a few dozen.
type names struct {
	mu sync.RWMutex
	m  map[string]string
}

func (n *names) of(name string) string {
	n.mu.RLock()
	out, ok := n.m[name]
	n.mu.RUnlock()
	if ok {
		return out
	}
	out = "Llm_provider-" + name
	n.mu.Lock()
	if len(n.m) < 1000 { // an upstream that invents names must not fill our memory
		n.m[name] = out
	}
	n.mu.Unlock()
	return out
}

// copy copies the provider's headers: its rate limits under their own names,
// and everything under llm_provider-.
func (n *names) copy(h, from http.Header) {
	for name, v := range from {
		if never[name] {
			continue
		}
		h[n.of(name)] = v
		if strings.HasPrefix(name, "X-Ratelimit-") {
			h[name] = v
		}
	}
}

// clean keeps text that clients chose from breaking a header.
func clean(s string) string {
	if len(s) <= 500 && !strings.ContainsFunc(s, control) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if control(r) {
			return ' '
		}
		return r
	}, clip(s, 500))
}

func control(r rune) bool { return r < 0x20 || r == 0x7f }

// NewID returns the id of a call that begins now.
func NewID(now time.Time) string { return newID(now) }

// newID returns a UUID of version 7: it begins with the time, so that rows of
// the ledger are added at the end of its index and not all over it.
func newID(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	ms := now.UnixMilli()
	b[0], b[1], b[2], b[3], b[4], b[5] = byte(ms>>40), byte(ms>>32), byte(ms>>24), byte(ms>>16), byte(ms>>8), byte(ms)
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	var out [36]byte
	hex.Encode(out[:8], b[:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:], b[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}
