package app

import (
	"context"
	"log/slog"

	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/relay"
)

// exports holds the logging destinations across reloads.
type exports struct{ log *slog.Logger }

func newExports(log *slog.Logger) *exports { return &exports{log} }

func (e *exports) build(config.Logging) (relay.Exporter, error) { return none{}, nil }
func (e *exports) swap(relay.Exporter)                          {}
func (e *exports) close(context.Context) error                  { return nil }

// none is no destination at all.
type none struct{}

func (none) Emit(*gateway.Record) {}
func (none) Wants() bool          { return false }
func (none) WantsContent() bool   { return false }
