package gateway

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// NanoUSD is an amount of money in billionths of a US dollar. Prices per token
// are far below a cent, and sums of floats drift; an int64 of nano-dollars is
// exact up to nine billion dollars.
type NanoUSD int64

// Operation names what a client asked for. It decides which wire types apply
// and which provider interface an adapter must implement.
type Operation string

// The operations there are.
const (
	Chat  Operation = "chat"
	Embed Operation = "embedding"
)

// Dialect names a chat format that clients or vendors speak.
type Dialect string

// The dialects there are. The names appear in logs and in explain records.
const (
	OpenAI    Dialect = "openai"
	Anthropic Dialect = "anthropic"
	Gemini    Dialect = "gemini"
)

// Secret is a credential. It prints as "[redacted]" wherever it is formatted,
// logged or encoded; Reveal is the only way to its value, so that every use of
// a credential can be found by searching for that word.
type Secret string

// Reveal returns the credential itself.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[redacted]"
}

// GoString implements fmt.GoStringer, for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Call is one client request in flight. Package api builds it; after package
// relay has started it never changes, and any goroutine may read it.
type Call struct {
	ID      string // the x-litellm-call-id the client sees
	Op      Operation
	Dialect Dialect // what the client speaks
	Route   string  // the path the client called, e.g. "/v1/chat/completions"
	Model   string  // the model the client named
	Group   string  // the public model group it stands for after aliases
	Stream  bool
	// WantsUsage says that the client asked for usage at the end of a stream.
	WantsUsage bool
	Body       []byte // request JSON as received; valid until the call has ended
	// Lent counts those that still read Body though the call may have ended; nil
	// if Body is not used again for another call.
	Lent      *atomic.Int32
	Principal Principal
	Ask       Ask
	EndUser   string   // the customer the client named, "" if none
	Tags      []string // request tags
	Session   string   // session or trace id the client sent, "" if none
	ClientIP  string
	UserAgent string
	// Agent is the UserAgent as the ledger counts it, "" if it does not.
	Agent string
	Start time.Time

	// What the client overrides for this call only; nil or zero where it does not.
	Retries          *int
	Timeout          time.Duration
	StreamTimeout    time.Duration
	Fallbacks        []string  // replaces the configured fallbacks if not nil
	FallbackParams   [][]Param // what a fallback's request has instead, by the place in Fallbacks; nil if none has any
	DisableFallbacks bool
	Hedge            *bool // whether a slow stream is asked of a second deployment
	DropParams       bool
	// Betas are the features of its own dialect that the client opts into
	// (anthropic-beta). They go with the body where it passes through.
	Betas []string
	// Metadata is the client's own metadata object as JSON, nil if none.
	Metadata []byte
	// Region is where the call may be served, e.g. "eu"; "" is anywhere.
	Region string
	// AccessGroups, if not nil, are the only way the key was let in by:
	// deployments in none of them are not for this call.
	AccessGroups []string
	// Prompt are the parts of Body that a provider's prompt cache goes by, in
	// its order; nil or short if nothing of it is worth caching.
	Prompt [3][]byte
}

// Ask is the size of a call before it has run, as far as it can be told.
type Ask struct {
	Input     int64 // input tokens, counted or bounded from above
	Likely    int64 // input tokens, estimated: as often too few as too many
	MaxOutput int64 // the client's own cap on output tokens for one choice; 0 if it set none
	Choices   int64 // how many answers are wanted, at least 1
	// Tier says that the client asked for a service tier, which may be dearer.
	Tier bool
}

// Usage is what a call consumed, in tokens. Prompt includes every kind of
// input (cached, cache writes, audio, images), and Completion every kind of
// output (reasoning, audio, images), as in OpenAI's usage object.
type Usage struct {
	Prompt       int64
	CacheRead    int64 // part of Prompt answered from the provider's prompt cache
	CacheWrite   int64 // part of Prompt written to that cache for five minutes
	CacheWrite1h int64 // part of Prompt written to that cache for an hour
	AudioIn      int64 // part of Prompt
	ImageIn      int64 // part of Prompt
	Completion   int64
	Reasoning    int64 // part of Completion
	AudioOut     int64 // part of Completion
	ImageOut     int64 // part of Completion
	WebSearches  int64
	// Tier is the service tier that served the call ("", "flex", "priority").
	Tier string
	// Estimated says that we counted, because the provider did not.
	Estimated bool
}

// Total returns all tokens of the call.
func (u Usage) Total() int64 { return u.Prompt + u.Completion }

// Deployment is one upstream that can serve a public model name. It never
// changes once it is in a routing table.
type Deployment struct {
	ID       string // model_info.id, or a stable hash of the entry
	Group    string // public model name; may contain * (wildcard)
	Provider string // name of the adapter, e.g. "anthropic"
	Upstream string // the vendor's own model name, without the provider prefix
	BaseURL  string // "" for the vendor's own
	APIKey   Secret
	// APIVersion and Organization are sent where the vendor knows them.
	APIVersion   string
	Organization string

	Weight       float64 // simple-shuffle weight, 0 if not set
	RPM, TPM     int64   // 0 if not set
	MaxParallel  int64   // 0 if not set
	Order        int     // priority level, 0 if not set; the lowest wins
	Timeout      time.Duration
	StreamIdle   time.Duration // longest wait for the first and the next byte of a stream
	Retries      *int
	Cooldown     *time.Duration
	DropParams   bool
	Mode         string // "chat", "embedding", … or ""
	BaseModel    string // model to look prices up by
	AccessGroups []string
	Blocked      bool // stays configured and gets no calls
	Stored       bool // kept in the database, not in the configuration
	Hidden       bool // not listed in /v1/models
	// TeamID, if set, is the only team it is for, under the name TeamModel.
	TeamID, TeamModel string
	Tags              []string // of the calls it is for; "default" for those without
	TagRegex          []string // patterns for "User-Agent: …" that count as a tag
	TagFiltering      *bool    // nil: as the router is set
	Region            string   // "eu-west-1", "europe", …; "" if not known
	MaxInput          int64    // context window in tokens; 0 if not set
	// Abilities is what model_info says of its capabilities; of those that are
	// not in Said the price table may know.
	Abilities, Said Capability
	// AllowedFails and FailsPolicy, if set, decide about its cooldown; the keys
	// are LiteLLM's names of errors ("RateLimitError").
	AllowedFails *int
	FailsPolicy  map[string]int
	// Prices are the deployment's own price fields by LiteLLM's names, as decimal text.
	Prices map[string]string
	// Defaults are request parameters the deployment adds where the client is
	// silent, as raw JSON by name, in the order of the config.
	Defaults []Param
	// Headers are added to every upstream request.
	Headers map[string]string
	// DropAlways are parameters never sent (additional_drop_params).
	DropAlways []string
	// AllowParams are sent although the vendor is thought not to know them.
	AllowParams []string
	// ClientCredentials lists fields (api_key, api_base) a client may set for this deployment.
	ClientCredentials []string
	Check             Check
}

// Check is how the health of a deployment is found out.
type Check struct {
	Off       bool          // not in the background, only when somebody asks
	Model     string        // the model to ask for, where the deployment is a wildcard; "" for its own
	Timeout   time.Duration // 0 for the default
	MaxTokens int64         // 0 for the default
}

// Param is a request parameter: a name and its JSON value.
type Param struct {
	Name  string
	Value []byte
}

// Attempt is one try of one deployment.
type Attempt struct {
	Deployment string // ID
	Group      string
	Start      time.Time
	Duration   time.Duration
	Kind       Kind   // of the failure; meaningless if OK
	Status     int    // the vendor's HTTP status, 0 if there was none
	Reason     string // what went wrong, for people; "" if OK
	OK         bool
	// Hedged says that it ran beside another attempt, which was slow to begin.
	Hedged    bool
	FirstByte time.Duration // from Start; 0 if none came or the answer was not streamed
}

// Record is a finished call: what happened, what it used and what it cost. It
// is immutable and shared by the ledger and all logging destinations.
type Record struct {
	Call       Call // Body is nil here: the bytes do not outlive the call
	Deployment *Deployment
	Upstream   string // the vendor's model name that answered
	ResponseID string // the vendor's id of the answer, "" if none
	Attempts   []Attempt
	Why        Why
	Retries    int
	Fallbacks  int
	Usage      Usage
	Cost       NanoUSD
	Priced     bool   // a price was known
	Price      string // version of the price that was used
	CacheHit   bool
	Finish     string
	FirstByte  time.Time // zero if the client never got a byte
	End        time.Time
	Err        *Error // nil on success
	// Interrupted says that the answer was not seen to its end: the client
	// left, or the process died.
	Interrupted bool
	// Input and Output are the request body and the answer's text, nil unless
	// some destination wants content. They are bounded.
	Input, Output []byte
}
