package api

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/health"
	"penstock/internal/router"
	"penstock/internal/wire"
)

// created is when models were made, as far as this list says: LiteLLM's
// constant, which clients compare.
const created = 1677610602

// listing is what a client wants of the list of models.
type listing struct {
	who       *gateway.Principal // whose models
	all       bool               // every model there is, whoever may use it
	raw       bool               // wildcards too, not only what they stand for
	groups    bool               // access groups too
	onlyGroup bool
	metadata  bool
	fallbacks router.FallbackKind
	healthy   bool
}

// listing reads the query string. The error is a *gateway.Error.
func (q *request) listing() (*listing, error) {
	values, err := url.ParseQuery(q.r.URL.RawQuery)
	if err != nil {
		return nil, gateway.Invalidf("", "the query string cannot be read: %v", err)
	}
	l := &listing{who: &q.principal}
	if l.healthy, err = q.healthyOnly(values); err != nil {
		return nil, err
	}
	for _, f := range [...]struct {
		name string
		to   *bool
	}{
		{"return_wildcard_routes", &l.raw},
		{"include_model_access_groups", &l.groups},
		{"only_model_access_groups", &l.onlyGroup},
		{"include_metadata", &l.metadata},
	} {
		if *f.to, err = flag(values, f.name); err != nil {
			return nil, err
		}
	}
	switch v := values.Get("fallback_type"); v {
	case "", "general":
		l.fallbacks = router.GeneralFallbacks
	case "context_window":
		l.fallbacks = router.WindowFallbacks
	case "content_policy":
		l.fallbacks = router.PolicyFallbacks
	default:
		return nil, gateway.Invalidf("fallback_type", "Invalid fallback_type. Must be one of: general, context_window, content_policy, got %q", clip(v, 40))
	}
	view := q.a.Auth.Directory.View(&q.principal)
	switch v := values.Get("scope"); v {
	case "":
	case "expand": // for others than admins of something it changes nothing
		l.all = view.All || len(view.Administers)+len(view.Organizations) > 0
	default:
		return nil, gateway.Invalidf("scope", "Invalid scope parameter. Only 'expand' is currently supported. Received: %s", clip(v, 40))
	}
	if id := values.Get("team_id"); id != "" {
		team := q.a.Auth.Directory.Team(id)
		switch {
		case !view.All && id != view.Team && !slices.Contains(view.Teams, id):
			return nil, &gateway.Error{Kind: gateway.Forbidden, Type: "auth_error", Param: "team_id", Message: "only members of team '" + clip(id, 200) + "' and admins may see its models"}
		case team == nil:
			return nil, &gateway.Error{Kind: gateway.NotFound, Param: "team_id", Message: "there is no team '" + clip(id, 200) + "'"}
		}
		l.who = &gateway.Principal{Role: gateway.InternalUser, Team: team}
		l.who.Organization = q.a.Auth.Directory.Organization(l.who.OrganizationID())
	}
	return l, nil
}

// flag reads a boolean as Python clients write it, false if there is none.
func flag(values url.Values, name string) (bool, error) {
	v := values.Get(name)
	if v == "" {
		return false, nil
	}
	yes, err := strconv.ParseBool(strings.ToLower(v))
	if err != nil {
		return false, gateway.Invalidf(name, "%s: want true or false, got %q", name, clip(v, 40))
	}
	return yes, nil
}

// healthyOnly reports whether models that nobody serves for now are to be left
// out: the client or the configuration may ask for that.
func (q *request) healthyOnly(values url.Values) (bool, error) {
	asked, err := flag(values, "healthy_only")
	return asked || q.s.ListHealthy, err
}

// visible returns the names that l asks for. A wildcard stands for what the
// price book knows behind it.
func (q *request) visible(l *listing) []string {
	var out []string
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] && (l.all || q.a.Auth.Directory.Usable(l.who, name, q.s.Table)) {
			seen[name] = true
			out = append(out, name)
		}
	}
	names := q.s.Table.Names(l.who)
	if l.all {
		for _, d := range q.s.Table.Deployments() {
			if !d.Hidden && !d.Blocked {
				names = append(names, public(d))
			}
		}
	}
	var ill map[string]bool
	if l.healthy {
		ill = q.ill()
	}
	if l.onlyGroup {
		names = nil
	}
	for _, name := range names {
		switch {
		case ill[q.s.Table.Group(name)]:
			continue
		case !strings.Contains(name, "*"):
			add(name)
			continue
		case l.raw:
			add(name)
		}
		for _, known := range q.s.Prices.Known(name) {
			add(known)
		}
	}
	if l.groups || l.onlyGroup {
		for _, g := range q.accessGroups(l) {
			if !seen[g] {
				seen[g] = true
				out = append(out, g)
			}
		}
	}
	return out
}

// public is what clients call the deployment.
func public(d *gateway.Deployment) string {
	if d.TeamID != "" {
		return cmp.Or(d.TeamModel, d.Group)
	}
	return d.Group
}

// ill are the names of which no deployment is well.
func (q *request) ill() map[string]bool {
	return Ill(q.s.Table, q.a.Health.Last, time.Now())
}

// Ill returns the names of models of which every deployment has failed its last
// check, or is cooling down. last is the last check of a deployment.
func Ill(t *router.Table, last func(deployment string) (health.Result, bool), now time.Time) map[string]bool {
	ill, well := map[string]bool{}, map[string]bool{}
	for _, h := range t.Health(now) {
		r, checked := last(h.ID)
		failed := checked && r.Unknown == "" && !r.OK
		name := public(h.Deployment)
		ill[name] = true
		well[name] = well[name] || !failed && h.Cooling <= 0
	}
	for name := range well {
		if well[name] {
			delete(ill, name)
		}
	}
	return ill
}

// accessGroups are the access groups of deployments whose models l.who may use:
// those that its key's list names, or else its team's; all without a list.
func (q *request) accessGroups(l *listing) []string {
	var list []string
	p := l.who
	if p.Key != nil && !slices.Contains(p.Key.Models, "all-team-models") {
		list = p.Key.Models
	}
	if len(list) == 0 && p.Team != nil {
		list = p.Team.Models
	}
	every := l.all || p.Master || len(list) == 0 || slices.Contains(list, "*") || slices.Contains(list, "all-proxy-models") || slices.Contains(list, "all-team-models")
	var out []string
	for _, d := range q.s.Table.Deployments() {
		if d.Hidden || d.TeamID != "" && d.TeamID != p.TeamID() && !l.all {
			continue
		}
		for _, g := range d.AccessGroups {
			if !slices.Contains(out, g) && (every && (l.all || q.a.Auth.Directory.Usable(p, public(d), q.s.Table)) || slices.Contains(list, g)) {
				out = append(out, g)
			}
		}
	}
	return out
}

// models lists the models the caller may use.
func (a *API) models(q *request) {
	l, err := q.listing()
	if err != nil {
		a.fail(q, err)
		return
	}
	names := q.visible(l)
	b := []byte(`{"data":[`)
	if q.r.Header.Get("Anthropic-Version") != "" {
		for i, n := range names {
			b = comma(b, i)
			b = append(wire.AppendString(append(b, `{"type":"model","id":`...), n), `,"display_name":`...)
			b = append(wire.AppendString(b, n), `,"created_at":"2023-02-28T18:56:42Z"}`...)
		}
		b = append(b, `],"has_more":false,"first_id":`...)
		b = orNull(b, names, 0)
		b = append(b, `,"last_id":`...)
		b = append(orNull(b, names, len(names)-1), '}')
	} else {
		for i, n := range names {
			b = appendModel(comma(b, i), n)
			if l.metadata {
				b = q.appendMetadata(b[:len(b)-1], l, n)
			}
		}
		b = append(b, `],"object":"list"}`...)
	}
	writeJSON(q.w, http.StatusOK, b)
}

// appendMetadata ends a model's object with where its calls go on if it fails, as
// far as the caller may use that.
func (q *request) appendMetadata(b []byte, l *listing, name string) []byte {
	b = append(b, `,"metadata":{"fallbacks":[`...)
	n := 0
	for _, f := range q.s.Table.Fallbacks(l.fallbacks, q.s.Table.Group(name)) {
		if f != name && (l.all || q.a.Auth.Directory.AllowedGroup(l.who, f, q.s.Table) == nil) {
			b = wire.AppendString(comma(b, n), f)
			n++
		}
	}
	return append(b, "]}}"...)
}

// model describes one model, or says whether the caller may use all of a list.
func (a *API) model(q *request) {
	name := q.r.PathValue("model")
	healthy, err := q.healthyOnly(q.r.URL.Query())
	if err != nil {
		a.fail(q, err)
		return
	}
	var ill map[string]bool
	if healthy {
		ill = q.ill()
	}
	may := func(name string) bool {
		return !ill[q.s.Table.Group(name)] && q.s.Table.Knows(name, &q.principal) && q.a.Auth.Directory.Usable(&q.principal, name, q.s.Table)
	}
	if may(name) {
		writeJSON(q.w, http.StatusOK, appendModel(nil, name))
		return
	}
	message := "The model `" + clip(name, 200) + "` does not exist or is not accessible"
	if strings.Contains(name, ",") {
		var missing []string
		for one := range strings.SplitSeq(name, ",") {
			if one = strings.TrimSpace(one); !may(one) {
				missing = append(missing, clip(one, 200))
			}
		}
		if len(missing) == 0 {
			writeJSON(q.w, http.StatusOK, appendModel(nil, name))
			return
		}
		message = "The following model(s) do not exist or are not accessible: " + clip(strings.Join(missing, ", "), 2000)
	} else if k := q.principal.Key; k != nil && slices.Contains(k.Models, name) && !q.s.Table.Knows(name, &q.principal) {
		message = "Model '" + clip(name, 200) + "' not found in router configuration"
	}
	// LiteLLM's clients look for the message in detail, OpenAI's in error.
	e := &gateway.Error{Kind: gateway.NotFound, Param: "model", Code: "model_not_found", Message: message}
	b := appendError(nil, e, http.StatusNotFound)
	b = append(wire.AppendString(append(b[:len(b)-1], `,"detail":`...), message), '}')
	set(q.w.Header(), "X-Litellm-Version", a.Version)
	writeJSON(q.w, http.StatusNotFound, b)
}

func appendModel(b []byte, name string) []byte {
	b = append(wire.AppendString(append(b, `{"id":`...), name), `,"object":"model","created":`...)
	return append(strconv.AppendInt(b, created, 10), `,"owned_by":"openai"}`...)
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func orNull(b []byte, names []string, i int) []byte {
	if i < 0 || i >= len(names) {
		return append(b, "null"...)
	}
	return wire.AppendString(b, names[i])
}

func writeJSON(w http.ResponseWriter, status int, b []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	set(h, "Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}
