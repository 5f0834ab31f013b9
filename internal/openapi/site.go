package openapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
)

//go:embed page/docs.html
var pageHTML string

//go:embed page/docs.css
var pageCSS string

//go:embed page/docs.js
var pageJS string

// Site serves a document and a page that shows it.
type Site struct {
	made func() served
}

type served struct {
	body []byte
	tag  string
}

// NewSite returns the site of the operations. They are asked for when somebody
// first wants to see them: a start must not wait for it. failures say how they
// can fail.
func NewSite(version string, hints map[string]Hint, ops func() []Operation, failures []Failure, log *slog.Logger) *Site {
	return &Site{made: sync.OnceValue(func() served {
		d, err := New(version, ops(), hints)
		if err != nil {
			log.Error("a part of /openapi.json is missing", "err", err)
		}
		d.Components.Responses.at("Error").Failures = failures
		body, err := json.Marshal(d)
		if err != nil {
			log.Error("/openapi.json cannot be written", "err", err)
		}
		sum := sha256.Sum256(body)
		return served{body, `"` + hex.EncodeToString(sum[:8]) + `"`}
	})}
}

// Document serves the document.
func (s *Site) Document() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		made := s.made()
		h := w.Header()
		h.Set("Cache-Control", "no-cache")
		h.Set("Etag", made.tag)
		if r.Header.Get("If-None-Match") == made.tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Type", jsonMedia)
		_, _ = w.Write(made.body) // the client may be gone
	})
}

// Page serves a page that shows the document. All of it is in one file, and it
// may load nothing but the document: it works where there is no network.
func (s *Site) Page() http.Handler {
	page := []byte(strings.NewReplacer("/*css*/", pageCSS, "/*js*/", pageJS).Replace(pageHTML))
	policy := "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" +
		"; script-src " + source(pageJS) + "; style-src " + source(pageCSS)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Type", "text/html; charset=utf-8")
		_, _ = bytes.NewReader(page).WriteTo(w) // the client may be gone
	})
}

// source names a text that stands in the page as the only one of its kind that
// may work there.
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
