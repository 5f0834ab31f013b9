package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"penstock/internal/api"
	"penstock/internal/config"
	"penstock/internal/export"
	"penstock/internal/export/all"
	"penstock/internal/gateway"
	"penstock/internal/relay"
	"penstock/internal/secret"
)

// outlets are where a call's record goes: to the configured destinations, and to
// those of its key or team.
type outlets struct {
	configured *export.Exporter
	own        *export.Own
	redact     bool // nobody gets prompts and answers
	// teams is what the configuration says of teams that have no logging of their own.
	teams map[string]*gateway.Logging
}

// of returns the logging that holds for the principal's calls, nil for that of
// everybody.
func (o outlets) of(p *gateway.Principal) (*gateway.Logging, gateway.LogOwner) {
	l, owner := p.Logging()
	if l == nil && len(o.teams) > 0 {
		if id := p.TeamID(); o.teams[id] != nil {
			return o.teams[id], gateway.LogOwner{Kind: "team", ID: id}
		}
	}
	return l, owner
}

// teamOutlets are the destinations that the configuration has for teams. What
// cannot be one is said, and left out.
func (a *App) teamOutlets(l *config.Logging) map[string]*gateway.Logging {
	out := map[string]*gateway.Logging{}
	for _, id := range slices.Sorted(maps.Keys(l.Teams)) {
		logs := &gateway.Logging{}
		for _, d := range l.Teams[id] {
			if err := checkLog(d.Name, d.Settings); err != nil {
				a.log.Warn("a logging destination of litellm_settings.default_team_settings is left out", "team", id, "destination", d.Name, "err", err)
				continue
			}
			vars, err := json.Marshal(map[string]string(d.Settings), json.Deterministic(true))
			if err != nil {
				continue // it came as valid text
			}
			// They are as secret as the file is, and in no database: nothing is sealed.
			logs.To = append(logs.To, gateway.LogTarget{Name: d.Name, OnSuccess: d.OnSuccess, OnFailure: d.OnFailure, Trusted: true, Vars: vars})
		}
		if len(logs.To) > 0 {
			out[id] = logs
		}
	}
	return out
}

var _ relay.Exporter = outlets{}

// Wants implements relay.Exporter.
func (o outlets) Wants(p *gateway.Principal) bool {
	l, _ := o.of(p)
	if l == nil {
		return o.configured.Wants()
	}
	return !l.Off
}

// WantsContent implements relay.Exporter.
func (o outlets) WantsContent(p *gateway.Principal) bool {
	l, _ := o.of(p)
	if l == nil {
		return o.configured.WantsContent()
	}
	return !l.Off && !o.redact
}

// Emit implements relay.Exporter.
func (o outlets) Emit(rec *gateway.Record) {
	l, owner := o.of(&rec.Call.Principal)
	switch {
	case l == nil:
		o.configured.Emit(rec)
	case !l.Off:
		o.configured.EmitBut(rec, o.own.Emit(owner, l.To, rec))
	}
}

// newOwn returns the destinations of keys and teams.
func (a *App) newOwn() *export.Own {
	open := &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	public := &http.Client{Transport: export.PublicOnly()}
	a.onStop("connections to logging destinations", func(context.Context) error {
		open.CloseIdleConnections()
		public.CloseIdleConnections()
		return nil
	})
	return export.NewOwn(export.OwnOptions{Log: a.log, Open: func(owner gateway.LogOwner, t *gateway.LogTarget) (string, export.Target, error) {
		vars, err := secret.OpenTexts(a.box, t.Vars, secret.Logging(owner.Kind, owner.ID))
		if err != nil {
			return "", export.Target{}, err
		}
		client := public
		if t.Trusted {
			client = open
		}
		return ownTarget(t.Name, vars, t.Trusted, client)
	}})
}

// ownTarget builds a destination of a key or a team. Equal ones have the same id.
func ownTarget(name string, vars map[string]string, trusted bool, client *http.Client) (string, export.Target, error) {
	n, err := export.ParseVars(name, vars)
	if err != nil {
		return "", export.Target{}, err
	}
	d, err := all.New(n.Type, name, n.Settings, client)
	if err != nil {
		return "", export.Target{}, err
	}
	var id strings.Builder
	fmt.Fprintf(&id, "%q %t %t", name, trusted, n.Content)
	for _, k := range slices.Sorted(maps.Keys(n.Settings)) {
		fmt.Fprintf(&id, " %q=%q", k, n.Settings[k])
	}
	sum := sha256.Sum256([]byte(id.String()))
	return string(sum[:]), export.Target{Destination: d, Type: n.Type, OnSuccess: true, OnFailure: true, Content: n.Content}, nil
}

// checkLog implements admin.Options.CheckLog.
func checkLog(name string, vars map[string]string) error {
	_, _, err := ownTarget(name, vars, true, http.DefaultClient)
	return err
}

// logsOf implements admin.Options.LogsOf.
func (a *App) logsOf(p *gateway.Principal) (*gateway.Logging, gateway.LogOwner) {
	if o, ok := a.snapshot.Load().Exporter.(outlets); ok {
		return o.of(p)
	}
	return p.Logging()
}

// testLog implements admin.Options.TestLog.
func (a *App) testLog(ctx context.Context, owner gateway.LogOwner, t *gateway.LogTarget) error {
	return a.exports.own.Test(ctx, owner, t, testRecord("/key/health"))
}

// testRecord is the record of a call that never was.
func testRecord(route string) *gateway.Record {
	now := time.Now()
	return &gateway.Record{
		Call: gateway.Call{ID: api.NewID(now), Op: gateway.Chat, Dialect: gateway.OpenAI, Route: route, Model: "test", Group: "test", Tags: []string{relay.CheckTag}, Start: now},
		End:  now, Finish: "stop", Output: []byte("a test of this logging destination"),
	}
}

// resealLogging seals with the current key what keys and teams have sealed with
// an older one.
func (a *App) resealLogging(ctx context.Context) error {
	old := func(l *gateway.Logging) bool {
		return slices.ContainsFunc(l.To, func(t gateway.LogTarget) bool {
			is, err := a.box.OldStrings(t.Vars)
			return err == nil && is
		})
	}
	again := func(l *gateway.Logging, at secret.Place) (*gateway.Logging, error) {
		next := &gateway.Logging{Off: l.Off, To: slices.Clone(l.To)}
		for i := range next.To {
			plain, err := a.box.OpenStrings(next.To[i].Vars, at)
			if err != nil {
				return nil, err
			}
			if next.To[i].Vars, err = a.box.SealStrings(plain, at); err != nil {
				return nil, err
			}
		}
		return next, nil
	}
	var keys, teams []string
	err := errors.Join(
		a.store.AllKeyLogging(ctx, func(k *gateway.Key) error {
			if old(k.Logging) {
				keys = append(keys, k.Hash)
			}
			return nil
		}),
		a.store.AllTeamLogging(ctx, func(t *gateway.Team) error {
			if old(t.Logging) {
				teams = append(teams, t.ID)
			}
			return nil
		}),
	)
	for _, hash := range keys {
		_, uerr := a.store.UpdateKey(ctx, hash, func(k *gateway.Key) (err error) {
			k.Logging, err = again(k.Logging, secret.Logging("key", hash))
			return err
		})
		err = errors.Join(err, a.sealedElsewhere(uerr))
	}
	for _, id := range teams {
		_, uerr := a.store.UpdateTeam(ctx, id, func(t *gateway.Team) (err error) {
			t.Logging, err = again(t.Logging, secret.Logging("team", id))
			return err
		})
		err = errors.Join(err, a.sealedElsewhere(uerr))
	}
	return err
}
