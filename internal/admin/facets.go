package admin

import (
	"maps"
	"net/http"
	"strconv"
	"strings"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// facetPage are the values of something that calls had, in the order of letters.
type facetPage struct {
	Data  []string   `json:"data"`
	Meta  facetMeta  `json:"meta"`
	Links facetLinks `json:"links"`
}

type facetMeta struct {
	Page     int  `json:"page"`
	PageSize int  `json:"page_size"`
	HasMore  bool `json:"has_more"`
}

type facetLinks struct {
	Self string  `json:"self"`
	Prev *string `json:"prev"`
	Next *string `json:"next"`
}

// facetOf returns the handler that lists users or customers of calls: whole days
// count, of the caller's own calls and those of teams that it administers.
func (a *API) facetOf(scope string) handler {
	return func(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
		q := readQuery(r)
		from, _ := q.moment("filter[startTime][gte]")
		to, _ := q.moment("filter[startTime][lte]")
		page, size, part := q.number("page", 1, 1, 1_000_000), q.number("page_size", 50, 1, 100), strings.ToLower(q.text("q"))
		if (from.IsZero() || to.IsZero()) && q.err == nil {
			q.err = invalid("filter[startTime][gte]", "Please provide filter[startTime][gte] and filter[startTime][lte]: like 2026-01-30T00:00:00Z")
		}
		if q.err != nil {
			return nil, q.err
		}
		f := store.FactFilter{Scope: scope, Day0: from, Day1: to}
		if v := a.directory.View(p); !v.All {
			f.Seen = store.Seen{UserID: v.UserID, TeamIDs: v.Administers}
			if f.Seen.UserID == "" && len(f.Seen.TeamIDs) == 0 {
				f.Keys = []string{}
				if v.Key != "" {
					f.Keys = []string{v.Key}
				}
			}
		}
		facts, err := a.facts(r, f, store.OfEntity)
		if err != nil {
			return nil, err
		}
		out := &facetPage{Data: []string{}, Meta: facetMeta{Page: page, PageSize: size}}
		skip := (page - 1) * size
		for i := range facts {
			switch id := facts[i].Of(store.OfEntity); {
			case id == store.Rest || !strings.Contains(strings.ToLower(id), part):
			case skip > 0:
				skip--
			case len(out.Data) == size:
				out.Meta.HasMore = true
			default:
				out.Data = append(out.Data, id)
			}
		}
		link := func(n int) string {
			values := maps.Clone(q.values)
			values.Set("page", strconv.Itoa(n))
			return r.URL.Path + "?" + values.Encode()
		}
		out.Links.Self = link(page)
		if page > 1 {
			out.Links.Prev = text(link(page - 1))
		}
		if out.Meta.HasMore {
			out.Links.Next = text(link(page + 1))
		}
		return out, nil
	}
}
