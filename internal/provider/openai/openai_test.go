package openai_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/provider/openai"
	"penstock/internal/provider/providertest"
	"penstock/internal/wire"
)

func vendor(t testing.TB, name string) openai.Vendor {
	t.Helper()
	for _, v := range openai.Vendors() {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no vendor %q", name)
	return openai.Vendor{}
}

func TestGolden(t *testing.T) { providertest.Run(t, openai.New(vendor(t, "openai"))) }

// The quirks of a vendor are in the folder with its name.
func TestGoldenVendors(t *testing.T) {
	dirs, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range dirs {
		if d.IsDir() {
			n++
			t.Run(d.Name(), func(t *testing.T) {
				providertest.RunWith(t, openai.New(vendor(t, d.Name())), providertest.Options{Dir: filepath.Join("testdata", d.Name())})
			})
		}
	}
	if n == 0 {
		t.Fatal("no vendor folders in testdata")
	}
}

func TestVendorsAreUsable(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range openai.Vendors() {
		if v.Name == "" || v.Name != strings.ToLower(v.Name) || seen[v.Name] {
			t.Errorf("vendor name %q is empty, not lower case, or stands twice", v.Name)
		}
		seen[v.Name] = true
		if v.BaseURL != "" && !strings.HasPrefix(v.BaseURL, "https://") && !v.Keyless {
			t.Errorf("%s: the base URL %q would send keys in the clear", v.Name, v.BaseURL)
		}
		if v.BaseURL == "" && v.BaseEnv == "" && !v.Loose {
			t.Errorf("%s: there is no way to a base URL", v.Name)
		}
		if !v.Keyless && len(v.KeyEnv) == 0 {
			t.Errorf("%s: needs a key, but no environment variable can hold one", v.Name)
		}
	}
}

// call returns a chat call with the body.
func call(t testing.TB, body string) *provider.Call {
	t.Helper()
	c := &provider.Call{Call: &gateway.Call{Op: gateway.Chat, Dialect: gateway.OpenAI, Model: "m", Body: []byte(body)}, In: &wire.Object{}, Upstream: "up"}
	if err := c.In.Parse(c.Body); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRequestURL(t *testing.T) {
	for _, tt := range []struct{ name, vendor, base, want string }{
		{"the vendor's own", "openai", "", "https://api.openai.com/v1/chat/completions"},
		{"a base that ends in a slash", "openai", "http://h/v1/", "http://h/v1/chat/completions"},
		{"a path of its own", "heroku", "http://h", "http://h/v1/chat/completions"},
		{"Ollama's address as people know it", "ollama", "http://h:11434", "http://h:11434/v1/chat/completions"},
		{"Ollama's address as OpenAI's clients know it", "ollama", "http://h:11434/v1/", "http://h:11434/v1/chat/completions"},
	} {
		d := &gateway.Deployment{ID: "d", BaseURL: tt.base, APIKey: "k"}
		req, err := openai.New(vendor(t, tt.vendor)).Pass(d, call(t, `{"model":"m","messages":[]}`))
		if err != nil || req.URL != tt.want {
			t.Errorf("%s: got %v, %v, want %s", tt.name, req, err, tt.want)
		}
	}
}

func TestRequestNeeds(t *testing.T) {
	for _, tt := range []struct {
		name, vendor string
		d            gateway.Deployment
		want         gateway.Kind
	}{
		{"a base URL where the vendor has none", "hosted_vllm", gateway.Deployment{ID: "d"}, gateway.Unavailable},
		{"a key", "openai", gateway.Deployment{ID: "d"}, gateway.UpstreamAuth},
	} {
		_, err := openai.New(vendor(t, tt.vendor)).Pass(&tt.d, call(t, `{"model":"m","messages":[]}`))
		if e := gateway.AsError(err); e == nil || e.Kind != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

// A request that came in another dialect meets the same quirks.
func TestTranslate(t *testing.T) {
	r := &canon.Request{
		Model: "m", Stream: true, MaxTokens: 64, TopK: canon.Raw("40"),
		Messages: []canon.Message{
			{Role: canon.System, Parts: []canon.Part{{Text: "Be brief.", CacheControl: canon.Raw(`{"type":"ephemeral"}`)}}},
			{Role: canon.Assistant, Parts: []canon.Part{{Kind: canon.Thinking, Text: "hm", Signature: "S"}, {Kind: canon.ToolCall, ID: "c", Name: "f", Args: canon.Raw(`{"a":1}`)}}},
			{Role: canon.User, Parts: []canon.Part{{Kind: canon.ToolResult, ID: "c", IsError: true, Parts: []canon.Part{{Text: "no"}}}}},
		},
		Tools:     []canon.Tool{{Type: "function", Name: "f"}, {Type: "web_search_20250305", Raw: canon.Raw(`{"type":"web_search_20250305"}`)}},
		Reasoning: &canon.Reasoning{Thinking: canon.Raw(`{"type":"enabled","budget_tokens":5000}`)},
		Extra:     []gateway.Param{{Name: "metadata", Value: []byte(`{"user_id":"u"}`)}, {Name: "container", Value: []byte(`"c"`)}},
	}
	newCall := func(drop bool) *provider.Call {
		c := call(t, `{"model":"m"}`)
		c.Dialect, c.Upstream, c.DropParams = gateway.Anthropic, "gpt-5-mini", drop
		return c
	}
	d := &gateway.Deployment{ID: "d", APIKey: "k"}
	a := openai.New(vendor(t, "openai"))

	c := newCall(true)
	req, err := a.Translate(d, c, r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"stream_options":{"include_usage":true},"max_completion_tokens":64,"reasoning_effort":"high","model":"gpt-5-mini","messages":[` +
		`{"role":"system","content":[{"type":"text","text":"Be brief."}]},` +
		`{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},` +
		`{"role":"tool","tool_call_id":"c","content":"no"}],` +
		`"tools":[{"type":"function","function":{"name":"f"}}],"stream":true}`
	if got := string(req.Body.Bytes()); !sameMembers(t, got, want) {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if got := strings.Join(c.Dropped, " "); got != "tools.web_search_20250305 top_k container" {
		t.Errorf("dropped %q, want the tool, top_k and container", got)
	}

	_, err = a.Translate(d, newCall(false), r)
	if e := gateway.AsError(err); e == nil || e.Kind != gateway.Invalid || !strings.Contains(e.Message, "top_k") {
		t.Errorf("without drop_params: got %v, want an Invalid error that names top_k", err)
	}
	if len(r.Tools) != 2 || len(r.Extra) != 2 || r.TopK == nil {
		t.Errorf("the canonical request was changed: %+v; another deployment may be tried with it", r)
	}
}

// sameMembers reports whether two objects have the same members, in any order.
func sameMembers(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y wire.Object
	if x.Parse([]byte(a)) != nil || y.Parse([]byte(b)) != nil || len(x.Members) != len(y.Members) {
		return false
	}
	for _, m := range x.Members {
		if string(x.Get(m.Name)) != string(y.Get(m.Name)) {
			return false
		}
	}
	return true
}

func BenchmarkPass(b *testing.B) {
	a := openai.New(vendor(b, "openai"))
	d := &gateway.Deployment{ID: "d", APIKey: "k"}
	c := call(b, `{"model":"m","messages":[{"role":"system","content":"You are helpful."},{"role":"user","content":"Hello, how are you?"}],"stream":true,"temperature":0.7}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Pass(d, c); err != nil {
			b.Fatal(err)
		}
	}
}
