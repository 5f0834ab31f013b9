package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/router"
	"penstock/internal/wire"
)

// opening is one attempt at a chat call until the first word of its answer. It
// changes nothing of its line, so that two may run beside each other.
type opening struct {
	l  *line
	p  provider.Chat
	t  router.Target
	pc *provider.Call
	up *provider.Request
	w  *watch
	a  answer

	start  time.Time
	waited time.Duration // for the head of the answer
	res    *http.Response
	events *wire.Events
	held   held
	now    time.Time // of the last event
	last   bool      // the dialect's end of a stream is among what is held
	over   bool      // the stream has ended, and well
	err    error     // of open, where that runs elsewhere
	beside bool      // it is the second of two
}

// prepare translates the call for t and makes everything ready in o to send it.
func (l *line) prepare(ctx context.Context, t router.Target, o *opening) error {
	p, ok := l.r.Providers[t.Provider].(provider.Chat)
	if !ok {
		return gateway.Invalidf("model", "provider %q of model '%s' has no chat", t.Provider, l.c.Model)
	}
	*o = opening{l: l, p: p, t: t, pc: l.call(t), start: time.Now()}
	through := p.Dialect() == l.c.Dialect
	var err error
	if through {
		o.up, err = p.Pass(t.Deployment, o.pc)
	} else {
		if o.pc.MaxTokens == 0 && l.c.Ask.MaxOutput == 0 && p.Dialect() == gateway.Anthropic {
			// Anthropic wants a cap always: the model's own is no cap at all.
			o.pc.MaxTokens = l.s.Prices.Book().MaxOutput(t.Provider, t.Model)
		}
		o.up, err = l.translate(p, t, o.pc)
	}
	if err != nil {
		return err
	}
	if through {
		o.a = &passing{tap: l.d.tap(wire.TapOptions{Model: l.c.Model, HideUsage: l.hidesUsage()}), d: l.d}
	} else {
		o.a = &translating{p: p, dec: p.Events(), enc: l.d.encoder(canon.EncodeOptions{
			Model: l.c.Model, Created: l.c.Start.Unix(), FallbackID: "chatcmpl-" + l.c.ID, IncludeUsage: l.canon.IncludeUsage,
		})}
	}
	wait, total := t.Timeout, t.Timeout
	if l.c.Stream {
		wait, total = t.Idle, l.s.maxStream()
	}
	o.w = newWatch(ctx, wait, total)
	return nil
}

// close gives back what the attempt holds.
func (o *opening) close() {
	o.w.stop()
	if o.res != nil {
		_ = o.res.Body.Close() // what could be lost has been read
	}
}

// send sends the request and takes the head of the answer.
func (o *opening) send() (err error) {
	o.res, o.waited, err = o.l.roundTrip(o.w, o.p, o.t, o.up) //nolint:bodyclose // close does
	return err
}

// open sends the request and reads the answer up to its first word. What only
// announces an answer waits for that: until then another deployment can still
// give the whole of it.
func (o *opening) open() error {
	if err := o.send(); err != nil {
		return err
	}
	if strings.HasPrefix(o.res.Header.Get("Content-Type"), "application/json") {
		// Some vendors report an error with status 200 and no stream at all.
		body, _ := io.ReadAll(io.LimitReader(o.res.Body, maxRefusal))
		return o.p.Refusal(http.StatusBadGateway, o.res.Header, body)
	}
	o.events = wire.NewEvents(o.res.Body, maxEvent)
	for {
		out, words, err := o.next()
		if err != nil || o.over {
			return err
		}
		if len(out) == 0 || !words {
			continue
		}
		if o.held.add(out, o.now); o.last || !o.held.holds(o.a.seen(), o.now) {
			return nil
		}
	}
}

// next reads an event and returns what the client gets of it, and whether it
// was more than a comment. The bytes are valid until the next call.
func (o *opening) next() (out []byte, words bool, err error) {
	ev, err := o.events.Next()
	o.now = time.Now()
	if err != nil {
		// An answer that came to its end is whole, however its connection ended.
		if o.a.seen().Done && (errors.Is(err, io.EOF) || o.w.ctx.Err() == nil && !errors.Is(err, wire.ErrTooLong)) {
			o.over = true
			return nil, false, nil
		}
		return nil, false, cut(o.w, o.t, err)
	}
	o.w.progress(o.now)
	out, o.last, err = o.a.event(ev)
	if err != nil {
		if o.a.seen().Done && gateway.AsError(err).Kind == gateway.UpstreamCut {
			o.over = true
			return nil, false, nil
		}
		return nil, false, err
	}
	return out, len(ev.Data) > 0, nil
}

// finish copies the answer that o has opened, or returns why there is none.
func (l *line) finish(o *opening, err error) error {
	if err != nil {
		l.vendor += o.waited
		l.answered = seen{Seen: *o.a.seen(), target: o.t}
		return err
	}
	// fail says how a stream that has begun ends badly: what was streamed counts.
	fail := func(err error) error {
		l.answered = seen{Seen: *o.a.seen(), target: o.t}
		return fmt.Errorf("%w: %w", router.ErrCommitted, err)
	}
	gone := func(err error) error {
		return fail(&gateway.Error{Kind: gateway.Canceled, Message: "client closed the stream", Err: err})
	}
	if o.over {
		o.now = time.Now()
	}
	l.first = o.now
	l.vendor = o.now.Sub(l.c.Start)
	journaled := o.now
	l.out.Begin(l.head(o.t, o.res, o.pc))
	for out := o.held.b; ; {
		if len(out) > 0 {
			if l.keep {
				l.output = clip(append(l.output, out...))
			}
			if o.last || o.over {
				l.deliverable(o)
			}
			if _, err := l.out.Write(out); err != nil {
				return gone(err)
			}
			if o.last || !o.over && !o.events.Buffered() {
				if err := l.out.Flush(); err != nil {
					return gone(err)
				}
			}
		}
		if o.over {
			break
		}
		if o.now.Sub(journaled) > progressEvery {
			journaled = o.now
			l.answered = seen{Seen: *o.a.seen(), target: o.t}
			l.progress(o.now)
		}
		if out, _, err = o.next(); err != nil {
			return fail(err)
		}
	}
	l.deliverable(o)
	if end := o.a.end(); len(end) > 0 {
		_, _ = l.out.Write(end) // the flush says whether the client is there
	}
	_ = l.out.Flush() // a client that has left cannot be told, and the answer is on the books
	return nil
}

// deliverable puts a whole answer on the books, before the client has its end.
func (l *line) deliverable(o *opening) {
	if !l.settled {
		l.answered = seen{Seen: *o.a.seen(), target: o.t}
		l.settle(nil)
	}
}

// held is the beginning of a stream that has no word of an answer in it yet.
type held struct {
	b     []byte
	since time.Time
}

const (
	// maxHeld bounds it in bytes, and maxHold in time: a client that waits for
	// a slow model gets to see that it has begun.
	maxHeld = 64 << 10
	maxHold = 2 * time.Second
)

func (h *held) add(out []byte, now time.Time) {
	if len(h.b) == 0 {
		h.since = now
	}
	h.b = append(h.b, out...)
}

// holds reports whether the client need not see it yet.
func (h *held) holds(s *wire.Seen, now time.Time) bool {
	return s.TextBytes == 0 && s.Finish == "" && !s.Done && len(h.b) < maxHeld && now.Sub(h.since) < maxHold
}
