package all

import (
	"fmt"
	"net/http"

	"penstock/internal/export"
	"penstock/internal/export/langfuse"
	"penstock/internal/export/webhook"
)

// New returns the destination of the type. A type there is none of is an error
// that names those there are.
func New(typ, name string, settings map[string]string, client *http.Client) (export.Destination, error) {
	switch typ {
	case "langfuse", "langfuse_otel":
		return langfuse.New(name, settings, client)
	case "generic_api", "webhook":
		return webhook.New(name, settings, client)
	}
	return nil, fmt.Errorf("no logging destination %q; there are langfuse, langfuse_otel, generic_api and webhook", typ)
}
