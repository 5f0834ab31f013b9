package relay

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"penstock/internal/canon"
	"penstock/internal/explain"
	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/price"
	"penstock/internal/provider"
	"penstock/internal/router"
	"penstock/internal/spend"
	"penstock/internal/token"
	"penstock/internal/wire"
)

// Journal remembers calls until they are booked. *spend.Journal implements it.
type Journal interface {
	Begin(*spend.Row) error
	Progress(*spend.Row) error
	End(*spend.Row) error
}

// Exporter hands records to logging destinations, without waiting.
type Exporter interface {
	Emit(*gateway.Record)
	// Wants reports whether there is any destination for the principal's calls.
	Wants(*gateway.Principal) bool
	// WantsContent reports whether some of them wants prompts and answers.
	WantsContent(*gateway.Principal) bool
}

// Snapshot is the part of the configuration that calls are carried with. A
// call keeps the one it began with.
type Snapshot struct {
	Table  *router.Table
	Prices *Prices
	Global *limit.Global // nil without limits on the whole gateway
	// Transport sends to providers. Not a client: redirects are not followed,
	// since they would send prompt and key where nobody configured.
	Transport http.RoundTripper
	// ServeUnjournaled serves calls that the journal cannot take.
	ServeUnjournaled bool
	// DropParams leaves out parameters that a vendor lacks, instead of refusing the call.
	DropParams bool
	Unpriced   Unpriced
	// CountTokens says which tokens count against limits of tokens.
	CountTokens CountTokens
	Exporter    Exporter
	Hedging     Hedging
	// MaxStream bounds a streamed answer in time, however steadily it comes;
	// 0 is an hour.
	MaxStream time.Duration
}

func (s *Snapshot) maxStream() time.Duration { return cmp.Or(s.MaxStream, time.Hour) }

// Sink is where an answer goes. Package api implements it over an
// http.ResponseWriter.
type Sink interface {
	// Begin sends the head of the answer, once, before anything else.
	Begin(*Head)
	// Failed is told what is known of a call that ends before its answer begins.
	Failed(*Head)
	// Write sends bytes of the body; they may stay in a buffer until Flush.
	Write([]byte) (int, error)
	Flush() error
}

// Head is what is known of an answer before its first byte.
type Head struct {
	Stream bool
	Length int // of the body in bytes, if not Stream
	Target router.Target
	Group  string // that answers: a fallback's, if it is one
	// Retries and Fallbacks count what it took.
	Retries, Fallbacks int
	// Cost is known before the first byte only if not Stream.
	Cost     gateway.NanoUSD
	Priced   bool
	Duration time.Duration // until now
	Upstream time.Duration // of that, waiting for the provider
	Vendor   http.Header   // the provider's own headers
	Dropped  []string
	Capped   int64 // max_tokens that the gateway set for the budget's sake, 0 if it did not
	Hold     *limit.Hold
	l        *line
}

// Why returns why the call went as it did so far, as package explain writes it.
// It is valid until the Sink returns.
func (h *Head) Why() []byte { return h.l.why(nil) }

// Each calls f for every attempt, the one that answers last.
func (h *Head) Each(f func(*gateway.Attempt)) {
	for i := range h.l.outcome.Attempts {
		f(&h.l.outcome.Attempts[i])
	}
	if h.l.rival.won && !h.l.began.IsZero() {
		f(&h.l.rival.lost)
	}
	var ok bool
	if h.l.current, ok = h.l.running(nil); ok { // in the line: it must not be a piece of memory of its own
		f(&h.l.current)
	}
}

// Relay carries calls. All fields are needed; it is safe for concurrent use.
type Relay struct {
	Limits   *limit.Limiter
	Journal  Journal
	Unbooked func(spend.Row) // takes a row that the journal could not
	// Soft hears of soft budgets that this process sees reached, without making
	// a call wait. TellSoft says it to people.
	Soft      func(limit.Reached)
	Room      func() bool // whether Unbooked has room for more; nil for no
	Providers provider.Set
	Outputs   *token.Outputs
	Snapshot  func() *Snapshot
	Metrics   *Metrics
	Log       *slog.Logger
	Clock     router.Clock

	// Refused keeps calls that are not in the ledger, for those who ask why.
	Refused *Refusals

	pool     sync.Pool    // *line
	refusing atomic.Int64 // when a call could not be journaled, Unix nanoseconds; 0 once one could
}

// Refusing reports whether calls are refused because they cannot be journaled.
func (r *Relay) Refusing() bool {
	at := r.refusing.Load()
	// Whoever asks this sends no calls while it is so: after a while one must
	// come to find out.
	return at != 0 && time.Since(time.Unix(0, at)) < 10*time.Second
}

// maxUnknownOutput is the output reserved at the most for a model whose limit
// is not known.
const maxUnknownOutput = 32 << 10

// line is one call on its way. It is used again for another call when this one
// has ended.
type line struct {
	r     *Relay
	s     *Snapshot
	c     *gateway.Call
	in    *wire.Object // as the attempt that runs wants it
	own   *wire.Object // as the client sent it
	out   Sink
	d     dialect
	route router.Route
	rate  *price.Rate // the dearest that may apply; nil if no price is known

	hold    limit.Hold
	attempt limit.Hold     // of the attempt that runs, under the limits of its deployment
	counts  []spend.Window // memory for row.Windows, kept from call to call
	size    limit.Size
	single  limit.Range // what one answer may cost; size has room for two if it may be hedged
	hedged  bool        // the call may be asked of two deployments
	raced   bool        // it has been
	rival   rival
	one     opening // memory for an attempt that runs alone
	used    limit.Actual
	alone   limit.Actual // of that, what the answer the client got has used
	row     spend.Row
	outcome router.Outcome
	canon   *canon.Request // of a call that is translated; decoded once

	answered seen // what the answer told
	first    time.Time
	settled  bool
	// unjournaled says that the journal does not know the call: all its spend
	// will be in memory.
	unjournaled bool
	vendor      time.Duration // spent waiting for providers
	capped      int64
	held        []byte // room for the beginning of a stream
	output      []byte // of the answer, if some destination wants it
	body        []byte // memory for a whole answer, kept from call to call
	keep        bool

	began   time.Time       // of the attempt that is running; zero between attempts
	current gateway.Attempt // memory for it
	writer  explain.Writer
}

// seen is what is known of an answer.
type seen struct {
	wire.Seen
	target router.Target
}

// Chat carries the chat call c, whose body is in, and answers into out. An
// error before Begin is for the caller to show; after that it wraps
// router.ErrCommitted and is for the caller to send in the stream.
func (r *Relay) Chat(ctx context.Context, c *gateway.Call, in *wire.Object, out Sink) error {
	return r.carry(ctx, c, in, out, func(ctx context.Context, l *line) error { return l.answer(ctx, (*line).chat) })
}

// Embed carries the embedding call c.
func (r *Relay) Embed(ctx context.Context, c *gateway.Call, in *wire.Object, out Sink) error {
	return r.carry(ctx, c, in, out, func(ctx context.Context, l *line) error { return l.answer(ctx, (*line).embed) })
}

// request makes the request what this attempt wants: the client's own, or with
// the members that the client has given to a fallback instead of its own.
func (l *line) request(t router.Target) error {
	if t.Params == nil {
		if l.in != l.own {
			l.in, l.canon = l.own, nil
		}
		return nil
	}
	edits := make([]wire.Edit, 0, len(t.Params))
	for _, p := range t.Params {
		edits = append(edits, l.own.Set(p.Name, p.Value))
	}
	in := new(wire.Object)
	if err := in.Parse(wire.Segments(l.own.Body, edits).Bytes()); err != nil {
		return gateway.Invalidf("fallbacks", "the members of the fallback '%s' make no request: %v", t.Group, err)
	}
	l.in, l.canon = in, nil
	return nil
}

// answer makes one attempt after another, until a deployment answers.
func (l *line) answer(ctx context.Context, try func(*line, context.Context, router.Target) error) error {
	return l.wonBy(l.route.Do(ctx, l.r.Clock, &l.outcome, func(ctx context.Context, t router.Target) (router.Seen, error) {
		err := l.request(t)
		if err == nil {
			err = l.enter(ctx, t)
		}
		if err == nil {
			l.began = time.Now()
			err = try(l, ctx, t)
			l.began = time.Time{}
		}
		if l.rival.won {
			return router.Seen{}, err // what was seen is of the other
		}
		return l.shown(), err
	}))
}

func (r *Relay) carry(ctx context.Context, c *gateway.Call, in *wire.Object, out Sink, run func(context.Context, *line) error) error {
	l := r.line()
	defer r.free(l)
	l.r, l.s, l.c, l.in, l.own, l.out, l.d = r, r.Snapshot(), c, in, in, out, dialects[c.Dialect]
	l.keep = l.s.Exporter.WantsContent(&c.Principal)

	l.hold.Session, l.hold.Tags = c.Session, c.Tags
	// 1. What it may come to, at the dearest deployment that may answer.
	if err := l.quote(); err != nil {
		return l.refused(err)
	}
	// 2. Room under every limit, all or nothing.
	if err := r.Limits.Reserve(ctx, &l.hold, &c.Principal, l.s.Global, c.Group, &l.size); err != nil {
		return l.refused(err)
	}
	l.shadowed()
	// 3. What is owed if we die now.
	l.open()
	if err := l.begin(); err != nil {
		r.Limits.Release(&l.hold)
		return l.refused(err)
	}
	r.Metrics.inFlight.Inc()
	defer r.Metrics.inFlight.Dec()

	// 4. One deployment after another, until one answers.
	err := run(ctx, l)
	// 5. On the books, whatever became of it; an answered call is already.
	if !l.settled {
		l.settle(l.failure(ctx, err))
	}
	l.report(gateway.AsError(err))
	switch {
	case err == nil:
	case l.first.IsZero():
		l.out.Failed(l.failedHead())
	case !errors.Is(err, router.ErrCommitted):
		err = errors.Join(router.ErrCommitted, err)
	}
	return err
}

// enter reserves an attempt under the limits of its deployment and provider, in
// the place of the attempt before, which has failed.
func (l *line) enter(ctx context.Context, t router.Target) error {
	l.r.Limits.Settle(&l.attempt, &asked)
	l.attempt.Reset()
	return l.reserveAttempt(ctx, &l.attempt, t)
}

func (l *line) reserveAttempt(ctx context.Context, h *limit.Hold, t router.Target) error {
	return l.r.Limits.ReserveAttempt(ctx, h, t.Deployment, func() *limit.Size {
		size := l.size
		size.Money = each(l.single, func(n int64) int64 { return min(n, l.hold.Money) })
		return &size
	})
}

// asked is what an attempt that has failed has used of its deployment's limits.
var asked = limit.Actual{Requests: 1}

func (r *Relay) line() *line {
	if l, ok := r.pool.Get().(*line); ok {
		return l
	}
	return &line{}
}

// free makes l ready for another call. What outlives the call has been copied.
func (r *Relay) free(l *line) {
	l.hold.Reset()
	l.attempt.Reset()
	l.r, l.s, l.c, l.in, l.own, l.out, l.d, l.rate, l.canon, l.output = nil, nil, nil, nil, nil, nil, dialect{}, nil, nil, nil
	l.route, l.size, l.row, l.answered = router.Route{}, limit.Size{}, spend.Row{}, seen{}
	l.outcome.Reset()
	l.single, l.hedged, l.raced, l.one = limit.Range{}, false, false, opening{}
	l.rival.reset()
	l.first, l.began, l.settled, l.vendor, l.capped, l.keep = time.Time{}, time.Time{}, false, 0, 0, false
	l.unjournaled = false
	r.pool.Put(l)
}

// shown returns what the attempt has told of its deployment.
func (l *line) shown() router.Seen {
	s := router.Seen{Output: l.answered.Usage.Completion, Tokens: l.answered.Usage.Total()}
	if l.c.Stream {
		s.First = l.first
	}
	return s
}

// failure returns what to show for a call that has no answer to the end.
func (l *line) failure(ctx context.Context, err error) *gateway.Error {
	if ctx.Err() != nil {
		return &gateway.Error{Kind: gateway.Canceled, Message: "the client closed the request before it had the whole answer", Err: err}
	}
	return gateway.AsError(err)
}
