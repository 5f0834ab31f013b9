package openai

import (
	"fmt"
	"net/http"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// Adapter is the adapter for one vendor.
type Adapter struct{ v Vendor }

var (
	_ provider.Chat  = (*Adapter)(nil)
	_ provider.Embed = (*Adapter)(nil)
)

// New returns the adapter for v.
func New(v Vendor) *Adapter { return &Adapter{v} }

// Name implements provider.Provider.
func (a *Adapter) Name() string { return a.v.Name }

// Dialect implements provider.Chat.
func (a *Adapter) Dialect() gateway.Dialect { return gateway.OpenAI }

// Pass implements provider.Chat.
func (a *Adapter) Pass(d *gateway.Deployment, c *provider.Call) (*provider.Request, error) {
	return a.chat(d, c, c.In)
}

// Translate implements provider.Chat. The canonical request is written as a
// client of this dialect would have written it, and then goes the way of all
// such requests: the vendor's quirks are known in one place.
func (a *Adapter) Translate(d *gateway.Deployment, c *provider.Call, r *canon.Request) (*provider.Request, error) {
	r, err := a.foreign(d, c, r)
	if err != nil {
		return nil, err
	}
	body, err := openai.EncodeChat(r)
	if err != nil {
		return nil, &gateway.Error{Kind: gateway.Invalid, Message: "the request cannot be written in OpenAI's format", Err: err}
	}
	var o wire.Object
	if err := o.Parse(body); err != nil {
		return nil, fmt.Errorf("read back a translated request: %w", err)
	}
	return a.chat(d, c, &o)
}

// Answer implements provider.Chat.
func (a *Adapter) Answer(body []byte) ([]canon.Event, error) { return openai.DecodeAnswer(body) }

// Events implements provider.Chat.
func (a *Adapter) Events() canon.Decoder { return openai.NewDecoder() }

// Refusal implements provider.Provider.
func (a *Adapter) Refusal(status int, h http.Header, body []byte) *gateway.Error {
	return openai.ParseError(status, h, body)
}

func (a *Adapter) chat(d *gateway.Deployment, c *provider.Call, in *wire.Object) (*provider.Request, error) {
	path := a.v.Path
	if path == "" {
		path = "/chat/completions"
	}
	req, err := a.request(d, path)
	if err != nil {
		return nil, err
	}
	dr := &draft{in: in}
	if err := a.common(dr, d, c); err != nil {
		return nil, err
	}
	if err := a.params(dr, d, c); err != nil {
		return nil, err
	}
	dr.drop(d.DropAlways)
	edits := dr.edits()
	if m := in.Find("messages"); m != nil && !dr.touched("messages") {
		edits = a.messageEdits().Messages(in.Body[m.Start:m.End], m.Start, edits)
	}
	if m := in.Find("tools"); m != nil && !dr.touched("tools") {
		edits = a.messageEdits().Tools(in.Body[m.Start:m.End], m.Start, edits)
	}
	req.Body = wire.Segments(in.Body, edits)
	return req, nil
}

// request returns a request with everything but its body.
func (a *Adapter) request(d *gateway.Deployment, path string) (*provider.Request, error) {
	base := d.BaseURL
	if base == "" {
		base = a.v.BaseURL
	}
	if base == "" {
		return nil, &gateway.Error{Kind: gateway.Unavailable, Message: fmt.Sprintf("deployment %s of %s has no api_base; this provider needs one", d.ID, d.Group)}
	}
	base = strings.TrimRight(base, "/")
	if a.v.BaseSuffix != "" && !strings.HasSuffix(base, a.v.BaseSuffix) {
		base += a.v.BaseSuffix
	}
	h := make(http.Header, 4)
	switch key := d.APIKey.Reveal(); {
	case key == "" && !a.v.Keyless:
		return nil, &gateway.Error{Kind: gateway.UpstreamAuth, Message: fmt.Sprintf("deployment %s of %s has no api_key", d.ID, d.Group)}
	case key == "":
	case a.v.AuthHeader != "":
		h.Set(a.v.AuthHeader, key)
	default:
		h.Set("Authorization", "Bearer "+key)
	}
	if d.Organization != "" {
		h.Set("OpenAI-Organization", d.Organization)
	}
	for name, v := range d.Headers {
		h.Set(name, v)
	}
	return &provider.Request{URL: base + path, Header: h}, nil
}

// messageEdits says what this vendor does not take in messages.
func (a *Adapter) messageEdits() openai.Edits {
	if a.v.Loose {
		return openai.Edits{}
	}
	return openai.Edits{
		DropReasoning:     !a.v.KeepReasoning,
		DropCache:         !a.v.KeepCache,
		DropFields:        true,
		DropNames:         a.v.NoNames,
		DeveloperToSystem: !a.v.OpenAI,
		FlattenText:       a.v.TextOnly,
		FixMedia:          true,
	}
}
