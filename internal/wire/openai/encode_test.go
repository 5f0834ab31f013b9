package openai_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

// same compares requests up to what the format cannot tell apart: a call
// without arguments has the arguments {}, and a schema needs a name.
func same(a, b *canon.Request) string {
	for _, r := range []*canon.Request{a, b} {
		for i := range r.Messages {
			for j := range r.Messages[i].Parts {
				if p := &r.Messages[i].Parts[j]; p.Kind == canon.ToolCall && p.Args == nil {
					p.Args = canon.Raw(`{}`)
				}
			}
		}
		if r.Format != nil && r.Format.Kind == "json_schema" && r.Format.Name == "" {
			r.Format.Name = "answer"
		}
	}
	return cmp.Diff(a, b, cmpopts.EquateEmpty())
}

func roundTrip(t *testing.T, r *canon.Request) {
	t.Helper()
	body, err := openai.EncodeChat(r)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	if !wire.Valid(body) {
		t.Fatalf("the encoded request is not valid JSON: %s", body)
	}
	back, err := decode(t, string(body))
	if err != nil {
		t.Fatalf("decode what was encoded: %v\n%s", err, body)
	}
	if diff := same(r, back); diff != "" {
		t.Fatalf("a request changed on its way out and back\n%s\nsent -, came back +:\n%s", body, diff)
	}
}

// gen makes requests at random.
type gen struct{ *rand.Rand }

func (g gen) maybe() bool { return g.IntN(2) == 0 }

func (g gen) text() string {
	return []string{"a", "Überraschung ☃", "line\nline \"x\" \\", "<b>&</b>", "\u2028\x01"}[g.IntN(5)]
}

func (g gen) cache() canon.Raw {
	if g.IntN(4) == 0 {
		return canon.Raw(`{"type":"ephemeral","ttl":"1h"}`)
	}
	return nil
}

func (g gen) userPart() canon.Part {
	p := canon.Part{Text: g.text(), CacheControl: g.cache()}
	switch g.IntN(6) {
	case 0:
		p = canon.Part{Kind: canon.Image, Media: &canon.Media{MIME: "image/png", Data: "iVBO", Detail: "high"}}
	case 1:
		p = canon.Part{Kind: canon.Image, Media: &canon.Media{URL: "https://h/p?q=1"}, CacheControl: g.cache()}
	case 2:
		p = canon.Part{Kind: canon.Audio, Media: &canon.Media{MIME: "audio/wav", Data: "UklG", Format: "wav"}}
	case 3:
		p = canon.Part{Kind: canon.File, Media: &canon.Media{MIME: "application/pdf", Data: "JVBE", Filename: "a.pdf"}}
	}
	return p
}

func (g gen) assistant(id string) canon.Message {
	m := canon.Message{Role: canon.Assistant}
	switch g.IntN(4) {
	case 0:
		m.Parts = append(m.Parts, canon.Part{Kind: canon.Thinking, Text: g.text()})
	case 1:
		m.Parts = append(m.Parts, canon.Part{Kind: canon.Thinking, Text: g.text(), Signature: "Er8B"}, canon.Part{Kind: canon.Redacted, Text: "data"})
	}
	if g.maybe() {
		m.Parts = append(m.Parts, canon.Part{Text: g.text(), CacheControl: g.cache()})
	}
	if g.IntN(5) == 0 {
		m.Parts = append(m.Parts, canon.Part{Kind: canon.Refusal, Text: g.text()})
	}
	m.Parts = append(m.Parts, canon.Part{Kind: canon.ToolCall, ID: id, Name: "f", Args: canon.Raw(`{"b": 1, "a": 12345678901234567890}`)})
	if g.maybe() {
		m.Parts = append(m.Parts, canon.Part{Kind: canon.ToolCall, ID: id + "x", Name: "sh", Args: canon.Raw(`{"input":"ls"}`), Signature: "CiQB"})
	}
	return m
}

func (g gen) request() *canon.Request {
	r := &canon.Request{Model: "m", Messages: []canon.Message{{Role: canon.System, Parts: []canon.Part{{Text: g.text()}}, CacheControl: g.cache()}}}
	for i := range 1 + g.IntN(3) {
		u := canon.Message{Role: canon.User, Name: []string{"", "ann"}[g.IntN(2)]}
		for range 1 + g.IntN(3) {
			u.Parts = append(u.Parts, g.userPart())
		}
		id := "c" + string(rune('0'+i))
		r.Messages = append(r.Messages, u, g.assistant(id), canon.Message{
			Role:  canon.ToolRole,
			Parts: []canon.Part{{Kind: canon.ToolResult, ID: id, Name: "f", IsError: g.maybe(), Parts: []canon.Part{{Text: g.text()}}}},
		})
	}
	r.Tools = []canon.Tool{
		{Type: "function", Name: "f", Description: g.text(), Schema: canon.Raw(`{"type":"object","properties":{"z":{},"a":{}}}`), Strict: new(g.maybe()), CacheControl: g.cache()},
		{Type: "custom", Name: "sh", Raw: canon.Raw(`{"type":"custom","custom":{"name":"sh"}}`)},
	}
	r.ToolChoice = []*canon.ToolChoice{
		nil,
		{Mode: "auto"},
		{Mode: "none"},
		{Mode: "tool", Name: "f"},
		{Mode: "tool", Name: "sh"},
		{Mode: "auto", Allowed: []string{"f", "sh"}},
	}[g.IntN(6)]
	if g.maybe() {
		r.MaxTokens, r.N, r.Seed, r.Stop = 1+g.Int64N(1e6), 2, canon.Raw("7"), []string{"\n", "END"}
		r.Temperature, r.TopP, r.TopK = canon.Raw("0.70"), canon.Raw("1e-1"), canon.Raw("40")
		r.Presence, r.Frequency, r.LogitBias = canon.Raw("-2"), canon.Raw("0"), canon.Raw(`{"50256":-100}`)
		r.Logprobs, r.TopLogprobs, r.ParallelTools = new(true), canon.Raw("5"), new(false)
	}
	if g.maybe() {
		r.Stream, r.IncludeUsage = true, g.maybe()
		r.User, r.Tier = "u-1", "flex"
		r.Format = &canon.Format{Kind: "json_schema", Name: "n", Description: g.text(), Schema: canon.Raw(`{"b":1,"a":2}`), Strict: new(true)}
		r.Reasoning = &canon.Reasoning{Effort: "high", Thinking: canon.Raw(`{"type":"enabled","budget_tokens":1024}`)}
		r.Extra = []gateway.Param{{Name: "verbosity", Value: []byte(`"low"`)}, {Name: "odd \"name\"", Value: []byte(`[1,{"a":2}]`)}}
	}
	return r
}

func TestEncodeChatLosesNothing(t *testing.T) {
	g := gen{rand.New(rand.NewPCG(1, 2))}
	for range 500 {
		roundTrip(t, g.request())
	}
}

func TestEncodeChatMovesPicturesOutOfToolResults(t *testing.T) {
	r := &canon.Request{Model: "m", Messages: []canon.Message{
		{Role: canon.Assistant, Parts: []canon.Part{
			{Kind: canon.ToolCall, ID: "c1", Name: "shot"}, {Kind: canon.ToolCall, ID: "c2", Name: "ls"},
		}},
		// Anthropic's clients put results and text into one message of the user.
		{Role: canon.User, Parts: []canon.Part{
			{Kind: canon.ToolResult, ID: "c1", Parts: []canon.Part{{Text: "taken"}, {Kind: canon.Image, Media: &canon.Media{MIME: "image/png", Data: "iVBO"}}}},
			{Kind: canon.ToolResult, ID: "c2", Parts: []canon.Part{{Text: "a b"}}},
			{Text: "And now?"},
		}},
	}}
	got, err := openai.EncodeChat(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"model":"m","messages":[` +
		`{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"shot","arguments":"{}"}},{"id":"c2","type":"function","function":{"name":"ls","arguments":"{}"}}]},` +
		`{"role":"tool","tool_call_id":"c1","content":"taken"},{"role":"tool","tool_call_id":"c2","content":"a b"},` +
		`{"role":"user","content":[{"type":"text","text":"Result of tool call c1:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}}]},` +
		`{"role":"user","content":"And now?"}]}`
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Whatever comes in, the answer is a request or an error that names a member;
// and what was understood survives being written and read again.
func FuzzDecodeChat(f *testing.F) {
	f.Add(chat(hi, `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"auto"`))
	f.Add(chat(`{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"thinking","thinking":"b"}],"tool_calls":[{"id":"a__thought__b","type":"custom","custom":{"name":"x","input":"y"}}]},{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"z"}]}`, `"functions":[{"name":"f"}],"function_call":"auto"`))
	f.Add(chat(`{"role":"user","content":[{"type":"image_url","image_url":"data:image/png;base64,AA"},{"type":"input_audio","input_audio":{"data":"AA"}},{"type":"file","file":{"file_id":"x"}},{"type":"video_url","video_url":{"url":"v"}}]}`, `"stop":"x","reasoning_effort":{"effort":"low"},"extra_body":{"a":1}`))
	f.Add(chat(`{"role":"assistant","function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":null}`, `"response_format":{"type":"json_object","schema":{}},"logprobs":3`))
	f.Fuzz(func(t *testing.T, body string) {
		var o wire.Object
		if o.Parse([]byte(body)) != nil {
			return
		}
		r, err := openai.DecodeChat(&o)
		if err != nil {
			if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Kind != gateway.Invalid || e.Param == "" {
				t.Fatalf("%s\ngot error %#v, want an Invalid error with a Param", body, err)
			}
			return
		}
		for _, m := range r.Messages {
			for _, p := range m.Parts {
				for _, q := range p.Parts {
					if q.Media != nil {
						return // moves to a message of its own, see above
					}
				}
			}
		}
		roundTrip(t, r)
	})
}
