package api

import (
	"slices"

	"penstock/internal/gateway"
	"penstock/internal/token"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// fallbacks reads where the client wants its call to go if its model fails: a
// list of names, or of objects that name a model and other members of the
// request for it.
func (q *request) fallbacks(c *gateway.Call, v []byte) error {
	wrong := func(err error) error {
		return gateway.Invalidf("fallbacks", "'fallbacks' must be a list of model names, or of objects with a model: %v", err)
	}
	list, err := stringList(v)
	if err != nil {
		return wrong(err)
	}
	c.Fallbacks = list
	more := int64(0)
	i := 0
	for rest := v[1 : len(v)-1]; ; i++ {
		el, next, err := wire.Element(rest)
		if err != nil {
			return wrong(err)
		}
		if el == nil {
			break
		}
		rest = next
		if el[0] != '{' {
			continue
		}
		var o wire.Object
		if err := o.Parse(el); err != nil {
			return wrong(err)
		}
		params, err := replaced(&o)
		if err != nil {
			return err
		}
		if params == nil {
			continue
		}
		if c.FallbackParams == nil {
			c.FallbackParams = make([][]gateway.Param, len(list))
		}
		c.FallbackParams[i] = params
		// What must be affordable is the largest of them all.
		asks := gateway.Call{Ask: gateway.Ask{Choices: 1}}
		if err := q.sizes(&asks, &o); err != nil {
			return err
		}
		more = max(more, token.Input(o.Text, 1))
		if c.Ask.MaxOutput > 0 {
			c.Ask.MaxOutput = max(c.Ask.MaxOutput, asks.Ask.MaxOutput)
		}
		c.Ask.Choices = max(c.Ask.Choices, asks.Ask.Choices)
		c.Ask.Tier = c.Ask.Tier || asks.Ask.Tier
	}
	c.Ask.Input += more
	return nil
}

// fixed are members that a fallback cannot have otherwise: what has been
// checked for the call, and what its answer looks like.
var fixed = []string{"stream", "stream_options", "user", "metadata", "store"}

// replaced returns the members of a fallback but for its model.
func replaced(o *wire.Object) ([]gateway.Param, error) {
	var params []gateway.Param
	for _, m := range o.Members {
		switch {
		case m.Name == "model":
			continue
		case refusedMember(m.Name), slices.Contains(refusedIn[:], m.Name), slices.Contains(fixed, m.Name), openai.GatewayOnly(m.Name):
			return nil, gateway.Invalidf("fallbacks", "'%s' cannot be set for a fallback alone; leave it out of 'fallbacks'", clip(m.Name, 60))
		}
		params = append(params, gateway.Param{Name: m.Name, Value: o.Body[m.Start:m.End]})
	}
	return params, nil
}
