package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"

	"penstock/internal/gateway"
	"penstock/internal/typo"
)

func (l *loader) credentials(n *node) {
	if n == nil || n.shape == null {
		return
	}
	if n.shape != list {
		l.want(n, "a list of credentials")
		return
	}
	for _, item := range n.items {
		var name string
		var values *node
		l.apply(item, []key{
			bind("credential_name", text(), &name),
			custom("credential_values", "a mapping", func(l *loader, v *node) {
				if v.shape != mapping {
					l.want(v, "a mapping")
					return
				}
				values = v
			}),
			custom("credential_info", "a mapping", func(*loader, *node) {}), // for people
		})
		switch {
		case item.shape != mapping:
		case name == "":
			l.bad(item, "needs a credential_name")
		case l.creds[name] != nil:
			l.bad(item, "credential_name %q is used twice", name)
		default:
			if values == nil {
				values = &node{shape: mapping, file: item.file, line: item.line, path: item.path}
			}
			l.creds[name] = values
		}
	}
}

func (l *loader) models(n *node) {
	if n == nil || n.shape == null {
		return
	}
	if n.shape != list {
		l.want(n, "a list of deployments")
		return
	}
	for _, item := range n.items {
		l.deployment(item)
	}
}

// draft is a deployment under construction.
type draft struct {
	d        gateway.Deployment
	model    string
	custom   string
	orgs     []string
	info     *node
	budget   gateway.Limits
	skip     string // why the deployment is left out, "" if it is not
	environs []string
	extra    []gateway.Param // extra_body
}

func (l *loader) deployment(n *node) {
	if n.shape != mapping {
		l.want(n, "a mapping with model_name and litellm_params")
		return
	}
	before := len(l.problems)
	var params *node
	dr := &draft{d: gateway.Deployment{Prices: map[string]string{}}}
	l.apply(n, []key{
		bind("model_name", text(), &dr.d.Group),
		custom("litellm_params", "a mapping", func(_ *loader, v *node) { params = v }),
		custom("model_info", "a mapping", func(_ *loader, v *node) { dr.info = v }),
		bind("tpm", count[int64](), &dr.d.TPM),
		bind("rpm", count[int64](), &dr.d.RPM),
	})
	if dr.d.Group == "" && l.clean(before) {
		l.bad(n, "needs a model_name: the name clients ask for")
	}
	if params == nil || params.shape != mapping {
		l.bad(n, "needs litellm_params, at least {model: provider/model}")
		return
	}
	if dr.info != nil {
		l.modelInfo(dr)
	}
	merged := l.mergedParams(params)
	if l.leftOut(dr, n, merged) {
		return
	}
	l.params(dr, merged)
	if dr.model == "" && merged.get("model").isNull() {
		l.bad(params, "needs a model, written provider/model, for example openai/gpt-4o")
	}
	if l.clean(before) {
		l.finishDeployment(dr, n, merged)
	}
}

// leftOut reports whether a deployment cannot be served here. It comes before
// its parameters are read: a variable that only such a deployment needs may be
// unset.
func (l *loader) leftOut(dr *draft, n, merged *node) bool {
	peek := func(name string) string {
		if v := merged.get(name); v != nil && v.shape == scalar {
			if r, ok := l.resolve(v); ok {
				return strings.TrimSpace(r.text)
			}
		}
		return ""
	}
	env, _ := l.lookup("LITELLM_ENVIRONMENT")
	provider, _, ok := l.o.Provider(peek("model"), peek("custom_llm_provider"), "")
	switch {
	case dr.skip != "":
	case len(dr.environs) > 0 && !slices.Contains(dr.environs, env):
		dr.skip = fmt.Sprintf("LITELLM_ENVIRONMENT is %q and not in supported_environments", env)
	case !merged.get("mock_response").isNull():
		// Calling the provider after all would cost money.
		dr.skip = "mock_response is not honoured here; use the mock provider"
	case ok && provider != "" && l.o.vendor(provider) && !l.o.adapter(provider):
		dr.skip = fmt.Sprintf("there is no adapter for the provider %q yet", provider)
	}
	if dr.skip == "" {
		return false
	}
	l.ignore(n, "left out: "+dr.skip)
	return true
}

func (l *loader) clean(before int) bool { return len(l.problems) == before }

// mergedParams fills what own does not say from its credential and then from
// default_litellm_params.
func (l *loader) mergedParams(own *node) *node {
	out := *own
	out.fields = slices.Clone(own.fields)
	fill := func(from *node) {
		if from == nil {
			return
		}
		for _, f := range from.fields {
			if out.get(f.name) == nil {
				out.fields = append(out.fields, f)
			}
		}
	}
	if c := own.get("litellm_credential_name"); c != nil && c.shape != null {
		if name, ok := text().read(l, c); ok {
			values := cmp.Or(l.creds[name], l.stored[name])
			if values == nil {
				l.noCredential(c, name)
			}
			fill(values)
		}
	}
	fill(l.fill)
	return &out
}

func (l *loader) noCredential(at *node, name string) {
	names := slices.Concat(slices.Collect(maps.Keys(l.creds)), slices.Collect(maps.Keys(l.stored)))
	s := typo.Nearest(name, names)
	switch {
	case s != "":
		l.bad(at, "there is no credential %q in credential_list, did you mean %q?", name, s)
	case l.o.Stored == nil && l.cfg.Server.StoreModelInDB:
		l.warn(at, "there is no credential %q in credential_list; it has to be in the database", name)
	default:
		l.bad(at, "there is no credential %q in credential_list", name)
	}
}

// finishDeployment resolves the provider and adds the deployment, one for each
// organization.
func (l *loader) finishDeployment(dr *draft, n, merged *node) {
	d := &dr.d
	if !l.resolveProvider(dr, n, merged) {
		return
	}
	if d.Provider != "" {
		l.fromVendorEnv(d, merged)
	}
	if len(d.Prices) == 0 {
		d.Prices = nil
	}
	l.addParams(dr)
	given := d.ID
	if len(dr.orgs) == 0 {
		dr.orgs = []string{""}
	}
	for _, org := range dr.orgs {
		one := *d
		one.Organization = org
		switch {
		case given == "":
			one.ID = l.contentID(d.Group, org, merged)
		case len(dr.orgs) > 1:
			one.ID = given + "-" + org
		}
		l.add(one, dr, n)
	}
}

func (l *loader) resolveProvider(dr *draft, n, merged *node) bool {
	names := slices.Concat(vendors, l.o.Known)
	noProvider := func(at *node, name string) {
		if s := typo.Nearest(name, names); s != "" {
			l.bad(at, "there is no provider %q, did you mean %q?", name, s)
			return
		}
		l.bad(at, "there is no provider %q", name)
	}
	provider, upstream, ok := l.o.Provider(dr.model, dr.custom, dr.d.BaseURL)
	prefix, _, slash := strings.Cut(dr.model, "/")
	switch {
	case dr.custom != "" && !l.o.vendor(dr.custom):
		noProvider(merged.get("custom_llm_provider"), dr.custom)
	case !ok && slash && typo.Nearest(prefix, names) != "":
		noProvider(merged.get("model"), prefix)
	case !ok:
		l.bad(merged.get("model"), "cannot tell the provider of %q; write it before the name, for example openai/%s for a server that speaks OpenAI's format",
			dr.model, dr.model)
	case provider != "" && !l.o.adapter(provider): // told by api_base
		l.ignore(n, fmt.Sprintf("left out: there is no adapter for the provider %q yet", provider))
	default:
		dr.d.Provider, dr.d.Upstream = provider, upstream
		return true
	}
	return false
}

// fromVendorEnv looks up what the file leaves to the vendor's variables. Their
// key goes to the vendor's own host or to one the operator chose, both of
// which are fine; a host from a client's request never meets it.
func (l *loader) fromVendorEnv(d *gateway.Deployment, merged *node) {
	if d.BaseURL == "" {
		d.BaseURL = firstSet(l.lookup, l.o.EnvBase(d.Provider))
	}
	if d.APIKey != "" {
		return
	}
	names := l.o.EnvKey(d.Provider)
	d.APIKey = gateway.Secret(firstSet(l.lookup, names))
	if d.APIKey == "" && d.BaseURL == "" && len(names) > 0 && len(d.ClientCredentials) == 0 {
		l.warn(merged, "has no api_key, and %s is not set", strings.Join(names, " or "))
	}
}

// addParams puts extra_body behind the other defaults, which it overrides.
func (l *loader) addParams(dr *draft) {
	for _, p := range dr.extra {
		i := slices.IndexFunc(dr.d.Defaults, func(have gateway.Param) bool { return have.Name == p.Name })
		if i < 0 {
			dr.d.Defaults = append(dr.d.Defaults, p)
		} else {
			dr.d.Defaults[i] = p
		}
	}
}

func (l *loader) add(d gateway.Deployment, dr *draft, n *node) {
	at := fmt.Sprintf("%s:%d", n.file, n.line)
	if first, twice := l.ids[d.ID]; twice {
		id := n
		if x := dr.info.get("id"); x != nil {
			id = x
		}
		l.bad(id, "the id %q is used already at %s; ids must differ", d.ID, first)
		return
	}
	l.ids[d.ID] = at
	l.cfg.Models = append(l.cfg.Models, d)
	if dr.budget.Budget != nil {
		if l.cfg.Router.DeploymentBudgets == nil {
			l.cfg.Router.DeploymentBudgets = map[string]gateway.Limits{}
		}
		l.cfg.Router.DeploymentBudgets[d.ID] = dr.budget
	}
	if dr.info != nil && dr.info.shape == mapping {
		if b, ok := l.json(nil, dr.info); ok {
			if l.cfg.ModelInfo == nil {
				l.cfg.ModelInfo = map[string][]byte{}
			}
			l.cfg.ModelInfo[d.ID] = b
		}
	}
}

// contentID is stable for the same entry. It hashes what the file says and not
// what the environment holds: a rotated API key must not make a new deployment
// with empty counters. Equal entries are told apart by their number.
func (l *loader) contentID(group, org string, params *node) string {
	for i := 0; ; i++ {
		h := sha256.New()
		fmt.Fprintf(h, "%q %q %d\n", group, org, i)
		params.hash(h)
		id := hex.EncodeToString(h.Sum(nil))
		if _, taken := l.ids[id]; !taken {
			return id
		}
	}
}

func (n *node) hash(h hash.Hash) {
	fmt.Fprintf(h, "%d %q [", n.shape, n.text)
	for _, item := range n.items {
		item.hash(h)
	}
	for _, f := range n.fields {
		fmt.Fprintf(h, "%q:", f.name)
		f.value.hash(h)
	}
	h.Write([]byte("]"))
}
