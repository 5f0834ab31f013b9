package openai

import (
	"bytes"
	"net/http"

	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// EmbedRequest implements provider.Embed.
func (a *Adapter) EmbedRequest(d *gateway.Deployment, c *provider.Call) (*provider.Request, error) {
	req, err := a.request(d, "/embeddings")
	if err != nil {
		return nil, err
	}
	if !c.In.Has("input") {
		return nil, gateway.Invalidf("input", "input is missing")
	}
	dr := &draft{in: c.In}
	if err := a.common(dr, d, c); err != nil {
		return nil, err
	}
	dr.drop(d.DropAlways)
	req.Body = wire.Segments(c.In.Body, dr.edits())
	return req, nil
}

// EmbedAnswer implements provider.Embed. The vectors are not decoded: they are
// most of the answer, and nobody here wants to know them.
func (a *Adapter) EmbedAnswer(c *provider.Call, body []byte) ([]byte, gateway.Usage, error) {
	var o wire.Object
	if err := o.Parse(body); err != nil {
		return nil, gateway.Usage{}, &gateway.Error{Kind: gateway.UpstreamFailed, Message: "the provider's answer is not a JSON object", Err: err}
	}
	if !o.Has("data") {
		return nil, gateway.Usage{}, openai.ParseError(http.StatusOK, nil, body)
	}
	used, _ := openai.ReadUsage(o.Get("usage"))
	edits := make([]wire.Edit, 0, 2)
	if model := wire.Quote(c.Model); !bytes.Equal(o.Get("model"), model) {
		edits = append(edits, o.Set("model", model))
	}
	if format, _ := c.In.String("encoding_format"); format == "base64" {
		m := o.Find("data")
		edits = openai.PackEmbeddings(body[m.Start:m.End], m.Start, edits)
	}
	return wire.Segments(body, edits).Bytes(), used, nil
}
