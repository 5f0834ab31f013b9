package relay

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/health"
	"penstock/internal/router"
	"penstock/internal/token"
	"penstock/internal/wire"
)

// CheckKey stands for nobody's key in the books of health checks that nobody
// asked for, and CheckTag marks all of them. LiteLLM has the same words.
const (
	CheckKey = "litellm-internal-health-check"
	CheckTag = "litellm-internal-health-check"
)

// checkRoute is the route of all of them.
const checkRoute = "/health"

// What one check may cost and take.
const (
	checkTokens    = 1
	checkReasoning = 16 // models that think first refuse to have no room for it
	checkTimeout   = time.Minute
)

// Check asks the deployment for an answer of one token and returns how that
// went. It is a call like others: p's limits hold, and it is on the books. It
// says nothing to the router, whose cooldowns go by what clients' calls see.
func (r *Relay) Check(ctx context.Context, d *gateway.Deployment, p gateway.Principal, callID, by string) health.Result {
	now := time.Now()
	out := health.Result{Deployment: d.ID, Group: d.Group, Provider: d.Provider, Model: d.Upstream, At: now, CallID: callID, By: by}
	s := r.Snapshot()
	t, group, why := checkTarget(s, d, p)
	if why != "" {
		out.Unknown = why
		return out
	}
	out.Provider, out.Model = t.Provider, t.Model
	op, body := checkBody(s, d, t)
	if body == nil {
		out.Unknown = fmt.Sprintf("there is no check for models of mode %q", mode(s, t))
		return out
	}
	in := new(wire.Object)
	if err := in.Parse(body); err != nil {
		out.Unknown = err.Error()
		return out
	}
	tokens := checkCap(s, d, t)
	c := &gateway.Call{
		ID: callID, Op: op, Dialect: gateway.OpenAI, Route: checkRoute, Model: d.Group, Group: group, Body: body, Principal: p,
		Ask: gateway.Ask{Input: token.Input(in.Text, 1), MaxOutput: tokens, Choices: 1}, Tags: []string{CheckTag}, Start: now, DisableFallbacks: true, DropParams: true,
	}
	if op == gateway.Embed {
		c.Ask.MaxOutput = 0
	}
	try := (*line).chat
	if op == gateway.Embed {
		try = (*line).embed
	}
	sink := &checkSink{}
	err := r.carry(ctx, c, in, sink, func(ctx context.Context, l *line) error {
		start := time.Now()
		l.outcome.Target, l.began = t, start
		err := try(l, ctx, t)
		l.began = time.Time{}
		a := gateway.Attempt{Deployment: t.ID, Group: d.Group, Start: start, Duration: time.Since(start), OK: err == nil}
		if e := gateway.AsError(err); e != nil {
			a.Kind, a.Status, a.Reason = e.Kind, e.Status, e.Message
		}
		l.outcome.Attempts = append(l.outcome.Attempts, a)
		return err
	})
	out.Took, out.Left = time.Since(now), sink.left
	e := gateway.AsError(err)
	switch {
	case e == nil, e.Kind == gateway.UpstreamRefused && strings.Contains(e.Message, "max_tokens or model output limit"):
		out.OK = true // it answers; that one token is not enough for it is our doing
	case !e.Kind.Upstream():
		out.Unknown = e.Message // one of our own limits was in the way
	default:
		out.Kind, out.Status, out.Error = e.Kind, e.Status, e.Message
	}
	return out
}

// checkTarget returns what to ask of d, under which model name; or why nothing can be.
func checkTarget(s *Snapshot, d *gateway.Deployment, p gateway.Principal) (t router.Target, group, why string) {
	model := strings.TrimPrefix(d.Check.Model, d.Provider+"/")
	t = router.Target{Deployment: d, Model: cmp.Or(model, d.Upstream), Timeout: cmp.Or(d.Check.Timeout, checkTimeout)}
	t.Idle = t.Timeout
	if !strings.Contains(d.Group, "*") {
		return t, d.ID, ""
	}
	if d.Check.Model == "" {
		return t, "", "a wildcard needs model_info.health_check_model"
	}
	for _, name := range []string{d.Check.Model, d.Provider + "/" + model} {
		route, err := s.Table.RouteTo(&gateway.Call{Principal: p}, name)
		if err != nil || route.Nowhere() {
			continue
		}
		for _, found := range route.Serving() {
			if found.ID == d.ID {
				found.Timeout, found.Idle = t.Timeout, t.Idle
				return found, name, ""
			}
		}
	}
	return t, "", fmt.Sprintf("health_check_model %q is not one that it serves", d.Check.Model)
}

// mode returns what the deployment is for.
func mode(s *Snapshot, t router.Target) string {
	if t.Mode != "" {
		return t.Mode
	}
	if m, ok := s.Prices.Book().Model(t.Provider, cmp.Or(t.BaseModel, t.Model)); ok && m.Mode != "" {
		return m.Mode
	}
	return "chat"
}

func checkCap(s *Snapshot, d *gateway.Deployment, t router.Target) int64 {
	if d.Check.MaxTokens > 0 {
		return d.Check.MaxTokens
	}
	if m, ok := s.Prices.Book().Model(t.Provider, cmp.Or(t.BaseModel, t.Model)); ok {
		if yes, _ := m.Supports("reasoning"); yes {
			return checkReasoning
		}
	}
	return checkTokens
}

// checkBody returns the request, nil if this kind of model cannot be asked.
func checkBody(s *Snapshot, d *gateway.Deployment, t router.Target) (gateway.Operation, []byte) {
	name := wire.Quote(t.Model)
	switch mode(s, t) {
	case "chat", "completion", "responses":
		return gateway.Chat, fmt.Appendf(nil, `{"model":%s,"messages":[{"role":"user","content":"Hey, are you there?"}],"max_tokens":%d}`, name, checkCap(s, d, t))
	case "embedding":
		return gateway.Embed, fmt.Appendf(nil, `{"model":%s,"input":["Hey, are you there?"]}`, name)
	}
	return "", nil
}

// checkSink takes an answer that nobody reads.
type checkSink struct{ left map[string]string }

// Begin implements Sink.
func (s *checkSink) Begin(h *Head) {
	for _, name := range slices.Sorted(maps.Keys(h.Vendor)) {
		if strings.HasPrefix(name, http.CanonicalHeaderKey("x-ratelimit-remaining-")) {
			if s.left == nil {
				s.left = map[string]string{}
			}
			s.left[strings.ToLower(name)] = h.Vendor.Get(name)
		}
	}
}

// Failed implements Sink.
func (s *checkSink) Failed(*Head) {}

// Write implements Sink.
func (s *checkSink) Write(p []byte) (int, error) { return len(p), nil }

// Flush implements Sink.
func (s *checkSink) Flush() error { return nil }
