package limit

import "net/http"

// headerNames are the canonical names of the headers that tell what is left,
// by scope and kind: joining them anew for every call cost 4 us.
var headerNames = func() (names [scopeKinds][kinds][2]string) {
	for s := range names {
		for k := range names[s] {
			base := "x-ratelimit-" + Scopes[s].Name
			names[s][k] = [2]string{
				http.CanonicalHeaderKey(base + "-limit-" + Kinds[k].Name), http.CanonicalHeaderKey(base + "-remaining-" + Kinds[k].Name),
			}
		}
	}
	return names
}()

// AppendHeaders calls set for the headers that tell a client what it has left.
// The names are canonical.
func (h *Hold) AppendHeaders(set func(name string, n int64)) {
	h.Each(func(l Left) {
		if l.Limit.Kind == Money {
			return
		}
		names := &headerNames[l.Set.Scope.Kind][l.Limit.Kind]
		set(names[0], l.Amount)
		set(names[1], l.Left)
	})
}
