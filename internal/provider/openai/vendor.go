package openai

// Vendor is what the adapter knows of one vendor. The zero value of a quirk is
// OpenAI's own behaviour, except where a comment says otherwise.
type Vendor struct {
	Name    string
	BaseURL string // "" if each deployment must name one
	// BaseSuffix is added to base URLs that do not end in it: the world knows
	// Ollama's address, but its OpenAI format lives below /v1.
	BaseSuffix string
	Path       string // of chat; "/chat/completions" if empty

	// KeyEnv are the environment variables with the key, the first that is set
	// counts. BaseEnv holds another base URL.
	KeyEnv  []string
	BaseEnv string
	Keyless bool // works without a key
	// AuthHeader carries the bare key instead of "Authorization: Bearer".
	AuthHeader string

	// OpenAI says that this is OpenAI itself, with its strict parameters, its
	// reasoning models and its developer role, which no other vendor has.
	OpenAI bool
	// Loose says that nothing is assumed of the vendor: it gets what the client
	// sent, without the gateway's own members.
	Loose bool

	Rename          []Rename // parameters under the vendor's names
	Lacks           []string // parameters the vendor refuses
	Knows           []string // if not nil, the only optional parameters it takes
	ToolChoices     []string // if not nil, the only words of tool_choice it takes
	RequiredIsAny   bool     // tool_choice "required" is called "any"
	NoStreamOptions bool     // sends usage by itself, or refuses stream_options
	TextOnly        bool     // takes content as a string where it is only text
	NoNames         bool     // refuses name on messages
	KeepCache       bool     // takes cache_control
	KeepReasoning   bool     // wants reasoning_content sent back
	Thinking        bool     // takes thinking
	NoJSONObject    bool     // takes no response_format of type json_object
	NoJSONSchema    bool     // takes json_object, but no json_schema
	MaxTemperature  string   // decimal text, "" for none; higher values are lowered
	ModelPrefix     string   // put before model names that do not have it
}

// Rename is a parameter that a vendor calls by another name.
type Rename struct{ From, To string }

// maxTokens is the rename that many vendors need.
var maxTokens = []Rename{{"max_completion_tokens", "max_tokens"}}
