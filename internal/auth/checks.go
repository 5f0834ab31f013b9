package auth

import (
	"bytes"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"penstock/internal/config"
	"penstock/internal/gateway"
	"penstock/internal/wire"
)

// Policy is what the configuration says about who may call. It does not change.
type Policy struct {
	config.Access
	RequireUser bool // enforce_user_param
	RejectTags  bool // reject_clientside_metadata_tags
}

// successorRoute is where a key fetches the one that has replaced it. Every key
// may: else one that may only call models would not learn its successor.
const successorRoute = "/key/successor"

// Admit makes the checks that need no body, first to last, and returns who the
// request is from. Check makes the others. Their order is LiteLLM's, which
// clients see when more than one fails. The error is a *gateway.Error.
func (a *Authenticator) Admit(r *http.Request, door Door, pol *Policy) (gateway.Principal, error) {
	path := r.URL.Path
	var none gateway.Principal

	if len(pol.AllowedIPs) > 0 {
		if ip := pol.Client(r); !inside(pol.AllowedIPs, ip) {
			return none, forbidden("Access forbidden: IP address %s not allowed. (general_settings.allowed_ips)", ip)
		}
	}
	if len(pol.AllowedRoutes) > 0 && !listed(pol.AllowedRoutes, path) {
		return none, forbidden("Access forbidden: Route %s not allowed (general_settings.allowed_routes)", clip(path))
	}
	if len(pol.PublicRoutes) > 0 && listed(pol.PublicRoutes, path) {
		return gateway.Principal{Role: gateway.InternalUserViewer}, nil
	}

	p, err := a.Authenticate(r)
	if err != nil {
		return none, err
	}
	k, u, t, j := p.Key, p.User, p.Team, p.Project
	if k != nil && k.Blocked {
		return none, unauthenticated("Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.")
	}
	if u != nil && (u.Blocked || len(u.Metadata) > 0 && inactive(u.Metadata)) {
		return none, unauthenticated("Authentication Error, User=" + u.ID + " is deactivated. An admin can activate it again.")
	}
	if k != nil && !k.Expires.IsZero() {
		if now := a.Now(); !k.Expires.After(now) {
			e := unauthenticated(fmt.Sprintf("Authentication Error - Expired Key. Key Expiry time %s and current time %s", k.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)))
			e.Type, e.Param = "expired_key", k.Name
			return none, e
		}
	}
	if k != nil && len(k.AllowedIPs) > 0 {
		if ip := pol.Client(r); !insideTexts(k.AllowedIPs, ip) {
			return none, forbidden("Access forbidden: IP address %s not allowed by the allowed_ips of this key.", ip)
		}
	}
	if t != nil && len(t.AllowedIPs) > 0 {
		if ip := pol.Client(r); !insideTexts(t.AllowedIPs, ip) {
			return none, forbidden("Access forbidden: IP address %s not allowed by the allowed_ips of team %s.", ip, t.ID)
		}
	}
	if k != nil && len(k.AllowedRoutes) > 0 && path != successorRoute && !listed(k.AllowedRoutes, path) {
		return none, forbidden("Virtual key is not allowed to call this route. Only allowed to call routes: %v. Tried to call route: %s", k.AllowedRoutes, clip(path))
	}
	if t != nil && t.Blocked {
		return none, unauthenticated("Authentication Error, Team=" + t.ID + " is blocked. Update via `/team/unblock` if you're an admin.")
	}
	if j != nil && j.Blocked {
		return none, unauthenticated("Authentication Error, Project=" + j.ID + " is blocked. Update via `/project/unblock` if you're an admin.")
	}
	if len(pol.AdminOnlyRoutes) > 0 && p.Role != gateway.ProxyAdmin && listed(pol.AdminOnlyRoutes, path) {
		return none, forbidden("user not allowed to access this route. Route=%s is an admin only route (general_settings.admin_only_routes)", clip(path))
	}
	if door.Path != "" { // management handlers say their door themselves
		if e := a.Directory.Enter(&p, door); e != nil {
			return none, e
		}
	}
	return p, nil
}

// inactive reports whether SCIM has deactivated a user (metadata.scim_active).
func inactive(metadata []byte) bool {
	var o wire.Object
	if !bytes.Contains(metadata, []byte(`"scim_active"`)) || o.Parse(metadata) != nil {
		return false
	}
	active, ok := o.Bool("scim_active")
	return ok && !active
}

// Asked is a call whose body has been read.
type Asked struct {
	*gateway.Call
	Body *wire.Object
	// TagsIn is the member of the body in which the client has sent tags,
	// "metadata.tags" or "litellm_metadata.tags"; "" if it has sent none there.
	TagsIn string
}

// Check makes the checks that need the body, first to last. Each of key, team,
// member, organization, user, end user, project and tags must allow the model,
// and the models to fall back on that the client names. It notes the budgets of
// the access groups by which it was let in. The error is a *gateway.Error.
func (d *Directory) Check(q *Asked, pol *Policy, g Groups) error {
	p := &q.Principal
	n := nameOf(p, q.Model)
	if n.group = q.Group; n.group == "" {
		n.group = g.Group(n.served)
	}
	if err := d.allowed(p, n, g); err != nil {
		return err
	}
	p.Through = d.charged(p, n, g)
	for _, model := range q.Fallbacks {
		if err := d.AllowedGroup(p, model, g); err != nil {
			return err
		}
	}
	if e := p.EndUser; e != nil && e.Blocked {
		return &gateway.Error{Kind: gateway.Invalid, Type: "bad_request_error", Param: "user", Message: "User blocked from making LLM API Calls. User=" + e.ID}
	}
	if pol.RejectTags && q.TagsIn != "" {
		return &gateway.Error{Kind: gateway.Invalid, Type: "bad_request_error", Param: q.TagsIn, Message: "tags from clients are not taken here (general_settings.reject_clientside_metadata_tags)"}
	}
	if pol.RequireUser && !q.Body.Has("user") {
		e := unauthenticated("Authentication Error, 'user' param not passed in. 'enforce_user_param'=True")
		e.Param = "user"
		return e
	}
	if k := p.Key; k != nil && len(k.Metadata) > 0 {
		if err := tools("key", k.Metadata, q.Body); err != nil {
			return err
		}
	}
	if t := p.Team; t != nil && len(t.Metadata) > 0 {
		if err := tools("team "+t.ID, t.Metadata, q.Body); err != nil {
			return err
		}
	}
	if err := enforced("general_settings.enforced_params", pol.EnforcedParams, q.Body); err != nil {
		return err
	}
	if k := p.Key; k != nil {
		if k.ServiceAccountID != "" {
			if err := enforced("general_settings.service_account_settings", pol.ServiceAccountParams, q.Body); err != nil {
				return err
			}
		}
		if err := enforced("the enforced_params of this key", k.EnforcedParams, q.Body); err != nil {
			return err
		}
	}
	if t := p.Team; t != nil {
		return enforced("the enforced_params of this key's team", t.EnforcedParams, q.Body)
	}
	return nil
}

// enforced checks that each param stands in the body: "user", or "metadata.tags"
// for a member of a member. LiteLLM answers this with 500, which clients try again.
func enforced(by string, params []string, body *wire.Object) error {
	for _, param := range params {
		first, rest, nested := strings.Cut(param, ".")
		if body.Has(first) && (!nested || holds(body.Get(first), rest)) {
			continue
		}
		shown := param
		if nested { // as LiteLLM writes it
			shown = "[" + strings.ReplaceAll(param, ".", "][") + "]"
		}
		return &gateway.Error{
			Kind: gateway.Invalid, Type: "bad_request_error", Param: param,
			Message: fmt.Sprintf("BadRequest please pass param=%s in request body. This is a required param (%s)", shown, by),
		}
	}
	return nil
}

// holds reports whether a JSON value is an object with the member that path
// leads to.
func holds(value []byte, path string) bool {
	var o wire.Object
	if len(value) == 0 || value[0] != '{' || o.Parse(value) != nil {
		return false
	}
	first, rest, nested := strings.Cut(path, ".")
	return o.Has(first) && (!nested || holds(o.Get(first), rest))
}

// tools checks that a body has no other tools than metadata.allowed_tools.
func tools(whose string, metadata []byte, body *wire.Object) error {
	if !bytes.Contains(metadata, []byte(`"allowed_tools"`)) || !body.Has("tools") {
		return nil
	}
	var m wire.Object
	if m.Parse(metadata) != nil || !m.Has("allowed_tools") {
		return nil
	}
	allowed := names(m.Get("allowed_tools"), func(v []byte) string { s, _ := wire.Unquote(v); return s })
	var other []string
	for _, name := range names(body.Get("tools"), toolName) {
		if !slices.Contains(allowed, name) {
			other = append(other, name)
		}
	}
	if len(other) == 0 {
		return nil
	}
	return &gateway.Error{
		Kind: gateway.Forbidden, Type: "tool_access_denied", Param: "tools",
		Message: fmt.Sprintf("Tool(s) %q are not in the allowed tools list for this key/team (metadata.allowed_tools of the %s).", other, whose),
	}
}

// names are what of makes of the elements of a JSON array.
func names(array []byte, of func([]byte) string) []string {
	var out []string
	if len(array) < 2 || array[0] != '[' {
		return nil
	}
	for rest := array[1 : len(array)-1]; ; {
		el, more, err := wire.Element(rest)
		if err != nil || el == nil {
			return out
		}
		out = append(out, of(el))
		rest = more
	}
}

// toolName is the name of a tool in either dialect, or else its type.
func toolName(v []byte) string {
	var o, f wire.Object
	if o.Parse(v) != nil {
		return ""
	}
	if o.Has("function") && f.Parse(o.Get("function")) == nil {
		if s, ok := f.String("name"); ok {
			return s
		}
	}
	if s, ok := o.String("name"); ok {
		return s
	}
	s, _ := o.String("type")
	return s
}

// Client returns the address that a request comes from: the connection's, or
// what a proxy in front says it is, if the configuration believes it. Of
// X-Forwarded-For only what trusted proxies have added counts: anybody can send
// one that begins with an address of theirs.
func (pol *Policy) Client(r *http.Request) netip.Addr {
	at, _ := netip.ParseAddrPort(r.RemoteAddr)
	ip := at.Addr().Unmap().WithZone("")
	if !pol.ForwardedFor || len(pol.TrustedProxies) > 0 && !inside(pol.TrustedProxies, ip) {
		return ip
	}
	lines := r.Header["X-Forwarded-For"]
	for _, line := range slices.Backward(lines) {
		for rest := line; rest != ""; {
			comma := strings.LastIndexByte(rest, ',')
			entry := strings.TrimSpace(rest[comma+1:])
			rest = rest[:max(comma, 0)]
			said, err := netip.ParseAddr(entry)
			if err != nil {
				at, err := netip.ParseAddrPort(entry) // some proxies add the port
				if err != nil {
					return netip.Addr{} // who says nonsense vouches for nobody
				}
				said = at.Addr()
			}
			ip = said.Unmap()
			if len(pol.TrustedProxies) == 0 || !inside(pol.TrustedProxies, ip) {
				return ip
			}
		}
	}
	return ip
}

func inside(nets []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(ip) })
}

// insideTexts is inside for addresses and ranges as they are stored. What is
// neither contains nobody.
func insideTexts(nets []string, ip netip.Addr) bool {
	return slices.ContainsFunc(nets, func(s string) bool {
		n, err := config.ParseNetwork(s)
		return err == nil && n.Contains(ip)
	})
}

// clip keeps what strangers send from filling an answer.
func clip(s string) string { return s[:min(len(s), 200)] }
