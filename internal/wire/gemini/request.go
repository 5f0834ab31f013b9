package gemini

import (
	"fmt"
	"slices"
	"strings"

	"penstock/internal/canon"
	"penstock/internal/gateway"
)

// Options say for whom a request is encoded.
type Options struct {
	// Model is the vendor's model name. It decides which of several forms of a
	// parameter the model takes. "" is r.Model.
	Model string
	// MaxTokens caps the output if the request has no cap of its own; 0 is no cap.
	MaxTokens int64
	// DropParams leaves out what the model lacks; otherwise it is refused.
	DropParams bool
	// Allow lists parameters that are sent although we think the vendor lacks them.
	Allow []string
	// Vertex says that Vertex AI is asked: it takes labels, and no call ids.
	Vertex bool
}

// EncodeRequest returns r as a generateContent body, and the parameters that
// were left out: harmless ones always, others only with o.DropParams. A request
// that the vendor cannot express is an Invalid *gateway.Error.
func EncodeRequest(r *canon.Request, o Options) (body []byte, dropped []string, err error) {
	if o.Model == "" {
		o.Model = r.Model
	}
	e := &encoder{r: r, o: o, m: parseModel(o.Model)}
	if err := e.encode(); err != nil {
		return nil, nil, err
	}
	if err := e.refusal(); err != nil {
		return nil, nil, err
	}
	return e.w.b, e.dropped, nil
}

// encoder holds the state of one request being encoded.
type encoder struct {
	r *canon.Request
	o Options
	m model
	w writer

	gen    object // generationConfig
	rest   object // members beside contents, tools and generationConfig
	search bool   // a search tool is wanted
	tools  []tool

	details []string // image details the client asked for, "" where it did not

	dropped []string // left out
	refused []string // what the model lacks
	why     []string // reasons for refused, "" where there is none to give
}

// tool is a vendor's own tool: {name: value}.
type tool struct {
	name  string
	value []byte
}

// drop notes a parameter that is left out without harm.
func (e *encoder) drop(param string) {
	if !slices.Contains(e.dropped, param) {
		e.dropped = append(e.dropped, param)
	}
}

// lacks notes a parameter that the model does not have, and reports whether it
// is to be sent all the same.
func (e *encoder) lacks(param, why string) (send bool) {
	switch {
	case slices.Contains(e.o.Allow, param):
		return true
	case e.o.DropParams:
		e.drop(param)
	case !slices.Contains(e.refused, param):
		e.refused = append(e.refused, param)
		e.why = append(e.why, why)
	}
	return false
}

// refusal returns one error that names everything the model lacks, so that a
// client does not have to find out one by one.
func (e *encoder) refusal() error {
	if len(e.refused) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "gemini does not support parameters: ['%s'], for model=%s.", strings.Join(e.refused, "', '"), e.o.Model)
	for i, why := range e.why {
		if why != "" {
			fmt.Fprintf(&b, " %s: %s.", e.refused[i], why)
		}
	}
	b.WriteString(" Remove them, or set drop_params to have them left out")
	return &gateway.Error{Kind: gateway.Invalid, Param: e.refused[0], Message: b.String()}
}

func (e *encoder) encode() error {
	e.sampling()
	if err := e.extras(e.r.Extra); err != nil {
		return err
	}
	e.cap()

	size := 1024
	for i := range e.r.Messages {
		for j := range e.r.Messages[i].Parts {
			p := &e.r.Messages[i].Parts[j]
			size += 64 + len(p.Text) + len(p.Args)
			if p.Media != nil {
				size += len(p.Media.Data)
			}
		}
	}
	e.w.b = make([]byte, 0, size)
	e.w.open('{')
	if err := e.contents(); err != nil {
		return err
	}
	if err := e.toolsAndChoice(); err != nil {
		return err
	}
	if err := e.format(); err != nil {
		return err
	}
	if err := e.thinking(); err != nil {
		return err
	}
	e.resolution()
	if len(e.gen) > 0 {
		e.w.key("generationConfig")
		e.w.object(e.gen)
	}
	for _, m := range e.rest {
		e.w.key(m.name)
		e.w.raw(m.value)
	}
	e.w.close('}')
	return nil
}
