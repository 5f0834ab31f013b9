package gemini

import (
	"net/http"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
	"penstock/internal/wire/gemini"
)

// Adapter talks to Google AI Studio. It holds no state of calls.
type Adapter struct {
	// ids returns the source of tool call ids for one answer.
	ids func() func() string
}

var (
	_ provider.Chat  = (*Adapter)(nil)
	_ provider.Embed = (*Adapter)(nil)
)

// New returns the adapter.
func New() *Adapter {
	return &Adapter{ids: func() func() string { return gemini.NewCallID }}
}

// Name implements provider.Provider.
func (*Adapter) Name() string { return "gemini" }

// Dialect implements provider.Chat.
func (*Adapter) Dialect() gateway.Dialect { return gateway.Gemini }

// Refusal implements provider.Provider.
func (*Adapter) Refusal(status int, h http.Header, body []byte) *gateway.Error {
	return gemini.ParseError(status, h, body)
}

// Translate implements provider.Chat.
func (*Adapter) Translate(d *gateway.Deployment, c *provider.Call, r *canon.Request) (*provider.Request, error) {
	r, err := complete(d, c, r)
	if err != nil {
		return nil, err
	}
	body, dropped, err := gemini.EncodeRequest(r, gemini.Options{
		Model:      c.Upstream,
		MaxTokens:  c.MaxTokens,
		DropParams: c.DropParams || d.DropParams,
		Allow:      d.AllowParams,
	})
	if err != nil {
		return nil, err
	}
	c.Dropped = append(c.Dropped, dropped...)
	return chatRequest(d, c, wire.BodyOf(body))
}

// Answer implements provider.Chat.
func (a *Adapter) Answer(body []byte) ([]canon.Event, error) {
	return gemini.DecodeAnswerIDs(body, a.ids())
}

// Events implements provider.Chat.
func (a *Adapter) Events() canon.Decoder { return gemini.NewDecoderIDs(a.ids()) }

func chatRequest(d *gateway.Deployment, c *provider.Call, body wire.Body) (*provider.Request, error) {
	method, query := "generateContent", ""
	if c.Stream {
		// Without alt=sse the stream is one JSON array.
		method, query = "streamGenerateContent", "alt=sse"
	}
	u, err := endpoint(d, c.Upstream, method, query)
	if err != nil {
		return nil, err
	}
	return &provider.Request{URL: u, Header: header(d), Body: body}, nil
}

// header returns the headers of every request. The key goes into a header:
// the vendor also takes it in the URL, but URLs end up in logs.
func header(d *gateway.Deployment) http.Header {
	h := make(http.Header)
	if d.APIKey != "" {
		h.Set("X-Goog-Api-Key", d.APIKey.Reveal())
	}
	for name, value := range d.Headers {
		h.Set(name, value)
	}
	return h
}
