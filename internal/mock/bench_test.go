package mock_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"penstock/internal/mock"
)

// sink is a ResponseWriter that costs nothing.
type sink struct{ h http.Header }

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) Flush()                      {}

func BenchmarkMock(b *testing.B) {
	benchmarks := []struct{ name, path, body string }{
		{"small chat", "/v1/chat/completions", chat("gpt", "")},
		{"stream of 12 chunks", "/v1/chat/completions", chat("gpt", `"stream":true,`)},
		{"embedding of 17 KB", "/v1/embeddings", `{"model":"mock-large=17000","input":"x"}`},
		{"prompt of 100 KB", "/v1/chat/completions", chat("gpt", `"messages2":"`+strings.Repeat("lorem ipsum ", 8500)+`",`)},
	}
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			s := mock.New(mock.Options{Keep: -1})
			body := strings.NewReader(bb.body)
			r, err := http.NewRequestWithContext(context.Background(), "POST", bb.path, body)
			if err != nil {
				b.Fatal(err)
			}
			w := &sink{http.Header{}}
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.body)))
			for b.Loop() {
				body.Reset(bb.body)
				r.Body = io.NopCloser(body)
				s.ServeHTTP(w, r)
			}
		})
	}
}
