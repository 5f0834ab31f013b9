package mock

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"penstock/internal/wire"
)

// At is a point in an answer, counted in chunks or bytes. The zero At is never.
type At int

// After returns the point after n chunks or bytes.
func After(n int) At { return At(n + 1) }

func (a At) set() bool { return a > 0 }
func (a At) n() int    { return int(a) - 1 }

// Step is the script of one call. The zero Step is a plain, immediate answer.
type Step struct {
	Latency     time.Duration // before anything is sent
	SlowHeaders time.Duration // the header block drips for this long
	First       time.Duration // between the headers and the first byte of the body
	Gap         time.Duration // between two chunks of a stream

	Tokens int    // words in the answer; 0 is the words of Text, or Chunks, or 12
	Chunks int    // chunks of text in a stream; 0 is one for each word
	Text   string // what to say; "" is the mock's own sentence
	Reason bool   // think first
	Large  int    // size of one embedding's JSON in bytes; 0 is 8 numbers
	Prompt int    // prompt tokens to claim; 0 is what was counted
	Cached int    // prompt tokens to claim as read from the prompt cache

	Status     int // 400 and up: fail with it
	RetryAfter int // seconds, sent with a failure
	Flaky      int // the first calls of this model name fail with 500

	Hang    bool // send nothing until the client leaves
	NoUsage bool // leave the usage out

	// What goes wrong in the middle, in chunks of text. In an answer that is
	// not streamed, any point but 0 is the middle of its body.
	Cut      At // break the connection; After(0) is before the headers
	CutBytes At // break the connection after exactly so many bytes of the body
	Stall    At // send nothing more until the client leaves
	Short    At // end the answer cleanly, without its end mark
	Error    At // send an error event and end
}

// The bounds keep a mistyped script from filling the memory.
const (
	maxCount = 1 << 20
	maxBytes = 64 << 20
)

// ParseStep reads a script such as "latency=50,chunks=20,gap=20".
func ParseStep(script string) (Step, error) {
	var st Step
	err := st.apply(script)
	return st, err
}

// apply sets what script says and leaves the rest of st as it is.
func (st *Step) apply(script string) error {
	script = strings.TrimPrefix(strings.TrimSpace(script), "mock-")
	for script != "" {
		item, rest, _ := strings.Cut(script, ",")
		key, value, _ := strings.Cut(item, "=")
		if strings.TrimSpace(key) == "text" {
			// A text has commas of its own, so it takes all that is left.
			item, rest = script, ""
			_, value, _ = strings.Cut(item, "=")
		}
		if err := st.set(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
			return err
		}
		script = rest
	}
	return nil
}

// applyJSON sets what the JSON object v says. v must be valid JSON.
func (st *Step) applyJSON(v []byte) error {
	if len(v) == 0 || v[0] != '{' {
		return fmt.Errorf("mock script %s: want an object like {\"latency\":50}", v)
	}
	var err error
	members(v, func(name, value []byte) {
		text := string(value)
		if value[0] == '"' {
			text, _ = wire.Unquote(value)
		}
		if err == nil {
			err = st.set(string(unquoted(name)), text)
		}
	})
	return err
}

func (st *Step) set(key, value string) error {
	var err error
	switch key {
	case "latency":
		st.Latency, err = duration(value)
	case "slow_headers":
		st.SlowHeaders, err = duration(value)
	case "first":
		st.First, err = duration(value)
	case "gap":
		st.Gap, err = duration(value)
	case "tokens":
		st.Tokens, err = count(value, maxCount)
	case "chunks":
		st.Chunks, err = count(value, maxCount)
	case "text":
		st.Text = value
	case "reason", "reasoning":
		st.Reason, err = flag(value)
	case "large":
		st.Large, err = count(value, maxBytes)
	case "prompt":
		st.Prompt, err = count(value, 1<<40)
	case "cached":
		st.Cached, err = count(value, 1<<40)
	case "status":
		st.Status, err = count(value, 599)
		if err == nil && st.Status < 400 && st.Status != 200 && st.Status != 0 {
			err = fmt.Errorf("%d is no failure, want 400 to 599", st.Status)
		}
	case "retry_after":
		st.RetryAfter, err = count(value, maxCount)
	case "flaky":
		st.Flaky, err = count(value, maxCount)
	case "hang":
		st.Hang, err = flag(value)
	case "nousage":
		st.NoUsage, err = flag(value)
	case "cut":
		st.Cut, err = point(value)
	case "cut_bytes":
		st.CutBytes, err = point(value)
	case "stall":
		st.Stall, err = point(value)
	case "short":
		st.Short, err = point(value)
	case "error":
		st.Error, err = point(value)
	default:
		return fmt.Errorf("mock script: no key %q; see `penstock mock --help` for those there are", key)
	}
	if err != nil {
		return fmt.Errorf("mock script: %s: %w", key, err)
	}
	return nil
}

func count(value string, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%q, want a whole number from 0 to %d", value, most)
	}
	return n, nil
}

func point(value string) (At, error) {
	n, err := count(value, maxBytes)
	return After(n), err
}

func flag(value string) (bool, error) {
	switch value {
	case "", "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q, want nothing, true or false", value)
}

func duration(value string) (time.Duration, error) {
	if n, err := strconv.Atoi(value); err == nil && n >= 0 && n < 1e9 {
		return time.Duration(n) * time.Millisecond, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q, want milliseconds", value)
	}
	return d, nil
}

// nameScript returns the script in a model name, "" if it has none. A name
// like "mock-model" is only a name: its word is no key, and nothing in it has
// the form of a script.
func nameScript(name string) string {
	script := ""
	for at := 0; script == ""; {
		i := strings.Index(name[at:], "mock-")
		if i < 0 {
			return ""
		}
		at += i + len("mock-")
		if before := name[:at-len("mock-")]; before == "" || !alphanumeric(before[len(before)-1]) {
			script = name[at:]
		}
	}
	if !strings.ContainsAny(script, "=,") {
		var st Step
		if st.apply(script) != nil {
			return ""
		}
	}
	return script
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// Usage describes the scripts, for `penstock mock --help`.
func Usage() string { return usage }

const usage = `A model provider that answers at once, for tests, benchmarks and demos.

Endpoints
  POST /v1/chat/completions   /chat/completions
  POST /v1/embeddings         /embeddings
  GET  /v1/models             GET /v1beta/models
  POST /v1/messages           /v1/messages/count_tokens
  POST /v1beta/models/{model}:generateContent
       :streamGenerateContent[?alt=sse] :countTokens :embedContent :batchEmbedContents
  GET  /mock/calls            counters as JSON; ?model=m, ?recent=n for the last n
                              calls, ?received=n / ?answered=n / ?cancelled=n
                              [&timeout=ms] to wait until there are so many
  DELETE /mock/calls          counters back to zero

Scripts are key=value pairs with commas between them. They come, strongest
first, from the header x-mock-script, the body member "mock" (an object), and
the model name after "mock-", for example the model

  mock-latency=50,chunks=20,gap=20      mock-status=429,retry_after=3
  mock-hang   mock-cut=3   mock-flaky=2   gpt-4o-mock-tokens=10

When
  latency=MS        wait before anything is sent
  slow_headers=MS   let the header block drip for so long
  first=MS          wait between the headers and the first byte
  gap=MS            wait between two chunks of a stream
What
  tokens=N          words in the answer
  chunks=N          chunks of text in a stream
  text=WORDS        what to say (must be the last key)
  reason            think first (so does any model with "reason" in its name)
  large=BYTES       size of one embedding
  prompt=N          prompt tokens to claim
  cached=N          of these, read from the prompt cache
  nousage           leave the usage out
Failures
  status=N          400 is a context overflow, 502 an HTML page, any other an
                    error of the provider's own form
  retry_after=S     seconds, with a status
  flaky=N           the first N calls of this model name fail with 500
  hang              send nothing until the client leaves
  cut=N             break the connection after N chunks; 0: before the headers
  cut_bytes=N       break it after exactly N bytes of the body, if it has them
  stall=N           send nothing more after N chunks until the client leaves
  short=N           end cleanly after N chunks, without the end mark
  error=N           an error event after N chunks

A request with tools whose last user message has the word "tool" in it gets a
call of the first tool. Prompt tokens are 4 + bytes of message text / 4,
completion tokens are words.
`
