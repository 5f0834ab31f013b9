package api

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/relay"
)

// Options are what the API is built from. All fields are needed unless said.
type Options struct {
	Auth     *auth.Authenticator
	Relay    *relay.Relay
	Snapshot func() *Snapshot
	Health   Health
	Ledger   Ledger
	Metrics  http.Handler
	Document http.Handler // /openapi.json
	Page     http.Handler // /docs
	Version  string
	Log      *slog.Logger
}

// Snapshot is the part of the configuration that the doors need.
type Snapshot struct {
	*relay.Snapshot
	Policy               *auth.Policy
	MaxBody              int64 // bytes of a request
	MaxBodySet           bool  // in the configuration: LiteLLM has a status of its own for it
	BudgetExceededStatus int
	MetricsAuth          bool
	UserHeader           string // names the end user, "" if none
	EndUserBudget        string // id of the budget of end users that have none, "" if none
	ModelAliases         map[string]string
	ListHealthy          bool // lists of models are as if healthy_only were asked for
	NoAgents             bool // the ledger does not count by which programs calls are made
}

// API serves clients.
type API struct {
	Options
	names    names
	buffers  buffers
	headings sync.Pool // *heading
}

// New returns the API.
func New(o Options) *API {
	return &API{Options: o, names: names{m: map[string]string{}}, headings: sync.Pool{New: func() any { return &heading{} }}}
}

// Route is one endpoint.
type Route struct {
	Method, Pattern string
	Handler         http.Handler
}

// Routes is the whole API as a list.
func (a *API) Routes() []Route {
	out := []Route{
		{"GET", "/health/liveliness", http.HandlerFunc(a.alive)},
		{"GET", "/health/liveness", http.HandlerFunc(a.alive)},
		{"GET", "/health/readiness", http.HandlerFunc(a.readiness)},
		{"GET", "/metrics", a.metrics()},
		{"GET", "/openapi.json", a.Document},
		{"GET", "/docs", a.Page},
	}
	// Behind the door: package auth says who may call what.
	for _, rt := range []struct {
		method, pattern string
		do              func(*request)
	}{
		{"POST", "/v1/chat/completions", a.chat},
		{"POST", "/chat/completions", a.chat},
		{"POST", "/openai/deployments/{model}/chat/completions", a.chat},
		{"POST", "/engines/{model}/chat/completions", a.chat},
		{"POST", "/v1/embeddings", a.embed},
		{"POST", "/embeddings", a.embed},
		{"POST", "/openai/deployments/{model}/embeddings", a.embed},
		{"POST", "/engines/{model}/embeddings", a.embed},
		{"POST", "/v1/messages", a.messages},
		{"GET", "/v1/models", a.models},
		{"GET", "/models", a.models},
		{"GET", "/v1/models/{model...}", a.model},
		{"GET", "/models/{model...}", a.model},
		{"GET", "/health", a.health},
		{"GET", "/health/readiness/details", a.readinessDetails},
		{"GET", "/health/services", a.healthServices},
		{"GET", "/health/latest", a.healthLatest},
		{"GET", "/health/history", a.healthHistory},
		{"GET", "/v1/explain/{id}", a.explain},
		{"POST", "/v1/explain", a.explainDry},
	} {
		out = append(out, Route{rt.method, rt.pattern, a.authed(auth.DoorOf(rt.method, rt.pattern), rt.do)})
	}
	return out
}

// request is one request at the door.
type request struct {
	a         *API
	w         http.ResponseWriter
	r         *http.Request
	s         *Snapshot
	id        string
	start     time.Time
	principal gateway.Principal
	dialect   gateway.Dialect // of errors
}

// authed returns a handler that lets only known keys in, whose role may go
// through the door. The zero door leaves that to the handler.
func (a *API) authed(door auth.Door, next func(*request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		q := &request{a: a, w: w, r: r, s: a.Snapshot(), id: newID(now), start: now, dialect: gateway.OpenAI}
		if r.URL.Path == "/v1/messages" {
			q.dialect = gateway.Anthropic
		}
		set(w.Header(), "X-Litellm-Call-Id", q.id)
		p, err := a.Auth.Admit(r, door, q.s.Policy)
		if err != nil {
			a.fail(q, err)
			return
		}
		q.principal = p
		next(q)
	})
}

func (a *API) metrics() http.Handler {
	guarded := a.authed(auth.Door{Path: "/metrics", Rule: auth.Info, Reads: true}, func(q *request) { a.Metrics.ServeHTTP(q.w, q.r) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.Snapshot().MetricsAuth {
			guarded.ServeHTTP(w, r)
			return
		}
		a.Metrics.ServeHTTP(w, r)
	})
}

// Guard wraps the whole surface: security headers, and an answer even if a
// handler has a bug.
func Guard(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["X-Content-Type-Options"] = nosniff
		h["X-Frame-Options"] = deny
		h["Content-Security-Policy"] = noFrames
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			log.Error("a handler panicked", "path", r.URL.Path, "panic", v, "stack", stack())
			// If the answer has begun this does nothing but end it.
			WriteError(w, &gateway.Error{Kind: gateway.Internal, Message: "internal error"}, 0)
		}()
		next.ServeHTTP(w, r)
	})
}

var (
	nosniff  = []string{"nosniff"}
	deny     = []string{"DENY"}
	noFrames = []string{"frame-ancestors 'none'"}
)

// NotFound answers for what is no endpoint of mux, where it stands as "/": with
// 405 and the methods there are if only the method is wrong, else with 404.
// Names that have slashes in them, in the middle of a path, end up here too.
func NotFound(mux *http.ServeMux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if u := slashed(r.URL); u != nil {
			whole := *r
			whole.URL = u
			mux.ServeHTTP(w, &whole)
			return
		}
		path := clip(r.URL.Path, 200)
		var allow []string
		for _, method := range [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
			if _, pattern := mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); pattern != "/" {
				allow = append(allow, method)
			}
		}
		if allow == nil {
			WriteError(w, &gateway.Error{Kind: gateway.NotFound, Message: "no endpoint " + r.Method + " " + path + "; /docs shows the endpoints there are"}, 0)
			return
		}
		methods := strings.Join(allow, ", ")
		WriteError(w, &gateway.Error{
			Kind: gateway.Invalid, Status: http.StatusMethodNotAllowed, Headers: map[string]string{"Allow": methods},
			Message: path + " does not take " + clip(r.Method, 20) + ", but " + methods,
		}, 0)
	}
}

func clip(s string, n int) string { return s[:min(len(s), n)] }

// Managed returns a management handler behind the same door as calls. Roles are
// its own affair: it knows which routes ask about objects.
func (a *API) Managed(next func(http.ResponseWriter, *http.Request, gateway.Principal)) http.Handler {
	return a.authed(auth.Door{}, func(q *request) {
		if q.s.Policy.ForwardedFor {
			// The audit log is to say who it was, and not which proxy.
			q.r.RemoteAddr = net.JoinHostPort(q.client(), "0")
		}
		next(q.w, q.r, q.principal)
	})
}
