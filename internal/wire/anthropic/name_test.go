package anthropic

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscapeName(t *testing.T) {
	tests := []struct {
		about, name, want string
	}{
		{"a plain name stays", "get_weather-2", "get_weather-2"},
		{"the longest plain name stays", strings.Repeat("a", 128), strings.Repeat("a", 128)},
		{"dots, slashes, colons, spaces and at signs have letters", "a.b/c:d e@f_g", "esc__a_pb_sc_kd_we_tf__g"},
		{"other bytes are hexadecimal", "é", "esc___c3_a9"},
		{"a name that looks escaped is escaped", "esc__x", "esc__esc____x"},
		{"a name that looks dense is escaped", "esc64__x", "esc__esc64____x"},
		{"a client's tool cannot have the name of ours", "json_tool_call", "esc__json__tool__call"},
		{"nor that of the wrapping one", "json_tool_call_values", "esc__json__tool__call__values"},
		{"a name too long to escape is base64", strings.Repeat("é", 30), "esc64__" + "w6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOpw6nDqcOp"},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			got, ok := EscapeName(tt.name)
			if !ok || got != tt.want {
				t.Errorf("EscapeName(%q) = %q, %v; want %q, true", tt.name, got, ok, tt.want)
			}
			if back := UnescapeName(got); back != tt.name {
				t.Errorf("UnescapeName(%q) = %q, want %q", got, back, tt.name)
			}
		})
	}
	for _, name := range []string{"", strings.Repeat("é", 60)} {
		if got, ok := EscapeName(name); ok {
			t.Errorf("EscapeName(%q) = %q, true; want false: it cannot be sent", name, got)
		}
	}
}

func TestUnescapeNameOfAModelsInvention(t *testing.T) {
	for _, sent := range []string{"esc__", "esc__abc", "esc__a_", "esc__a_zz", "esc__a_6", "esc__a_61", "esc64__", "esc64__!", "esc64__YQ", "stock"} {
		if got := UnescapeName(sent); got != sent {
			t.Errorf("UnescapeName(%q) = %q, want it unchanged: no name is escaped so", sent, got)
		}
	}
}

// FuzzEscapeName proves that every name that can be sent comes back, so that
// no table of names has to be kept for a call.
func FuzzEscapeName(f *testing.F) {
	for _, s := range []string{"a", "a.b", "esc__a", "esc64__YQ", "json_tool_call", "名前", "\xff", strings.Repeat(".", 70)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		sent, ok := EscapeName(name)
		if !ok {
			if name != "" && len(name) <= 64 {
				t.Errorf("EscapeName(%q) refuses a name of a length that OpenAI takes", name)
			}
			return
		}
		if len(sent) > maxName || !plainID(sent) {
			t.Errorf("EscapeName(%q) = %q, which the API refuses", name, sent)
		}
		if sent == jsonTool || sent == jsonToolValues {
			t.Errorf("EscapeName(%q) = %q, a name of ours", name, sent)
		}
		if back := UnescapeName(sent); back != name {
			t.Errorf("UnescapeName(EscapeName(%q)) = %q (valid UTF-8: %v)", name, back, utf8.ValidString(name))
		}
		// What a model makes up must not become another tool's name by accident.
		if back := UnescapeName(name); back != name {
			if again, _ := EscapeName(back); again != name {
				t.Errorf("UnescapeName(%q) = %q, whose escape is %q", name, back, again)
			}
		}
	})
}
