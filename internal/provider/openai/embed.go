package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"strconv"

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
		edits = openai.PackEmbeddings(body[m.Start:m.End], m.Start, packFloats, edits)
	}
	return wire.Segments(body, edits).Bytes(), used, nil
}

// packFloats returns an array of numbers as a base64 string of little-endian
// float32. OpenAI's own client asks for that form whenever its user asked for
// nothing, and many vendors do not know it.
func packFloats(list []byte) ([]byte, bool) {
	raw := make([]byte, 0, len(list)/3)
	for item := range bytes.SplitSeq(bytes.Trim(list, "[] \t\r\n"), []byte(",")) {
		f, err := strconv.ParseFloat(string(bytes.TrimSpace(item)), 32)
		if err != nil {
			return nil, false
		}
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(f)))
	}
	out := append(make([]byte, 0, base64.StdEncoding.EncodedLen(len(raw))+2), '"')
	return append(base64.StdEncoding.AppendEncode(out, raw), '"'), true
}
