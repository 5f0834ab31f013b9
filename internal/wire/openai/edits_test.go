package openai_test

import (
	"strings"
	"testing"

	"penstock/internal/wire"
	"penstock/internal/wire/openai"
)

func TestEditsMessages(t *testing.T) {
	all := openai.Edits{DropReasoning: true, DropCache: true, DropFields: true, DropNames: true, DeveloperToSystem: true, FlattenText: true, FixMedia: true}
	for _, tt := range []struct {
		name     string
		edits    openai.Edits
		in, want string
	}{
		{
			"nothing to do", all,
			`[{"role":"user","content":"hi"}, {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"cache_control\":1}"}}]}]`,
			`[{"role":"user","content":"hi"}, {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"cache_control\":1}"}}]}]`,
		},
		{"no edits asked for", openai.Edits{}, `[{"cache_control":1}]`, `[{"cache_control":1}]`},
		{
			"members go from the front, the middle and the end",
			openai.Edits{DropReasoning: true, DropCache: true},
			`[{"cache_control":{},"role":"assistant", "reasoning_content":"x" ,"thinking_blocks":[{"a":"]"}],"content":"c","cache_control2":1,"cache_control":{"a":{}}}]`,
			`[{"role":"assistant", "content":"c","cache_control2":1}]`,
		},
		{"the only member goes", openai.Edits{DropCache: true}, `[{ "cache_control":{} }]`, `[{  }]`},
		{"all members go", openai.Edits{DropReasoning: true}, `[{"reasoning_content":"a","thinking_blocks":[]}]`, `[{}]`},
		{
			"cache marks on parts and calls",
			openai.Edits{DropCache: true},
			`[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"cache_control":{},"type":"text","text":"b"}]},{"tool_calls":[{"id":"c","cache_control":{}}]}]`,
			`[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"tool_calls":[{"id":"c"}]}]`,
		},
		{
			"what only gateways read",
			openai.Edits{DropFields: true},
			`[{"role":"assistant","provider_specific_fields":{},"tool_calls":[{"id":"c__thought__S","provider_specific_fields":{"thought_signature":"S"},"function":{"name":"f","provider_specific_fields":{}}}]},{"role":"tool","tool_call_id":"c__thought__S","is_error":true,"content":"x"}]`,
			`[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}}]},{"role":"tool","tool_call_id":"c","content":"x"}]`,
		},
		{
			"names go, but not from results",
			openai.Edits{DropNames: true},
			`[{"role":"user","name":"ann","content":"x"},{"name":"f","role":"tool","content":"y"}]`,
			`[{"role":"user","content":"x"},{"name":"f","role":"tool","content":"y"}]`,
		},
		{
			"developer becomes system, in the role only",
			openai.Edits{DeveloperToSystem: true},
			`[{"role" : "developer","content":"developer"}]`, `[{"role" : "system","content":"developer"}]`,
		},
		{
			"lists of texts become one text, escapes as they are",
			openai.Edits{FlattenText: true, DropCache: true},
			`[{"content":[{"type":"text","text":"a\n\u00e9"},{"type":"text","text":"\"b\"","cache_control":{}}]},{"content":[]}]`,
			`[{"content":"a\n\u00e9\"b\""},{"content":""}]`,
		},
		{
			"lists with a picture stay lists",
			openai.Edits{FlattenText: true, DropCache: true},
			`[{"content":[{"type":"text","text":"a","cache_control":{}},{"type":"image_url","image_url":{"url":"u"}}]}]`,
			`[{"content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]}]`,
		},
		{
			"pictures and files in OpenAI's strict form",
			openai.Edits{FixMedia: true},
			`[{"content":[{"type":"image_url","image_url":"u"},{"type":"image_url","image_url":{"format":"image/png","url":"u"}},{"type":"file","file":{"file_data":"d","format":"x"}},{"type":"file","file":{"file_id":"i"}},{"type":"file","file":{"filename":"n","file_data":"d"}}]}]`,
			`[{"content":[{"type":"image_url","image_url":{"url":"u"}},{"type":"image_url","image_url":{"url":"u"}},{"type":"file","file":{"filename":"file.pdf","file_data":"d"}},{"type":"file","file":{"file_id":"i"}},{"type":"file","file":{"filename":"n","file_data":"d"}}]}]`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const before = `{"messages":`
			body := []byte(before + tt.in + `}`)
			edits := tt.edits.Messages(body[len(before):len(body)-1], len(before), nil)
			got := string(wire.Segments(body, edits).Bytes())
			if want := before + tt.want + `}`; got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestEditsTools(t *testing.T) {
	const in = `[{"type":"function","cache_control":{},"function":{"name":"f","parameters":{"cache_control":1},"cache_control":{}}},{"type":"x"}]`
	const want = `[{"type":"function","function":{"name":"f","parameters":{"cache_control":1}}},{"type":"x"}]`
	edits := openai.Edits{DropCache: true}.Tools([]byte(in), 0, nil)
	if got := string(wire.Segments([]byte(in), edits).Bytes()); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if edits := (openai.Edits{}).Tools([]byte(in), 0, nil); edits != nil {
		t.Errorf("got %v, want no edits", edits)
	}
}

func TestPackEmbeddings(t *testing.T) {
	const in = `[{"embedding":[0.125, -2.5,3.0],"index":0},{"index":1,"embedding":"AAAA"},{"embedding":[]},{"embedding":[null]}]`
	const want = `[{"embedding":"AAAAPgAAIMAAAEBA","index":0},{"index":1,"embedding":"AAAA"},{"embedding":[]},{"embedding":[null]}]`
	if got := string(wire.Segments([]byte(in), openai.PackEmbeddings([]byte(in), 0, nil)).Bytes()); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// Whatever the messages, what is left is valid JSON.
func FuzzEdits(f *testing.F) {
	f.Add(`[{"role":"developer","name":"n","content":[{"type":"text","text":"a"}],"reasoning_content":"x"}]`)
	f.Add(`[{"content":[{"image_url":"u","cache_control":1},{"file":{"file_data":"d","format":"x"}}],"tool_calls":[{"id":"a__thought__b","function":{"provider_specific_fields":{}}}]}]`)
	f.Add(`[{"content":"\\\"\\\\","role":"user"}]`)
	f.Fuzz(func(t *testing.T, in string) {
		body := `{"messages":` + in + `}`
		var o wire.Object
		if o.Parse([]byte(body)) != nil {
			return
		}
		m := o.Find("messages")
		v := o.Body[m.Start:m.End]
		for _, e := range []openai.Edits{
			{DropReasoning: true, DropCache: true, DropFields: true, DropNames: true, DeveloperToSystem: true, FlattenText: true, FixMedia: true},
			{DropCache: true, FixMedia: true},
		} {
			if out := wire.Segments(o.Body, e.Messages(v, m.Start, nil)).Bytes(); !wire.Valid(out) {
				t.Fatalf("%s became %s", body, out)
			}
			if out := wire.Segments(o.Body, e.Tools(v, m.Start, nil)).Bytes(); !wire.Valid(out) {
				t.Fatalf("as tools, %s became %s", body, out)
			}
		}
	})
}

// A megabyte of prompt that needs no change must cost little more than looking
// for the ends of its strings.
func BenchmarkEditsNothingToDo(b *testing.B) {
	e := openai.Edits{DropReasoning: true, DropCache: true, DropFields: true, DeveloperToSystem: true, FixMedia: true}
	for _, bb := range []struct{ name, text string }{
		{"code", `func main() {\n\tfmt.Println(\"hello, world\")\n}\n`},
		{"prose", `The quick brown fox jumps over the lazy dog.\n\n `},
	} {
		b.Run(bb.name, func(b *testing.B) {
			in := []byte(`[{"role":"system","content":"x"},{"role":"user","content":"` + strings.Repeat(bb.text, 1<<20/50) + `"}]`)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if edits := e.Messages(in, 0, nil); edits != nil {
					b.Fatal(edits)
				}
			}
		})
	}
}
