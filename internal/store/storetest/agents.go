package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// agentRow is a call of a user by a program, on a day from day0 on.
func agentRow(i, day int, user, agent string) spend.Row {
	r := Row(i)
	r.UserID, r.Agent, r.Start = user, agent, day0.AddDate(0, 0, day).Add(time.Duration(i)*time.Second)
	r.End, r.Cost, r.Tags = r.Start.Add(time.Second), gateway.NanoUSD(1+i), nil
	r.Usage = gateway.Usage{Prompt: 10, Completion: 5}
	return r
}

// use is a TagUse as a line: tag, day, users, calls, failures and cost.
func use(u *store.TagUse) string {
	return strings.TrimSpace(fmt.Sprint(u.Tag, "|", u.Day, "|", u.Users, " ", u.Requests, " ", u.Failures, " ", int64(u.Cost)))
}

func uses(list []store.TagUse) []string {
	var out []string
	for i := range list {
		out = append(out, use(&list[i]))
	}
	return out
}

// Calls are told apart by the program that made them, beside their tags.
func programsOfCalls(t *testing.T, db *store.DB) {
	rows := []spend.Row{
		agentRow(0, 0, "ann", "coder/1.0 (cli)"),
		agentRow(1, 0, "ann", "coder/1.0 (cli)"),
		agentRow(2, 0, "bob", "coder/2.0"),
		agentRow(3, 0, "", "curl"),
		agentRow(4, 1, "ann", "coder/2.0"),
		agentRow(5, 1, "cid", ""),
		agentRow(6, 1, "cid", "/odd/1"),
	}
	rows[2].Failed, rows[2].Kind = true, gateway.UpstreamFailed
	rows[5].Tags = []string{"nightly", "User-Agent: coder"} // as another gateway put them
	rows[6].Provider = "elsewhere"
	book(t, db, rows[:3], 3)
	book(t, db, rows[3:], 4)
	book(t, db, rows, 0)
	same(t, "the program of a call", got(db.Calls(t.Context(), store.CallFilter{CallID: rows[2].CallID}))(t)[0].Agent, "coder/2.0")

	two := store.TagUseFilter{From: day0, To: day0.AddDate(0, 0, 1)}
	for _, tt := range []struct {
		name   string
		change func(*store.TagUseFilter)
		byDay  bool
		want   []string
	}{
		{"all tags and programs", nil, false, []string{
			"User-Agent: coder||3 5 1 17", "User-Agent: coder/1.0 (cli)||1 2 0 3", "User-Agent: coder/2.0||2 2 1 8", "User-Agent: /odd/1||1 1 0 7", "User-Agent: curl||0 1 0 4", "nightly||1 1 0 6",
		}},
		{"by day", func(f *store.TagUseFilter) { f.Tags = []string{"User-Agent: coder"} }, true, []string{"User-Agent: coder|2026-03-02|2 2 0 11", "User-Agent: coder|2026-03-01|2 3 1 6"}},
		{"of one day", func(f *store.TagUseFilter) { f.To = day0; f.Part = "CODER/" }, false, []string{"User-Agent: coder/1.0 (cli)||1 2 0 3", "User-Agent: coder/2.0||1 1 1 3"}},
		{"of a user", func(f *store.TagUseFilter) { f.UserID = "bob" }, false, []string{"User-Agent: coder||1 1 1 3", "User-Agent: coder/2.0||1 1 1 3"}},
		{"of a key", func(f *store.TagUseFilter) { f.Keys = []string{rows[3].KeyHash}; f.Tags = []string{"User-Agent: curl"} }, false, []string{"User-Agent: curl||0 1 0 4"}},
		{"of no key", func(f *store.TagUseFilter) { f.Keys = []string{} }, false, nil},
		{"of a provider", func(f *store.TagUseFilter) { f.Provider = "elsewhere" }, false, []string{"User-Agent: /odd/1||1 1 0 7"}},
		{"a per cent sign is one", func(f *store.TagUseFilter) { f.Part = "co%er" }, false, nil},
	} {
		f := two
		if tt.change != nil {
			tt.change(&f)
		}
		same(t, tt.name, uses(got(db.TagUses(t.Context(), f, tt.byDay))(t)), tt.want)
	}

	users := func(f store.TagUseFilter, limit, offset int) (out []string) {
		list, total, err := db.AgentUsers(t.Context(), f, limit, offset)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range list {
			out = append(out, fmt.Sprint(u.UserID, " ", u.Agent, " ", u.Requests, " ", u.Failures, " ", u.Prompt+u.Completion, " ", int64(u.Cost)))
		}
		return append(out, fmt.Sprint(total))
	}
	same(t, "users of programs", users(two, 10, 0), []string{"ann coder/1.0 (cli) 3 0 45 8", "cid /odd/1 1 0 15 7", "bob coder/2.0 1 1 15 3", "3"})
	same(t, "the second of them", users(two, 1, 1), []string{"cid /odd/1 1 0 15 7", "3"})
	two.Tags = []string{"User-Agent: coder", "User-Agent: coder/2.0"}
	same(t, "users of a program, each call once", users(two, 10, 0), []string{"ann coder/1.0 (cli) 3 0 45 8", "bob coder/2.0 1 1 15 3", "2"})
}

// A client that has another name with every call does not get a row for each.
func programsAreBounded(t *testing.T, db *store.DB) {
	const calls = 1500
	rows := make([]spend.Row, 0, calls)
	for i := range calls {
		agent := fmt.Sprintf("flood/%d", i)
		if i >= 1000 {
			agent = fmt.Sprintf("flood%d/1", i)
		}
		rows = append(rows, agentRow(i, 0, "ann", agent))
	}
	for chunk := range slices.Chunk(rows, 500) {
		book(t, db, chunk, len(chunk))
	}
	list := got(db.Facts(t.Context(), store.FactFilter{}, []store.Facet{store.OfUser}, store.FactOrder{}))(t)
	if len(list) != 1 || list[0].Requests != calls {
		t.Fatalf("%+v, want all calls of one user", list)
	}
	f := store.TagUseFilter{From: day0, To: day0}
	all := got(db.TagUses(t.Context(), f, false))(t)
	if len(all) > 700 {
		t.Errorf("%d programs are told apart", len(all))
	}
	requests := map[string]int64{}
	for _, u := range all {
		requests[u.Tag] = u.Requests
	}
	if requests["User-Agent: flood"] != 1000 || requests["User-Agent: other"] != 401 {
		t.Errorf("%d calls are of flood and %d of others, want 1000 and 401", requests["User-Agent: flood"], requests["User-Agent: other"])
	}
	// Another day tells programs apart again.
	book(t, db, []spend.Row{agentRow(calls, 1, "ann", "late/1")}, 1)
	f.To = day0.AddDate(0, 0, 1)
	f.Tags = []string{"User-Agent: late"}
	if list := got(db.TagUses(t.Context(), f, false))(t); len(list) != 1 || list[0].Requests != 1 {
		t.Errorf("a program of the next day is %+v", list)
	}
}
