package mock

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"penstock/internal/wire"
)

// exchange is one call: what was asked, and the answer as it is put together.
// Exchanges are pooled, buffers included.
type exchange struct {
	target
	http  *http.Request
	start time.Time
	body  []byte
	obj   wire.Object

	model  *model
	step   Step
	stream bool
	usage  bool // an OpenAI stream shall end with its usage
	array  bool // a Gemini stream without alt=sse is a JSON array
	limit  int  // the client's cap on output tokens, 0 for none
	n      int  // choices
	prompt int  // tokens
	tools  []byte
	last   []byte // the last message
	inputs int    // texts to embed
	firstN int    // bytes of the first of them
	dims   int
	base64 bool

	clean bool // a broken answer that ends like a whole one
	taken bool // the connection was taken over from the server

	plan plan
	out  []byte
	ends []mark
}

func (x *exchange) reset() {
	body, out, ends := x.body[:0], x.out[:0], x.ends[:0]
	// A rare giant must not stay in the pool.
	if cap(body) > 4<<20 {
		body = nil
	}
	if cap(out) > 4<<20 {
		out = nil
	}
	*x = exchange{body: body, out: out, ends: ends}
}

var errTooLarge = errors.New("request body too large")

// readBody reads all of the body: the server looks out for a client that
// leaves only once there is nothing more to read.
func (x *exchange) readBody(r *http.Request, most int64) error {
	if r.ContentLength > most {
		return errTooLarge
	}
	if n := r.ContentLength; n >= 0 {
		if int64(cap(x.body)) < n {
			x.body = make([]byte, 0, n)
		}
		x.body = x.body[:n]
		_, err := io.ReadFull(r.Body, x.body)
		if err == nil {
			// The EOF after the last byte is what lets the server watch the client.
			var one [1]byte
			_, _ = r.Body.Read(one[:])
		}
		return err
	}
	b := bytes.NewBuffer(x.body)
	n, err := b.ReadFrom(io.LimitReader(r.Body, most+1))
	x.body = b.Bytes()
	if n > most {
		return errTooLarge
	}
	return err
}

// parse reads the request and finds its script.
func (x *exchange) parse(s *Server) error {
	if err := x.obj.Parse(x.body); err != nil {
		return fmt.Errorf("request body: %w", err)
	}
	name := []byte(x.target.model)
	if x.dialect != gemini {
		if name = unquoted(x.obj.Get("model")); len(name) == 0 {
			return errors.New("you must provide a model parameter")
		}
	}
	x.model = s.model(name)
	st, queued := s.next()
	if !queued {
		if x.model.err != nil {
			return x.model.err
		}
		st = x.model.step
		if v := x.obj.Get("mock"); v != nil {
			if err := st.applyJSON(v); err != nil {
				return err
			}
		}
		if v := x.http.Header["X-Mock-Script"]; len(v) > 0 {
			if err := st.apply(v[0]); err != nil {
				return err
			}
		}
	}
	x.step = st

	switch {
	case x.op == opEmbed:
		return x.parseEmbed()
	case x.dialect == gemini:
		return x.parseGemini()
	case x.dialect == anthropic:
		return x.parseAnthropic()
	}
	return x.parseOpenAI()
}

func (x *exchange) parseOpenAI() error {
	if err := x.messages("messages", "content"); err != nil {
		return err
	}
	x.stream, _ = x.obj.Bool("stream")
	if v := x.obj.Get("stream_options"); x.stream && v != nil {
		x.usage = string(member(v, "include_usage")) == "true"
	}
	x.limit = x.number("max_completion_tokens")
	if x.limit == 0 {
		x.limit = x.number("max_tokens")
	}
	x.n = min(max(x.number("n"), 1), 128)
	x.tools = x.obj.Get("tools")
	return nil
}

func (x *exchange) parseAnthropic() error {
	if err := x.messages("messages", "content"); err != nil {
		return err
	}
	x.prompt += textBytes(x.obj.Get("system"))
	x.stream, _ = x.obj.Bool("stream")
	x.limit = x.number("max_tokens")
	if x.limit == 0 && x.op == opChat {
		return errors.New("max_tokens: Field required")
	}
	x.tools = x.obj.Get("tools")
	return nil
}

func (x *exchange) parseGemini() error {
	if err := x.messages("contents", "parts"); err != nil {
		return err
	}
	for _, name := range []string{"systemInstruction", "system_instruction"} {
		x.prompt += textBytes(member(x.obj.Get(name), "parts"))
	}
	x.stream = x.target.stream
	x.array = x.http.URL.Query().Get("alt") != "sse"
	conf := x.obj.Get("generationConfig")
	if v, ok := wire.ParseInt(member(conf, "maxOutputTokens")); ok && v > 0 {
		x.limit = int(min(v, maxCount))
	}
	// Every entry of tools may hold functions; the first that does is enough.
	items(x.obj.Get("tools"), func(tool []byte) {
		if v := member(tool, "functionDeclarations"); x.tools == nil && v != nil {
			x.tools = v
		}
	})
	return nil
}

// messages adds up the text of all messages and remembers the last one.
func (x *exchange) messages(list, content string) error {
	v := x.obj.Get(list)
	n := 0
	items(v, func(m []byte) {
		n++
		x.last = m
		x.prompt += textBytes(member(m, content))
	})
	if n == 0 {
		return fmt.Errorf("%s: want a list of at least one message", list)
	}
	return nil
}

func (x *exchange) number(name string) int {
	n, _ := x.obj.Int(name)
	return int(min(max(n, 0), maxCount))
}

// textBytes returns the bytes of text in a message's content: a string, or
// parts of which some are text and some hold content themselves.
func textBytes(content []byte) int {
	if len(content) == 0 {
		return 0
	}
	if content[0] == '"' {
		return textLen(content)
	}
	n := 0
	items(content, func(part []byte) {
		members(part, func(name, value []byte) {
			switch string(name) {
			case `"text"`:
				if value[0] == '"' {
					n += textLen(value)
				}
			case `"content"`:
				n += textBytes(value)
			}
		})
	})
	return n
}

// wantsTool reports whether the last message is a user's and has the word
// "tool" in its text. Once the tool's result is there, it is the last message,
// or a part that is no text: so the model does not call for ever.
func wantsTool(message []byte) bool {
	if role := member(message, "role"); role != nil && string(role) != `"user"` {
		return false
	}
	content := member(message, "content")
	if content == nil {
		content = member(message, "parts")
	}
	word := []byte("tool")
	if len(content) > 0 && content[0] == '"' {
		return bytes.Contains(content, word)
	}
	found := false
	items(content, func(part []byte) {
		found = found || bytes.Contains(member(part, "text"), word)
	})
	return found
}
