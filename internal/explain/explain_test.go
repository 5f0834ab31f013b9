package explain_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/explain"
	"penstock/internal/gateway"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// usual is a call that went wrong twice before it was answered.
func usual() (*gateway.Why, []gateway.Attempt) {
	y := &gateway.Why{
		Asked: "gpt-4o", Naming: gateway.ByGroup,
		Picks: []gateway.Pick{
			{Group: "gpt-4o", Candidates: 3, Looked: 3, Removed: 1, From: 0, To: 1, Strategy: "simple-shuffle", Deployment: "a"},
			{Group: "gpt-4o", Candidates: 3, Looked: 3, Removed: 2, From: 1, To: 3, Strategy: "simple-shuffle", Deployment: "b", Level: 2},
			{Group: "claude", Candidates: 1, Looked: 1, Strategy: "latency-based-routing", Deployment: "c", Sticky: true, From: 3, To: 3},
		},
		Removals: []gateway.Removal{
			{Deployment: "c", Filter: gateway.FilterCooldown, Have: int64(3 * time.Second)},
			{Deployment: "a", Filter: gateway.FilterTried},
			{Deployment: "c", Filter: gateway.FilterRPM, Have: 60, Limit: 60},
		},
		Hops: []gateway.Hop{{From: "gpt-4o", To: "claude", Because: gateway.UpstreamTimeout}},
	}
	return y, []gateway.Attempt{
		{Deployment: "a", Group: "gpt-4o", Start: start.Add(time.Millisecond), Duration: 40 * time.Millisecond, Kind: gateway.UpstreamLimited, Status: 429},
		{Deployment: "b", Group: "gpt-4o", Start: start.Add(45 * time.Millisecond), Duration: 2 * time.Second, Kind: gateway.UpstreamTimeout},
		{Deployment: "c", Group: "claude", Start: start.Add(3 * time.Second), Duration: time.Second, FirstByte: 300 * time.Millisecond, OK: true, Hedged: true},
	}
}

func write(w *explain.Writer, y *gateway.Why, attempts []gateway.Attempt) []byte {
	w.Reset(y.Asked, y.Naming)
	for i := range attempts {
		w.Attempt(&attempts[i], start)
	}
	w.Steps(y)
	w.Limit("api_key", "requests", "", 100, 42)
	w.Limit("team", "budget", "gpt-4o", 5_000_000_000, 1_250_000_000)
	w.Money(123_456_789, 17)
	w.Removals(y)
	return w.Bytes()
}

func TestARecordComesBackAsWritten(t *testing.T) {
	y, attempts := usual()
	var w explain.Writer
	b := write(&w, y, attempts)
	if len(b) > explain.Max/2 {
		t.Errorf("%d bytes for a usual call", len(b))
	}
	got, err := explain.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range attempts {
		attempts[i].Start = time.Time{}.Add(attempts[i].Start.Sub(start))
	}
	y.Picks[2].From, y.Picks[2].To = 0, 0 // it kept nobody out
	want := &explain.Record{
		Why: *y, Attempts: attempts, Reserved: 123_456_789, Capped: 17,
		Limits: []explain.Limit{{Scope: "api_key", Kind: "requests", Amount: 100, Left: 42}, {Scope: "team", Kind: "budget", Model: "gpt-4o", Amount: 5_000_000_000, Left: 1_250_000_000}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	story := strings.Join(got.Story("gpt-4o"), "\n")
	for _, s := range []string{
		"The limit of requests on the api_key had 42 left of 100.",
		"The limit of budget on the team for model gpt-4o had $1.25 left of $5.0.",
		"max_tokens=17",
		"Of 3 deployments of gpt-4o 1 were kept out (c: cooldown for another 3s) and a was chosen (simple-shuffle).\na failed: upstream rate limited (429) after 40ms.",
		`Because of "upstream timeout", the call fell back from gpt-4o to claude.`,
		"c answered after 1s, with the first byte after 300ms, asked beside the one before",
	} {
		if !strings.Contains(story, s) {
			t.Errorf("the story does not say %q:\n%s", s, story)
		}
	}
}

func TestLongIDsAreShort(t *testing.T) {
	hash, uuid := strings.Repeat("0123456789abcdef", 4), "01a20d4b-8f60-7ff6-b9bf-1f1ae17c844b"
	var w explain.Writer
	w.Reset("m", gateway.ByGroup)
	w.Attempt(&gateway.Attempt{Deployment: hash, Group: uuid, OK: true, Start: start}, start)
	got, err := explain.Read(w.Bytes())
	if err != nil || got.Attempts[0].Deployment != "0123456789abcdef…" || got.Attempts[0].Group != uuid {
		t.Errorf("%+v, %v", got, err)
	}
	if n := len(w.Bytes()); n > 40 {
		t.Errorf("%d bytes", n)
	}
}

func TestWhatHasNoRoomIsCounted(t *testing.T) {
	y, attempts := usual()
	for i := range 200 {
		y.Removals = append(y.Removals, gateway.Removal{Deployment: fmt.Sprint("deployment-with-a-long-name-", i), Filter: gateway.FilterTPM, Have: 1 << 40, Limit: 1 << 40})
	}
	y.Picks[2].To = len(y.Removals)
	var w explain.Writer
	b := write(&w, y, attempts)
	got, err := explain.Read(b)
	if err != nil || len(b) > explain.Max || len(got.Attempts) != 3 || len(got.Why.Picks) != 3 || len(got.Limits) != 2 {
		t.Fatalf("%d bytes: %+v, %v", len(b), got, err)
	}
	if got.Lost == 0 || got.Lost+len(got.Why.Removals) != len(y.Removals) {
		t.Errorf("%d of %d removals are there and %d are said to be lost", len(got.Why.Removals), len(y.Removals), got.Lost)
	}
}

func TestWritingAllocatesNothing(t *testing.T) {
	y, attempts := usual()
	w := new(explain.Writer)
	if n := testing.AllocsPerRun(100, func() { write(w, y, attempts) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRead(f *testing.F) {
	y, attempts := usual()
	var w explain.Writer
	f.Add(append([]byte(nil), write(&w, y, attempts)...))
	f.Add([]byte{1, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := explain.Read(b)
		if err != nil {
			return
		}
		_ = r.Story("m")
	})
}

func BenchmarkWrite(b *testing.B) {
	y := &gateway.Why{Asked: "m", Picks: []gateway.Pick{{Group: "m", Candidates: 2, Looked: 2, Strategy: "simple-shuffle", Deployment: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}}}
	attempts := []gateway.Attempt{{Deployment: y.Picks[0].Deployment, Group: "m", Start: start, Duration: time.Second, OK: true}}
	w := new(explain.Writer)
	b.ReportAllocs()
	for b.Loop() {
		write(w, y, attempts)
	}
	b.ReportMetric(float64(len(w.Bytes())), "bytes")
}
