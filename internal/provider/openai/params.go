package openai

import (
	"slices"
	"strconv"
	"strings"

	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// common does what every request needs, chat or not: the vendor's model name,
// nothing that is meant for the gateway, and the deployment's defaults.
func (a *Adapter) common(dr *draft, d *gateway.Deployment, c *provider.Call) error {
	stored, _ := dr.in.Bool("store")
	for i := range dr.in.Members {
		name := dr.in.Members[i].Name
		if openai.GatewayOnly(name) || name == "metadata" && !stored {
			dr.del(name)
		}
	}
	if err := extraBody(dr); err != nil {
		return err
	}
	if dr.in.Has("extra_headers") {
		// A client must not choose the headers of our connection to the vendor.
		c.Dropped = append(c.Dropped, "extra_headers")
	}
	model := c.Upstream
	if p := a.v.ModelPrefix; p != "" && !strings.HasPrefix(model, "accounts/") && !strings.Contains(model, "#") {
		model = p + model
	}
	dr.set("model", wire.Quote(model))
	for _, p := range d.Defaults {
		if dr.get(p.Name) == nil && !openai.GatewayOnly(p.Name) && !silent(dr, p.Name) {
			dr.set(p.Name, p.Value)
		}
	}
	return nil
}

// silent reports whether a default for name would speak against the client.
func silent(dr *draft, name string) bool {
	switch name {
	case "model", "messages", "input", "stream":
		return true
	case "max_tokens":
		return dr.get("max_completion_tokens") != nil
	case "max_completion_tokens":
		return dr.get("max_tokens") != nil
	}
	return false
}

// extraBody lifts the members of extra_body to the top level, where they
// belong. What the gateway has checked at the top level cannot be said there.
func extraBody(dr *draft) error {
	v := dr.in.Get("extra_body")
	if v == nil || string(v) == "null" {
		return nil
	}
	var o wire.Object
	if err := o.Parse(v); err != nil {
		return gateway.Invalidf("extra_body", "extra_body must be an object: %v", err)
	}
	for i := range o.Members {
		m := &o.Members[i]
		switch {
		case openai.Known(m.Name) || m.Name == "input":
			return gateway.Invalidf("extra_body."+m.Name, "extra_body.%s: set %s in the request itself, not in extra_body", m.Name, m.Name)
		case openai.GatewayOnly(m.Name), m.Name == "metadata", dr.in.Has(m.Name):
		default:
			dr.set(m.Name, v[m.Start:m.End])
		}
	}
	return nil
}

// params fits the parameters of a chat request to the vendor.
func (a *Adapter) params(dr *draft, d *gateway.Deployment, c *provider.Call) error {
	if v := dr.get("tools"); string(v) == "[]" {
		dr.del("tools")
		dr.del("tool_choice")
	}
	if v := dr.get("reasoning_effort"); len(v) > 0 && v[0] == '{' {
		effort(dr, v)
	}
	reasons := a.v.OpenAI && reasoning(c.Upstream)
	if !a.v.Loose {
		a.thinking(dr, c, reasons)
	}
	if reasons {
		dr.rename("max_tokens", "max_completion_tokens")
	}
	for _, r := range a.v.Rename {
		dr.rename(r.From, r.To)
	}
	if c.MaxTokens > 0 {
		name := "max_tokens"
		if reasons || dr.get("max_completion_tokens") != nil {
			name = "max_completion_tokens"
		}
		if n, ok := wire.ParseInt(dr.get(name)); !ok || n > c.MaxTokens {
			dr.set(name, strconv.AppendInt(nil, c.MaxTokens, 10))
		}
	}
	a.usage(dr)
	a.values(dr, c)
	bad := a.lacking(dr, d)
	if reasons {
		bad = append(bad, refused(dr, d, c.Upstream)...)
	}
	return unsupported(dr, d, c, a.v.Name, bad)
}

// unsupported removes parameters that the vendor lacks, or refuses the call.
func unsupported(dr *draft, d *gateway.Deployment, c *provider.Call, vendor string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if !c.DropParams && !d.DropParams {
		return gateway.Invalidf(names[0], "%s does not support parameters: ['%s'], for model=%s. To drop these, set drop_params to true; to send them all the same, name them in allowed_openai_params.",
			vendor, strings.Join(names, "', '"), c.Upstream)
	}
	for _, name := range names {
		dr.del(name)
		c.Dropped = append(c.Dropped, name)
		if name == "tools" { // these mean nothing without tools, and vendors say so
			dr.del("tool_choice")
			dr.del("parallel_tool_calls")
		}
	}
	return nil
}

// usage asks for usage at the end of a stream: the ledger needs it.
func (a *Adapter) usage(dr *draft) {
	if a.v.NoStreamOptions {
		dr.del("stream_options")
		return
	}
	if string(dr.get("stream")) != "true" {
		return
	}
	v := dr.get("stream_options")
	var o wire.Object
	if len(v) == 0 || o.Parse(v) != nil {
		dr.set("stream_options", []byte(`{"include_usage":true}`))
		return
	}
	if on, _ := o.Bool("include_usage"); !on {
		dr.set("stream_options", wire.Segments(v, []wire.Edit{o.Set("include_usage", []byte("true"))}).Bytes())
	}
}

// values changes values that the vendor has other words for, or takes only in
// part. What the client does not get in full is told like what is left out.
func (a *Adapter) values(dr *draft, c *provider.Call) {
	if v := dr.get("tool_choice"); len(v) > 2 && v[0] == '"' {
		word := string(v[1 : len(v)-1])
		switch {
		case a.v.RequiredIsAny && word == "required":
			dr.set("tool_choice", []byte(`"any"`))
		case !a.v.RequiredIsAny && !a.v.Loose && word == "any":
			dr.set("tool_choice", []byte(`"required"`))
		}
	}
	if a.v.MaxTemperature != "" {
		if v := dr.get("temperature"); above(v, a.v.MaxTemperature) {
			dr.set("temperature", []byte(a.v.MaxTemperature))
			c.Dropped = append(c.Dropped, "temperature")
		}
	}
	if a.v.NoJSONSchema || a.v.NoJSONObject {
		var o wire.Object
		if v := dr.get("response_format"); len(v) > 0 && v[0] == '{' && o.Parse(v) == nil {
			kind, _ := o.String("type")
			switch {
			case a.v.NoJSONSchema && kind == "json_schema":
				dr.set("response_format", []byte(`{"type":"json_object"}`))
				c.Dropped = append(c.Dropped, "response_format.json_schema")
			case a.v.NoJSONObject && kind == "json_object":
				dr.del("response_format")
				c.Dropped = append(c.Dropped, "response_format")
			}
		}
	}
}

func above(v []byte, limit string) bool {
	n, err := strconv.ParseFloat(string(v), 64)
	if err != nil {
		return false
	}
	l, err := strconv.ParseFloat(limit, 64)
	return err == nil && n > l
}

// optional are OpenAI's parameters that a vendor may lack.
var optional = []string{
	"functions", "function_call", "temperature", "top_p", "n", "stop", "max_tokens", "max_completion_tokens",
	"modalities", "prediction", "audio", "presence_penalty", "frequency_penalty", "logit_bias", "user",
	"response_format", "seed", "tools", "tool_choice", "parallel_tool_calls", "logprobs", "top_logprobs",
	"reasoning_effort", "verbosity", "thinking", "web_search_options", "service_tier", "safety_identifier",
	"prompt_cache_key", "prompt_cache_retention", "store",
}

// lacking returns the parameters of the request that the vendor lacks. Those
// that ask for nothing special are removed without a word.
func (a *Adapter) lacking(dr *draft, d *gateway.Deployment) []string {
	var bad []string
	for _, name := range a.v.Lacks {
		bad = note(bad, dr, d, name)
	}
	if a.v.Knows != nil {
		for _, name := range optional {
			if !slices.Contains(a.v.Knows, name) {
				bad = note(bad, dr, d, name)
			}
		}
	}
	if v := dr.get("tool_choice"); a.v.ToolChoices != nil && v != nil {
		if word, ok := wire.Unquote(v); !ok || !slices.Contains(a.v.ToolChoices, word) {
			if !slices.Contains(d.AllowParams, "tool_choice") && !slices.Contains(bad, "tool_choice") {
				bad = append(bad, "tool_choice")
			}
		}
	}
	return bad
}

// note adds name to the parameters that are not supported, if the request has
// it with a value that means something.
func note(bad []string, dr *draft, d *gateway.Deployment, name string) []string {
	v := dr.get(name)
	switch {
	case v == nil, slices.Contains(d.AllowParams, name), slices.Contains(bad, name):
	case harmless(name, v):
		dr.del(name)
	default:
		bad = append(bad, name)
	}
	return bad
}

// harmless reports whether the answer is the same without the parameter.
func harmless(name string, v []byte) bool {
	switch name {
	case "user", "store", "seed", "safety_identifier", "prompt_cache_key", "prompt_cache_retention":
		return true
	case "presence_penalty", "frequency_penalty":
		return isNumber(v, 0)
	case "top_p", "temperature", "n":
		return isNumber(v, 1)
	case "parallel_tool_calls":
		return string(v) == "true"
	case "logprobs":
		return string(v) == "false"
	case "service_tier":
		return string(v) == `"auto"`
	case "logit_bias":
		return string(v) == "{}"
	case "stop":
		return string(v) == "[]"
	case "tool_choice":
		return string(v) == `"auto"`
	}
	return false
}

func isNumber(v []byte, want float64) bool {
	n, err := strconv.ParseFloat(string(v), 64)
	return err == nil && n == want
}

// effort takes the word out of {"effort":"low","summary":…}.
func effort(dr *draft, v []byte) {
	var o wire.Object
	if o.Parse(v) != nil {
		return
	}
	if e := o.Get("effort"); e != nil && string(e) != "null" {
		dr.set("reasoning_effort", e)
	} else {
		dr.del("reasoning_effort")
	}
}

// thinking translates an Anthropic-style thinking object for vendors that do
// not take one. It asks for a way to answer, not for an answer: models that
// cannot think are not a reason to refuse the call.
func (a *Adapter) thinking(dr *draft, c *provider.Call, reasons bool) {
	v := dr.get("thinking")
	if v == nil || a.v.Thinking {
		return
	}
	dr.del("thinking")
	word := effortFor(v)
	switch {
	case dr.get("reasoning_effort") != nil || word == "":
	case reasons:
		dr.set("reasoning_effort", wire.Quote(word))
	default:
		c.Dropped = append(c.Dropped, "thinking")
	}
}

// effortFor returns the effort for a thinking object, "" if it asks for none.
// The steps are LiteLLM's.
func effortFor(v []byte) string {
	var o wire.Object
	if o.Parse(v) != nil {
		return ""
	}
	if kind, _ := o.String("type"); kind == "disabled" {
		return ""
	}
	switch n, ok := o.Int("budget_tokens"); {
	case !ok:
		return "medium"
	case n >= 4096:
		return "high"
	case n >= 2048:
		return "medium"
	case n >= 1024:
		return "low"
	}
	return "minimal"
}
