package auth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"penstock/internal/gateway"
)

// Rule says which roles a route lets in. Which objects a caller may touch once
// it is in is another question: see the May functions. The zero Rule lets
// nobody in, so a route that nobody thought about is shut.
type Rule uint8

// The rules there are. Proxy admins pass all but the first and the last.
const (
	Shut        Rule = iota
	Public           // everybody, without a key
	LLM              // calls of models: every role but proxy_admin_viewer
	Info             // every role: the answer holds only what the caller may see
	Own              // every role: the handler decides by the object
	Activity         // own spend and tags: internal users, their viewers, organization admins
	Keys             // keys: internal users, organization admins
	Manage           // people and teams: organization admins
	OrgAdmin         // one organization: its admins
	GlobalSpend      // everybody's spend: who has permissions.get_spend_routes
	Admin            // proxy admins
	MasterKey        // the master key only
)

var ruleNames = [...]string{"shut", "public", "llm", "info", "own", "activity", "keys", "manage", "org_admin", "global_spend", "admin", "master_key"}

// String returns the rule in a word.
func (r Rule) String() string {
	if int(r) < len(ruleNames) {
		return ruleNames[r]
	}
	return fmt.Sprintf("rule %d", uint8(r))
}

// Door is a route as far as access goes.
type Door struct {
	Path  string // pattern, with the names of its parts: "/key/{key}/regenerate"
	Rule  Rule
	Reads bool // it changes nothing: proxy_admin_viewer may pass
}

// DoorOf returns the door of a route, given as for http.ServeMux. A route that
// is not in the table is shut.
func DoorOf(method, pattern string) Door {
	path := anonymous(pattern)
	return Door{
		Path: pattern, Rule: rules[path],
		Reads: method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions || slices.Contains(readingPosts, path),
	}
}

// anonymous replaces the parts of a pattern that stand for anything by {}: the
// table does not care what they are called.
func anonymous(pattern string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(pattern, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, pattern, _ = strings.Cut(rest, "}")
		b.WriteString("{}")
	}
}

// Enter decides whether p may call the route at all, in LiteLLM's order. nil
// means that it may.
func (d *Directory) Enter(p *gateway.Principal, door Door) *gateway.Error {
	switch {
	case door.Rule == Shut:
		return forbidden("Access forbidden: nobody may call %s, because no rule says who may", door.Path)
	case door.Rule == Public, p.Master:
		return nil
	case door.Rule == MasterKey:
		return unauthenticated("Authentication Error, Tried to access route=" + door.Path + ", which is only for MASTER KEY")
	case p.Role == gateway.ProxyAdmin:
		return nil
	case p.Role == gateway.ProxyAdminViewer:
		return enterViewer(door)
	}
	switch door.Rule {
	case LLM, Info, Own:
		return nil
	case Activity:
		if !outsider(p) {
			return nil
		}
	case Keys:
		if !outsider(p) && p.Role != gateway.InternalUserViewer || d.organizes(p) {
			return nil
		}
	case Manage, OrgAdmin:
		if d.organizes(p) {
			return nil
		}
	case GlobalSpend:
		if seesSpend(p) {
			return nil
		}
	}
	if p.Key != nil && namesRoute(p.Key.AllowedRoutes, door.Path) {
		return nil // an admin has named this very route
	}
	if door.Rule == OrgAdmin {
		return unauthenticated(fmt.Sprintf("Authentication Error, Tried to access route=%s but you are not an admin of any organization.", door.Path))
	}
	return onlyAdmins(p, door.Path)
}

// enterViewer is Enter for proxy_admin_viewer, which sees everything and does
// nothing.
func enterViewer(door Door) *gateway.Error {
	switch {
	case door.Rule == LLM && !door.Reads:
		return forbidden("user not allowed to access this OpenAI routes, role= %s", gateway.ProxyAdminViewer)
	case door.Reads, door.Path == "/user/update": // of its own address alone: the handler sees to that
		return nil
	}
	return forbidden("user not allowed to access this route, role= %s. Trying to access: %s", gateway.ProxyAdminViewer, door.Path)
}

// EnterAdmin decides whether p may call a route that is for proxy admins only,
// whatever its rule: one whose handler does not ask about objects.
func (d *Directory) EnterAdmin(p *gateway.Principal, door Door) *gateway.Error {
	if door.Rule != Shut && door.Rule != Public && door.Rule != MasterKey {
		door.Rule = Admin
	}
	return d.Enter(p, door)
}

// outsider reports whether p is no person of ours: a team's token or a customer.
func outsider(p *gateway.Principal) bool {
	return p.Role == gateway.TeamRole || p.Role == gateway.Customer
}

// seesSpend reports whether p's key has permissions.get_spend_routes.
func seesSpend(p *gateway.Principal) bool {
	if p.Key == nil || len(p.Key.Permissions) == 0 {
		return false
	}
	var v struct {
		Spend bool `json:"get_spend_routes"`
	}
	return json.Unmarshal(p.Key.Permissions, &v) == nil && v.Spend
}

// namesRoute reports whether a key's allowed_routes name the route itself, or all
// routes of its noun ("/spend/*"), and not a group of routes that it is in.
// Entries that mean nearly everything name nothing: who wrote "/v1/*" meant models.
func namesRoute(allowed []string, path string) bool {
	return slices.ContainsFunc(allowed, func(entry string) bool {
		begin, star := strings.CutSuffix(entry, "*")
		if !star {
			return entry == path
		}
		return strings.HasSuffix(begin, "/") && begin != "/" && begin != "/v1/" && begin != "/v2/" && strings.HasPrefix(path, begin)
	})
}

// within reports whether path is what an entry of allowed_routes names: the
// route, everything below it, or what begins as it does before its star.
func within(entry, path string) bool {
	if begin, star := strings.CutSuffix(entry, "*"); star {
		return strings.HasPrefix(path, begin)
	}
	return entry == path || len(path) > len(entry) && path[len(entry)] == '/' && strings.HasPrefix(path, entry)
}

func onlyAdmins(p *gateway.Principal, path string) *gateway.Error {
	return unauthenticated(fmt.Sprintf("Authentication Error, Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route=%s. Your role=%s. Your user_id=%s",
		path, RoleName(p), maskedID(p.UserID())))
}

// RoleName returns p's role as messages show it.
func RoleName(p *gateway.Principal) gateway.Role {
	if p.Role == "" {
		return gateway.InternalUser
	}
	return p.Role
}

// maskedID shows the ends of an id, enough to recognize one's own.
func maskedID(id string) string {
	if len(id) <= 8 {
		return "****"
	}
	return fmt.Sprintf("%.4s****%s", id, id[len(id)-4:])
}

func forbidden(format string, args ...any) *gateway.Error {
	return &gateway.Error{Kind: gateway.Forbidden, Type: "auth_error", Message: fmt.Sprintf(format, args...)}
}
