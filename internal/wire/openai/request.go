package openai

import (
	"slices"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// DecodeChat reads a chat completion request. Members that only some vendors
// know go to Extra in the client's order; members for the gateway are left out
// (see GatewayOnly). Members that are null count as absent.
//
// Errors are *gateway.Error of kind Invalid, with the path of the field at
// fault, such as "messages[2].content", as their Param.
func DecodeChat(in *wire.Object) (*canon.Request, error) {
	o := &object{Object: *in}
	r := &canon.Request{}
	d := decoder{o: o, r: r}
	for _, step := range []func() error{
		d.sampling, d.output, d.tools, d.stream, d.extra, d.messages,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// decoder is one request being read.
type decoder struct {
	o *object
	r *canon.Request
}

func (d *decoder) sampling() (err error) {
	o, r := d.o, d.r
	if r.Model, err = o.str("model"); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		to   *canon.Raw
	}{
		{"temperature", &r.Temperature},
		{"top_p", &r.TopP},
		{"top_k", &r.TopK},
		{"seed", &r.Seed},
		{"presence_penalty", &r.Presence},
		{"frequency_penalty", &r.Frequency},
		{"top_logprobs", &r.TopLogprobs},
	} {
		if *f.to, err = o.number(f.name); err != nil {
			return err
		}
	}
	if r.LogitBias = o.raw("logit_bias"); r.LogitBias != nil && r.LogitBias[0] != '{' {
		return o.wrong("logit_bias", "an object", r.LogitBias)
	}
	if r.Logprobs, err = d.logprobs(); err != nil {
		return err
	}
	if r.N, err = o.positive("n"); err != nil {
		return err
	}
	return d.stops()
}

// logprobs also takes the number that some vendors have instead of true.
func (d *decoder) logprobs() (*bool, error) {
	if v := d.o.raw("logprobs"); v != nil && v[0] >= '0' && v[0] <= '9' {
		if d.r.TopLogprobs == nil {
			d.r.TopLogprobs = v
		}
		return new(true), nil
	}
	return d.o.boolean("logprobs")
}

func (d *decoder) stops() error {
	v := d.o.raw("stop")
	if v == nil {
		return nil
	}
	if s, ok := wire.Unquote(v); ok {
		d.r.Stop = []string{s}
		return nil
	}
	if v[0] != '[' {
		return d.o.wrong("stop", "a string or an array of strings", v)
	}
	for i, e := range elements(v) {
		s, ok := wire.Unquote(e)
		if !ok {
			return gateway.Invalidf(index("stop", i), "%s must be a string, got %s", index("stop", i), kindOf(e))
		}
		d.r.Stop = append(d.r.Stop, s)
	}
	return nil
}

func (d *decoder) output() (err error) {
	o, r := d.o, d.r
	if r.MaxTokens, err = o.positive("max_completion_tokens"); err != nil {
		return err
	}
	old, err := o.positive("max_tokens")
	if err != nil {
		return err
	}
	if r.MaxTokens == 0 {
		r.MaxTokens = old
	}
	if r.User, err = o.str("user"); err != nil {
		return err
	}
	if r.Tier, err = o.str("service_tier"); err != nil {
		return err
	}
	if err := d.format(); err != nil {
		return err
	}
	return d.reasoning()
}

func (d *decoder) format() error {
	f, err := d.o.obj("response_format")
	if f == nil || err != nil {
		return err
	}
	kind, err := f.str("type")
	if err != nil {
		return err
	}
	out := &canon.Format{Kind: kind}
	switch kind {
	case "text":
	case "json_object":
		// A schema may stand right here (LiteLLM's response_schema, Together's schema).
		for _, name := range []string{"response_schema", "schema"} {
			if s := f.raw(name); s != nil {
				out.Kind, out.Schema = "json_schema", s
			}
		}
	case "json_schema":
		s, err := f.need("json_schema")
		if err != nil {
			return err
		}
		if out.Name, err = s.str("name"); err != nil {
			return err
		}
		if out.Description, err = s.str("description"); err != nil {
			return err
		}
		if out.Strict, err = s.boolean("strict"); err != nil {
			return err
		}
		if out.Schema = s.raw("schema"); out.Schema != nil && out.Schema[0] != '{' {
			return s.wrong("schema", "an object", out.Schema)
		}
	default:
		return gateway.Invalidf(f.at("type"), `%s must be "text", "json_object" or "json_schema", got %q`, f.at("type"), kind)
	}
	d.r.Format = out
	return nil
}

var efforts = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}

func (d *decoder) reasoning() error {
	effort, path := "", "reasoning_effort"
	if v := d.o.raw("reasoning_effort"); v != nil && v[0] == '{' {
		e, err := parseObject(v, path)
		if err != nil {
			return err
		}
		path = e.at("effort")
		if effort, err = e.str("effort"); err != nil {
			return err
		}
	} else {
		var err error
		if effort, err = d.o.str("reasoning_effort"); err != nil {
			return err
		}
	}
	if effort != "" && !slices.Contains(efforts, effort) {
		return gateway.Invalidf(path, "%s must be one of %q, got %q", path, efforts, effort)
	}
	thinking := d.o.raw("thinking")
	if thinking != nil && thinking[0] != '{' {
		return d.o.wrong("thinking", "an object", thinking)
	}
	if effort != "" || thinking != nil {
		d.r.Reasoning = &canon.Reasoning{Effort: effort, Thinking: thinking}
	}
	return nil
}

func (d *decoder) stream() error {
	stream, err := d.o.boolean("stream")
	if err != nil {
		return err
	}
	d.r.Stream = stream != nil && *stream
	so, err := d.o.obj("stream_options")
	if so == nil || err != nil {
		return err
	}
	usage, err := so.boolean("include_usage")
	if err != nil {
		return err
	}
	d.r.IncludeUsage = d.r.Stream && usage != nil && *usage
	return nil
}

// Known reports whether the top-level member name has a field of canon.Request.
func Known(name string) bool {
	switch name {
	case "model", "messages", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call",
		"max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stop", "n", "seed",
		"presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs",
		"response_format", "reasoning_effort", "thinking", "user", "service_tier", "stream", "stream_options":
		return true
	}
	return false
}

// extra collects what is left. Members of extra_body count as if they stood at
// the top level, but cannot speak for the members that the gateway has checked.
func (d *decoder) extra() error {
	stored, _ := d.o.Bool("store")
	body, err := d.o.obj("extra_body")
	if err != nil {
		return err
	}
	add := func(o *object, m wire.Member) {
		v := o.Body[m.Start:m.End]
		if v[0] != 'n' && !GatewayOnly(m.Name) && (m.Name != "metadata" || stored) {
			d.r.Extra = append(d.r.Extra, gateway.Param{Name: m.Name, Value: v})
		}
	}
	for _, m := range d.o.Members {
		if !Known(m.Name) {
			add(d.o, m)
		}
	}
	if body == nil {
		return nil
	}
	for _, m := range body.Members {
		if Known(m.Name) {
			return gateway.Invalidf(body.at(m.Name), "%s: set %s in the request itself, not in extra_body", body.at(m.Name), m.Name)
		}
		if !d.o.Has(m.Name) {
			add(body, m)
		}
	}
	return nil
}
