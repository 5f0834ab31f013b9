package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
)

// Run runs the suite. open returns an empty database each time, closed and
// removed at the end of the test it is given.
func Run(t *testing.T, open func(testing.TB) *store.DB) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *store.DB)
	}{
		{"keys come back as written", keysRoundTrip},
		{"users come back as written", usersRoundTrip},
		{"teams come back as written", teamsRoundTrip},
		{"keys keep what they promise", kept(keyObject)},
		{"users keep what they promise", kept(userObject)},
		{"teams keep what they promise", kept(teamObject)},
		{"organizations keep what they promise", kept(organizationObject)},
		{"projects keep what they promise", kept(projectObject)},
		{"end users keep what they promise", kept(endUserObject)},
		{"tags keep what they promise", kept(tagObject)},
		{"budgets keep what they promise", kept(budgetObject)},
		{"access groups keep what they promise", kept(accessGroupObject)},
		{"budgets of access groups keep what they promise", kept(groupBudgetObject)},
		{"an access group and those who have it know of each other", groupOwners},
		{"calls are booked to the access groups they came through", groupSpend},
		{"stored models keep what they promise", kept(modelObject)},
		{"credentials keep what they promise", kept(credentialObject)},
		{"mappings of tokens keep what they promise", kept(jwtObject)},
		{"a rotated key goes on as another", rotateKeys},
		{"a rotated key has spent what it had", rotateWindows},
		{"the audit log is kept and searched", auditLog},
		{"spend beside rows is read with them", spendBeside},
		{"updates and bookings of one tag lose nothing", updateTagsTogether},
		{"a deleted organization takes its teams along", deleteOrganizations},
		{"what is not there is ErrNotFound", notFound},
		{"what is taken is ErrConflict", conflicts},
		{"an update that fails changes nothing", updateFails},
		{"eight updaters of one key lose nothing", updateTogether},
		{"updates and bookings of one key lose nothing", updateWhileBooking},
		{"deleted keys are gone", deleteKeys},
		{"a deleted team takes its keys along", deleteTeams},
		{"a deleted user takes its keys along", deleteUsers},
		{"lists filter, sort and page", listKeys},
		{"users and teams are listed", listOthers},
		{"searches follow every change", searchFollows},
		{"everything streams until told to stop", streamAll},
		{"hostile texts are kept or refused, never a failure", hostileTexts},
		{"hostile texts in the ledger are booked", hostileRows},
		{"ledger rows come back as written", callsRoundTrip},
		{"ledger pages follow each other", callsPages},
		{"ledger rows are filtered", callsFilter},
		{"booking again adds nothing", bookTwice},
		{"two bookers of the same rows add each cost once", bookTogether},
		{"bookers of different rows wait for nobody", bookApart},
		{"late rows stay out of new budget windows", bookWindows},
		{"a batch adds up to what its rows do one by one", bookOneByOne},
		{"everyone who is charged is charged", bookScopes},
		{"days are summed up", bookDays},
		{"activity is told apart by what calls are", activityApart},
		{"calls are told apart by the programs that made them", programsOfCalls},
		{"programs that are told apart are bounded", programsAreBounded},
		{"calls are filtered, sorted, counted and paged", callsInPages},
		{"a booking that fails books nothing", bookFails},
		{"settings are kept", settings},
		{"health checks are kept, and how they changed", healthChecks},
		{"changes are numbered without gaps", changes},
		{"changes of many writers arrive in order", changesTogether},
		{"changes that are gone are said to be", changesLost},
		{"changes are told of", listening},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
}

func openURL(tb testing.TB, url string) *store.DB {
	tb.Helper()
	db, err := store.Open(tb.Context(), url, store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

// day0 is when everything in these tests begins.
var day0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return day0.Add(time.Duration(seconds) * time.Second) }

func hash(n int) string { return fmt.Sprintf("%064x", n) }

// Row returns ledger row number n of a series: nine keys, five users, three
// teams, a cost of 1,000 nano-USD and the number.
func Row(n int) spend.Row {
	return spend.Row{
		CallID: fmt.Sprintf("call-%06d", n), ResponseID: fmt.Sprintf("chatcmpl-%06d", n),
		KeyHash: hash(n % 9), UserID: fmt.Sprintf("user-%d", n%5), TeamID: fmt.Sprintf("team-%d", n%3),
		Operation: gateway.Chat, Route: "/v1/chat/completions", Group: "small", Model: "gpt-4o-mini", Provider: "openai",
		Deployment: "0b1e5a", ClientIP: "192.0.2.7",
		Usage: gateway.Usage{Prompt: 100, Completion: int64(n % 50)},
		Cost:  gateway.NanoUSD(1000 + n), Priced: true, Price: "2026-03-01",
		Start: at(n), FirstByte: at(n).Add(300 * time.Millisecond), End: at(n + 1),
	}
}

func rows(from, to int) []spend.Row {
	var out []spend.Row
	for n := from; n < to; n++ {
		out = append(out, Row(n))
	}
	return out
}

func costs(rs []spend.Row) (sum gateway.NanoUSD) {
	for _, r := range rs {
		sum += r.Cost
	}
	return sum
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got fails the test on the error of a call with a result.
func got[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// same compares, taking nil and empty lists for one.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, clip(d))
	}
}

func clip(s string) string { return s[:min(len(s), 4000)] }

// book books rows and wants n of them to be new.
func book(t *testing.T, db *store.DB, rs []spend.Row, n int) {
	t.Helper()
	if booked := got(db.Book(t.Context(), rs))(t); booked != n {
		t.Errorf("%d of %d rows booked, want %d", booked, len(rs), n)
	}
}
