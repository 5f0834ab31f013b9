package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// traffic is one kind of call.
type traffic struct {
	path, model string
	stream      bool
	prompt      int // bytes
	least       int // bytes that an answer has at the least
	events      int // that a stream has at the least
}

func (t *traffic) body() []byte {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog. ", t.prompt/45+1)[:t.prompt]
	if strings.HasSuffix(t.path, "embeddings") {
		return fmt.Appendf(nil, `{"model":%q,"input":%q}`, t.model, text)
	}
	extra := ""
	if t.stream {
		extra = `,"stream":true`
	}
	return fmt.Appendf(nil, `{"model":%q,"messages":[{"role":"user","content":%q}]%s}`, t.model, text, extra)
}

// call sends one call and reads its whole answer. first, if not nil, is called
// when the first byte of the answer's body is here.
func (s *server) call(ctx context.Context, t *traffic, body []byte, first func()) error {
	s.calls.Add(1)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+t.path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.key)
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		said, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		return fmt.Errorf("status %d: %s", res.StatusCode, said)
	}
	// Events are counted, so that nobody is fast by leaving some out.
	var buf [4096]byte
	size, events := 0, 0
	for {
		n, err := res.Body.Read(buf[:])
		if n > 0 && size == 0 && first != nil {
			first()
		}
		size += n
		if t.stream {
			events += bytes.Count(buf[:n], []byte("\n\n"))
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("after %d bytes of the answer: %w", size, err)
		}
	}
	if size < t.least || events < t.events {
		return fmt.Errorf("an answer of %d bytes and %d events, want %d and %d at the least", size, events, t.least, t.events)
	}
	return nil
}

// closedLoop sends calls over so many connections, each of which sends its
// next call when it has its answer. The connections begin within ramp, so that
// streams do not beat in time.
func (s *server) closedLoop(ctx context.Context, t *traffic, calls, conns int, ramp time.Duration, first func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body := t.body()
	var next atomic.Int64
	var wg sync.WaitGroup
	for i := range conns {
		wg.Go(func() {
			select {
			case <-time.After(ramp * time.Duration(i) / time.Duration(conns)):
			case <-ctx.Done():
				return
			}
			for next.Add(1) <= int64(calls) {
				if err := s.call(ctx, t, body, first); err != nil {
					cancel(fmt.Errorf("%s: %w", s.name, err))
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// openLoop sends rate calls a second for a while, each at its time, whatever
// has become of those before it. It returns how long each took from when it
// was due: to its end, or to its first byte if it is streamed. late is how far
// the generator itself was behind.
func (s *server) openLoop(ctx context.Context, t *traffic, rate int, during time.Duration) (took, late []time.Duration, err error) {
	// A thread sleeps until calls are due, and the others must not wait for it.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body := t.body()
	n := int(during.Seconds() * float64(rate))
	took, late = make([]time.Duration, n), make([]time.Duration, n)
	begin := time.Now().Add(10 * time.Millisecond)
	var wg sync.WaitGroup
	for i := range n {
		due := begin.Add(time.Duration(i) * time.Second / time.Duration(rate))
		for wait := time.Until(due); wait > 0; wait = time.Until(due) {
			pause(wait)
		}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			late[i] = time.Since(due)
			err := s.call(ctx, t, body, func() { took[i] = time.Since(due) })
			if err != nil {
				cancel(fmt.Errorf("%s: %w", s.name, err))
			}
			if !t.stream {
				took[i] = time.Since(due)
			}
		})
	}
	wg.Wait()
	return took, late, context.Cause(ctx)
}
