package mock

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"penstock/internal/wire"
)

// report is the answer of /mock/calls.
type report struct {
	Stats
	Models map[string]Stats `json:"models,omitempty"`
	Recent []reported       `json:"recent,omitempty"`
}

type reported struct {
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Model   string      `json:"model"`
	Stream  bool        `json:"stream"`
	Outcome Outcome     `json:"outcome"`
	Start   time.Time   `json:"start"`
	End     time.Time   `json:"end,omitzero"`
	Header  http.Header `json:"header"`
	Body    string      `json:"body"`
}

// control serves /mock/calls, for tests in another process.
func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/mock/calls" || r.Method != http.MethodGet && r.Method != http.MethodDelete {
		http.Error(w, "the mock has GET and DELETE /mock/calls", http.StatusNotFound)
		return
	}
	if r.Method == http.MethodDelete {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
		return
	}
	q := r.URL.Query()
	if err := s.await(r.Context(), q); err != nil {
		http.Error(w, "not so many calls in time", http.StatusRequestTimeout)
		return
	}
	rep := report{Stats: s.Stats()}
	if name := q.Get("model"); name != "" {
		rep.Stats = Stats{}
		if m := (*s.models.Load())[name]; m != nil {
			rep.Stats = m.counters.stats()
		}
	} else {
		rep.Models = map[string]Stats{}
		for name, m := range *s.models.Load() {
			rep.Models[name] = m.counters.stats()
		}
	}
	if n, err := strconv.Atoi(q.Get("recent")); err == nil && n > 0 {
		for _, c := range s.journal.last(n) {
			rep.Recent = append(rep.Recent, reported{
				c.Method, c.Path, c.Model, c.Stream, c.Outcome,
				c.Start, c.End, c.Header, strings.ToValidUTF8(string(c.Body), "\ufffd"),
			})
		}
	}
	w.Header()["Content-Type"] = typeJSON
	_ = json.MarshalWrite(w, rep, json.Deterministic(true))
}

// await waits for the counters that the query names.
func (s *Server) await(ctx context.Context, q url.Values) error {
	least := func(name string) int64 {
		n, _ := strconv.ParseInt(q.Get(name), 10, 64)
		return n
	}
	want := Stats{least("received"), least("answered"), least("refused"), least("cancelled"), least("broken")}
	timeout := 10 * time.Second
	if d, err := duration(q.Get("timeout")); err == nil {
		timeout = d
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return s.Wait(ctx, func(got Stats) bool {
		return got.Received >= want.Received && got.Answered >= want.Answered && got.Refused >= want.Refused &&
			got.Cancelled >= want.Cancelled && got.Broken >= want.Broken
	})
}

// modelLists are the answers of the two kinds of model list.
type modelLists struct{ openAI, gemini []byte }

func newModelLists(models []string) modelLists {
	o := []byte(`{"object":"list","data":[`)
	g := []byte(`{"models":[`)
	for i, m := range models {
		if i > 0 {
			o, g = append(o, ','), append(g, ',')
		}
		o = append(append(o, `{"id":`...), wire.Quote(m)...)
		o = append(o, `,"object":"model","created":1700000000,"owned_by":"mock"}`...)
		g = append(append(g, `{"name":`...), wire.Quote("models/"+m)...)
		g = append(g, `,"supportedGenerationMethods":["generateContent","embedContent"]}`...)
	}
	return modelLists{append(o, "]}"...), append(g, "]}"...)}
}

func (s *Server) listModels(w http.ResponseWriter, r *http.Request) {
	w.Header()["Content-Type"] = typeJSON
	if route(r.Method, r.URL.Path).dialect == gemini {
		_, _ = w.Write(s.lists.gemini)
		return
	}
	_, _ = w.Write(s.lists.openAI)
}
