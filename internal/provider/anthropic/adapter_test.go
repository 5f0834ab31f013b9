package anthropic

import (
	"slices"
	"strings"
	"testing"

	"penstock/internal/canon"
	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
)

func TestEndpoint(t *testing.T) {
	tests := []struct{ base, want string }{
		{"", "https://api.anthropic.com/v1/messages"},
		{"https://h", "https://h/v1/messages"},
		{"https://h/", "https://h/v1/messages"},
		{"https://h/anthropic/v1", "https://h/anthropic/v1/messages"},
		{"https://h/v1/messages/", "https://h/v1/messages"},
		{"https://h/x?api-version=1", "https://h/x/v1/messages?api-version=1"},
	}
	for _, tt := range tests {
		if got := endpoint(tt.base); got != tt.want {
			t.Errorf("endpoint(%q) = %q, want %q", tt.base, got, tt.want)
		}
	}
}

func TestHeader(t *testing.T) {
	d := &gateway.Deployment{
		APIKey: "sk-ant-oat01-x", APIVersion: "2099-01-01",
		Headers: map[string]string{"Anthropic-Beta": "b, c", "X-Team": "blue"},
	}
	h := header(d, []string{"a", "b"})
	want := map[string]string{
		"Authorization": "Bearer sk-ant-oat01-x", "X-Api-Key": "", "Anthropic-Version": "2099-01-01", "X-Team": "blue",
		"Anthropic-Beta": "a,b,oauth-2025-04-20,c",
	}
	for name, value := range want {
		if got := h.Get(name); got != value {
			t.Errorf("header %s = %q, want %q", name, got, value)
		}
	}
	if h := header(&gateway.Deployment{}, nil); h.Get("X-Api-Key") != "" || h.Get("Authorization") != "" {
		t.Errorf("a deployment without a key sends %v", h)
	}
}

// Another deployment may get its turn with the same request.
func TestTranslateLeavesTheRequestAlone(t *testing.T) {
	r := &canon.Request{
		Model:       "m",
		Messages:    []canon.Message{{Role: canon.User, Parts: []canon.Part{{Text: "Hi"}}}},
		Temperature: canon.Raw("0.5"),
		Extra:       []gateway.Param{{Name: "inference_geo", Value: []byte(`"eu"`)}, {Name: "speed", Value: []byte(`"fast"`)}},
	}
	d := &gateway.Deployment{
		Defaults:   []gateway.Param{{Name: "container", Value: []byte(`"c"`)}, {Name: "max_tokens", Value: []byte("77")}},
		DropAlways: []string{"temperature", "inference_geo", "seed"},
	}
	var first string
	for range 2 {
		c := &provider.Call{Call: &gateway.Call{}, Upstream: "claude-sonnet-4-5"}
		req, err := New().Translate(d, c, r)
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"temperature", "inference_geo"}; !slices.Equal(c.Dropped, want) {
			t.Errorf("dropped %q, want %q", c.Dropped, want)
		}
		body := string(req.Body.Bytes())
		if first == "" {
			first = body
		}
		if body != first {
			t.Errorf("the second translation differs\n got %s\nwant %s", body, first)
		}
	}
	for _, want := range []string{`"max_tokens":77`, `"container":"c"`, `"speed":"fast"`} {
		if !strings.Contains(first, want) {
			t.Errorf("body has no %s: %s", want, first)
		}
	}
	if string(r.Temperature) != "0.5" || len(r.Extra) != 2 || r.MaxTokens != 0 {
		t.Errorf("the request was changed: %+v", r)
	}
}

func TestBrokenDefaults(t *testing.T) {
	d := &gateway.Deployment{Defaults: []gateway.Param{{Name: "temperature", Value: []byte(`"warm"`)}}}
	c := &provider.Call{Call: &gateway.Call{}, Upstream: "m"}
	_, err := New().Translate(d, c, &canon.Request{})
	if e := gateway.AsError(err); e == nil || e.Kind != gateway.Internal || !strings.Contains(e.Message, "operator") {
		t.Errorf("got %v, want an Internal error for the operator", err)
	}
}

func TestPass(t *testing.T) {
	tests := []struct {
		about, body string
		d           gateway.Deployment
		max         int64
		want        string
		dropped     string
	}{
		{"only the model changes", `{ "model":"m", "max_tokens":5 ,"messages":[],"zzz":1.0}`, gateway.Deployment{}, 0, `{ "model":"up", "max_tokens":5 ,"messages":[],"zzz":1.0}`, ""},
		{"a budget caps a body without a cap", `{"model":"m","messages":[]}`, gateway.Deployment{}, 9, `{"max_tokens":9,"model":"up","messages":[]}`, ""},
		{"and wins over a default", `{"model":"m","messages":[]}`, gateway.Deployment{Defaults: []gateway.Param{{Name: "max_tokens", Value: []byte("99")}}}, 9, `{"max_tokens":9,"model":"up","messages":[]}`, ""},
		{"the client's words win over defaults", `{"model":"m","max_tokens":5,"temperature":0,"messages":[]}`, gateway.Deployment{Defaults: []gateway.Param{{Name: "temperature", Value: []byte("1")}, {Name: "max_completion_tokens", Value: []byte("1")}, {Name: "seed", Value: []byte("1")}}}, 0, `{"model":"up","max_tokens":5,"temperature":0,"messages":[]}`, ""},
		{"what is dropped is told", `{"model":"m","max_tokens":5,"top_k":1,"messages":[]}`, gateway.Deployment{DropAlways: []string{"top_k", "top_p"}}, 0, `{"model":"up","max_tokens":5,"messages":[]}`, "top_k"},
		{"the gateway's own members go", `{"tags":["a"],"model":"m","max_tokens":5,"messages":[],"fallbacks":[],"num_retries":2}`, gateway.Deployment{}, 0, `{"model":"up","max_tokens":5,"messages":[]}`, ""},
		{"metadata without a user goes", `{"model":"m","max_tokens":5,"metadata":{"trace":"x"},"messages":[]}`, gateway.Deployment{}, 0, `{"model":"up","max_tokens":5,"messages":[]}`, ""},
		{"metadata with a user stays", `{"model":"m","max_tokens":5,"metadata":{"user_id":"u"},"messages":[]}`, gateway.Deployment{}, 0, `{"model":"up","max_tokens":5,"metadata":{"user_id":"u"},"messages":[]}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			c := &provider.Call{Call: &gateway.Call{}, In: &wire.Object{}, Upstream: "up", MaxTokens: tt.max}
			if err := c.In.Parse([]byte(tt.body)); err != nil {
				t.Fatal(err)
			}
			req, err := New().Pass(&tt.d, c)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(req.Body.Bytes()); got != tt.want {
				t.Errorf("%s\n got %s\nwant %s", tt.body, got, tt.want)
			}
			if got := strings.Join(c.Dropped, " "); got != tt.dropped {
				t.Errorf("dropped %q, want %q", got, tt.dropped)
			}
		})
	}
}
