package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/wire"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   string
		want string // member names, or a part of the error
		bad  bool
	}{
		{"empty object", ` {} `, "", false},
		{"members in order", `{"b":1,"a":[{"model":"x"}],"c":"d"}`, "b a c", false},
		{"escaped name", `{"mod\u0065l":1}`, "model", false},
		{"the same name twice", `{"model":"cheap","model":"dear"}`, `member "model" stands twice`, true},
		{"the same name twice, once escaped", `{"model":"cheap","mod\u0065l":"dear"}`, `member "model" stands twice`, true},
		{"names differ by case", `{"model":"cheap","Model":"dear"}`, "model Model", false},
		{"twice further down is the vendor's business", `{"a":{"model":1,"model":2}}`, "a", false},
		{"lone surrogate", `{"a":"\ud83d"}`, "a", false},
		{"nothing", ``, "empty body", true},
		{"an array", `[1]`, "want a JSON object", true},
		{"cut", `{"a":`, "unexpected end", true},
		{"trailing comma", `{"a":1,}`, "want a member name", true},
		{"two documents", `{} {}`, "unexpected data", true},
		{"leading zero", `{"a":01}`, "want ',' or '}'", true},
		{"control character", "{\"a\":\"\n\"}", "raw control character", true},
		{"bad escape", `{"a":"\x"}`, "bad escape", true},
		{"bad UTF-8", "{\"a\":\"\xff\"}", "invalid UTF-8", true},
		{"nested too deeply", `{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, "nested too deeply", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o wire.Object
			err := o.Parse([]byte(tt.in))
			if tt.bad {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Parse(%.60q) = %v, want an error with %q", tt.in, err, tt.want)
				}
				return
			}
			var names []string
			for _, m := range o.Members {
				names = append(names, m.Name)
			}
			if got := strings.Join(names, " "); err != nil || got != tt.want {
				t.Errorf("Parse(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestEdits(t *testing.T) {
	body := `{ "model" : "m", "a":1, "b":[2], "c":"x" }`
	for _, tt := range []struct {
		name string
		edit func(o *wire.Object) []wire.Edit
		want string
	}{
		{"none", func(*wire.Object) []wire.Edit { return nil }, body},
		{"set", func(o *wire.Object) []wire.Edit { return []wire.Edit{o.Set("model", []byte(`"up"`))} }, `{ "model" : "up", "a":1, "b":[2], "c":"x" }`},
		{"add", func(o *wire.Object) []wire.Edit { return []wire.Edit{o.Set("z", []byte("3"))} }, `{"z":3, "model" : "m", "a":1, "b":[2], "c":"x" }`},
		{"delete the first", func(o *wire.Object) []wire.Edit { return o.Delete("model") }, `{ "a":1, "b":[2], "c":"x" }`},
		{"delete the last", func(o *wire.Object) []wire.Edit { return o.Delete("c") }, `{ "model" : "m", "a":1, "b":[2] }`},
		{"delete neighbours", func(o *wire.Object) []wire.Edit { return o.Delete("a", "b") }, `{ "model" : "m", "c":"x" }`},
		{"delete all", func(o *wire.Object) []wire.Edit { return o.Delete("a", "b", "c", "model") }, `{  }`},
		{"delete the last two", func(o *wire.Object) []wire.Edit { return o.Delete("c", "b") }, `{ "model" : "m", "a":1 }`},
		{"set and delete", func(o *wire.Object) []wire.Edit {
			return append(o.Delete("a"), o.Set("model", []byte(`"up"`)), o.Set("c", []byte("null")))
		}, `{ "model" : "up", "b":[2], "c":null }`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o wire.Object
			if err := o.Parse([]byte(body)); err != nil {
				t.Fatal(err)
			}
			b := wire.Segments(o.Body, tt.edit(&o))
			if got := string(b.Bytes()); got != tt.want || b.Len != len(got) {
				t.Errorf("got  %s (Len %d)\nwant %s (%d)", got, b.Len, tt.want, len(tt.want))
			}
			read, err := io.ReadAll(struct{ io.Reader }{b.Reader()})
			if err != nil || string(read) != tt.want {
				t.Errorf("Reader gave %s, %v", read, err)
			}
			if !jsontext.Value(b.Bytes()).IsValid() {
				t.Errorf("not JSON: %s", b.Bytes())
			}
		})
	}
	var o wire.Object
	if err := o.Parse([]byte(`{"max_t\u006fkens":1,"x":2}`)); err != nil {
		t.Fatal(err)
	}
	e, ok := o.Rename("max_tokens", "max_completion_tokens")
	if got := string(wire.Segments(o.Body, []wire.Edit{e}).Bytes()); !ok || got != `{"max_completion_tokens":1,"x":2}` {
		t.Errorf("Rename gave %s, %v", got, ok)
	}
}

// Our scanner takes a body exactly if a strict JSON parser does, but for the
// two things it leaves to the vendor: names that stand twice further down, and
// lone surrogates.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2.5e-3,true,null,"x\n\u00e9"]}`, `{"a":{"b":{}}}`, `{"a":-0}`, `{"":""}`, "{\"\u00e9\":\"日本語 text that is longer than eight\"}", `{"a":"\ud83d\ude00"}`, `{"a" : 1 , "b":2}`,
		`{"a":[1,-0.5, 3e7,0,-0E-1,"x",2]}`, `{"a":[1,]}`, `{"a":[01,2]}`, `{"a":[1.,2]}`, `{"a":[1e,2]}`, `{"a":[-,2]}`, `{"a":[1,2`, `{"a":[1,2,  3 , 4]}`, `{"a":[0.1,`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var o wire.Object
		err := o.Parse(in)
		if _, dup := errors.AsType[*wire.DuplicateError](err); dup {
			return
		}
		// The oracle takes a lone surrogate for bad UTF-8; without escapes it cannot see one.
		if bytes.Contains(in, []byte(`\u`)) || bytes.Count(in, []byte("["))+bytes.Count(in, []byte("{")) > 500 {
			return
		}
		d := jsontext.NewDecoder(bytes.NewReader(in), jsontext.AllowDuplicateNames(true))
		v, derr := d.ReadValue()
		object := derr == nil && v.Kind() == '{'
		if object {
			_, tail := d.ReadToken()
			object = errors.Is(tail, io.EOF)
		}
		if (err == nil) != object {
			t.Errorf("Parse(%q) = %v, a strict parser says %v (%v)", in, err, object, derr)
		}
		if err == nil {
			for _, m := range o.Members {
				if !jsontext.Value(o.Body[m.Start:m.End]).IsValid(jsontext.AllowDuplicateNames(true)) {
					t.Errorf("member %q of %q is no JSON: %q", m.Name, in, o.Body[m.Start:m.End])
				}
			}
		}
	})
}

func FuzzStrings(f *testing.F) {
	for _, s := range []string{"", "a\"\\\n\t\x00", "é日本", "\xff\xfe", "\u2028", strings.Repeat("long ", 10)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q := wire.Quote(s)
		got, ok := wire.Unquote(q)
		if want := strings.ToValidUTF8(s, "\ufffd"); !ok || got != want && strings.ReplaceAll(got, "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
			t.Errorf("Unquote(Quote(%q)) = %q, %v", s, got, ok)
		}
		if !jsontext.Value(q).IsValid() {
			t.Errorf("Quote(%q) = %s is no JSON", s, q)
		}
	})
}

func TestParseInt(t *testing.T) {
	for in, want := range map[string]int64{"1": 1, "-3": -3, "1e3": 1000, "12.0": 12, "9223372036854775807": 1<<63 - 1} {
		if got, ok := wire.ParseInt([]byte(in)); !ok || got != want {
			t.Errorf("ParseInt(%s) = %d, %v; want %d", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "1.5", `"1"`, "1e400", "9223372036854775808", "true", "NaN", "0x10"} {
		if got, ok := wire.ParseInt([]byte(in)); ok {
			t.Errorf("ParseInt(%s) = %d, want none", in, got)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	vector := []byte(`{"data":[{"embedding":[` + strings.TrimSuffix(strings.Repeat("-0.012345678,0.23456789, ", 700), ", ") + `]}]}`)
	b.Run("17KB vector", func(b *testing.B) {
		b.SetBytes(int64(len(vector)))
		b.ReportAllocs()
		var o wire.Object
		for b.Loop() {
			if err := o.Parse(vector); err != nil {
				b.Fatal(err)
			}
		}
	})
	text := `{"role":"user","content":"` + strings.Repeat("The quick brown fox jumps over the lazy dog. ", 20) + `"},`
	for _, size := range []struct {
		name string
		n    int
	}{{"4KB", 4}, {"1MB", 1100}} {
		body := []byte(`{"model":"gpt-4o","messages":[` + strings.TrimSuffix(strings.Repeat(text, size.n), ",") + `],"temperature":0.2}`)
		b.Run(size.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			var o wire.Object
			for b.Loop() {
				if err := o.Parse(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
