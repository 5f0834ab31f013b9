package conformance

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"testing"

	"github.com/openai/openai-go/v3"
)

func TestEmbeddings(t *testing.T) {
	each(t, func(t *testing.T, u upstream) {
		c := client(t)
		got, err := c.Embeddings.New(deadline(t), openai.EmbeddingNewParams{
			Model: u.prefix + "/embedding-model",
			Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two"}},
		})
		if !u.embeds {
			if status(err) != 400 {
				t.Fatalf("error is %v, want a 400: this provider has no embeddings", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Data) != 2 || got.Data[0].Index != 0 || got.Data[1].Index != 1 || got.Object != "list" {
			t.Fatalf("got %s, want a list of two", got.RawJSON())
		}
		if one, two := got.Data[0].Embedding, got.Data[1].Embedding; len(one) < 2 || len(one) != len(two) || slices.Equal(one, two) {
			t.Errorf("embeddings are %v and %v, want two different ones of the same length", one, two)
		}
		if got.Usage.PromptTokens == 0 || got.Usage.TotalTokens != got.Usage.PromptTokens {
			t.Errorf("usage is %+v", got.Usage)
		}
	})
}

func TestEmbeddingsInBase64(t *testing.T) {
	each(t, func(t *testing.T, u upstream) {
		if !u.embeds {
			return // TestEmbeddings has it
		}
		c := client(t)
		got, err := c.Embeddings.New(deadline(t), openai.EmbeddingNewParams{
			Model:          u.prefix + "/embedding-model",
			Input:          openai.EmbeddingNewParamsInputUnion{OfString: openai.String("one")},
			EncodingFormat: openai.EmbeddingNewParamsEncodingFormatBase64,
		})
		if err != nil {
			t.Fatal(err)
		}
		// This library's type has no room for base64: the answer is read raw.
		var text string
		if err := json.Unmarshal([]byte(got.Data[0].JSON.Embedding.Raw()), &text); err != nil {
			t.Fatalf("embedding is %.80s, want a string", got.Data[0].JSON.Embedding.Raw())
		}
		if b, err := base64.StdEncoding.DecodeString(text); err != nil || len(b) == 0 || len(b)%4 != 0 {
			t.Errorf("embedding is %.80q (%v), want 32 bit floats in base64", text, err)
		}
	})
}

func TestModels(t *testing.T) {
	c := client(t)
	list, err := c.Models.List(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range list.Data {
		if m.Object != "model" || m.Created == 0 {
			t.Errorf("model %s, want an object and a time", m.RawJSON())
		}
		names[m.ID] = true
	}
	if !names["plain-name"] {
		t.Errorf("the configured model plain-name is not among the %d listed", len(names))
	}
	one, err := c.Models.Get(deadline(t), "plain-name")
	if err != nil || one.ID != "plain-name" {
		t.Errorf("got %+v (%v), want plain-name", one, err)
	}
	if _, err := c.Models.Get(deadline(t), "no-such-model"); status(err) != 404 {
		t.Errorf("error is %v, want a 404", err)
	}
}
