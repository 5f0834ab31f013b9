package api

import (
	"context"
	"net/http"
	"sync/atomic"

	"penstock/internal/gateway"
	"penstock/internal/relay"
	"penstock/internal/wire"
	"penstock/internal/wire/anthropic"
)

// chat serves OpenAI's chat completions.
func (a *API) chat(q *request) {
	a.serve(q, gateway.Chat, func(in *wire.Object) error { return need(in, "messages", "/chat/completions") }, a.Relay.Chat)
}

// embed serves OpenAI's embeddings.
func (a *API) embed(q *request) {
	a.serve(q, gateway.Embed, func(in *wire.Object) error { return need(in, "input", "/embeddings") }, a.Relay.Embed)
}

// messages serves Anthropic's messages.
func (a *API) messages(q *request) {
	a.serve(q, gateway.Chat, func(in *wire.Object) error {
		_, err := anthropic.Inspect(in)
		return err
	}, a.Relay.Chat)
}

type carry func(context.Context, *gateway.Call, *wire.Object, relay.Sink) error

func (a *API) serve(q *request, op gateway.Operation, check func(*wire.Object) error, carry carry) {
	in := new(wire.Object)
	body, err := q.readBody(in)
	if err != nil {
		a.fail(q, err)
		return
	}
	var lent *atomic.Int32
	if len(body) > smallestBuffer {
		lent = new(atomic.Int32)
		defer func() {
			// A provider that answered early may not have read all of it yet.
			if lent.Load() == 0 {
				a.buffers.keep(body)
			}
		}()
	}
	c, err := q.call(op, in, body)
	if err == nil {
		err = check(in)
	}
	if err != nil {
		a.refuse(q, in, err)
		return
	}
	c.Lent = lent
	out := &sink{a: a, q: q, rc: http.NewResponseController(q.w)}
	defer out.unbound()
	switch err := carry(q.r.Context(), c, in, out); {
	case err == nil:
	case !out.began:
		a.fail(q, err)
	case c.Stream:
		a.failStream(q, out, err) // too late for a status
	}
}

func need(in *wire.Object, name, path string) error {
	if in.Has(name) {
		return nil
	}
	return gateway.Invalidf(name, "%s: Missing required parameter: '%s'.", path, name)
}

// refuse answers with an error before anything of the call was made, and
// remembers it for those who ask why.
func (a *API) refuse(q *request, in *wire.Object, err error) {
	model, _ := in.String("model")
	a.Relay.Refused.Add(&relay.Refusal{
		CallID: q.id, KeyHash: q.principal.KeyHash(), TeamID: q.principal.TeamID(), Model: model, Route: q.r.URL.Path, Start: q.start, Error: *gateway.AsError(err),
	})
	a.fail(q, err)
}
