package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/router"
	"penstock/internal/wire"
)

// chat makes one attempt: translate if need be, send, and copy the answer to
// the client.
func (l *line) chat(ctx context.Context, t router.Target) error {
	if after, ok := l.hedgeAfter(t); ok {
		return l.race(ctx, t, after)
	}
	o := &l.one
	if err := l.prepare(ctx, t, o); err != nil {
		return err
	}
	defer o.close()
	if l.c.Stream {
		o.held.b = l.held[:0]
		defer func() { l.held = o.held.b[:0] }()
		return l.finish(o, o.open())
	}
	err := o.send()
	l.vendor += o.waited
	if err != nil {
		return err
	}
	return l.whole(o)
}

// call returns the call as the adapter of t sees it.
func (l *line) call(t router.Target) *provider.Call {
	l.capped = l.affordable()
	for _, name := range [...]string{"max_tokens", "max_completion_tokens"} {
		if n, ok := l.in.Int(name); ok && t.Params != nil && l.capped > 0 {
			l.capped = min(l.capped, n)
		}
	}
	return &provider.Call{
		Call: l.c, In: l.in, Upstream: t.Model, MaxTokens: l.capped,
		DropParams: l.s.DropParams || t.DropParams || l.c.DropParams,
	}
}

func (l *line) translate(p provider.Chat, t router.Target, pc *provider.Call) (*provider.Request, error) {
	if l.d.request == nil {
		return nil, gateway.Invalidf("model", "model '%s' is served by %s, which does not speak the %s format of this endpoint yet; call /v1/chat/completions instead",
			l.c.Model, t.Provider, l.c.Dialect)
	}
	if l.canon == nil {
		r, err := l.d.request(l.in)
		if err != nil {
			return nil, err
		}
		l.canon = r
	}
	return p.Translate(t.Deployment, pc, l.canon)
}

// hidesUsage reports whether usage in a stream was asked for by us alone.
func (l *line) hidesUsage() bool { return l.c.Stream && !l.c.WantsUsage }

// answer reads a vendor's answer and turns it into the client's.
type answer interface {
	// whole turns a whole answer into what the client gets.
	whole(body []byte) ([]byte, error)
	// event turns one streamed event into what the client gets, possibly
	// nothing, and reports whether the client's stream ends with it. The bytes
	// are valid until the next call.
	event(wire.Event) (out []byte, last bool, err error)
	// end returns what still has to be sent when the vendor's stream is over.
	end() []byte
	// seen returns what the answer has told so far.
	seen() *wire.Seen
}

// passing is an answer in the client's own dialect.
type passing struct {
	tap    wire.Tap
	d      dialect
	closed bool
}

func (a *passing) whole(body []byte) ([]byte, error) { return a.tap.Whole(body) }
func (a *passing) seen() *wire.Seen                  { return a.tap.Seen() }

func (a *passing) event(ev wire.Event) ([]byte, bool, error) {
	half := !ended(ev.Raw) // only the last one of a stream can be
	if half {
		switch data := bytes.TrimSpace(ev.Data); {
		case len(data) == 0:
			return nil, false, nil
		case string(data) != "[DONE]" && !wire.Valid(data):
			return nil, false, errHalf()
		}
	}
	out, err := a.tap.Event(ev)
	if half && len(out) > 0 {
		ends := "\n\n"
		if c := out[len(out)-1]; c == '\n' || c == '\r' {
			ends = "\n"
		}
		out = append(append(make([]byte, 0, len(out)+2), out...), ends...)
	}
	last := a.d.last(ev)
	a.closed = a.closed || last
	return out, last, err
}

// ended reports whether the event has its blank line, without which what
// follows would run into it.
func ended(raw []byte) bool {
	return bytes.HasSuffix(raw, []byte("\n\n")) || bytes.HasSuffix(raw, []byte("\r\n\r\n")) || bytes.HasSuffix(raw, []byte("\r\r"))
}

func errHalf() *gateway.Error {
	return &gateway.Error{Kind: gateway.UpstreamCut, Message: "the provider's stream ended in the middle of an event"}
}

func (a *passing) end() []byte {
	if a.closed {
		return nil
	}
	return a.d.end // some vendors forget it, and clients wait for it
}

// translating is an answer in another dialect than the client's.
type translating struct {
	p    provider.Chat
	dec  canon.Decoder
	enc  canon.Encoder
	evs  []canon.Event
	out  []byte
	told wire.Seen
}

func (a *translating) whole(body []byte) ([]byte, error) {
	evs, err := a.p.Answer(body)
	if err != nil {
		return nil, err
	}
	if err := a.note(evs); err != nil {
		return nil, err
	}
	a.told.Done = true
	return a.enc.Whole(nil, evs), nil
}

func (a *translating) event(ev wire.Event) ([]byte, bool, error) {
	a.out = a.out[:0]
	if len(ev.Data) == 0 {
		return nil, false, nil
	}
	if !ended(ev.Raw) && string(bytes.TrimSpace(ev.Data)) != "[DONE]" && !wire.Valid(ev.Data) {
		return nil, false, errHalf()
	}
	var err error
	if a.evs, err = a.dec.Decode(ev.Name, ev.Data, a.evs[:0]); err != nil {
		return nil, false, err
	}
	err = a.note(a.evs)
	for i := range a.evs {
		if a.evs[i].Kind != canon.EvError {
			a.out = a.enc.Event(a.out, &a.evs[i])
		}
	}
	a.told.Done = a.dec.Done()
	return a.out, false, err
}

func (a *translating) end() []byte      { return a.enc.End(a.out[:0]) }
func (a *translating) seen() *wire.Seen { return &a.told }

// note remembers what the events tell, and returns the error among them.
func (a *translating) note(evs []canon.Event) error {
	for i := range evs {
		switch ev := &evs[i]; ev.Kind {
		case canon.EvStart:
			a.told.ID, a.told.Model = ev.ID, ev.Model
		case canon.EvText, canon.EvReasoning, canon.EvRefusal, canon.EvToolArgs:
			a.told.TextBytes += len(ev.Text)
		case canon.EvFinish:
			a.told.Finish = string(ev.Finish)
		case canon.EvUsage:
			a.told.Usage, a.told.HasUsage = ev.Usage, true
		case canon.EvError:
			if ev.Err == nil {
				return &gateway.Error{Kind: gateway.UpstreamFailed, Message: "the provider reported an error in its answer"}
			}
			return ev.Err
		}
	}
	return nil
}

// whole copies an answer that is one document.
func (l *line) whole(o *opening) error {
	start := time.Now()
	body, err := l.readAnswer(o.res)
	l.vendor += time.Since(start)
	if err != nil {
		return cut(o.w, o.t, err)
	}
	shown, err := o.a.whole(body)
	if err != nil {
		return err
	}
	l.deliver(o.t, o.res, o.pc, o.a.seen(), shown)
	return nil
}

// deliver books an answer that is one document, and then shows it.
func (l *line) deliver(t router.Target, res *http.Response, pc *provider.Call, told *wire.Seen, shown []byte) {
	l.answered = seen{Seen: *told, target: t}
	l.first = time.Now()
	if l.keep {
		l.output = slices.Clone(clip(shown)) // its memory is used again
	}
	l.settle(nil)
	h := l.head(t, res, pc)
	h.Length, h.Cost, h.Priced = len(shown), l.row.Cost, l.row.Priced
	l.out.Begin(h)
	// A client that has left cannot be told, and the answer is on the books.
	if _, err := l.out.Write(shown); err == nil {
		_ = l.out.Flush()
	}
}

func (l *line) head(t router.Target, res *http.Response, pc *provider.Call) *Head {
	return &Head{
		Stream: l.c.Stream, Target: t, Group: l.group(), Retries: l.outcome.Retries, Fallbacks: l.outcome.Fallbacks,
		Duration: time.Since(l.c.Start), Upstream: l.vendor, Vendor: res.Header, Dropped: pc.Dropped, Capped: l.capped, Hold: &l.hold,
		l: l,
	}
}

// progressEvery is how often a running stream is journaled: what a crash may
// leave unbilled of it.
const progressEvery = 2 * time.Second

// cut says why an answer ended before its end.
func cut(w *watch, t router.Target, err error) *gateway.Error {
	if w.ctx.Err() != nil {
		return broken(w, t, err)
	}
	if errors.Is(err, wire.ErrTooLong) || errors.Is(err, errTooLarge) {
		return &gateway.Error{Kind: gateway.UpstreamFailed, Message: fmt.Sprintf("the answer of %s is larger than the gateway takes (deployment %s)", t.Provider, t.ID), Err: err}
	}
	return &gateway.Error{Kind: gateway.UpstreamCut, Message: fmt.Sprintf("the answer of %s was cut short (deployment %s)", t.Provider, t.ID), Err: err}
}

var errTooLarge = fmt.Errorf("answer over %d bytes", maxAnswer)

// readAnswer reads a whole body. The bytes are valid until the call has ended:
// the next one gets the same memory.
func (l *line) readAnswer(res *http.Response) ([]byte, error) {
	buf := l.body[:0]
	switch n := res.ContentLength; {
	case n > maxAnswer:
		return nil, errTooLarge
	case n >= int64(cap(buf)):
		// One byte more, so that the end is seen without growing.
		buf = make([]byte, 0, n+1)
	case cap(buf) == 0:
		buf = make([]byte, 0, 4<<10)
	}
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, 1)
		}
		n, err := res.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > maxAnswer {
			return nil, errTooLarge
		}
		if err != nil {
			if cap(buf) <= maxKept {
				l.body = buf
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return buf, err
		}
	}
}

// maxKept bounds the memory that a line keeps for the answer of its next call.
const maxKept = 256 << 10

// maxContent bounds what a logging destination gets of a prompt or an answer.
const maxContent = 256 << 10

func clip(b []byte) []byte { return b[:min(len(b), maxContent)] }
