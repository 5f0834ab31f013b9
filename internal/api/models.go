package api

import (
	"net/http"
	"strconv"
	"strings"

	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// created is when models were made, as far as this list says: LiteLLM's
// constant, which clients compare.
const created = 1677610602

// visible returns the model names that the caller may use. A wildcard stands
// for what the price book knows behind it, unless raw.
func (q *request) visible(raw bool) []string {
	var out []string
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] && q.a.Auth.Directory.Usable(&q.principal, name, q.s.Table) {
			seen[name] = true
			out = append(out, name)
		}
	}
	for _, name := range q.s.Table.Names(&q.principal) {
		if !strings.Contains(name, "*") {
			add(name)
			continue
		}
		if raw {
			add(name)
		}
		for _, known := range q.s.Prices.Known(name) {
			add(known)
		}
	}
	return out
}

// models lists the models the caller may use.
func (a *API) models(q *request) {
	names := q.visible(q.r.URL.Query().Get("return_wildcard_routes") == "true")
	b := []byte(`{"data":[`)
	if q.r.Header.Get("Anthropic-Version") != "" {
		for i, n := range names {
			b = comma(b, i)
			b = append(wire.AppendString(append(b, `{"type":"model","id":`...), n), `,"display_name":`...)
			b = append(wire.AppendString(b, n), `,"created_at":"2023-02-28T18:56:42Z"}`...)
		}
		b = append(b, `],"has_more":false,"first_id":`...)
		b = orNull(b, names, 0)
		b = append(b, `,"last_id":`...)
		b = append(orNull(b, names, len(names)-1), '}')
	} else {
		for i, n := range names {
			b = appendModel(comma(b, i), n)
		}
		b = append(b, `],"object":"list"}`...)
	}
	writeJSON(q.w, http.StatusOK, b)
}

// model describes one model.
func (a *API) model(q *request) {
	name := q.r.PathValue("model")
	if !q.s.Table.Knows(name, &q.principal) || !q.a.Auth.Directory.Usable(&q.principal, name, q.s.Table) {
		a.fail(q, &gateway.Error{Kind: gateway.NotFound, Param: "model", Code: "model_not_found", Message: "The model `" + clip(name, 200) + "` does not exist or is not accessible"})
		return
	}
	writeJSON(q.w, http.StatusOK, appendModel(nil, name))
}

func appendModel(b []byte, name string) []byte {
	b = append(wire.AppendString(append(b, `{"id":`...), name), `,"object":"model","created":`...)
	return append(strconv.AppendInt(b, created, 10), `,"owned_by":"openai"}`...)
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func orNull(b []byte, names []string, i int) []byte {
	if i < 0 || i >= len(names) {
		return append(b, "null"...)
	}
	return wire.AppendString(b, names[i])
}

func writeJSON(w http.ResponseWriter, status int, b []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	set(h, "Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}
