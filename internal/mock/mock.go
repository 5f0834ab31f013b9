package mock

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"penstock/internal/wire"
)

// Options shape a Server. The zero value works.
type Options struct {
	// Default is the script of calls that bring none of their own; keys that
	// they bring are set on top of it.
	Default Step
	// Models are listed at /v1/models; default "mock". Every name is answered.
	Models []string
	// Keep is how many calls Calls can show; default 1000, negative for none,
	// which saves a copy of every body.
	Keep int
	// MaxBody bounds a request body in bytes; default 64 MB.
	MaxBody int64
}

func (o Options) withDefaults() Options {
	if len(o.Models) == 0 {
		o.Models = []string{"mock"}
	}
	if o.Keep == 0 {
		o.Keep = 1000
	}
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	return o
}

// Server is the provider. It is an http.Handler and safe for concurrent use.
type Server struct {
	opts    Options
	ready   *text
	vectors *vectors
	lists   modelLists
	ids     atomic.Int64
	pool    sync.Pool // of *exchange

	counters counters
	journal  journal
	waiters  atomic.Int64
	queued   atomic.Int64 // steps in queue

	// models is replaced, never changed: every call reads it.
	models atomic.Pointer[map[string]*model]
	closed chan struct{}

	mu      sync.Mutex
	queue   []Step        // guarded by mu
	changed chan struct{} // guarded by mu; closed when a counter has changed
	stopped bool          // guarded by mu
}

// New returns a Server.
func New(o Options) *Server {
	o = o.withDefaults()
	s := &Server{
		opts:    o,
		ready:   newText(sentence, readyWords),
		vectors: newVectors(),
		lists:   newModelLists(o.Models),
		journal: journal{keep: max(o.Keep, 0)},
		closed:  make(chan struct{}),
		changed: make(chan struct{}),
	}
	s.pool.New = func() any { return new(exchange) }
	s.models.Store(&map[string]*model{})
	return s
}

// Script replaces the queue of scripts: the next calls play one step each, in
// the order they arrive. A queued step is the whole script of its call.
func (s *Server) Script(steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append([]Step(nil), steps...)
	s.queued.Store(int64(len(steps)))
}

// next takes the next queued step.
func (s *Server) next() (Step, bool) {
	if s.queued.Load() == 0 {
		return Step{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return Step{}, false
	}
	st := s.queue[0]
	s.queue = s.queue[1:]
	s.queued.Store(int64(len(s.queue)))
	return st, true
}

// Close breaks the calls that are waiting, so that a server around s can stop.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.closed)
	}
}

// model is what is known about one model name.
type model struct {
	name     string
	quoted   []byte // name as JSON
	step     Step   // the default with the name's script on top
	err      error  // in the script
	failed   atomic.Int64
	counters counters
}

// maxModels bounds how many names are remembered. A name beyond it is answered
// all the same, but its flaky calls and counters start anew every time.
const maxModels = 4096

func (s *Server) model(name []byte) *model {
	if m := (*s.models.Load())[string(name)]; m != nil {
		return m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.models.Load()
	if m := old[string(name)]; m != nil {
		return m
	}
	m := &model{name: string(name), quoted: wire.Quote(string(name)), step: s.opts.Default}
	m.err = m.step.apply(nameScript(m.name))
	if strings.Contains(m.name, "reason") {
		m.step.Reason = true
	}
	if len(old) < maxModels {
		models := maps.Clone(old)
		models[m.name] = m
		s.models.Store(&models)
	}
	return m
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rt := route(r.Method, r.URL.Path)
	switch rt.op {
	case opControl:
		s.control(w, r)
		return
	case opModels:
		s.listModels(w, r)
		return
	case opUsage:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, usage)
		return
	case opUnknown:
		w.Header()["Content-Type"] = typeJSON
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write(rt.dialect.failure(nil, failure{
			status:  http.StatusNotFound,
			message: "Invalid URL (" + r.Method + " " + r.URL.Path + "); the mock has no such endpoint",
		}))
		return
	case opChat, opEmbed, opCount:
	}

	x := s.pool.Get().(*exchange)
	out := s.exchange(x, rt, w, r)
	broken := out == Broken && !x.clean && !x.taken
	x.reset()
	s.pool.Put(x)
	if broken {
		// The only way to break a connection without an end to its answer.
		panic(http.ErrAbortHandler)
	}
}

// exchange receives, records and answers one model call.
func (s *Server) exchange(x *exchange, rt target, w http.ResponseWriter, r *http.Request) Outcome {
	x.start = time.Now()
	x.target, x.http = rt, r
	readErr := x.readBody(r, s.opts.MaxBody)
	var parseErr error
	if readErr == nil {
		parseErr = x.parse(s)
	}
	var c *Call
	if s.journal.keep > 0 {
		c = &Call{
			Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header.Clone(), Body: bytes.Clone(x.body),
			Stream: x.stream, Start: x.start, Outcome: Running,
		}
		if x.model != nil {
			c.Model = x.model.name
		}
		s.journal.add(c)
	}
	// The counters come last, here and at the end: who waits for one reads the
	// call next.
	if x.model != nil {
		x.model.counters.received.Add(1)
	}
	s.counters.received.Add(1)
	s.notify()

	var out Outcome
	switch {
	case readErr != nil:
		out = x.readFailed(w, readErr)
	case parseErr != nil:
		out = x.fail(w, failure{status: http.StatusBadRequest, message: parseErr.Error()})
	default:
		out = s.play(x, w)
	}
	if c != nil {
		s.journal.end(c, out)
	}
	if x.model != nil {
		x.model.counters.end(out)
	}
	s.counters.end(out)
	s.notify()
	return out
}
