package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// variedRows are calls over three days that differ in everything activity is told
// apart by.
func variedRows(n int) []spend.Row {
	var out []spend.Row
	for i := range n {
		r := Row(i)
		r.Start = day0.Add(time.Duration(i) * time.Hour)
		r.End = r.Start.Add(time.Duration(i) * time.Millisecond)
		r.OrgID, r.EndUser = fmt.Sprint("org-", i%2), fmt.Sprint("customer-", i%4)
		if i%3 == 0 {
			r.Tags = []string{"a", fmt.Sprint("b", i%2), "a"}
		}
		if i%5 == 0 {
			r.Group, r.Model, r.Provider, r.Route = "large", "claude", "anthropic", "/v1/messages"
		}
		if i%7 == 0 {
			r.Failed, r.Kind, r.End = true, gateway.UpstreamCut, time.Time{}
		}
		r.Usage.CacheRead = int64(i)
		out = append(out, r)
	}
	return out
}

func activityApart(t *testing.T, db *store.DB) {
	all := variedRows(70)
	for chunk := range slices.Chunk(all, 9) {
		book(t, db, chunk, len(chunk))
	}
	kind := strconv.Itoa(int(gateway.UpstreamCut))
	of := map[store.Facet]func(*spend.Row) string{
		store.OfDay: func(r *spend.Row) string { return r.Start.Format(time.DateOnly) }, store.OfKey: func(r *spend.Row) string { return r.KeyHash },
		store.OfUser: func(r *spend.Row) string { return r.UserID }, store.OfTeam: func(r *spend.Row) string { return r.TeamID },
		store.OfModel: func(r *spend.Row) string { return r.Model }, store.OfGroup: func(r *spend.Row) string { return r.Group },
		store.OfProvider: func(r *spend.Row) string { return r.Provider }, store.OfRoute: func(r *spend.Row) string { return r.Route },
		store.OfDeployment: func(r *spend.Row) string { return r.Deployment },
		store.OfKind: func(r *spend.Row) string {
			if r.Failed {
				return kind
			}
			return ""
		},
	}
	entities := map[string]func(*spend.Row) []string{
		store.Global: func(*spend.Row) []string { return []string{""} }, store.Key: func(r *spend.Row) []string { return []string{r.KeyHash} },
		store.User: func(r *spend.Row) []string { return []string{r.UserID} }, store.Team: func(r *spend.Row) []string { return []string{r.TeamID} },
		store.Organization: func(r *spend.Row) []string { return []string{r.OrgID} }, store.EndUser: func(r *spend.Row) []string { return []string{r.EndUser} },
		store.Tag: func(r *spend.Row) []string { return slices.Compact(slices.Sorted(slices.Values(r.Tags))) },
	}
	day1 := day0.AddDate(0, 0, 1)
	for _, tt := range []struct {
		name string
		f    store.FactFilter
		want func(*spend.Row) bool
	}{
		{"everything", store.FactFilter{}, nil},
		{"every user", store.FactFilter{Scope: store.User}, nil},
		{"one user", store.FactFilter{Scope: store.User, IDs: []string{"user-1"}}, func(r *spend.Row) bool { return r.UserID == "user-1" }},
		{"two teams without one of them", store.FactFilter{Scope: store.Team, IDs: []string{"team-1", "team-2"}, Exclude: []string{"team-1"}}, func(r *spend.Row) bool { return r.TeamID == "team-2" }},
		{"an organization", store.FactFilter{Scope: store.Organization, IDs: []string{"org-1"}}, func(r *spend.Row) bool { return r.OrgID == "org-1" }},
		{"customers", store.FactFilter{Scope: store.EndUser}, nil},
		{"tags", store.FactFilter{Scope: store.Tag}, nil},
		{"a key with a tag", store.FactFilter{Scope: store.Tag, Keys: []string{hash(3)}}, func(r *spend.Row) bool { return r.KeyHash == hash(3) }},
		{"a user in a team", store.FactFilter{Scope: store.Team, IDs: []string{"team-0"}, UserID: "user-3"}, func(r *spend.Row) bool { return r.TeamID == "team-0" && r.UserID == "user-3" }},
		{"a user's calls and a team's", store.FactFilter{Seen: store.Seen{UserID: "user-3", TeamIDs: []string{"team-1"}}}, func(r *spend.Row) bool { return r.TeamID == "team-1" || r.UserID == "user-3" }},
		{"a model", store.FactFilter{Model: "claude"}, func(r *spend.Row) bool { return r.Model == "claude" }},
		{"a group's failures", store.FactFilter{Group: "large", Failed: true}, func(r *spend.Row) bool { return r.Group == "large" && r.Failed }},
		{"one day", store.FactFilter{Day0: day1, Day1: day1}, func(r *spend.Row) bool { return r.Start.Day() == 2 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := map[string]store.Fact{}
			scope := tt.f.Scope
			if scope == "" {
				scope = store.Global
			}
			facets := []store.Facet{store.OfEntity, store.OfDay, store.OfKey, store.OfUser, store.OfTeam, store.OfModel, store.OfGroup, store.OfProvider, store.OfRoute, store.OfDeployment, store.OfKind}
			for i := range all {
				r := &all[i]
				if tt.want != nil && !tt.want(r) {
					continue
				}
				for _, id := range entities[scope](r) {
					parts := []string{id}
					for _, facet := range facets[1:] {
						parts = append(parts, of[facet](r))
					}
					name := strings.Join(parts, "|")
					f := want[name]
					f.Count(r)
					if !r.End.IsZero() {
						f.Took += r.End.Sub(r.Start)
						f.Timed++
					}
					want[name] = f
				}
			}
			facts := got(db.Facts(t.Context(), tt.f, facets, store.FactOrder{}))(t)
			if len(facts) != len(want) || len(want) == 0 {
				t.Errorf("%d facts, want %d", len(facts), len(want))
			}
			for _, f := range facts {
				var parts []string
				for _, facet := range facets {
					parts = append(parts, f.Of(facet))
				}
				name := strings.Join(parts, "|")
				w := want[name]
				if f.Counters != w.Counters || f.Took != w.Took || f.Timed != w.Timed {
					t.Errorf("%s: %+v, took %s (%d), want %+v, %s (%d)", name, f.Counters, f.Took, f.Timed, w.Counters, w.Took, w.Timed)
				}
			}
		})
	}
	n := got(db.CountFacts(t.Context(), store.FactFilter{Scope: store.Team, IDs: []string{"team-0"}}, store.OfKey))(t)
	same(t, "keys of a team", n, 3)
	var sum gateway.NanoUSD
	for _, r := range all {
		sum += r.Cost
	}
	keys := got(db.Facts(t.Context(), store.FactFilter{}, []store.Facet{store.OfKey}, store.FactOrder{Dearest: true, Limit: 2, Offset: 1}))(t)
	if len(keys) != 2 || keys[0].Cost < keys[1].Cost {
		t.Errorf("the second and third key are %+v", keys)
	}
	top := []string{keys[0].Of(store.OfKey)}
	apart := got(db.Facts(t.Context(), store.FactFilter{}, []store.Facet{store.OfKey}, store.FactOrder{Only: map[store.Facet][]string{store.OfKey: top}}))(t)
	if len(apart) != 2 || apart[0].Cost+apart[1].Cost != sum || apart[0].Of(store.OfKey) != top[0] && apart[1].Of(store.OfKey) != top[0] {
		t.Errorf("one key and the rest are %+v, together they must cost %s", apart, sum)
	}
}

// callsInPages reads lists of calls page by page, by number and by cursor, in every
// order, and compares them with the calls themselves.
func callsInPages(t *testing.T, db *store.DB) {
	all := variedRows(60)
	for i := range all {
		all[i].Session, all[i].Error = fmt.Sprint("Session-", i%3), ""
		if all[i].Failed {
			all[i].Error = "Rate limit of the provider"
		}
	}
	// One has an id as Penstock makes them: it says when.
	ms := all[7].Start.UnixMilli()
	ours := fmt.Sprintf("%08x-%04x-7d13-b7b7-dc600af3862a", ms>>16, ms&0xffff)
	all[7].CallID = ours
	book(t, db, all, len(all))
	is := func(b bool) *bool { return &b }
	usd := func(n gateway.NanoUSD) *gateway.NanoUSD { return &n }
	for _, tt := range []struct {
		name string
		f    store.CallFilter
		want func(*spend.Row) bool
	}{
		{"everything", store.CallFilter{}, func(*spend.Row) bool { return true }},
		{"a user", store.CallFilter{UserID: "user-2"}, func(r *spend.Row) bool { return r.UserID == "user-2" }},
		{"a model by the client's name", store.CallFilter{Model: "large"}, func(r *spend.Row) bool { return r.Group == "large" }},
		{"a model by the vendor's name", store.CallFilter{Model: "claude"}, func(r *spend.Row) bool { return r.Model == "claude" }},
		{"a group and a deployment", store.CallFilter{Group: "small", Deployment: "0b1e5a"}, func(r *spend.Row) bool { return r.Group == "small" }},
		{"failures", store.CallFilter{Failed: is(true)}, func(r *spend.Row) bool { return r.Failed }},
		{"successes", store.CallFilter{Failed: is(false)}, func(r *spend.Row) bool { return !r.Failed }},
		{"a kind of failure", store.CallFilter{Kinds: []gateway.Kind{gateway.UpstreamCut}}, func(r *spend.Row) bool { return r.Failed }},
		{"no kind of failure", store.CallFilter{Kinds: []gateway.Kind{}}, func(*spend.Row) bool { return false }},
		{"part of an error", store.CallFilter{Error: "rate LIMIT"}, func(r *spend.Row) bool { return r.Failed }},
		{"from a cost on", store.CallFilter{MinCost: usd(1050)}, func(r *spend.Row) bool { return r.Cost >= 1050 }},
		{"up to a cost", store.CallFilter{MaxCost: usd(1010)}, func(r *spend.Row) bool { return r.Cost <= 1010 }},
		{"without a tag", store.CallFilter{WithoutTag: "b1"}, func(r *spend.Row) bool { return !slices.Contains(r.Tags, "b1") }},
		{"a search", store.CallFilter{Search: "SESSION-1"}, func(r *spend.Row) bool { return r.Session == "Session-1" }},
		{"a search for a call", store.CallFilter{Search: "call-000008"}, func(r *spend.Row) bool { return r.CallID == "call-000008" }},
		{"a search for a part of its id", store.CallFilter{Search: "7D13-b7b7"}, func(r *spend.Row) bool { return r.CallID == ours }},
		{"a search for a call of that id", store.CallFilter{Search: ours}, func(r *spend.Row) bool { return r.CallID == ours }},
		{"a time", store.CallFilter{From: all[10].Start, To: all[40].Start}, func(r *spend.Row) bool { return !r.Start.Before(all[10].Start) && r.Start.Before(all[40].Start) }},
	} {
		for by, of := range map[string]func(*spend.Row) int64{
			"": func(r *spend.Row) int64 { return r.Start.UnixMicro() }, "spend": func(r *spend.Row) int64 { return int64(r.Cost) },
			"total_tokens": func(r *spend.Row) int64 { return r.Usage.Total() },
			"endTime": func(r *spend.Row) int64 {
				if r.End.IsZero() {
					return r.Start.UnixMicro()
				}
				return r.End.UnixMicro()
			},
		} {
			for _, asc := range []bool{false, true} {
				var want []string
				sorted := slices.Clone(all)
				slices.SortFunc(sorted, func(x, y spend.Row) int {
					c := cmp.Or(cmp.Compare(of(&x), of(&y)), x.Start.Compare(y.Start))
					if asc {
						return c
					}
					return -c
				})
				for i := range sorted {
					if tt.want(&sorted[i]) {
						want = append(want, sorted[i].CallID)
					}
				}
				name := fmt.Sprintf("%s by %q, ascending %t", tt.name, by, asc)
				var ids []string
				for skip := 0; skip <= len(want); skip += 7 {
					f := tt.f
					f.Limit = 7
					page := got(db.PageCalls(t.Context(), f, store.CallOrder{By: by, Asc: asc, Skip: skip, Count: 30}))(t)
					for _, r := range page.Rows {
						ids = append(ids, r.CallID)
					}
					if most := max(30, skip+7); page.More != (len(want) > most) || page.Total != min(len(want), most) {
						t.Errorf("%s, behind %d: %d calls, more %t; there are %d", name, skip, page.Total, page.More, len(want))
					}
				}
				if strings.Join(ids, " ") != strings.Join(want, " ") {
					t.Errorf("%s: %v, want %v", name, ids, want)
				}
				if by != "" || asc {
					continue
				}
				ids = nil
				f := tt.f
				f.Limit = 7
				for {
					page := got(db.PageCalls(t.Context(), f, store.CallOrder{Count: 1000}))(t)
					if page.Total != len(want) || page.More {
						t.Errorf("%s, page by page: %d calls, more %t; want %d", name, page.Total, page.More, len(want))
					}
					for _, r := range page.Rows {
						ids = append(ids, r.CallID)
					}
					if len(page.Rows) < f.Limit || len(ids) > len(want) {
						break
					}
					last := page.Rows[len(page.Rows)-1]
					f.Before = store.Cursor{Start: last.Start, CallID: last.CallID}
				}
				if strings.Join(ids, " ") != strings.Join(want, " ") {
					t.Errorf("%s, page by page: %v, want %v", name, ids, want)
				}
			}
		}
	}
}
