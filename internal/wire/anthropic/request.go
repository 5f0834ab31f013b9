package anthropic

import (
	"fmt"
	"slices"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// defaultMaxTokens is sent where neither client nor gateway says how long an
// answer may be: the API insists on a number.
const defaultMaxTokens = 4096

// Options say how a request is to be written.
type Options struct {
	// Model is the vendor's model name; "" for the request's own.
	Model string
	// MaxTokens caps the answer if the request does not; 0 for a default.
	MaxTokens int64
	// DropParams leaves parameters out that the API lacks, instead of refusing
	// the request.
	DropParams bool
	// Allow names parameters to send although the API is thought not to know them.
	Allow []string
}

// Encoded is a request as it goes to the vendor.
type Encoded struct {
	Body    []byte
	Dropped []string // parameters that were left out, by the client's names
	Betas   []string // values of the anthropic-beta header that the body needs
}

// EncodeRequest writes r as a Messages body. Raw values (schemas, arguments,
// numbers) are sent as they are written. A request the API cannot express is a
// *gateway.Error of kind Invalid that names the field; parameters without
// effect on the answer are left out and reported.
func EncodeRequest(r *canon.Request, o Options) (Encoded, error) {
	if o.Model == "" {
		o.Model = r.Model
	}
	e := encoder{r: r, o: o, can: abilitiesOf(o.Model)}
	for _, x := range r.Extra {
		if given(x.Value) {
			e.extra = append(e.extra, x)
		}
	}
	p, err := plan(r.Messages, e.can)
	if err != nil {
		return Encoded{}, err
	}
	steps := []func(*planner) error{e.decideFormat, e.decideThinking, e.decideSampling, e.decideRest, e.decideTools}
	for _, step := range steps {
		if err := step(p); err != nil {
			return Encoded{}, err
		}
	}
	if len(e.refused) > 0 {
		return Encoded{}, e.refusal()
	}
	body, err := e.write(p)
	if err != nil {
		return Encoded{}, err
	}
	if e.marks > 4 {
		return Encoded{}, gateway.Invalidf("cache_control", "anthropic takes at most 4 cache_control marks in one request, this one has %d", e.marks)
	}
	return Encoded{Body: body, Dropped: e.dropped, Betas: e.betas}, nil
}

// encoder is one request on its way. The decide steps fill in what is to be
// sent, then write sends it.
type encoder struct {
	r     *canon.Request
	o     Options
	can   abilities
	extra []gateway.Param // the request's other members, nulls left out

	dropped, refused, betas []string
	marks                   int // cache_control marks written

	maxTokens int64
	think     canon.Raw // the thinking member, nil for none
	thinks    bool      // the model will think
	effort    string    // of output_config
	format    canon.Raw // schema for output_config.format, nil for none
	json      *jsonSchemaTool
	hint      string // added to the system prompt

	params     []byte // members decided so far, as an unfinished object
	tools      []byte // the tools array, nil for none
	toolChoice []byte
	servers    []byte // the mcp_servers array, nil for none
	vendor     []gateway.Param
}

// lack says that the API does not know a parameter: it is left out if the
// caller allows that, and refused otherwise.
func (e *encoder) lack(param string) {
	if e.o.DropParams {
		e.drop(param)
	} else if !slices.Contains(e.refused, param) {
		e.refused = append(e.refused, param)
	}
}

// drop reports a parameter that is left out.
func (e *encoder) drop(param string) {
	if !slices.Contains(e.dropped, param) {
		e.dropped = append(e.dropped, param)
	}
}

func (e *encoder) beta(name string) {
	if name != "" && !slices.Contains(e.betas, name) {
		e.betas = append(e.betas, name)
	}
}

func (e *encoder) refusal() *gateway.Error {
	err := gateway.Invalidf(e.refused[0],
		"anthropic does not support parameters: ['%s'], for model=%s. Leave them out, or set drop_params: true to have them dropped.",
		strings.Join(e.refused, "', '"), e.o.Model)
	return err
}

// other returns one of the request's other members, nil if it is not there.
func (e *encoder) other(name string) canon.Raw {
	for _, p := range e.extra {
		if p.Name == name {
			return p.Value
		}
	}
	return nil
}

// write appends everything in the order of Anthropic's documentation.
func (e *encoder) write(p *planner) ([]byte, error) {
	b := append(make([]byte, 0, e.size(p)), '{')
	b = appendText(b, "model", e.o.Model)
	b = appendInt(b, "max_tokens", e.maxTokens)
	if len(e.params) > 1 {
		b = append(append(b, ','), e.params[1:]...)
	}
	if given(e.think) {
		b = appendMember(b, "thinking", e.think)
	}
	if config := e.outputConfig(); config != nil {
		b = appendMember(b, "output_config", config)
	}
	if e.r.Stream {
		b = append(b, `,"stream":true`...)
	}
	b = e.appendSystem(b, p.system)
	if e.tools != nil {
		b = appendMember(b, "tools", e.tools)
	}
	if e.toolChoice != nil {
		b = appendMember(b, "tool_choice", e.toolChoice)
	}
	if e.servers != nil {
		b = appendMember(b, "mcp_servers", e.servers)
	}
	for _, v := range e.vendor {
		b = appendMember(b, v.Name, v.Value)
	}
	b, err := e.appendTurns(appendName(b, "messages"), p.turns)
	if err != nil {
		return nil, err
	}
	return append(b, '}'), nil
}

// size guesses the length of the body, so that a long prompt is copied once.
func (e *encoder) size(p *planner) int {
	n := 512 + len(e.tools) + len(e.params)
	for i := range p.system {
		n += len(p.system[i].text) + 48
	}
	for i := range p.turns {
		for k := range p.turns[i].blocks {
			b := &p.turns[i].blocks[k]
			n += len(b.text) + len(b.part.Args) + 128
			if b.part.Media != nil {
				n += len(b.part.Media.Data)
			}
			for q := range b.part.Parts {
				n += len(b.part.Parts[q].Text) + 64
			}
		}
	}
	return n + n/16
}

func (e *encoder) appendSystem(b []byte, system []block) []byte {
	if len(system) == 0 && e.hint == "" {
		return b
	}
	b = append(appendName(b, "system"), '[')
	for i := range system {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"type":"text","text":`...)
		b = wire.AppendString(b, system[i].text)
		b = append(e.appendCache(b, system[i].cache), '}')
	}
	if e.hint != "" {
		if len(system) > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"type":"text","text":`...)
		b = append(wire.AppendString(b, e.hint), '}')
	}
	return append(b, ']')
}

// param adds a member to the body.
func (e *encoder) param(name string, value []byte) {
	if len(e.params) == 0 {
		e.params = append(e.params, '{')
	}
	e.params = appendMember(e.params, name, value)
}

// invalidNumber reports a parameter that is no number.
func invalidNumber(name string, v []byte) error {
	return gateway.Invalidf(name, "%s must be a number, got %s", name, clip(string(v), 40))
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return fmt.Sprintf("%s…", strings.ToValidUTF8(s[:n], ""))
}
