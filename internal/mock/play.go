package mock

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// Shared header values: they are read only, and an answer allocates none.
var (
	typeJSON  = []string{"application/json"}
	typeSSE   = []string{"text/event-stream; charset=utf-8"}
	noCache   = []string{"no-cache"}
	closeConn = []string{"close"}
)

// play answers x by its script.
func (s *Server) play(x *exchange, w http.ResponseWriter) Outcome {
	ctx := x.http.Context()
	st := &x.step
	if !s.wait(ctx, st.Latency) {
		return s.gone(ctx)
	}
	if st.Hang {
		return s.hang(ctx)
	}
	if st.SlowHeaders > 0 {
		if d, ok := s.drip(w, st.SlowHeaders); ok {
			x.taken = true
			out := s.respond(d.ctx, x, d)
			if out != Broken || x.clean {
				d.finish()
			}
			d.close()
			return out
		}
		if !s.wait(ctx, st.SlowHeaders) {
			return s.gone(ctx)
		}
	}
	return s.respond(ctx, x, w)
}

// respond answers or fails, once the waits before the headers are over.
func (s *Server) respond(ctx context.Context, x *exchange, w http.ResponseWriter) Outcome {
	st := &x.step
	if st.Flaky > 0 && x.model.failed.Add(1) <= int64(st.Flaky) {
		return x.fail(w, failure{status: http.StatusInternalServerError, retryAfter: st.RetryAfter})
	}
	if st.Status >= 400 {
		return x.fail(w, failure{status: st.Status, retryAfter: st.RetryAfter})
	}
	if st.Cut.set() && st.Cut.n() == 0 {
		return Broken
	}
	s.render(x)
	return s.send(ctx, x, w)
}

func (s *Server) render(x *exchange) {
	switch {
	case x.op == opEmbed:
		x.renderEmbed(s.vectors)
		return
	case x.op == opCount:
		x.renderCount()
		return
	}
	s.decide(x)
	switch x.dialect {
	case openAI:
		if x.stream {
			x.streamOpenAI()
		} else {
			x.renderOpenAI()
		}
	case anthropic:
		if x.stream {
			x.streamAnthropic()
		} else {
			x.renderAnthropic()
		}
	case gemini:
		if x.stream {
			x.streamGemini()
		} else {
			x.renderGemini()
		}
	}
}

// end is what happens where a script stops an answer.
type end uint8

const (
	endWhole end = iota
	endCut
	endStall
	endShort
)

// stop returns how many bytes of the answer are sent, and what follows. An
// error event is put in place of what is left out.
func (x *exchange) stop() (n int, e end) {
	st := &x.step
	switch {
	case st.CutBytes.set() && st.CutBytes.n() <= len(x.out):
		return st.CutBytes.n(), endCut
	case st.Cut.set():
		return x.offset(st.Cut), endCut
	case st.Stall.set():
		return x.offset(st.Stall), endStall
	case st.Short.set():
		return x.offset(st.Short), endShort
	case st.Error.set() && x.stream:
		at := x.offset(st.Error)
		for len(x.ends) > 0 && x.ends[len(x.ends)-1].end > at {
			x.ends = x.ends[:len(x.ends)-1]
		}
		x.out = x.out[:at]
		x.midError()
		return len(x.out), endShort
	}
	return len(x.out), endWhole
}

// offset returns where the chunk at ends.
func (x *exchange) offset(at At) int {
	if !x.stream {
		if at.n() == 0 {
			return 0
		}
		return len(x.out) / 2
	}
	last, n := 0, 0
	for _, m := range x.ends {
		if m.text {
			if n++; n > at.n() {
				break
			}
		}
		last = m.end
		if n == at.n() {
			break // what follows the last chunk is the end mark
		}
	}
	return last
}

// send writes the answer at the script's pace.
func (s *Server) send(ctx context.Context, x *exchange, w http.ResponseWriter) Outcome {
	limit, e := x.stop()
	h := w.Header()
	switch {
	case x.stream && !x.array:
		h["Content-Type"], h["Cache-Control"] = typeSSE, noCache
	default:
		h["Content-Type"] = typeJSON
	}
	if !x.stream && e != endShort {
		h["Content-Length"] = []string{strconv.Itoa(len(x.out))}
	}
	w.WriteHeader(http.StatusOK)
	flush := func() {}
	if f, ok := w.(http.Flusher); ok {
		flush = f.Flush
	}
	if x.step.First > 0 {
		flush()
		if !s.wait(ctx, x.step.First) {
			return s.gone(ctx)
		}
	}
	rest := 0
	if x.stream && x.step.Gap > 0 {
		var out Outcome
		if rest, out = s.pace(ctx, x, w, flush, limit); out != Running {
			return out
		}
	}
	if _, err := w.Write(x.out[rest:limit]); err != nil {
		return Cancelled
	}
	if x.stream || e != endWhole {
		// For a stream the flush is also what keeps the server from counting
		// its bytes and sending a Content-Length, as no provider does.
		flush()
	}
	switch e {
	case endWhole:
		return Answered
	case endStall:
		return s.hang(ctx)
	case endShort:
		x.clean = true
	case endCut:
	}
	return Broken
}

// pace writes the chunks up to limit with gaps between them, and returns how
// far it came: the frame after the last chunk is left to the caller.
func (s *Server) pace(ctx context.Context, x *exchange, w http.ResponseWriter, flush func(), limit int) (int, Outcome) {
	timer := time.NewTimer(x.step.Gap)
	defer timer.Stop()
	sent := 0
	for _, m := range x.ends {
		if !m.text || m.end > limit {
			continue
		}
		if sent > 0 {
			select {
			case <-timer.C:
			case <-ctx.Done():
				return sent, Cancelled
			case <-s.closed:
				return sent, Broken
			}
			timer.Reset(x.step.Gap)
		}
		if _, err := w.Write(x.out[sent:m.end]); err != nil {
			return sent, Cancelled
		}
		flush()
		sent = m.end
	}
	return sent, Running
}

// wait reports whether d has passed with the client still there.
func (s *Server) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-s.closed:
	}
	return false
}

// hang waits until the client leaves.
func (s *Server) hang(ctx context.Context) Outcome {
	select {
	case <-ctx.Done():
	case <-s.closed:
	}
	return s.gone(ctx)
}

// gone tells a client that left from a server that was closed.
func (s *Server) gone(ctx context.Context) Outcome {
	if ctx.Err() != nil {
		return Cancelled
	}
	return Broken
}
