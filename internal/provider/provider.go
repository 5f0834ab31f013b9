package provider

import (
	"net/http"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// Provider is what every adapter has. What it can do beyond that is said by
// the operation interfaces it also implements. Methods are called concurrently.
type Provider interface {
	// Name is the word that config uses, e.g. "anthropic".
	Name() string

	// Refusal translates an answer that is not 2xx, or an error inside a 2xx.
	// It reports one of the Upstream kinds (or ContextWindow, ContentPolicy)
	// and the vendor's own message, without secrets.
	Refusal(status int, h http.Header, body []byte) *gateway.Error
}

// Call is one call as an adapter sees it.
type Call struct {
	*gateway.Call
	// In is the client's body with its top-level members found.
	In *wire.Object
	// Upstream is the vendor's model name, wildcards already filled in.
	Upstream string
	// MaxTokens, if not 0, is a cap on output tokens that the gateway sets
	// because the caller's budget affords no more; the client set none.
	MaxTokens int64
	// DropParams says that parameters the vendor lacks are left out, not refused.
	DropParams bool
	// Dropped collects the parameters that were left out, for the header that
	// tells the client.
	Dropped []string
}

// Request is what to send to the vendor.
type Request struct {
	Method string // "" is POST
	URL    string
	Header http.Header // credentials included; Content-Type is JSON if not set
	Body   wire.Body
}

// Chat is implemented by providers that answer chat.
type Chat interface {
	Provider

	// Dialect is the vendor's own chat format. A call that came in the same
	// dialect passes through Pass; any other goes through the canonical form
	// and Translate.
	Dialect() gateway.Dialect

	// Pass builds the request for a call that came in the vendor's own dialect:
	// the client's bytes with the least edits (model name, gateway's own
	// members removed, the deployment's defaults, a request for usage).
	// A request the vendor cannot express is a *gateway.Error of kind Invalid
	// that names the field.
	Pass(d *gateway.Deployment, c *Call) (*Request, error)

	// Translate builds the request for r. Parameters the vendor lacks are
	// refused with an Invalid error that names them, or left out and added to
	// c.Dropped if c.DropParams.
	Translate(d *gateway.Deployment, c *Call, r *canon.Request) (*Request, error)

	// Answer reads a whole answer.
	Answer(body []byte) ([]canon.Event, error)

	// Events returns a decoder for one streamed answer.
	Events() canon.Decoder
}

// Embed is implemented by providers that answer embeddings. The client's
// format is OpenAI's.
type Embed interface {
	Provider

	// EmbedRequest builds the request for c.
	EmbedRequest(d *gateway.Deployment, c *Call) (*Request, error)

	// EmbedAnswer turns the vendor's answer into OpenAI's, with the model name
	// the client asked for, and reports what was used.
	EmbedAnswer(c *Call, body []byte) (answer []byte, used gateway.Usage, err error)
}

// Set finds adapters by name.
type Set map[string]Provider

// NewSet returns the set of ps.
func NewSet(ps ...Provider) Set {
	s := make(Set, len(ps))
	for _, p := range ps {
		s[p.Name()] = p
	}
	return s
}
