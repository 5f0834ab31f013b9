package admin

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/auth"
	"penstock/internal/export"
	"penstock/internal/gateway"
	"penstock/internal/secret"
)

// What the logging of one key or team may hold.
const (
	maxLogs    = 10
	maxVars    = 50
	maxVarText = 4096 // bytes
)

// hiddenVar stands for a secret that is set. Sent back, it is the secret that was
// there.
const hiddenVar = "***REDACTED***"

// logEntry is a logging destination of a key or a team, in its metadata.
type logEntry struct {
	Name string   `json:"callback_name"`
	Type string   `json:"callback_type"`
	Vars varTexts `json:"callback_vars"`
}

type logEntries []logEntry

func (logEntries) want() string { return "a list of {callback_name, callback_type, callback_vars}" }

// varTexts are callback_vars. Numbers and booleans are taken as their text.
type varTexts map[string]string

func (varTexts) want() string { return "an object of texts" }

// UnmarshalJSONFrom reads an object of texts, numbers and booleans; null is left out.
func (v *varTexts) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var raw map[string]jsontext.Value
	if err := json.UnmarshalDecode(d, &raw); err != nil {
		return err
	}
	*v = varTexts{}
	for name, value := range raw {
		switch value.Kind() {
		case 'n':
		case '"':
			var s string
			if err := json.Unmarshal(value, &s); err != nil {
				return err
			}
			(*v)[name] = s
		case '{', '[':
			return fmt.Errorf("%q is no text", name)
		default:
			(*v)[name] = string(value)
		}
	}
	return nil
}

// callbackSettings is how older versions of LiteLLM keep the same, and how the
// newer ones say that logging is off: by two empty lists.
type callbackSettings struct {
	Success []string `json:"success_callback"`
	Failure []string `json:"failure_callback"`
	Vars    varTexts `json:"callback_vars"`
}

func (*callbackSettings) want() string {
	return "an object of success_callback, failure_callback and callback_vars"
}

// entries are the destinations that the settings name.
func (s *callbackSettings) entries() logEntries {
	var out logEntries
	for _, name := range s.Success {
		typ := "success"
		if slices.Contains(s.Failure, name) {
			typ = "success_and_failure"
		}
		out = append(out, logEntry{name, typ, maps.Clone(s.Vars)})
	}
	for _, name := range s.Failure {
		if !slices.Contains(s.Success, name) {
			out = append(out, logEntry{name, "failure", maps.Clone(s.Vars)})
		}
	}
	return out
}

// logFields are what metadata says about logging.
type logFields struct {
	Logging  Opt[logEntries]
	Settings Opt[callbackSettings]
}

// unused names destinations that were sent and that nothing is sent to.
func (f *logFields) unused() []string {
	var out []string
	for _, e := range slices.Concat(f.Logging.Value, f.Settings.Value.entries()) {
		if !export.Ours(e.Name) {
			out = append(out, headerName("metadata.logging."+e.Name))
		}
	}
	return out
}

// openLog is a stored destination with its variables.
type openLog struct {
	gateway.LogTarget
	vars varTexts
}

// openLogs opens what is stored.
func (a *API) openLogs(l *gateway.Logging, at secret.Place) ([]openLog, error) {
	if l == nil {
		return nil, nil
	}
	var out []openLog
	for _, t := range l.To {
		vars, err := secret.OpenTexts(a.o.Secrets, t.Vars, at)
		if err != nil {
			return nil, err
		}
		out = append(out, openLog{t, vars})
	}
	return out, nil
}

// sealLogs is the inverse of openLogs; nil if there is nothing to keep.
func (a *API) sealLogs(off bool, logs []openLog, at secret.Place) (*gateway.Logging, error) {
	if !off && len(logs) == 0 {
		return nil, nil
	}
	out := &gateway.Logging{Off: off}
	for _, l := range logs {
		raw, err := json.Marshal(l.vars, json.Deterministic(true))
		if err != nil {
			return nil, err
		}
		if l.Vars, err = a.o.Secrets.SealStrings(raw, at); err != nil {
			return nil, err
		}
		out.To = append(out.To, l.LogTarget)
	}
	return out, nil
}

// setLogging returns l, which is sealed at from, with what was sent, sealed at to.
func (a *API) setLogging(p *gateway.Principal, l *gateway.Logging, f *logFields, from, to secret.Place) (*gateway.Logging, error) {
	entries, sent := f.Logging.Value, f.Logging.Sent
	off := l != nil && l.Off
	if s := &f.Settings.Value; f.Settings.Sent {
		old := s.entries()
		off = f.Settings.Has() && s.Success != nil && s.Failure != nil && len(old) == 0
		if len(entries) == 0 && len(old) > 0 {
			entries, sent = old, true
		}
	}
	switch {
	case !sent && from == to && off == (l != nil && l.Off), l == nil && !off && len(entries) == 0:
		return l, nil
	case a.o.Secrets == nil:
		return nil, invalid("metadata.logging", "logging destinations cannot be kept: there is nothing to seal their secrets with")
	}
	have, err := a.openLogs(l, from)
	if err != nil && !(sent && len(entries) == 0) { // what cannot be opened can be thrown away
		return nil, &gateway.Error{Kind: gateway.Unavailable, Message: "the logging destinations that are set cannot be opened: set metadata.logging to []", Err: err}
	}
	if !sent {
		return a.sealLogs(off, have, to)
	}
	if len(entries) > maxLogs {
		return nil, invalid("metadata.logging", "metadata.logging: %d destinations are too many, at most %d are kept", len(entries), maxLogs)
	}
	var next []openLog
	for _, e := range entries {
		log, err := a.newLog(p, e, have)
		if err != nil {
			return nil, err
		}
		next = append(next, log)
	}
	return a.sealLogs(off && len(next) == 0, next, to)
}

// newLog returns the destination that e describes. have are those that are set
// already, whose secrets e may leave hidden.
func (a *API) newLog(p *gateway.Principal, e logEntry, have []openLog) (openLog, error) {
	out := openLog{LogTarget: gateway.LogTarget{Name: e.Name}, vars: e.Vars}
	if e.Name == "" {
		return out, malformed("callback_name", "callback_name is missing: say where to log to")
	}
	if err := checkText("callback_name", e.Name); err != nil {
		return out, err
	}
	switch e.Type {
	case "success":
		out.OnSuccess = true
	case "failure":
		out.OnFailure = true
	case "success_and_failure", "":
		out.OnSuccess, out.OnFailure = true, true
	default:
		return out, malformed("callback_type", "callback_type: want success, failure or success_and_failure, got '%s'", shorten([]byte(e.Type)))
	}
	if len(e.Vars) > maxVars {
		return out, invalid("callback_vars", "callback_vars: %d are too many, at most %d are kept", len(e.Vars), maxVars)
	}
	hidden := ""
	for name, v := range e.Vars {
		if err := checkText("callback_vars", name); err != nil {
			return out, err
		}
		if len(v) > maxVarText || strings.Contains(v, "\x00") {
			return out, invalid("callback_vars", "callback_vars.%s is longer than %d bytes, or has a NUL character in it", shorten([]byte(name)), maxVarText)
		}
		if v == hiddenVar {
			hidden = name
		}
	}
	i := slices.IndexFunc(have, func(h openLog) bool { return h.Name == e.Name && sameButHidden(h.vars, e.Vars) })
	switch {
	case i >= 0:
		// Who set it decides what it may reach.
		out.vars, out.Trusted = have[i].vars, have[i].Trusted
	case hidden != "":
		// Or the secret could be had by sending it elsewhere.
		return out, invalid("callback_vars."+hidden, "callback_vars.%s: send it again, because other callback_vars of %s are not what they were", shorten([]byte(hidden)), shorten([]byte(e.Name)))
	default:
		out.Trusted = isAdmin(p)
	}
	if export.Ours(e.Name) {
		if err := a.o.CheckLog(e.Name, out.vars); err != nil {
			return out, invalid("callback_vars", "%v", err)
		}
	}
	return out, nil
}

// sameButHidden reports whether sent is what is kept, but for secrets that are
// hidden.
func sameButHidden(kept, sent varTexts) bool {
	return maps.EqualFunc(kept, sent, func(have, v string) bool { return v == have || v == hiddenVar }) &&
		!slices.ContainsFunc(slices.Collect(maps.Keys(sent)), func(name string) bool {
			return sent[name] == hiddenVar && !export.SecretVar(name)
		})
}

// shownLog is a destination as it is shown.
type shownLog struct {
	Name string            `json:"callback_name"`
	Type string            `json:"callback_type"`
	Vars map[string]string `json:"callback_vars"`
}

// shownLogs are the destinations with their secrets hidden.
func (a *API) shownLogs(l *gateway.Logging, at secret.Place) []shownLog {
	if l == nil {
		return nil
	}
	out := []shownLog{}
	for _, t := range l.To {
		var vars map[string]string
		if a.o.Secrets != nil {
			vars, _ = secret.OpenTexts(a.o.Secrets, t.Vars, at) // what cannot be opened is not shown
		}
		shown := map[string]string{}
		for name, v := range vars {
			if export.SecretVar(name) {
				v = hiddenVar
			}
			shown[name] = v
		}
		typ := "success_and_failure"
		switch {
		case !t.OnFailure:
			typ = "success"
		case !t.OnSuccess:
			typ = "failure"
		}
		out = append(out, shownLog{t.Name, typ, shown})
	}
	return out
}

// withLogging returns metadata with the destinations in it, as LiteLLM has them.
func (a *API) withLogging(metadata jsontext.Value, l *gateway.Logging, at secret.Place) jsontext.Value {
	if l == nil {
		return metadata
	}
	raw, err := json.Marshal(a.shownLogs(l, at), json.Deterministic(true))
	if err != nil {
		return metadata // only a bug of ours
	}
	metadata = setMember(metadata, "logging", raw)
	if l.Off {
		metadata = setMember(metadata, "callback_settings", jsontext.Value(`{"success_callback":[],"failure_callback":[],"callback_vars":{}}`))
	}
	return metadata
}

func keyPlace(hash string) secret.Place { return secret.Logging("key", hash) }
func teamPlace(id string) secret.Place  { return secret.Logging("team", id) }

// callbackBody is the body of POST /team/{team_id}/callback.
type callbackBody struct {
	Name Opt[string]   `json:"callback_name"`
	Type Opt[string]   `json:"callback_type"`
	Vars Opt[varTexts] `json:"callback_vars"`
	unknown
}

// callbackAdded is a team after a destination was added.
type callbackAdded struct {
	Status string  `json:"status"`
	Data   teamRow `json:"data"`
}

func (a *API) addCallback(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b callbackBody
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	id := r.PathValue("team_id")
	if _, err := a.teamFor(r.Context(), p, auth.Change, id); err != nil {
		return nil, err
	}
	e := logEntry{b.Name.Or(""), b.Type.Or("success_and_failure"), b.Vars.Or(nil)}
	if !export.Ours(e.Name) {
		_, err := export.ParseVars(e.Name, nil)
		return nil, invalid("callback_name", "%v", err)
	}
	t, err := a.editTeam(r, p, id, nil, func(t *gateway.Team) error {
		have := a.shownLogs(t.Logging, teamPlace(id))
		all := logEntries{}
		for _, h := range have {
			if h.Name == e.Name && h.Type == e.Type {
				return invalid("callback_name", "callback_name = %s already exists in team_callback_settings, for team_id = %s and event = %s", e.Name, id, e.Type)
			}
			all = append(all, h.entry())
		}
		next, err := a.setLogging(p, t.Logging, &logFields{Logging: Opt[logEntries]{Sent: true, Value: append(all, e)}}, teamPlace(id), teamPlace(id))
		t.Logging = next
		return err
	})
	if err != nil {
		return nil, err
	}
	return &callbackAdded{"success", a.teamRow(t)}, nil
}

func (s shownLog) entry() logEntry { return logEntry{s.Name, s.Type, s.Vars} }

// teamCallbacks says where a team's calls are logged to.
type teamCallbacks struct {
	Status  string        `json:"status"`
	Message *string       `json:"message,omitzero"`
	Data    callbackNames `json:"data"`
}

type callbackNames struct {
	TeamID  string             `json:"team_id"`
	Success []string           `json:"success_callbacks"`
	Failure []string           `json:"failure_callbacks"`
	Vars    *map[string]string `json:"callback_vars,omitzero"`
}

// callbacksOf is that answer for a team.
func (a *API) callbacksOf(t *gateway.Team, vars bool) *teamCallbacks {
	out := &teamCallbacks{Status: "success", Data: callbackNames{TeamID: t.ID, Success: []string{}, Failure: []string{}}}
	all := map[string]string{}
	for _, l := range a.shownLogs(t.Logging, teamPlace(t.ID)) {
		if l.Type != "failure" {
			out.Data.Success = append(out.Data.Success, l.Name)
		}
		if l.Type != "success" {
			out.Data.Failure = append(out.Data.Failure, l.Name)
		}
		maps.Copy(all, l.Vars)
	}
	if vars {
		out.Data.Vars = &all
	}
	return out
}

func (a *API) showCallbacks(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	t, err := a.teamFor(r.Context(), p, auth.Change, r.PathValue("team_id"))
	if err != nil {
		return nil, err
	}
	return a.callbacksOf(t, true), nil
}

func (a *API) deleteCallback(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	id, name := r.PathValue("team_id"), r.PathValue("callback_name")
	if _, err := a.teamFor(r.Context(), p, auth.Change, id); err != nil {
		return nil, err
	}
	t, err := a.editTeam(r, p, id, nil, func(t *gateway.Team) error {
		var left []gateway.LogTarget
		if t.Logging != nil {
			left = slices.DeleteFunc(slices.Clone(t.Logging.To), func(l gateway.LogTarget) bool { return l.Name == name })
		}
		if t.Logging == nil || len(left) == len(t.Logging.To) {
			return &gateway.Error{Kind: gateway.NotFound, Param: "callback_name", Message: fmt.Sprintf("callback_name = %s is not registered for team_id = %s.", shorten([]byte(name)), id)}
		}
		t.Logging = &gateway.Logging{Off: t.Logging.Off, To: left}
		if !t.Logging.Off && len(left) == 0 {
			t.Logging = nil
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := a.callbacksOf(t, false)
	out.Message = text("Callback " + name + " removed for team " + id)
	return out, nil
}

func (a *API) disableLogging(w http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
	var b struct{ unknown }
	if err := read(w, r, &b); err != nil {
		return nil, err
	}
	id := r.PathValue("team_id")
	if _, err := a.teamFor(r.Context(), p, auth.Change, id); err != nil {
		return nil, err
	}
	t, err := a.editTeam(r, p, id, nil, func(t *gateway.Team) error {
		t.Logging = &gateway.Logging{Off: true}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := a.callbacksOf(t, false)
	out.Message = text("Logging disabled for team " + id)
	return out, nil
}
