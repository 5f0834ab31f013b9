package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"penstock/internal/admin"
	"penstock/internal/api"
	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/openapi"
	"penstock/internal/price"
	"penstock/internal/provider/all"
	"penstock/internal/relay"
	"penstock/internal/router"
	"penstock/internal/secret"
	"penstock/internal/spend"
	"penstock/internal/store"
	"penstock/internal/token"
)

// Options are what a process is told on its command line. Zero values are
// left to the configuration and its defaults.
type Options struct {
	Config  string // file; "" serves what the environment has keys for, and the mock
	Host    string
	Port    int
	DataDir string
	Env     func(string) (string, bool) // nil is the process environment
	Version string
	Log     *slog.Logger
	// Say tells a person something once: a new master key, where to call.
	Say func(format string, args ...any)
}

// App is a gateway. Its fields are grouped by how they change.
type App struct {
	o   Options
	log *slog.Logger

	// Made once.
	store      *store.DB
	journal    *spend.Journal
	booker     *spend.Booker
	box        *secret.Box // opens the secrets in the database
	directory  *auth.Directory
	counters   counters
	sharing    sharing
	soft       chan limit.Reached
	limiter    *limit.Limiter
	relay      *relay.Relay
	registry   *prometheus.Registry
	exports    *exports
	health     *healthDesk
	authn      *auth.Authenticator
	management *admin.API
	book       *price.Book
	transport  *http.Transport
	mock       *mockServer
	server     *http.Server
	clients    clients
	listener   net.Listener
	seq        int64 // of the last change seen in the store; only the poller touches it
	// reloadDue is when a change asks for a reload, zero if none does; only the
	// poller touches it.
	reloadDue time.Time

	// Replaced by a reload.
	snapshot  atomic.Pointer[api.Snapshot]
	loaded    atomic.Pointer[loaded]
	settings  atomic.Pointer[admin.Settings]
	tokens    atomic.Pointer[auth.Tokens] // of identity providers, nil if they are not taken
	tokensSet chan struct{}               // holds one: tokens were set
	reloadMu  sync.Mutex                  // one reload at a time
	calendar  limit.Calendar              // guarded by reloadMu

	stopping atomic.Bool // no new calls

	undo []step // what has been started, to be stopped in reverse
}

// loaded is a configuration and what was said about it.
type loaded struct {
	config *config.Config
	report *config.Report
}

// step undoes one thing that New or Run started.
type step struct {
	name string
	stop func(context.Context) error
}

// New builds the gateway and opens its listener. Close it, or Run it.
func New(ctx context.Context, o Options) (*App, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	a := &App{o: o, log: o.Log, tokensSet: make(chan struct{}, 1), registry: prometheus.NewRegistry(), book: price.Published(), directory: auth.NewDirectory()}
	if err := a.build(ctx); err != nil {
		return nil, errors.Join(err, a.Close(ctx))
	}
	return a, nil
}

func (a *App) onStop(name string, stop func(context.Context) error) {
	a.undo = append(a.undo, step{name, stop})
}

// build starts everything, in the order of its needs; each step that starts
// something registers its undoing in the next line.
func (a *App) build(ctx context.Context) error {
	l, err := a.load(ctx)
	if err != nil {
		return err
	}
	s := &l.config.Server
	dir := s.DataDir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data directory (--data-dir chooses another): %w", err)
	}

	if a.store, err = store.Open(ctx, databaseURL(s), store.Options{Chain: s.LedgerChain}); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	a.onStop("database", func(context.Context) error { return a.store.Close() })
	if a.box, err = a.openBox(s, true); err != nil {
		return err
	}
	if err := a.reseal(ctx); err != nil {
		return err
	}
	if l, err = a.load(ctx); err != nil { // now with what is in the database
		return err
	}
	s = &l.config.Server

	sync := spend.SyncGrouped
	switch f := s.JournalFsync; {
	case f.Always:
		sync = spend.SyncAlways
	case f.Every == 0:
		sync = spend.SyncOff
	}
	if a.journal, err = spend.OpenJournal(filepath.Join(dir, "journal"), spend.Options{Sync: sync, Lanes: min(runtime.GOMAXPROCS(0), 8)}, a.log); err != nil {
		if errors.Is(err, spend.ErrInUse) {
			return fmt.Errorf("the data directory %s is used by another penstock: stop that, or give this one its own with --data-dir (and --port)", dir)
		}
		return err
	}
	a.onStop("journal", func(context.Context) error { return a.journal.Close() })
	if err := a.recover(ctx); err != nil {
		return err
	}
	a.booker = spend.NewBooker(a.journal, a.store, a.log)
	if a.calendar, err = a.calendarOf(ctx, s, time.Now()); err != nil {
		return err
	}
	err = a.share(ctx, s, databaseURL(s))
	a.onStop("booker", a.closeBooker)
	if err != nil {
		return err
	}
	a.limiter = limit.New(a.counters, time.Now)
	if err := a.loadWindows(ctx); err != nil {
		return err
	}
	if err := a.loadDirectory(ctx); err != nil {
		return err
	}
	// Before a master key is made: a key is shown once, and not by a start that fails.
	host, port := s.Host, s.Port
	if a.o.Host != "" {
		host = a.o.Host
	}
	if a.o.Port != 0 {
		port = a.o.Port
	}
	if a.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(max(port, 0)))); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("port %d is used by another program: stop that, or choose another port with --port or PORT (%w)", port, err)
		}
		return fmt.Errorf("listen: %w", err)
	}
	a.onStop("listener", a.closeListener)
	master, err := a.masterKey(ctx, s)
	if err != nil {
		return err
	}

	a.transport = newTransport()
	a.onStop("connections", func(context.Context) error { a.transport.CloseIdleConnections(); return nil })
	a.exports = newExports(a.log, &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}, a.newOwn())
	a.onStop("logging destinations", a.exports.close)
	if err := a.apply(ctx, l); err != nil {
		return err
	}

	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), a.gauges())
	providers := all.Providers()
	a.soft = make(chan limit.Reached, softQueue)
	a.relay = &relay.Relay{
		Limits: a.limiter, Journal: a.journal, Unbooked: a.booker.Add, Soft: a.softReached, Room: a.booker.Room,
		Providers: providers, Outputs: token.NewOutputs(nil), Snapshot: func() *relay.Snapshot { return a.snapshot.Load().Snapshot },
		Metrics: relay.NewMetrics(a.registry), Log: a.log, Clock: router.RealClock(), Refused: relay.NewRefusals(),
	}
	a.health = newHealthDesk(a)
	a.authn = &auth.Authenticator{Directory: a.directory, Master: master, Header: s.KeyHeader, Tokens: a.tokens.Load, Now: time.Now}
	handler := a.handler()

	a.server = &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 3 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug), ConnState: a.clients.state,
	}
	a.onStop("server", a.closeServer)
	return nil
}

// closeServer cuts the calls that are still open and waits until each has
// written down what it used: what closes next is the journal.
func (a *App) closeServer(ctx context.Context) error {
	return errors.Join(a.server.Close(), a.clients.wait(ctx))
}

// closeListener closes the listener, which the server has done already if it
// served.
func (a *App) closeListener(context.Context) error {
	if err := a.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// handler mounts every door.
func (a *App) handler() http.Handler {
	mux := http.NewServeMux()
	var doors *api.API
	about := openapi.NewSite(a.o.Version, admin.Hints(), func() []openapi.Operation {
		return append(doors.Operations(), a.management.Operations()...)
	}, api.Failures(), a.log)
	doors = api.New(api.Options{
		Document: about.Document(), Page: about.Page(),
		Auth: a.authn, Relay: a.relay, Snapshot: func() *api.Snapshot { return a.snapshot.Load() }, Health: a.health, Ledger: ledgerDesk{a},
		Metrics: promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}), Version: a.o.Version, Log: a.log,
	})
	for _, r := range doors.Routes() {
		mux.Handle(r.Method+" "+r.Pattern, r.Handler)
	}
	a.management = admin.New(admin.Options{
		Store: a.store, Directory: a.directory, Changed: a.changed, Flush: a.booker.Flush, LiveSpend: a.liveSpend, Settings: a.settings.Load, NewMaster: a.newMaster, Models: a.models, Ill: a.ill, Book: a.book, Secrets: a.box,
		Allowed: a.allowed, Try: a.try, StoreModels: func() bool { return a.loaded.Load().config.Server.StoreModelInDB },
		CheckLog: checkLog, LogsOf: a.logsOf, TestLog: a.testLog, Now: time.Now, Log: a.log,
	})
	for _, r := range a.management.Routes() {
		mux.Handle(r.Method+" "+r.Pattern, doors.Managed(r.Handler))
	}
	mux.HandleFunc("/", api.NotFound(mux))
	return api.Guard(mux, a.log)
}

// recover books what an earlier process left behind.
func (a *App) recover(ctx context.Context) error {
	start, said := time.Now(), time.Now()
	total := 0
	err := a.journal.Recover(ctx, a.store, func(rows int) {
		total = rows
		if time.Since(said) > 2*time.Second {
			said = time.Now()
			a.o.Say("booking calls that the last process left: %d so far", rows)
		}
	})
	if err != nil {
		return fmt.Errorf("book what the last process left: %w", err)
	}
	if total > 0 {
		a.log.Info("booked what the last process left", "calls", total, "took", time.Since(start).Round(time.Millisecond).String())
	}
	return nil
}

// newTransport returns the connections to all providers. Go's defaults keep two
// connections per host, which costs a handshake for nearly every call.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second, MaxIdleConns: 0, MaxIdleConnsPerHost: 1024, IdleConnTimeout: 90 * time.Second,
		DisableCompression: true, ExpectContinueTimeout: time.Second, MaxResponseHeaderBytes: 256 << 10,
		// Small: a thousand streams have a thousand of each, and large bodies go by them.
		WriteBufferSize: 4 << 10, ReadBufferSize: 4 << 10,
	}
}

// Addr returns where the gateway listens.
func (a *App) Addr() string { return a.listener.Addr().String() }

// Served returns the names that clients can ask for, as configured (so with
// their stars), in order.
func (a *App) Served() []string {
	var names []string
	for _, d := range a.snapshot.Load().Table.Deployments() {
		names = append(names, d.Group)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Run serves until ctx ends, and then stops: no new calls, open ones are
// finished within the drain time, everything is booked. hup asks for a reload.
func (a *App) Run(ctx context.Context, hup <-chan os.Signal) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	// What goes on beside the calls ends before what it uses is closed: a reload
	// would start destinations that nobody ends.
	stop := func() { cancel(); wg.Wait() }
	defer stop()
	a.start(background, &wg, hup)

	served := make(chan error, 1)
	wg.Go(func() { served <- a.server.Serve(a.listener) })
	select {
	case err := <-served:
		stop()
		return errors.Join(fmt.Errorf("serve: %w", err), a.Close(context.WithoutCancel(ctx)))
	case <-ctx.Done():
	}
	a.stopping.Store(true)
	drain := a.loaded.Load().config.Server.DrainTimeout
	a.log.Info("stopping: no new calls, open ones may end; a second signal does not wait for them", "within", drain.String())
	dctx, cancel1 := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel1()
	if err := a.server.Shutdown(dctx); err != nil {
		a.log.Warn("calls were still open when the drain time ended; they are cut and booked as far as they came", "err", err)
	}
	stop()
	cctx, cancel2 := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel2()
	return a.Close(cctx)
}

// Close stops what is running, in the reverse order of its start.
func (a *App) Close(ctx context.Context) error {
	var errs error
	for _, v := range slices.Backward(a.undo) {
		if err := v.stop(ctx); err != nil {
			errs = errors.Join(errs, fmt.Errorf("stop %s: %w", v.name, err))
		}
	}
	a.undo = nil
	return errs
}

// liveSpend is what the counters know, which is ahead of the books. What they have
// not seen, since the start or because another replica serves it, the books know:
// those keep the window of a key, a user or a team on its own row, which whoever
// asks has read, and that of others by itself. It is the greater of both: counters
// that are shared hear of the books now and then only.
func (a *App) liveSpend(entity, id string) (gateway.NanoUSD, bool) {
	scope, l, _ := a.charged(entity, id)
	if l == nil {
		return 0, false
	}
	w, err := limit.ParseWindow(l.BudgetDuration)
	if err != nil {
		return 0, false
	}
	now := time.Now()
	n, ok := a.counters.Spent(scope, w, now)
	counted := gateway.NanoUSD(n)
	if ok && a.sharing.leases == nil {
		return counted, true // nobody else counts
	}
	switch scope.Kind {
	case limit.KeyScope, limit.UserScope, limit.TeamScope:
		return counted, ok
	}
	start, _ := w.Bounds(now, a.anchor(scope), a.settings.Load().Calendar)
	if start.IsZero() {
		return counted, ok // the total is on its row
	}
	// A manager waits for this, and no call.
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	sums, err := a.store.Spent(ctx, []limit.Account{{Set: scope, Scope: limit.Scopes[scope.Kind].Books, ID: scope.String(), Window: w.String(), Start: start}})
	if err != nil || sums[0] == limit.Unkept {
		return counted, ok
	}
	return max(counted, gateway.NanoUSD(sums[0])), true
}

// allowed reports whether p may use the model.
func (a *App) allowed(p *gateway.Principal, model string) bool {
	return a.directory.Allowed(p, model, a.snapshot.Load().Table) == nil
}

// ill are the names of models of which no deployment is well.
func (a *App) ill() map[string]bool {
	return api.Ill(a.snapshot.Load().Table, a.health.Last, time.Now())
}

// models is what /model/info shows.
func (a *App) models() []admin.Model {
	s, infos := a.snapshot.Load(), a.loaded.Load().config.ModelInfo
	var out []admin.Model
	for _, d := range s.Table.Deployments() {
		name := d.Upstream
		if d.BaseModel != "" {
			name = d.BaseModel
		}
		m, _ := s.Prices.Book().Model(d.Provider, name)
		out = append(out, admin.Model{Deployment: d, Price: m, Rate: s.Prices.Rate(d, d.Upstream), Info: infos[d.ID]})
	}
	return out
}
