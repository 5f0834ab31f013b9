package gemini

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/wire"
)

// call returns a call with the body.
func call(t *testing.T, body string) *provider.Call {
	t.Helper()
	c := &provider.Call{Call: &gateway.Call{Model: "m", Body: []byte(body)}, In: &wire.Object{}, Upstream: "gemini-2.5-flash"}
	if err := c.In.Parse(c.Body); err != nil {
		t.Fatalf("body %s: %v", body, err)
	}
	return c
}

func TestPassChangesAsLittleAsItCan(t *testing.T) {
	temperature := gateway.Param{Name: "temperature", Value: []byte("0.5")}
	topK := gateway.Param{Name: "top_k", Value: []byte("4")}
	tokens := gateway.Param{Name: "max_tokens", Value: []byte("900")}
	safety := gateway.Param{Name: "safety_settings", Value: []byte(`[{"category":"C"}]`)}
	for _, tt := range []struct {
		name      string
		defaults  []gateway.Param
		drop      []string
		maxTokens int64
		in, want  string
		dropped   []string
	}{
		{"nothing to do", nil, nil, 0, ` {"contents" : [ ],"x":1e400}`, ` {"contents" : [ ],"x":1e400}`, nil},
		{"the gateway's own members never leave", nil, nil, 0, `{"model":"m","contents":[],"stream":true,"metadata":{"a":1},"api_key":"k","tags":[]}`, `{"contents":[]}`, nil},
		{"what a deployment never sends is left out and listed", nil, []string{"safetySettings"}, 0, `{"contents":[],"safetySettings":[]}`, `{"contents":[]}`, []string{"safetySettings"}},
		{
			"defaults come where the client is silent",
			[]gateway.Param{temperature, topK, safety},
			nil, 0, `{"contents":[],"generationConfig":{"topK":1}}`,
			`{"safetySettings":[{"category":"C"}],"contents":[],"generationConfig":{"temperature":0.5,"topK":1}}`, nil,
		},
		{
			"a client that spells in snake_case is not silent",
			[]gateway.Param{temperature, topK, safety},
			nil, 0, `{"safety_settings":[],"generation_config":{"top_k":1,"temperature":1}}`,
			`{"safety_settings":[],"generation_config":{"top_k":1,"temperature":1}}`, nil,
		},
		{"an empty generationConfig is filled", []gateway.Param{temperature, topK}, nil, 0, `{"generationConfig":{}}`, `{"generationConfig":{"temperature":0.5,"topK":4}}`, nil},
		{"a missing generationConfig is added", []gateway.Param{temperature}, nil, 0, `{"contents":[]}`, `{"generationConfig":{"temperature":0.5},"contents":[]}`, nil},
		{"an empty body becomes whole", []gateway.Param{temperature, safety}, nil, 0, `{"model":"m"}`, `{"safetySettings":[{"category":"C"}],"generationConfig":{"temperature":0.5}}`, nil},
		{"the budget's cap is below the default", []gateway.Param{tokens}, nil, 100, `{"generationConfig":{"topP":1}}`, `{"generationConfig":{"maxOutputTokens":100,"topP":1}}`, nil},
		{"the default is below the budget's cap", []gateway.Param{tokens}, nil, 5000, `{"contents":[]}`, `{"generationConfig":{"maxOutputTokens":900},"contents":[]}`, nil},
		{"the budget's cap is below the client's", nil, nil, 100, `{"generation_config":{"a":1,"max_output_tokens":200}}`, `{"generation_config":{"a":1,"max_output_tokens":100}}`, nil},
		{"the client's cap is below the budget's", nil, nil, 100, `{"generationConfig":{"maxOutputTokens":20}}`, `{"generationConfig":{"maxOutputTokens":20}}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := call(t, tt.in)
			c.MaxTokens = tt.maxTokens
			r, err := New().Pass(&gateway.Deployment{ID: "d", Defaults: tt.defaults, DropAlways: tt.drop}, c)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(r.Body.Bytes()); got != tt.want || r.Body.Len != len(got) {
				t.Errorf("body %s\n got %s (length said to be %d)\nwant %s", tt.in, got, r.Body.Len, tt.want)
			}
			if !slices.Equal(c.Dropped, tt.dropped) {
				t.Errorf("dropped %q, want %q", c.Dropped, tt.dropped)
			}
		})
	}
}

func TestBrokenDefaultsAreTheOperatorsFault(t *testing.T) {
	d := &gateway.Deployment{ID: "d", Defaults: []gateway.Param{{Name: "temperature", Value: []byte(`"warm"`)}}}
	c := call(t, `{"contents":[]}`)
	_, err := New().Pass(d, c)
	if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Kind != gateway.Internal {
		t.Errorf("error %v, want an internal one", err)
	}
}

func TestTranslateLeavesTheRequestForTheNextDeployment(t *testing.T) {
	c := call(t, `{"messages":[]}`)
	r, err := provider.Defaults(&gateway.Deployment{Defaults: []gateway.Param{{Name: "seed", Value: []byte("5")}, {Name: "top_k", Value: []byte("3")}}})
	if err != nil {
		t.Fatal(err)
	}
	d := &gateway.Deployment{
		ID: "d", DropAlways: []string{"seed", "safety_settings", "n"},
		Defaults: []gateway.Param{{Name: "safety_settings", Value: []byte("[]")}, {Name: "temperature", Value: []byte("1")}, {Name: "top_k", Value: []byte("9")}},
	}
	req, err := New().Translate(d, c, r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"contents":[{"role":"user","parts":[{"text":"."}]}],"generationConfig":{"temperature":1,"topK":3}}`
	if got := string(req.Body.Bytes()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if string(r.Seed) != "5" || r.Temperature != nil || len(r.Extra) != 0 {
		t.Errorf("the request has changed: seed %s, temperature %s, extra %v", r.Seed, r.Temperature, r.Extra)
	}
	if !slices.Equal(c.Dropped, []string{"seed", "safety_settings"}) {
		t.Errorf("dropped %q, want seed and safety_settings", c.Dropped)
	}
}

func TestEveryParameterCanBeDropped(t *testing.T) {
	c := call(t, `{"model":"m","temperature":1,"top_p":1,"top_k":1,"seed":1,"presence_penalty":1,"frequency_penalty":1,"logit_bias":{"1":1},"logprobs":true,"top_logprobs":1,"stop":["x"],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto","parallel_tool_calls":true,"max_tokens":1,"n":2,"user":"u","service_tier":"flex","response_format":{"type":"json_object"},"reasoning_effort":"low","verbosity":"low"}`)
	var names []string
	var params []gateway.Param
	for _, m := range c.In.Members[1:] {
		names = append(names, m.Name)
		params = append(params, gateway.Param{Name: m.Name, Value: c.In.Body[m.Start:m.End]})
	}
	r, err := provider.Defaults(&gateway.Deployment{Defaults: params})
	if err != nil {
		t.Fatal(err)
	}
	req, err := New().Translate(&gateway.Deployment{ID: "d", DropAlways: names}, c, r)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(req.Body.Bytes()), `{"contents":[{"role":"user","parts":[{"text":"."}]}]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !slices.Equal(c.Dropped, names) {
		t.Errorf("dropped %q, want %q", c.Dropped, names)
	}
}

func TestEmbedRequestRefusesWhatItCannotSend(t *testing.T) {
	for _, tt := range []struct{ name, in, param, says string }{
		{"no input", `{"model":"m"}`, "input", "missing"},
		{"an empty text", `{"input":""}`, "input", "empty"},
		{"an empty list", `{"input":[]}`, "input", "empty list"},
		{"an object", `{"input":{"a":1}}`, "input", "string"},
		{"tokens", `{"input":[1,2]}`, "input", "tokens"},
		{"lists of tokens", `{"input":[[1],[2]]}`, "input", "tokens"},
		{"an empty text in a list", `{"input":["a",""]}`, "input", "input[1]"},
		{"a format nobody knows", `{"input":"a","encoding_format":"int8"}`, "encoding_format", "base64"},
		{"a parameter nobody knows", `{"input":"a","truncate":"END"}`, "truncate", "drop_params"},
	} {
		_, err := New().EmbedRequest(&gateway.Deployment{ID: "d"}, call(t, tt.in))
		e, ok := errors.AsType[*gateway.Error](err)
		if !ok || e.Kind != gateway.Invalid || e.Param != tt.param || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%s: error %v, want an invalid request about %s that says %q", tt.name, err, tt.param, tt.says)
		}
	}
}

func TestEmbedRequestSendsAndDrops(t *testing.T) {
	c := call(t, `{"model":"m","input":["a"],"dimensions":null,"user":"u","truncate":"END","title":"t","autoTruncate":true,"tags":["x"]}`)
	d := &gateway.Deployment{
		ID: "d", DropParams: true, DropAlways: []string{"title"}, AllowParams: []string{"autoTruncate"},
		Defaults: []gateway.Param{{Name: "dimensions", Value: []byte("256")}, {Name: "weight", Value: []byte("1")}},
	}
	r, err := New().EmbedRequest(d, c)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"requests":[{"model":"models/gemini-2.5-flash","content":{"parts":[{"text":"a"}]},"autoTruncate":true,"outputDimensionality":256}]}`
	if got := string(r.Body.Bytes()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !slices.Equal(c.Dropped, []string{"user", "truncate", "title"}) {
		t.Errorf("dropped %q, want user, truncate and title", c.Dropped)
	}
}

func TestEmbedAnswer(t *testing.T) {
	c := call(t, `{"input":"x"}`)
	c.Ask.Input = 17
	got, used, err := New().EmbedAnswer(c, []byte(`{"embedding":{"values":[1]}}`))
	want := `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]}],"model":"m","usage":{"prompt_tokens":17,"total_tokens":17}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
	if used != (gateway.Usage{Prompt: 17, Estimated: true}) {
		t.Errorf("usage is %+v, want the estimate of 17", used)
	}
	for _, tt := range []struct {
		in   string
		kind gateway.Kind
	}{
		{`{"embeddings":[]}`, gateway.UpstreamFailed},
		{`{"embeddings":[{}]}`, gateway.UpstreamFailed},
		{`{"embeddings":[{"values":"x"}]}`, gateway.UpstreamFailed},
		{`<html>`, gateway.UpstreamFailed},
		{`{"error":{"code":429,"message":"q","status":"RESOURCE_EXHAUSTED"}}`, gateway.UpstreamLimited},
	} {
		_, _, err := New().EmbedAnswer(c, []byte(tt.in))
		if e, ok := errors.AsType[*gateway.Error](err); !ok || e.Kind != tt.kind {
			t.Errorf("answer %s: error %v, want kind %s", tt.in, err, tt.kind)
		}
	}
}
