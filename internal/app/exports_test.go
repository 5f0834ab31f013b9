package app

import (
	"log/slog"
	"net/http"
	"testing"

	"penstock/internal/config"
	"penstock/internal/export"
)

// A reload may end after the gateway has closed its destinations: those it
// made are closed too, and nobody else is there to do it.
func TestDestinationsOfALateReloadAreClosed(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	e := newExports(log, http.DefaultClient, export.NewOwn(export.OwnOptions{}))
	x, err := e.build(config.Logging{Destinations: []config.Destination{{Type: "webhook", Name: "w", Settings: map[string]string{"endpoint": "http://127.0.0.1:1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.swap(x)
	if e.current != nil {
		t.Error("a closed gateway has destinations")
	}
}
