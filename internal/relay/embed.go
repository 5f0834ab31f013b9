package relay

import (
	"context"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/provider"
	"penstock/internal/router"
	"penstock/internal/wire"
)

// embed makes one attempt at an embedding call.
func (l *line) embed(ctx context.Context, t router.Target) error {
	p, ok := l.r.Providers[t.Provider].(provider.Embed)
	if !ok {
		return gateway.Invalidf("model", "provider %q of model '%s' has no embeddings", t.Provider, l.c.Model)
	}
	pc := l.call(t)
	up, err := p.EmbedRequest(t.Deployment, pc)
	if err != nil {
		return err
	}
	w := newWatch(ctx, t.Timeout, t.Timeout)
	defer w.stop()
	res, err := l.send(w, p, t, up)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	start := time.Now()
	body, err := l.readAnswer(res)
	l.vendor += time.Since(start)
	if err != nil {
		return cut(w, t, err)
	}
	shown, used, err := p.EmbedAnswer(pc, body)
	if err != nil {
		return err
	}
	l.deliver(t, res, pc, &wire.Seen{Usage: used, HasUsage: true, Done: true}, shown)
	return nil
}
