package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"penstock/internal/config"
	"penstock/internal/export"
	"penstock/internal/export/all"
	"penstock/internal/gateway"
)

// oldExports is how long the destinations of a configuration that was replaced
// may take to deliver what they hold.
const oldExports = 30 * time.Second

// exports holds the logging destinations across reloads.
type exports struct {
	log    *slog.Logger
	client *http.Client
	own    *export.Own // of keys and teams

	mu      sync.Mutex
	closed  bool
	current *export.Exporter
	closing sync.WaitGroup // exporters of earlier configurations
}

func newExports(log *slog.Logger, client *http.Client, own *export.Own) *exports {
	return &exports{log: log, client: client, own: own}
}

// build starts the destinations that a configuration names.
func (e *exports) build(l config.Logging) (*export.Exporter, error) {
	var targets []export.Target
	var errs error
	for _, d := range l.Destinations {
		dest, err := all.New(d.Type, d.Name, d.Settings, e.client)
		if err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		pace, err := export.ParsePace(d.Settings)
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("logging destination %s: %w", d.Name, err))
			continue
		}
		targets = append(targets, export.Target{Destination: dest, Type: d.Type, OnSuccess: d.OnSuccess, OnFailure: d.OnFailure, Content: !l.RedactMessages, Pace: pace})
	}
	if errs != nil {
		return nil, fmt.Errorf("logging: %w", errs)
	}
	return export.New(export.Options{}, e.log, targets...), nil
}

// swap makes x the current destinations. Those before deliver what they hold;
// so does x itself when the gateway is closed, as nobody else would end it.
func (e *exports) swap(x *export.Exporter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := x
	if !e.closed {
		old, e.current = e.current, x
	}
	if old == nil {
		return
	}
	e.closing.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), oldExports)
		defer cancel()
		if err := old.Close(ctx); err != nil {
			e.log.Warn("records of the configuration before were lost", "err", err)
		}
	})
}

func (e *exports) stats() []export.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []export.Stats
	if e.current != nil {
		out = e.current.Stats()
	}
	if own, live := e.own.Stats(); live > 0 || own.Sent+own.Dropped+own.Failed > 0 {
		out = append(out, own)
	}
	return out
}

func (e *exports) close(ctx context.Context) error {
	e.mu.Lock()
	x := e.current
	e.current, e.closed = nil, true
	e.mu.Unlock()
	defer e.closing.Wait()
	err := e.own.Close(ctx)
	if x != nil {
		err = errors.Join(err, x.Close(ctx))
	}
	return err
}

// test sends rec to one destination.
func (e *exports) test(ctx context.Context, name string, rec *gateway.Record) error {
	e.mu.Lock()
	x := e.current
	e.mu.Unlock()
	if x == nil {
		return fmt.Errorf("no logging destination %q: %w", name, export.ErrUnknown)
	}
	return x.Test(ctx, name, rec)
}
