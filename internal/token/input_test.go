package token_test

import (
	"strings"
	"testing"

	"penstock/internal/token"
	"penstock/internal/wire"
)

// The true counts are o200k_base's (GPT-4o) for the content, one for the role,
// and OpenAI's documented 3 per message and 3 per request.
func TestInputIsAboveTheVendorsCountButNotFarAbove(t *testing.T) {
	prose := "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs. How vexingly quick daft zebras jump! "
	for _, tt := range []struct {
		name     string
		body     string
		messages int
		truth    int64
	}{
		{"a greeting", `{"model":"m","messages":[{"role":"user","content":"hi"}]}`, 1, 8},
		{"ten paragraphs of prose", `{"messages":[{"role":"user","content":"` + strings.Repeat(prose, 10) + `"}]}`, 1, 301 + 7},
		{"two hundred Chinese characters", `{"messages":[{"role":"user","content":"` + strings.Repeat("人工智能改变世界", 25) + `"}]}`, 1, 100 + 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o wire.Object
			if err := o.Parse([]byte(tt.body)); err != nil {
				t.Fatal(err)
			}
			got := token.Input(o.Text, tt.messages)
			if got < tt.truth || got > 3*tt.truth {
				t.Errorf("Input = %d, want between %d and %d", got, tt.truth, 3*tt.truth)
			}
			if likely := token.Likely(o.Text, tt.messages); likely > got {
				t.Errorf("Likely = %d, above Input = %d", likely, got)
			}
		})
	}
}

func TestInput(t *testing.T) {
	for _, tt := range []struct {
		name     string
		text     wire.Text
		messages int
		want     int64
	}{
		{"an empty request costs its frame", wire.Text{}, 0, 3},
		{"every message adds its frame", wire.Text{}, 3, 15},
		{"parts of a token count as one", wire.Text{ASCII: 4, NonASCII: 3}, 0, 3 + 2 + 2},
		{"every string adds its name", wire.Text{Strings: 5}, 0, 3 + 5},
		{"a large image counts 1,600", wire.Text{Media: 2, MediaLen: 4 << 20}, 0, 3 + 3200},
		{"a tiny image counts by its bytes", wire.Text{Media: 1, MediaLen: 200}, 0, 3 + 100},
		{"a negative count of messages is none", wire.Text{}, -1, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := token.Input(tt.text, tt.messages); got != tt.want {
				t.Errorf("Input(%+v, %d) = %d, want %d", tt.text, tt.messages, got, tt.want)
			}
		})
	}
}

func TestCountedRoundsUp(t *testing.T) {
	for bytes, want := range map[int]int64{-1: 0, 0: 0, 1: 1, 4: 1, 5: 2, 400: 100} {
		if got := token.Counted(bytes); got != want {
			t.Errorf("Counted(%d) = %d, want %d", bytes, got, want)
		}
	}
}
