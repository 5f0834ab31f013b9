package webhook

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/export"
	"penstock/internal/gateway"
)

// Destination is one URL.
type Destination struct {
	name   string
	url    string
	format string
	header http.Header
	client *http.Client
}

var _ export.Destination = (*Destination)(nil)

// New returns a destination from its settings: endpoint (required), headers
// ("k=v,k=v") and log_format (json_array, ndjson or single).
func New(name string, settings map[string]string, client *http.Client) (*Destination, error) {
	d := &Destination{name: name, url: settings["endpoint"], format: settings["log_format"], client: client, header: http.Header{}}
	u, err := url.Parse(d.url)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("logging destination %s: endpoint: want an http or https address", name)
	}
	switch d.format {
	case "":
		d.format = "json_array"
	case "json_array", "ndjson", "single":
	default:
		return nil, fmt.Errorf("logging destination %s: log_format: want json_array, ndjson or single, got %q", name, d.format)
	}
	d.header.Set("Content-Type", "application/json")
	if d.format == "ndjson" {
		d.header.Set("Content-Type", "application/x-ndjson")
	}
	for pair := range strings.SplitSeq(settings["headers"], ",") {
		if k, v, ok := strings.Cut(strings.TrimSpace(pair), "="); ok {
			d.header.Set(k, v)
		}
	}
	return d, nil
}

// Name implements export.Destination.
func (d *Destination) Name() string { return d.name }

// Single says that records come one by one.
func (d *Destination) Single() bool { return d.format == "single" }

// Send implements export.Destination.
func (d *Destination) Send(ctx context.Context, batch []*gateway.Record) error {
	var body bytes.Buffer
	for i, r := range batch {
		one, err := json.Marshal(export.NewPayload(r), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		if err != nil {
			return fmt.Errorf("%w: %w", export.ErrPermanent, err)
		}
		switch {
		case d.format == "single":
			if err := export.Post(ctx, d.client, d.url, d.header.Clone(), one); err != nil {
				return err
			}
			continue
		case d.format == "ndjson":
			body.Write(one)
			body.WriteByte('\n')
			continue
		case i == 0:
			body.WriteByte('[')
		default:
			body.WriteByte(',')
		}
		body.Write(one)
	}
	switch d.format {
	case "single":
		return nil
	case "json_array":
		body.WriteByte(']')
	}
	return export.Post(ctx, d.client, d.url, d.header.Clone(), body.Bytes())
}
