package api

import (
	"bytes"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
	"penstock/internal/relay"
	"penstock/internal/router"
	"penstock/internal/wire"
)

// ask builds the call of a request with this body and these headers.
func ask(t *testing.T, p gateway.Principal, set func(*Snapshot), body string, header ...string) (*gateway.Call, error) {
	t.Helper()
	table := router.New([]gateway.Deployment{
		{ID: "1", Group: "gpt", Provider: "openai", Upstream: "gpt"}, {ID: "2", Group: "other", Provider: "openai", Upstream: "other"},
	}, router.Settings{Aliases: map[string]router.Alias{"everybodys": {Group: "gpt"}}}, nil)
	s := &Snapshot{Snapshot: &relay.Snapshot{Table: table}, MaxBody: 1 << 20, Policy: &auth.Policy{}}
	if set != nil {
		set(s)
	}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/chat/completions", nil)
	r.RemoteAddr = "192.0.2.7:4711"
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	var in wire.Object
	if err := in.Parse([]byte(body)); err != nil {
		t.Fatal(err)
	}
	q := &request{a: &API{Options: Options{Auth: &auth.Authenticator{Directory: auth.NewDirectory()}}}, r: r, s: s, id: "id", start: time.Unix(1, 0), principal: p, dialect: gateway.OpenAI}
	return q.call(gateway.Chat, &in, []byte(body))
}

func TestCallReadsWhatTheGatewayNeeds(t *testing.T) {
	key := gateway.Principal{Key: &gateway.Key{Hash: "h", Tags: []string{"keys", "b"}, Aliases: map[string]string{"mine": "gpt"}}, Team: &gateway.Team{ModelAliases: map[string]string{"ours": "other"}}}
	for _, tt := range []struct {
		name   string
		body   string // members after the model
		header []string
		p      gateway.Principal
		set    func(*Snapshot)
		holds  func(*gateway.Call) bool
	}{
		{name: "one answer is wanted unless said", holds: func(c *gateway.Call) bool { return c.Ask.Choices == 1 && c.Ask.MaxOutput == 0 && !c.Stream }},
		{name: "n and max_tokens size the answer", body: `,"n":3,"max_tokens":7`, holds: func(c *gateway.Call) bool { return c.Ask.Choices == 3 && c.Ask.MaxOutput == 7 }},
		{name: "max_completion_tokens wins over max_tokens", body: `,"max_completion_tokens":9,"max_tokens":7`, holds: func(c *gateway.Call) bool { return c.Ask.MaxOutput == 9 }},
		{name: "a null is as good as nothing", body: `,"n":null,"max_tokens":null,"stream":null,"user":null,"timeout":null`, holds: func(c *gateway.Call) bool { return c.Ask.Choices == 1 && c.Timeout == 0 && c.EndUser == "" }},
		{name: "a dear service tier is remembered", body: `,"service_tier":"priority"`, holds: func(c *gateway.Call) bool { return c.Ask.Tier }},
		{name: "a cheap one is not", body: `,"service_tier":"flex"`, holds: func(c *gateway.Call) bool { return !c.Ask.Tier }},
		{name: "usage is wanted where it is asked for", body: `,"stream":true,"stream_options":{"include_usage":true}`, holds: func(c *gateway.Call) bool { return c.Stream && c.WantsUsage }},
		{name: "the body's timeout wins over the header's", body: `,"timeout":1.5`, header: []string{"x-litellm-timeout", "9"}, holds: func(c *gateway.Call) bool { return c.Timeout == 1500*time.Millisecond }},
		{name: "the header's timeout holds alone", header: []string{"x-litellm-timeout", "9", "x-litellm-stream-timeout", "2"}, holds: func(c *gateway.Call) bool { return c.Timeout == 9*time.Second && c.StreamTimeout == 2*time.Second }},
		{name: "retries from the header", header: []string{"x-litellm-num-retries", "4"}, holds: func(c *gateway.Call) bool { return *c.Retries == 4 }},
		{name: "retries from the body win, zero too", body: `,"num_retries":0`, header: []string{"x-litellm-num-retries", "4"}, holds: func(c *gateway.Call) bool { return *c.Retries == 0 }},
		{name: "fallbacks as names and as objects", body: `,"fallbacks":["other",{"model":"gpt"}]`, holds: func(c *gateway.Call) bool { return slices.Equal(c.Fallbacks, []string{"other", "gpt"}) }},
		{name: "a fallback has members of its own", body: `,"max_tokens":5,"fallbacks":["other",{"model":"gpt","max_tokens":70,"n":2,"messages":[{"role":"user","content":"` + strings.Repeat("x", 3000) + `"}]}]`, holds: func(c *gateway.Call) bool {
			p := c.FallbackParams
			return len(p) == 2 && p[0] == nil && len(p[1]) == 3 && p[1][0].Name == "max_tokens" && string(p[1][0].Value) == "70" &&
				c.Ask.MaxOutput == 70 && c.Ask.Choices == 2 && c.Ask.Input > 2000
		}},
		{name: "a fallback does not lift a call without a cap", body: `,"fallbacks":[{"model":"gpt","max_tokens":70}]`, holds: func(c *gateway.Call) bool { return c.Ask.MaxOutput == 0 }},
		{name: "no fallbacks at all is not the same as silence", body: `,"fallbacks":[]`, holds: func(c *gateway.Call) bool { return c.Fallbacks != nil && len(c.Fallbacks) == 0 }},
		{name: "fallbacks can be switched off", body: `,"disable_fallbacks":true`, holds: func(c *gateway.Call) bool { return c.DisableFallbacks }},
		{name: "the customer header wins over user", body: `,"user":"b"`, header: []string{"x-litellm-customer-id", "a"}, holds: func(c *gateway.Call) bool { return c.EndUser == "a" }},
		{name: "a header of the operator's choice names the customer", header: []string{"X-Who", "w"}, set: func(s *Snapshot) { s.UserHeader = "X-Who" }, holds: func(c *gateway.Call) bool { return c.EndUser == "w" }},
		{name: "metadata names the customer last", body: `,"metadata":{"user_id":"m"}`, holds: func(c *gateway.Call) bool { return c.EndUser == "m" }},
		{name: "a customer's name is bounded", body: `,"user":"` + strings.Repeat("x", 5000) + `"`, holds: func(c *gateway.Call) bool { return len(c.EndUser) == 256 }},
		{name: "tags come together, once each", body: `,"tags":["b"],"metadata":{"tags":["c","a"]}`, header: []string{"x-litellm-tags", " a , ,b"}, p: key, holds: func(c *gateway.Call) bool { return slices.Equal(c.Tags, []string{"a", "b", "c", "keys"}) }},
		{name: "the trace id is the session", header: []string{"x-litellm-session-id", "s", "x-litellm-trace-id", "t"}, holds: func(c *gateway.Call) bool { return c.Session == "t" }},
		{name: "a client's call id is its session, not the ledger's id", header: []string{"x-litellm-call-id", "mine"}, holds: func(c *gateway.Call) bool { return c.ID == "id" && c.Session == "mine" }},
		{name: "metadata is kept for the log, byte for byte", body: `,"metadata":{"z":1,"a":{"b":[1, 2]}}`, holds: func(c *gateway.Call) bool { return string(c.Metadata) == `{"z":1,"a":{"b":[1, 2]}}` }},
		{name: "betas are bounded and split", header: []string{"anthropic-beta", "a, b", "anthropic-beta", "c"}, holds: func(c *gateway.Call) bool { return slices.Equal(c.Betas, []string{"a", "b", "c"}) }},
		{name: "the client's address has no port", holds: func(c *gateway.Call) bool { return c.ClientIP == "192.0.2.7" }},
		{name: "the input is counted from its text", body: `,"messages":[{"role":"user","content":"` + strings.Repeat("word ", 1000) + `"}]`, holds: func(c *gateway.Call) bool { return c.Ask.Input >= 1000 && c.Ask.Input < 8000 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.p.Key == nil {
				tt.p.Master = true
			}
			c, err := ask(t, tt.p, tt.set, `{"model":"gpt"`+tt.body+`}`, tt.header...)
			if err != nil {
				t.Fatal(err)
			}
			if c.Model != "gpt" || c.Group != "gpt" || !tt.holds(c) {
				t.Errorf("not so: %+v", c)
			}
		})
	}
}

func TestCallFindsTheGroupBehindAName(t *testing.T) {
	key := &gateway.Key{Hash: "h", Aliases: map[string]string{"mine": "gpt", "both": "gpt", "renamed": "gpt"}}
	p := gateway.Principal{Key: key, Team: &gateway.Team{ModelAliases: map[string]string{"ours": "other", "both": "other", "chain": "renamed"}}}
	for name, want := range map[string]string{"gpt": "gpt", "mine": "gpt", "ours": "other", "both": "other", "chain": "gpt", "everybodys": "gpt", "unknown": "unknown"} {
		c, err := ask(t, p, nil, `{"model":"`+name+`"}`)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.Group != want || c.Model != name {
			t.Errorf("%s is group %q asked for as %q, want %q", name, c.Group, c.Model, want)
		}
	}
}

func TestCallRefusesWhatItCannotMean(t *testing.T) {
	only := gateway.Principal{Key: &gateway.Key{Hash: "h", Models: []string{"gpt"}}}
	for _, tt := range []struct {
		name, body string
		header     []string
		p          gateway.Principal
		set        func(*Snapshot)
		kind       gateway.Kind
		param      string
	}{
		{name: "no model", body: `{}`, kind: gateway.Invalid, param: "model"},
		{name: "a model that is no text", body: `{"model":7}`, kind: gateway.Invalid, param: "model"},
		{name: "half a choice", body: `{"model":"gpt","n":1.5}`, kind: gateway.Invalid, param: "n"},
		{name: "too many choices", body: `{"model":"gpt","n":129}`, kind: gateway.Invalid, param: "n"},
		{name: "no tokens at all", body: `{"model":"gpt","max_tokens":0}`, kind: gateway.Invalid, param: "max_tokens"},
		{name: "tokens beyond counting", body: `{"model":"gpt","max_tokens":1e30}`, kind: gateway.Invalid, param: "max_tokens"},
		{name: "a stream that is a word", body: `{"model":"gpt","stream":"yes"}`, kind: gateway.Invalid, param: "stream"},
		{name: "stream options that are a list", body: `{"model":"gpt","stream_options":[]}`, kind: gateway.Invalid, param: "stream_options"},
		{name: "a timeout of nothing", body: `{"model":"gpt","timeout":0}`, kind: gateway.Invalid, param: "timeout"},
		{name: "a timeout that is no number", body: `{"model":"gpt"}`, header: []string{"x-litellm-timeout", "NaN"}, kind: gateway.Invalid, param: "x-litellm-timeout"},
		{name: "retries below zero", body: `{"model":"gpt","num_retries":-1}`, kind: gateway.Invalid, param: "num_retries"},
		{name: "retries without end", body: `{"model":"gpt"}`, header: []string{"x-litellm-num-retries", "51"}, kind: gateway.Invalid, param: "x-litellm-num-retries"},
		{name: "fallbacks of numbers", body: `{"model":"gpt","fallbacks":[1]}`, kind: gateway.Invalid, param: "fallbacks"},
		{name: "fallbacks without end", body: `{"model":"gpt","fallbacks":[` + strings.Repeat(`"gpt",`, 64) + `"gpt"]}`, kind: gateway.Invalid, param: "fallbacks"},
		{name: "a fallback with a price of its own", body: `{"model":"gpt","fallbacks":[{"model":"gpt","input_cost_per_token":0}]}`, kind: gateway.Invalid, param: "fallbacks"},
		{name: "a fallback with an address of its own", body: `{"model":"gpt","fallbacks":[{"model":"gpt","api_base":"http://192.0.2.1"}]}`, kind: gateway.Invalid, param: "fallbacks"},
		{name: "a fallback with fallbacks", body: `{"model":"gpt","fallbacks":[{"model":"gpt","fallbacks":[]}]}`, kind: gateway.Invalid, param: "fallbacks"},
		{name: "a fallback for another user", body: `{"model":"gpt","fallbacks":[{"model":"gpt","user":"u"}]}`, kind: gateway.Invalid, param: "fallbacks"},
		{name: "a fallback of no tokens", body: `{"model":"gpt","fallbacks":[{"model":"gpt","max_tokens":-1}]}`, kind: gateway.Invalid, param: "max_tokens"},
		{name: "tags that are no list", body: `{"model":"gpt","tags":"a"}`, kind: gateway.Invalid, param: "tags"},
		{name: "metadata that is no object", body: `{"model":"gpt","metadata":3}`, kind: gateway.Invalid, param: "metadata"},
		{name: "tags of clients where they are not taken", body: `{"model":"gpt","metadata":{"tags":["a"]}}`, set: func(s *Snapshot) { s.Policy.RejectTags = true }, kind: gateway.Invalid, param: "metadata.tags"},
		{name: "no user where one is needed", body: `{"model":"gpt"}`, set: func(s *Snapshot) { s.Policy.RequireUser = true }, kind: gateway.Unauthenticated, param: "user"},
		{name: "a client's own address", body: `{"model":"gpt","api_base":"http://192.0.2.1"}`, kind: gateway.Unauthenticated, param: "None"},
		{name: "a client's own price", body: `{"model":"gpt","input_cost_per_token":0}`, kind: gateway.Unauthenticated, param: "None"},
		{name: "a model that the key may not use", body: `{"model":"other"}`, p: only, kind: gateway.Forbidden, param: "model"},
		{name: "a fallback that the key may not use", body: `{"model":"gpt","fallbacks":["other"]}`, p: only, kind: gateway.Forbidden, param: "model"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.p.Key == nil {
				tt.p.Master = true
			}
			c, err := ask(t, tt.p, tt.set, tt.body, tt.header...)
			if err == nil {
				t.Fatalf("taken: %+v", c)
			}
			if e := gateway.AsError(err); e.Kind != tt.kind || e.Param != tt.param || e.Message == "" {
				t.Errorf("got %v about %q (%s), want %v about %q", e.Kind, e.Param, e.Message, tt.kind, tt.param)
			}
		})
	}
}

// Whatever a client sends, the answer is a call or an error of its own making.
func FuzzCall(f *testing.F) {
	f.Add(`{"model":"gpt","messages":[],"n":2,"metadata":{"tags":["a"],"user_id":"u"},"fallbacks":["other"],"timeout":3,"stream_options":{"include_usage":true}}`, "a,b")
	f.Add(`{"model":"\u0000","tags":[{"model":"x"}]}`, "")
	f.Fuzz(func(t *testing.T, body, tags string) {
		var in wire.Object
		if in.Parse([]byte(body)) != nil {
			return
		}
		_, err := ask(t, gateway.Principal{Master: true}, nil, body, "x-litellm-tags", tags)
		if err == nil {
			return
		}
		if e := gateway.AsError(err); e.Kind == gateway.Internal {
			t.Errorf("%q: %v", body, err)
		}
	})
}

func TestHeadersOfAnAnswerDoNotShareTheirEnds(t *testing.T) {
	var d heading
	for range 2 { // the second time in the same memory
		h := map[string][]string{}
		d.number("A", 12)
		d.text("None", "")
		d.money("B", 2_500)
		d.decimal("C", 0.25)
		d.text("D", "x")
		d.into(h)
		h["A"] = append(h["A"], "more")
		for name, want := range map[string]string{"A": "12,more", "B": "2.5e-06", "C": "0.250", "D": "x", "None": ""} {
			if got := strings.Join(h[name], ","); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}

func TestBodiesAreReadWithinTheirBounds(t *testing.T) {
	const max = 3 << 20
	var b buffers
	for _, size := range []int{0, 1, smallestBuffer - 1, smallestBuffer, smallestBuffer + 1, 256<<10 - 1, 256 << 10, 1 << 20, max} {
		for _, known := range []bool{true, false} {
			want := bytes.Repeat([]byte{byte(size), 'x', 'y'}, size/3+1)[:size]
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/", bytes.NewReader(want))
			if !known {
				r.ContentLength = -1
			}
			got, err := b.readAll(r, max)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes (length known: %v): got %d, %v", size, known, len(got), err)
			}
			b.keep(got)
		}
	}
	for _, known := range []bool{true, false} {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", bytes.NewReader(make([]byte, max+1)))
		if !known {
			r.ContentLength = -1
		}
		if got, err := b.readAll(r, max); err == nil {
			t.Errorf("a body over the bound was taken: %d bytes (length known: %v)", len(got), known)
		}
	}
	// A client that only promises gets little memory for it.
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/", io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	r.ContentLength = 64 << 20
	var fresh buffers
	if _, err := fresh.readAll(r, 128<<20); err == nil {
		t.Error("a body shorter than promised was taken")
	}
	for c := range fresh.classes {
		if buf, ok := fresh.classes[c].Get().(*[]byte); ok && cap(*buf) > eager {
			t.Errorf("one byte of a promised 64 MB took %d bytes of memory", cap(*buf))
		}
	}
}
