package app

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/internal/admin"
	"penstock/internal/api"
	"penstock/internal/auth"
	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/price"
	"penstock/internal/provider/all"
	"penstock/internal/relay"
	"penstock/internal/router"
)

// changePoll is how often changes of other replicas are looked for, in case the
// database has not told of them. A key that was blocked elsewhere is dead here
// within a second.
const changePoll = 500 * time.Millisecond

// ConfigOptions returns how a configuration file is read, for the commands
// that only check one.
func ConfigOptions(path string, env func(string) (string, bool)) config.Options {
	vars := all.Environment()
	book := price.Published() // once: looking a provider up may be on the path of a call
	return config.Options{
		Path: path, Env: env, Known: slices.Sorted(maps.Keys(all.Providers())), DataDir: "penstock-data",
		EnvKey:  func(p string) []string { return vars[p].Key },
		EnvBase: func(p string) []string { return vars[p].Base },
		PriceProvider: func(model string) string {
			if m, ok := book.Model("", model); ok {
				return m.Provider
			}
			return ""
		},
	}
}

// load reads the configuration, and what the database adds once it is open.
func (a *App) load(ctx context.Context) (*loaded, error) {
	if a.box == nil {
		return a.read(nil)
	}
	stored, err := a.stored(ctx)
	if err != nil {
		return nil, err
	}
	return a.read(stored)
}

// read reads the configuration with what the database adds, nil before it is open.
func (a *App) read(stored *config.Stored) (*loaded, error) {
	o := ConfigOptions(a.o.Config, a.o.Env)
	o.Stored = stored
	if a.o.DataDir != "" {
		o.DataDir = a.o.DataDir
	}
	c, report, err := config.Load(o)
	if err != nil {
		return nil, err
	}
	if a.o.DataDir != "" {
		c.Server.DataDir = a.o.DataDir
	}
	if a.o.Config == "" {
		c.Models = append(c.Models, mockDeployment())
	}
	return &loaded{c, report}, nil
}

// mockDeployment is the model that answers without any account.
func mockDeployment() gateway.Deployment {
	return gateway.Deployment{
		ID: "built-in-mock", Group: "mock", Provider: "mock", Upstream: "mock",
		Prices: map[string]string{"input_cost_per_token": "0.000001", "output_cost_per_token": "0.000002"},
	}
}

// apply makes l the configuration of calls that start from now on. If anything
// in it cannot be built, nothing has changed.
func (a *App) apply(ctx context.Context, l *loaded) error {
	c := l.config
	models := make([]gateway.Deployment, 0, len(c.Models))
	for i := range c.Models {
		_, err := relay.Own(nil, &c.Models[i])
		switch {
		case err == nil:
			models = append(models, c.Models[i])
		case c.Models[i].Stored:
			a.log.Warn("a model in the database is left out", "model", c.Models[i].Group, "id", c.Models[i].ID, "err", err)
		default:
			return fmt.Errorf("configuration: %w", err)
		}
	}
	for i := range models {
		if models[i].MaxParallel == 0 {
			models[i].MaxParallel = c.Router.DefaultMaxParallel
		}
		if w, ok := c.Router.Weights[models[i].Group][models[i].ID]; ok {
			models[i].Weight = w
		}
		if d := &models[i]; d.Provider == "mock" && d.BaseURL == "" {
			if a.mock == nil {
				m, err := startMock(ctx)
				if err != nil {
					return err
				}
				a.mock = m
				a.onStop("mock", m.close)
			}
			d.BaseURL = a.mock.url
		}
	}
	var earlier *router.Table
	if s := a.snapshot.Load(); s != nil {
		earlier = s.Table
	}
	options := ConfigOptions("", nil)
	prices, err := pricesOf(a.book, &c.Server)
	if err != nil {
		return err
	}
	settings := routing(c, &options, prices)
	settings.Room = rooms{a.limiter}
	settings.Allowed = func(p *gateway.Principal, model string, t *router.Table) error {
		return a.directory.AllowedGroup(p, model, t)
	}
	table := router.New(models, settings, earlier)

	var global *limit.Global
	if g := (&limit.Global{Limits: c.Server.Global}); g.Limited() {
		spent, err := a.store.Total(ctx, "global", "")
		if err != nil {
			return fmt.Errorf("read what the gateway has spent: %w", err)
		}
		g.Spend, global = spent, g
	}
	rules, err := a.rules(ctx, c, models)
	if err != nil {
		return err
	}
	if err := admin.CheckDefaults(&c.Keys.Default, time.Now()); err != nil {
		return fmt.Errorf("configuration: litellm_settings.default_key_generate_params: %w", err)
	}
	calendar, err := a.calendarOf(ctx, &c.Server, time.Now())
	if err != nil {
		return err
	}
	// Last, because it starts something: from here on nothing can fail.
	destinations, err := a.exports.build(c.Logging)
	if err != nil {
		return err
	}
	s := &api.Snapshot{
		Snapshot: &relay.Snapshot{
			Table: table, Prices: prices, Global: global, Transport: a.transport,
			DropParams: c.Server.DropParams, ServeUnjournaled: c.Server.ServeUnjournaled, Unpriced: unpriced(&c.Server), CountTokens: countTokens[c.Server.CountTokens], Exporter: outlets{destinations, a.exports.own, c.Logging.RedactMessages, a.teamOutlets(&c.Logging)},
			MaxStream: c.Router.MaxStream, Hedging: hedging(&c.Router),
		},
		MaxBody: c.Server.MaxRequestBytes, BudgetExceededStatus: c.Server.BudgetExceededStatus, MetricsAuth: c.Server.RequireMetricsAuth,
		MaxBodySet: c.Server.MaxRequestSet,
		Policy:     &auth.Policy{Access: c.Server.Access, RequireUser: c.Server.EnforceUserParam, RejectTags: c.Server.RejectClientTags},
		UserHeader: c.Server.UserHeader, EndUserBudget: c.Server.EndUserBudgetID, ModelAliases: c.Server.ModelAliases,
		NoAgents: c.Server.NoAgents, ListHealthy: c.Server.ListHealthy,
	}
	a.limiter.SetRules(rules)
	a.calendar = calendar
	a.counters.SetCalendar(calendar)
	a.settings.Store(&admin.Settings{
		Calendar: calendar, Budget: c.Server.Global.Budget, Providers: c.Router.ProviderBudgets, Rules: c.Keys, Users: c.Users, Teams: c.Teams, Passwords: c.Passwords,
		ListHealthy: c.Server.ListHealthy, NoRotation: c.Server.Rotation.Off, Grace: c.Server.Rotation.Grace,
	})
	a.snapshot.Store(s)
	a.setTokens(&c.Server)
	a.loaded.Store(l)
	a.exports.swap(destinations)
	a.tell(l)
	return nil
}

// tell says what of the configuration is not honoured, in one warning.
func (a *App) tell(l *loaded) {
	keys := Unhonoured(l.config)
	for _, i := range l.report.Ignored {
		keys = append(keys, i.Key)
	}
	if len(keys) > 0 {
		a.log.Warn("the configuration has settings that are not honoured yet; `penstock check` says why", "settings", strings.Join(keys, ", "))
	}
	for _, w := range l.report.Warnings {
		a.log.Warn("configuration", "warning", w)
	}
}

// Reload reads the configuration again. On an error everything stays as it is.
func (a *App) Reload(ctx context.Context) (*config.Report, error) {
	a.reloadMu.Lock()
	defer a.reloadMu.Unlock()
	was := &a.loaded.Load().config.Server
	l, err := a.load(ctx)
	if err == nil {
		err = a.apply(ctx, l)
	}
	if err != nil {
		a.log.Error("configuration not reloaded; the one before stays in force", "err", err)
		return nil, err
	}
	if is := &l.config.Server; was.Port != is.Port || was.Host != is.Host || was.DatabaseURL != is.DatabaseURL || was.MasterKey != is.MasterKey || was.SaltKey != is.SaltKey {
		a.log.Warn("host, port, database, master key and salt key change only with a restart")
	}
	a.log.Info("configuration reloaded", "models", len(l.config.Models))
	return l.report, nil
}

// start runs what goes on beside the calls, until ctx ends.
func (a *App) start(ctx context.Context, wg *sync.WaitGroup, hup <-chan os.Signal) {
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				_, _ = a.Reload(ctx) // it has said what is wrong
			}
		}
	})
	wg.Go(func() { a.sweep(ctx) })
	if a.o.Config != "" {
		wg.Go(func() {
			err := config.Watch(ctx, a.loaded.Load().report, func() *config.Report {
				report, err := a.Reload(ctx)
				if err != nil {
					return nil
				}
				return report
			})
			if err != nil && ctx.Err() == nil {
				a.log.Warn("the configuration file is not watched; send SIGHUP to reload it", "err", err)
			}
		})
	}
	wg.Go(func() { a.health.loop().Run(ctx) })
	wg.Go(func() { a.tellSoft(ctx) })
	wg.Go(func() { a.runTokens(ctx) })
	wg.Go(func() { a.retain(ctx) })
	wg.Go(func() { a.tidy(ctx) })
	wg.Go(func() { a.countLists(ctx, countEvery) })
	wg.Go(func() { a.rotateKeys(ctx) })
	wg.Go(func() { a.exports.own.Run(ctx) })
	a.tidyLeases(ctx, wg)
	a.shareFigures(ctx, wg)
	told := make(chan struct{}, 1)
	if a.store.Dialect() == "postgres" {
		wg.Go(func() { a.listen(ctx, told) })
	}
	// A database of this process alone may be written by an import.
	wg.Go(func() {
		tick := time.NewTicker(changePoll)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-told:
			case <-tick.C:
			}
			a.follow(ctx)
		}
	})
}

func hedging(r *config.Router) relay.Hedging {
	h := relay.Hedging{All: r.Hedging.All, Groups: map[string]bool{}, After: r.HedgeAfter}
	for _, g := range r.Hedging.Groups {
		h.Groups[g] = true
	}
	return h
}
