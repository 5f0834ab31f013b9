package anthropic

import (
	"net/http"
	"slices"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
	"penstock/internal/wire/anthropic"
	"penstock/internal/wire/openai"
)

const (
	defaultBase    = "https://api.anthropic.com"
	defaultVersion = "2023-06-01"

	// oauthPrefix marks tokens of Claude accounts, which are sent as bearer
	// tokens and need a beta.
	oauthPrefix = "sk-ant-oat"
	oauthBeta   = "oauth-2025-04-20"
)

// Adapter is the Anthropic API.
type Adapter struct{}

var _ provider.Chat = (*Adapter)(nil)

// New returns the adapter.
func New() *Adapter { return &Adapter{} }

// Name implements provider.Provider.
func (*Adapter) Name() string { return "anthropic" }

// Dialect implements provider.Chat.
func (*Adapter) Dialect() gateway.Dialect { return gateway.Anthropic }

// Refusal implements provider.Provider.
func (*Adapter) Refusal(status int, h http.Header, body []byte) *gateway.Error {
	return anthropic.ParseError(status, h, body)
}

// Answer implements provider.Chat.
func (*Adapter) Answer(body []byte) ([]canon.Event, error) { return anthropic.DecodeAnswer(body) }

// Events implements provider.Chat.
func (*Adapter) Events() canon.Decoder { return anthropic.NewDecoder() }

// Translate implements provider.Chat.
func (*Adapter) Translate(d *gateway.Deployment, c *provider.Call, r *canon.Request) (*provider.Request, error) {
	full, dropped, err := complete(d, r)
	if err != nil {
		return nil, err
	}
	enc, err := anthropic.EncodeRequest(full, anthropic.Options{
		Model:      c.Upstream,
		MaxTokens:  c.MaxTokens,
		DropParams: c.DropParams || d.DropParams,
		Allow:      d.AllowParams,
	})
	if err != nil {
		return nil, err
	}
	c.Dropped = append(append(c.Dropped, dropped...), enc.Dropped...)
	return &provider.Request{
		URL:    endpoint(d.BaseURL),
		Header: header(d, enc.Betas),
		Body:   wire.BodyOf(enc.Body),
	}, nil
}

// Pass implements provider.Chat.
func (*Adapter) Pass(d *gateway.Deployment, c *provider.Call) (*provider.Request, error) {
	o := c.In
	edits := []wire.Edit{o.Set("model", wire.Quote(c.Upstream))}
	var gone []string
	for i := range o.Members {
		name := o.Members[i].Name
		switch {
		case name == "model":
		case openai.GatewayOnly(name):
			gone = append(gone, name)
		case slices.Contains(d.DropAlways, name):
			gone = append(gone, name)
			c.Dropped = append(c.Dropped, name)
		case name == "metadata":
			// The API knows one member and refuses what gateways keep here.
			if v, keep := userOnly(o.Get(name)); !keep {
				gone = append(gone, name)
			} else if v != nil {
				edits = append(edits, o.Set(name, v))
			}
		}
	}
	edits = append(edits, o.Delete(gone...)...)
	if c.MaxTokens > 0 && !o.Has("max_tokens") {
		edits = append(edits, setInt(o, "max_tokens", c.MaxTokens))
	}
	edits = append(edits, nativeDefaults(o, c, d)...)
	betas := anthropic.Betas(o)
	for _, b := range c.Betas {
		betas = appendNew(betas, b)
	}
	return &provider.Request{
		URL:    endpoint(d.BaseURL),
		Header: header(d, betas),
		Body:   wire.Segments(o.Body, edits),
	}, nil
}

// endpoint returns the address of the Messages API below base, which may
// already name the version or the whole path.
func endpoint(base string) string {
	if base == "" {
		base = defaultBase
	}
	base, query, _ := strings.Cut(strings.TrimSpace(base), "?")
	base = strings.TrimRight(base, "/")
	switch {
	case strings.HasSuffix(base, "/v1/messages"):
	case strings.HasSuffix(base, "/v1"):
		base += "/messages"
	default:
		base += "/v1/messages"
	}
	if query != "" {
		base += "?" + query
	}
	return base
}

// header returns the headers of a request. The deployment's own come last: the
// operator may know better.
func header(d *gateway.Deployment, betas []string) http.Header {
	h := http.Header{}
	h.Set("Anthropic-Version", defaultVersion)
	if d.APIVersion != "" {
		h.Set("Anthropic-Version", d.APIVersion)
	}
	switch key := d.APIKey.Reveal(); {
	case key == "":
	case strings.HasPrefix(key, oauthPrefix):
		h.Set("Authorization", "Bearer "+key)
		betas = appendNew(betas, oauthBeta)
	default:
		h.Set("X-Api-Key", key)
	}
	for name, value := range d.Headers {
		if strings.EqualFold(name, "anthropic-beta") {
			for beta := range strings.SplitSeq(value, ",") {
				betas = appendNew(betas, strings.TrimSpace(beta))
			}
			continue
		}
		h.Set(name, value)
	}
	if len(betas) > 0 {
		h.Set("Anthropic-Beta", strings.Join(betas, ","))
	}
	return h
}

func appendNew(list []string, s string) []string {
	if s == "" || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
