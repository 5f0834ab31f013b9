package gemini

import (
	"strings"
	"testing"

	"penstock/internal/canon"
)

func TestMedia(t *testing.T) {
	for _, tt := range []struct {
		name, model string
		kind        canon.PartKind
		media       canon.Media
		vertex      bool
		want        string // the part, or what the error says
	}{
		{"a PNG without its type is known by its first bytes", "m", canon.Image, canon.Media{Data: "iVBORw0KGgoAAAANSUhEUg=="}, false, `{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgoAAAANSUhEUg=="}}`},
		{"a WAV without its type, too", "m", canon.Audio, canon.Media{Data: "UklGRiQAAABXQVZFZm10IA=="}, false, `{"inlineData":{"mimeType":"audio/wav","data":"UklGRiQAAABXQVZFZm10IA=="}}`},
		{"a text file is known by its name", "m", canon.File, canon.Media{Data: "aGVsbG8=", Filename: "notes.MD"}, false, `{"inlineData":{"mimeType":"text/md","data":"aGVsbG8="}}`},
		{"bytes that tell nothing need a type", "m", canon.File, canon.Media{Data: "aGVsbG8=", Filename: "notes"}, false, "MIME type"},
		{"data that is no base64 needs a type", "m", canon.File, canon.Media{Data: "%%%%"}, false, "MIME type"},
		{"a format that is a type counts", "m", canon.File, canon.Media{Data: "AAAA", Format: "application/pdf"}, false, `{"inlineData":{"mimeType":"application/pdf","data":"AAAA"}}`},
		{"a WAV by another name", "m", canon.Audio, canon.Media{Data: "AAAA", MIME: "audio/x-wav"}, false, `{"inlineData":{"mimeType":"audio/wav","data":"AAAA"}}`},
		{"a data URL that nobody has split", "m", canon.Image, canon.Media{URL: "data:image/webp;x=1;base64,AAAA"}, false, `{"inlineData":{"mimeType":"image/webp","data":"AAAA"}}`},
		{"a data URL that is not base64", "m", canon.Image, canon.Media{URL: "data:image/svg+xml,<svg/>"}, false, "data URL"},
		{"a storage URI as an id", "m", canon.File, canon.Media{FileID: "gs://b/x.pdf"}, false, `{"fileData":{"mimeType":"application/pdf","fileUri":"gs://b/x.pdf"}}`},
		{"an id of the Files API is unknown to Vertex AI", "m", canon.File, canon.Media{FileID: "files/x"}, true, "not Google's"},
		{"a URL as an id is fetched by nobody", "gemini-2.0-flash", canon.File, canon.Media{FileID: "https://example.com/x.pdf"}, false, "not fetched"},
		{"Vertex AI wants the type of a URL", "gemini-3-pro", canon.Image, canon.Media{URL: "https://example.com/x"}, true, "Vertex AI needs"},
		{"AI Studio finds the type of a URL out", "gemini-3-pro", canon.Image, canon.Media{URL: "https://example.com/x", Detail: "medium"}, false, `{"fileData":{"fileUri":"https://example.com/x"},"mediaResolution":{"level":"MEDIA_RESOLUTION_MEDIUM"}}`},
		{"a host that only looks like Google's", "gemini-2.0-flash", canon.File, canon.Media{URL: "https://generativelanguage.googleapis.com.evil.example/files/x"}, false, "not fetched"},
		{"no URL at all", "gemini-3-pro", canon.File, canon.Media{URL: "https://%zz"}, false, "not a URL"},
	} {
		r := &canon.Request{Messages: []canon.Message{{Role: canon.User, Parts: []canon.Part{{Kind: tt.kind, Media: &tt.media}}}}}
		body, _, err := EncodeRequest(r, Options{Model: tt.model, Vertex: tt.vertex})
		got := strings.TrimSuffix(strings.TrimPrefix(string(body), `{"contents":[{"role":"user","parts":[`), `]}]}`)
		switch {
		case err != nil && !strings.Contains(err.Error(), tt.want), err == nil && got != tt.want:
			t.Errorf("%s: got %s (%v), want %s", tt.name, got, err, tt.want)
		}
	}
	r := &canon.Request{Messages: []canon.Message{{Role: canon.User, Parts: []canon.Part{{Kind: canon.Image}}}}}
	if _, _, err := EncodeRequest(r, Options{}); err == nil {
		t.Error("an image without data is encoded, want an error")
	}
}
