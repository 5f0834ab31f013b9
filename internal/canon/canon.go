package canon

import (
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
)

// Raw is a JSON value exactly as it was written; nil if absent.
type Raw = jsontext.Value

// Request is a chat request. Zero values are "not given".
type Request struct {
	Model    string
	Messages []Message // in the client's order, system messages included

	Tools         []Tool
	ToolChoice    *ToolChoice
	ParallelTools *bool

	MaxTokens   int64 // 0: not given
	Temperature Raw   // number
	TopP        Raw   // number
	TopK        Raw   // number
	Stop        []string
	N           int64 // 0: not given
	Seed        Raw
	Presence    Raw // presence_penalty
	Frequency   Raw // frequency_penalty
	LogitBias   Raw
	Logprobs    *bool
	TopLogprobs Raw

	Format    *Format
	Reasoning *Reasoning
	User      string // end-user id
	Tier      string // service_tier

	Stream       bool
	IncludeUsage bool // the client wants the usage at the end of a stream

	// Extra holds every other top-level member in order: parameters that only
	// some vendors know, under the client dialect's name. A codec sends those
	// its vendor knows and reports the others.
	Extra []gateway.Param
}

// Role is who speaks.
type Role string

// The roles of messages. Developer counts as System where a vendor has no such role.
const (
	System    Role = "system"
	Developer Role = "developer"
	User      Role = "user"
	Assistant Role = "assistant"
	ToolRole  Role = "tool"
)

// Message is one turn.
type Message struct {
	Role  Role
	Name  string
	Parts []Part
	// CacheControl marks the message as the end of a cacheable prefix.
	CacheControl Raw
}

// PartKind says which fields of a Part are used.
type PartKind uint8

// The kinds of parts.
const (
	Text       PartKind = iota // Text
	Image                      // Media
	Audio                      // Media
	File                       // Media
	ToolCall                   // ID, Name, Args, Signature
	ToolResult                 // ID, Name (if known), Parts, IsError
	Thinking                   // Text, Signature
	Redacted                   // Text is the opaque data
	Refusal                    // Text
)

// Part is a piece of a message.
type Part struct {
	Kind         PartKind
	Text         string
	Media        *Media
	ID           string // tool call id
	Name         string // tool name
	Args         Raw    // tool arguments: a JSON object; nil for none
	Signature    string // of Thinking, or a vendor's signature on a ToolCall
	Parts        []Part // content of a ToolResult
	IsError      bool
	CacheControl Raw
}

// Media is an image, a recording or a document. Exactly one of Data, URL and
// FileID is set.
type Media struct {
	MIME     string // "" if unknown
	Data     string // base64, as it came
	URL      string
	FileID   string
	Filename string
	Detail   string // image detail: low, high, auto
	Format   string // audio format: wav, mp3
}

// Tool is a tool the model may call.
type Tool struct {
	// Type is "function", or a vendor's own tool type; then Raw is the whole tool.
	Type         string
	Name         string
	Description  string
	Schema       Raw // JSON Schema of the parameters; nil for none
	Strict       *bool
	CacheControl Raw
	Raw          Raw
}

// ToolChoice says whether the model may, must or must not call tools.
type ToolChoice struct {
	Mode string // "auto", "none", "required", "tool"
	Name string // for "tool"
	// Allowed restricts the tools by name; nil for all.
	Allowed []string
}

// Format is the form the answer must have.
type Format struct {
	Kind        string // "text", "json_object", "json_schema"
	Name        string
	Description string
	Schema      Raw
	Strict      *bool
}

// Reasoning asks for thinking before the answer.
type Reasoning struct {
	Effort string // "", "none", "minimal", "low", "medium", "high", "xhigh", "max"
	// Thinking is the client's own Anthropic-style thinking object, nil if none.
	Thinking Raw
}

// EventKind says what an Event tells.
type EventKind uint8

// The closed set of events an answer is made of. A whole answer is the same
// events with the text in one piece.
const (
	EvStart      EventKind = iota // ID, Model: the vendor's id of the answer and its model
	EvText                        // Text
	EvReasoning                   // Text
	EvSignature                   // Signature of the reasoning so far
	EvRedacted                    // Text is opaque reasoning data
	EvRefusal                     // Text
	EvToolStart                   // Tool, ID, Name, Signature
	EvToolArgs                    // Tool, Text: a fragment of the arguments' JSON text
	EvMedia                       // Media: an image or a recording in the answer
	EvAnnotation                  // Raw: an OpenAI url_citation annotation
	EvLogprobs                    // Raw: an OpenAI logprobs object
	EvExtra                       // Name, Raw: a vendor's own data for provider_specific_fields
	EvFinish                      // Finish, Native
	EvUsage                       // Usage, cumulative: the last one counts
	EvError                       // Err: the vendor gave up in the middle
)

// Event is one step of an answer.
type Event struct {
	Kind      EventKind
	Choice    int // index of the choice, from 0
	Tool      int // index of the tool call in its choice, from 0
	ID        string
	Model     string
	Name      string
	Text      string
	Signature string
	Media     *Media
	Raw       Raw
	Finish    Finish
	Native    string // the vendor's own word for Finish
	Usage     gateway.Usage
	Err       *gateway.Error
}

// Finish is why an answer ended, in OpenAI's words.
type Finish string

// The reasons there are.
const (
	Stop          Finish = "stop"
	Length        Finish = "length"
	ToolCalls     Finish = "tool_calls"
	ContentFilter Finish = "content_filter"
)

// Decoder turns one vendor stream into events. It holds the state of one
// stream and is used by one goroutine.
type Decoder interface {
	// Decode reads one server-sent event and appends what it means to out.
	// name is the event's name, "" if the vendor sends none. Strings in the
	// events are copies. An error is a *gateway.Error: a stream we cannot read.
	Decode(name string, data []byte, out []Event) ([]Event, error)
	// Done reports whether the vendor's own end of the answer has been seen. A
	// stream that ends earlier was cut.
	Done() bool
}

// Encoder writes one answer in a client's dialect. It holds the state of one
// answer and is used by one goroutine.
type Encoder interface {
	// Event appends the bytes that tell ev to a streaming client: none, one or
	// several server-sent events.
	Event(dst []byte, ev *Event) []byte
	// End appends the mark that the stream is complete.
	End(dst []byte) []byte
	// Whole appends the answer as one JSON document.
	Whole(dst []byte, evs []Event) []byte
}

// EncodeOptions say how an answer is shown to the client.
type EncodeOptions struct {
	Model        string // the name the client asked for
	Created      int64  // Unix seconds
	FallbackID   string // answer id if the vendor sends none
	IncludeUsage bool   // show usage at the end of a stream
}
