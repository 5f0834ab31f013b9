package gemini

import (
	"fmt"
	"strings"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/provider/providertest"
	"penstock/internal/wire/gemini"
)

// counted is the adapter with call ids that count from 1 in every answer.
func counted() *Adapter {
	return &Adapter{ids: func() func() string {
		n := 0
		return func() string { n++; return fmt.Sprintf("call_%d", n) }
	}}
}

func TestGolden(t *testing.T) {
	providertest.RunWith(t, counted(), providertest.Options{NativeTap: gemini.NewTap})
}

func TestEndpointHasTheModelAndKeepsToIt(t *testing.T) {
	for _, tt := range []struct {
		name, base, version, model, method, query, want string
	}{
		{
			"the vendor's own address", "", "", "gemini-2.5-flash", "generateContent", "",
			"https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
		},
		{
			"a base without a version gets one", "https://proxy.example/google/", "", "m", "generateContent", "",
			"https://proxy.example/google/v1beta/models/m:generateContent",
		},
		{
			"a base with a version keeps it", "https://proxy.example/v1alpha", "v1", "m", "streamGenerateContent", "alt=sse",
			"https://proxy.example/v1alpha/models/m:streamGenerateContent?alt=sse",
		},
		{
			"the deployment's version is used", "", "v1", "m", "generateContent", "",
			"https://generativelanguage.googleapis.com/v1/models/m:generateContent",
		},
		{
			"a base with the model gets the method only", "https://proxy.example/v1/models/gemini-x:generateContent", "", "m", "streamGenerateContent", "alt=sse",
			"https://proxy.example/v1/models/gemini-x:streamGenerateContent?alt=sse",
		},
		{
			"a query of the base stays", "https://proxy.example/v1?team=a", "", "m", "streamGenerateContent", "alt=sse",
			"https://proxy.example/v1/models/m:streamGenerateContent?team=a&alt=sse",
		},
		{
			"a tuned model is no model of the catalogue", "", "", "tunedModels/mine-1", "generateContent", "",
			"https://generativelanguage.googleapis.com/v1beta/tunedModels/mine-1:generateContent",
		},
		{
			"a client's model name cannot add a query or a method", "", "", "x?key=1#:deleteAll", "generateContent", "",
			"https://generativelanguage.googleapis.com/v1beta/models/x%3Fkey=1%23%3AdeleteAll:generateContent",
		},
		{"a client's model name cannot climb", "", "", "../../files/x", "generateContent", "", "error"},
		{"an empty segment is no model", "", "", "a//b", "generateContent", "", "error"},
		{"a base that is no URL is refused", "proxy", "", "m", "generateContent", "", "error"},
	} {
		got, err := endpoint(&gateway.Deployment{ID: "d", BaseURL: tt.base, APIVersion: tt.version}, tt.model, tt.method, tt.query)
		if err != nil {
			got = "error"
		}
		if got != tt.want {
			t.Errorf("%s: got %s (%v), want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestVectorsAreCopiedOrPacked(t *testing.T) {
	for _, tt := range []struct {
		name, values string
		asBase64     bool
		want         string
	}{
		{"digits stay as they came, white space goes", "[\n 0.10000000000000001,\n -2.5e-3, 3 ]", false, "[0.10000000000000001,-2.5e-3,3]"},
		{"base64 is little-endian float32", "[0.125,-2.5,3.0]", true, `"AAAAPgAAIMAAAEBA"`},
		{"an empty vector stays empty", "[]", false, "[]"},
		{"an empty vector packs to nothing", "[ ]", true, `""`},
		{"a text is no number", `["1"]`, false, "error"},
		{"null is no number", "[null]", true, "error"},
		{"a nested list is no number", "[[1,2]]", false, "error"},
		{"an object is no vector", "{}", false, "error"},
	} {
		got, err := appendVector(nil, []byte(tt.values), tt.asBase64)
		if err != nil {
			got = []byte("error")
		}
		if string(got) != tt.want {
			t.Errorf("%s: %s gives %s (%v), want %s", tt.name, tt.values, got, err, tt.want)
		}
	}
}

func TestKeyIsOnlyInTheHeader(t *testing.T) {
	d := &gateway.Deployment{ID: "d", APIKey: "AIza-secret", Headers: map[string]string{"x-team": "blue"}}
	h := header(d)
	if got := h.Get("x-goog-api-key"); got != "AIza-secret" {
		t.Errorf("x-goog-api-key is %q, want the key", got)
	}
	if got := h.Get("X-Team"); got != "blue" {
		t.Errorf("X-Team is %q, want blue", got)
	}
	u, err := endpoint(d, "m", "generateContent", "")
	if err != nil || strings.Contains(u, "AIza") {
		t.Errorf("URL is %s (%v), want one without the key", u, err)
	}
	if h := header(&gateway.Deployment{}); len(h) != 0 {
		t.Errorf("headers without a key are %v, want none", h)
	}
}

func TestNewAdapterNamesCallsApart(t *testing.T) {
	body := []byte(`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}},{"functionCall":{"name":"f"}}]},"finishReason":"STOP"}]}`)
	evs, err := New().Answer(body)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, ev := range evs {
		if ev.ID != "" {
			ids = append(ids, ev.ID)
		}
	}
	if len(ids) != 2 || ids[0] == ids[1] || !strings.HasPrefix(ids[0], "call_") {
		t.Errorf("ids of two calls of one function are %q, want two different ones that start with call_", ids)
	}
}
