package gemini

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
	"penstock/internal/wire/gemini"
	"penstock/internal/wire/openai"
)

// embedParams are the vendor's parameters of one text, under the names that
// clients use.
var embedParams = map[string]string{
	"dimensions": "outputDimensionality", "output_dimensionality": "outputDimensionality", "outputDimensionality": "outputDimensionality",
	"task_type": "taskType", "taskType": "taskType",
	"title": "title",
}

// EmbedRequest implements provider.Embed.
func (*Adapter) EmbedRequest(d *gateway.Deployment, c *provider.Call) (*provider.Request, error) {
	texts, err := inputs(c.In.Get("input"))
	if err != nil {
		return nil, err
	}
	if _, err := wantsBase64(c.In); err != nil {
		return nil, err
	}
	params, err := embedSettings(d, c)
	if err != nil {
		return nil, err
	}
	name, err := resource(c.Upstream)
	if err != nil {
		return nil, err
	}
	b := []byte(`{"requests":[`)
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"model":`...)
		b = wire.AppendString(b, name)
		b = append(b, `,"content":{"parts":[{"text":`...)
		b = wire.AppendString(b, text)
		b = append(b, `}]}`...)
		for _, p := range params {
			b = append(b, ',')
			b = wire.AppendString(b, p.Name)
			b = append(append(b, ':'), p.Value...)
		}
		b = append(b, '}')
	}
	b = append(b, "]}"...)
	u, err := endpoint(d, c.Upstream, "batchEmbedContents", "")
	if err != nil {
		return nil, err
	}
	return &provider.Request{URL: u, Header: header(d), Body: wire.BodyOf(b)}, nil
}

// inputs returns the texts to embed.
func inputs(v []byte) ([]string, error) {
	want := func(why string) error {
		return gateway.Invalidf("input", "%s; want input as a string or a list of strings", why)
	}
	if len(v) == 0 {
		return nil, want("input is missing")
	}
	switch v[0] {
	case '"':
		text, ok := wire.Unquote(v)
		if !ok || text == "" {
			return nil, want("input is empty")
		}
		return []string{text}, nil
	case '[':
	default:
		return nil, want("input is neither")
	}
	var items []jsontext.Value
	if err := json.Unmarshal(v, &items, jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, want("input cannot be read")
	}
	if len(items) == 0 {
		return nil, want("input is an empty list")
	}
	texts := make([]string, len(items))
	for i, item := range items {
		switch text, ok := wire.Unquote(item); {
		case item.Kind() == '0' || item.Kind() == '[':
			return nil, want("gemini does not take tokens as input")
		case !ok || text == "":
			return nil, want("input[" + strconv.Itoa(i) + "] is not a text")
		default:
			texts[i] = text
		}
	}
	return texts, nil
}

// wantsBase64 reports whether the client wants its vectors in base64.
func wantsBase64(o *wire.Object) (bool, error) {
	if !o.Has("encoding_format") {
		return false, nil
	}
	switch f, _ := o.String("encoding_format"); f {
	case "float":
		return false, nil
	case "base64":
		return true, nil
	}
	return false, gateway.Invalidf("encoding_format", "want encoding_format float or base64")
}

// embedSettings returns the vendor's parameters of every text.
func embedSettings(d *gateway.Deployment, c *provider.Call) ([]gateway.Param, error) {
	var params []gateway.Param
	var refused []string
	add := func(name string, value []byte) bool {
		vendors, ok := embedParams[name]
		if ok && !slices.ContainsFunc(params, func(p gateway.Param) bool { return p.Name == vendors }) {
			params = append(params, gateway.Param{Name: vendors, Value: value})
		}
		return ok
	}
	for i := range c.In.Members {
		m := &c.In.Members[i]
		value := c.In.Body[m.Start:m.End]
		switch {
		case m.Name == "model", m.Name == "input", m.Name == "encoding_format", m.Name == "metadata",
			string(value) == "null", openai.GatewayOnly(m.Name):
		case slices.Contains(d.DropAlways, m.Name), m.Name == "user":
			c.Dropped = append(c.Dropped, m.Name)
		case add(m.Name, value):
		case slices.Contains(d.AllowParams, m.Name):
			params = append(params, gateway.Param{Name: m.Name, Value: value})
		case c.DropParams || d.DropParams:
			c.Dropped = append(c.Dropped, m.Name)
		default:
			refused = append(refused, m.Name)
		}
	}
	if len(refused) > 0 {
		return nil, gateway.Invalidf(refused[0], "gemini does not support parameters: ['%s'], for embeddings of model=%s. Remove them, or set drop_params to have them left out",
			strings.Join(refused, "', '"), c.Upstream)
	}
	for _, p := range d.Defaults {
		add(p.Name, p.Value)
	}
	return params, nil
}

// embedAnswer is the vendor's answer to a batch, or to a single text.
type embedAnswer struct {
	Embeddings []vector `json:"embeddings"`
	Embedding  *vector  `json:"embedding"`
	Usage      struct {
		Prompt int64 `json:"promptTokenCount"`
	} `json:"usageMetadata"`
	Error jsontext.Value `json:"error"`
}

type vector struct {
	Values jsontext.Value `json:"values"`
}

// EmbedAnswer implements provider.Embed. The vendor counts no tokens, so the
// usage is what the call was estimated to be.
func (*Adapter) EmbedAnswer(c *provider.Call, body []byte) (answer []byte, used gateway.Usage, err error) {
	var a embedAnswer
	if err := json.Unmarshal(body, &a, jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, used, unreadable(err)
	}
	if len(a.Error) > 0 && a.Error.Kind() != 'n' {
		return nil, used, gemini.ParseError(0, nil, body)
	}
	if a.Embedding != nil {
		a.Embeddings = append(a.Embeddings, *a.Embedding)
	}
	if len(a.Embeddings) == 0 {
		return nil, used, unreadable(nil)
	}
	asBase64, err := wantsBase64(c.In)
	if err != nil {
		return nil, used, err
	}
	used = gateway.Usage{Prompt: a.Usage.Prompt}
	if used.Prompt <= 0 {
		used = gateway.Usage{Prompt: c.Ask.Input, Estimated: true}
	}
	b := make([]byte, 0, len(body)+256)
	b = append(b, `{"object":"list","data":[`...)
	for i, v := range a.Embeddings {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"object":"embedding","index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `,"embedding":`...)
		if b, err = appendVector(b, v.Values, asBase64); err != nil {
			return nil, used, err
		}
		b = append(b, '}')
	}
	b = append(b, `],"model":`...)
	b = wire.AppendString(b, c.Model)
	b = append(b, `,"usage":{"prompt_tokens":`...)
	b = strconv.AppendInt(b, used.Prompt, 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, used.Prompt, 10)
	return append(b, "}}"...), used, nil
}

func unreadable(err error) *gateway.Error {
	return &gateway.Error{Kind: gateway.UpstreamFailed, Message: "gemini sent embeddings that cannot be read", Err: err}
}

// appendVector appends the JSON array v: the digits as they came, or
// little-endian float32 in base64, which OpenAI's own client asks for.
func appendVector(b []byte, v jsontext.Value, asBase64 bool) ([]byte, error) {
	if v.Kind() != '[' {
		return nil, unreadable(nil)
	}
	if !asBase64 {
		b = append(b, '[')
	}
	var packed []byte
	first := true
	for rest := strings.TrimSpace(string(v[1 : len(v)-1])); rest != ""; first = false {
		var digits string
		digits, rest, _ = strings.Cut(rest, ",")
		digits = strings.TrimSpace(digits)
		f, err := strconv.ParseFloat(digits, 32)
		if err != nil {
			return nil, unreadable(err)
		}
		switch {
		case asBase64:
			packed = binary.LittleEndian.AppendUint32(packed, math.Float32bits(float32(f)))
			continue
		case !first:
			b = append(b, ',')
		}
		b = append(b, digits...)
	}
	if !asBase64 {
		return append(b, ']'), nil
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, packed)
	return append(b, '"'), nil
}
