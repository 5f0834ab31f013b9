package spend

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"penstock/internal/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// books is a Store in memory. It keeps the first row of each call, as the
// contract says.
type books struct {
	mu    sync.Mutex
	rows  map[string]Row
	tries int
	fail  func(try int) error
}

func (b *books) Book(_ context.Context, rows []Row) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries++
	if b.fail != nil {
		if err := b.fail(b.tries); err != nil {
			return 0, err
		}
	}
	if b.rows == nil {
		b.rows = map[string]Row{}
	}
	n := 0
	for _, r := range rows {
		if _, ok := b.rows[r.CallID]; !ok {
			b.rows[r.CallID] = r
			n++
		}
	}
	return n, nil
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func row(id string, cost gateway.NanoUSD) *Row {
	return &Row{CallID: id, KeyHash: "k", Group: "gpt-4o", Operation: gateway.Chat, Cost: cost, Start: time.UnixMicro(1_774_000_000_000_001).UTC()}
}

func open(t *testing.T, dir string, o Options) *Journal {
	t.Helper()
	j, err := OpenJournal(dir, o, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func recovered(t *testing.T, dir string) *books {
	t.Helper()
	j := open(t, dir, Options{})
	defer j.Close()
	b := &books{rows: map[string]Row{}}
	if err := j.Recover(t.Context(), b, func(int) {}); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecoverBooksWhatADeadProcessLeft(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{Lanes: 2})
	streamed := row("streaming", 0)
	for _, err := range []error{
		j.Begin(row("done", 5)), j.End(row("done", 7)),
		j.Begin(row("waiting", 3)),
		j.Begin(streamed), j.Progress(row("streaming", 4)), j.Progress(row("streaming", 9)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = j.Close() // as the kernel does when a process dies

	b := recovered(t, dir)
	for _, want := range []struct {
		id          string
		cost        gateway.NanoUSD
		interrupted bool
	}{{"done", 7, false}, {"waiting", 3, true}, {"streaming", 9, true}} {
		r, ok := b.rows[want.id]
		if !ok || r.Cost != want.cost || r.Interrupted != want.interrupted {
			t.Errorf("call %s: booked %v at %d, interrupted %v; want %d, %v", want.id, ok, r.Cost, r.Interrupted, want.cost, want.interrupted)
		}
	}
	if again := recovered(t, dir); len(again.rows) != 0 {
		t.Errorf("a second recovery found %d rows, want none", len(again.rows))
	}
}

// Whatever byte the process died at, the whole records before it are booked
// and nothing else is.
func TestTornAtEveryByte(t *testing.T) {
	var file []byte
	var ends []int
	for i := range 3 {
		file = appendRecord(file, closed, row(fmt.Sprint("call", i), 1))
		ends = append(ends, len(file))
	}
	for n := range len(file) + 1 {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "lane00-000000000001.journal"), file[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, e := range ends {
			if e <= n {
				want++
			}
		}
		if b := recovered(t, dir); len(b.rows) != want {
			t.Fatalf("cut at byte %d: %d rows booked, want %d", n, len(b.rows), want)
		}
	}
}

// A disk that loses a piece in the middle costs the calls in it and no others.
func TestDamageCostsOnlyTheDamagedCalls(t *testing.T) {
	for _, running := range []bool{true, false} {
		dir := t.TempDir()
		j := open(t, dir, Options{Lanes: 1})
		for i := range 9 {
			if err := j.End(row(fmt.Sprint("call", i), 1)); err != nil {
				t.Fatal(err)
			}
		}
		files, _ := filepath.Glob(filepath.Join(dir, "*.journal"))
		f, err := os.OpenFile(files[0], os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		n := int64(len(appendRecord(nil, closed, row("call0", 1))))
		if _, err := f.WriteAt([]byte{0xff, 0xff, 0xff}, 4*n+20); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		s := &books{rows: map[string]Row{}}
		if running {
			b := NewBooker(j, s, quiet())
			if err := errors.Join(b.Flush(t.Context()), b.Close(t.Context())); err != nil {
				t.Fatal(err)
			}
			if j.Lost() != n {
				t.Errorf("%d bytes lost, want %d", j.Lost(), n)
			}
			_ = j.Close()
		} else {
			_ = j.Close()
			s = recovered(t, dir)
		}
		if _, found := s.rows["call4"]; found || len(s.rows) != 8 {
			t.Errorf("running %v: %d rows booked, the damaged one among them: %v; want the 8 others", running, len(s.rows), found)
		}
		if kept, _ := filepath.Glob(filepath.Join(dir, "*.damaged")); len(kept) != 1 {
			t.Errorf("running %v: damaged files %v kept, want one", running, kept)
		}
	}
}

func TestBookerKeepsRowsWhileTheStoreIsDown(t *testing.T) {
	j := open(t, t.TempDir(), Options{Lanes: 2})
	defer j.Close()
	s := &books{fail: func(try int) error {
		if try <= 3 {
			return errors.New("database is down")
		}
		return nil
	}}
	b := NewBooker(j, s, quiet())
	for i := range 50 {
		r := row(fmt.Sprint(i), 1)
		if err := errors.Join(j.Begin(r), j.End(r)); err != nil {
			t.Fatal(err)
		}
	}
	b.Add(*row("from memory", 1))
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.rows) != 51 || s.tries < 4 {
		t.Errorf("%d rows booked after %d tries, want 51 after at least 4", len(s.rows), s.tries)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAGoodStopLeavesNothingToRead(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	s := &books{}
	b := NewBooker(j, s, quiet())
	for i := range 20 {
		r := row(fmt.Sprint(i), 1)
		if err := errors.Join(j.Begin(r), j.End(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(b.Close(t.Context()), j.Close()); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.journal")); len(left) != 0 || len(s.rows) != 20 {
		t.Errorf("%d rows booked and files %v left, want 20 and none", len(s.rows), left)
	}
}

// Files go when they are booked, but not with a call in them that is still
// running: a crash must find it.
func TestOpenCallsOutliveTheirFile(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{Lanes: 1, Segment: 2048})
	s := &books{}
	b := NewBooker(j, s, quiet())
	if err := j.Begin(row("long", 3)); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		r := row(fmt.Sprint(i), 1)
		if err := errors.Join(j.Begin(r), j.End(r)); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			if err := b.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.rows) != 200 {
		t.Errorf("%d rows booked, want 200", len(s.rows))
	}
	if n := j.Size(); n > 3*2048 {
		t.Errorf("%d bytes of journal left, want booked files removed", n)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	after := recovered(t, dir)
	if r, ok := after.rows["long"]; !ok || !r.Interrupted || r.Cost != 3 {
		t.Errorf("the running call was booked as %+v (found %v), want interrupted at 3", r, ok)
	}
}

func TestFullJournalRefusesCalls(t *testing.T) {
	j := open(t, t.TempDir(), Options{Max: 300})
	defer j.Close()
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = j.Begin(row(fmt.Sprint(n), 1))
	}
	if !errors.Is(err, ErrFull) || n < 2 {
		t.Errorf("call %d: %v, want ErrFull after a few", n, err)
	}
	if err := j.End(row("0", 1)); err != nil {
		t.Errorf("a call that has begun must be able to end: %v", err)
	}
}

func TestOneProcessPerJournal(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	if _, err := OpenJournal(dir, Options{}, quiet()); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("second open: %v, want it refused", err)
	}
	_ = j.Close()
	open(t, dir, Options{}).Close()
}

func FuzzParseRecord(f *testing.F) {
	f.Add(appendRecord(nil, closed, row("a", 1)))
	full := row("b", 2)
	full.Tags, full.Error, full.Usage = []string{"x", ""}, "boom", gateway.Usage{Prompt: 3, Completion: 4, Tier: "flex", Estimated: true}
	full.End, full.KeyWindow = full.Start.Add(time.Second), full.Start
	f.Add(appendRecord(nil, opened, full))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again Row
		e, n, err := parseRecord(b, &r)
		if err != nil {
			return
		}
		if n > len(b) {
			t.Fatalf("record of %d bytes in %d", n, len(b))
		}
		out := appendRecord(nil, e, &r)
		if _, _, err := parseRecord(out, &again); err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("%+v came back as %+v (%v)", r, again, err)
		}
	})
}

func BenchmarkBeginEnd(b *testing.B) {
	j, err := OpenJournal(b.TempDir(), Options{Sync: SyncOff}, quiet())
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	r := row("0123456789abcdef0123456789abcdef0123", 12345)
	r.UserID, r.TeamID, r.Model, r.Provider, r.Deployment = "user-1", "team-1", "gpt-4o-2024-08-06", "openai", strings.Repeat("d", 64)
	r.KeyHash = strings.Repeat("k", 64)
	b.SetBytes(int64(2 * len(appendRecord(nil, closed, r))))
	b.ReportAllocs()
	for b.Loop() {
		if err := j.Begin(r); err != nil {
			b.Fatal(err)
		}
		if err := j.End(r); err != nil {
			b.Fatal(err)
		}
	}
}

func TestRecordsAreNarrow(t *testing.T) {
	r := row("0123456789abcdef0123456789abcdef0123", 12345)
	r.KeyHash, r.Deployment = strings.Repeat("k", 64), strings.Repeat("d", 64)
	r.Model, r.Provider, r.ResponseID, r.Price = "gpt-4o-2024-08-06", "openai", "chatcmpl-0123456789abcdef0123456789", "2026-11-24.abcdef"
	if n := len(bytes.TrimSpace(appendRecord(nil, closed, r))); n > 400 {
		t.Errorf("a typical record has %d bytes, want at most 400", n)
	}
}

// A record says by which program the call was made, and one of the release before,
// which ends where that stands, is read too.
func TestRecordKeepsTheProgramOfACall(t *testing.T) {
	r, again := row("c", 5), Row{}
	r.Agent = "coder/1.0 (cli)"
	if _, _, err := parseRecord(appendRecord(nil, closed, r), &again); err != nil || !reflect.DeepEqual(*r, again) {
		t.Errorf("read back %+v, %v\nwrote %+v", again, err, *r)
	}
	r.Agent = ""
	old := appendRecord(nil, closed, r)
	old = old[:len(old)-1]
	binary.LittleEndian.PutUint32(old, uint32(len(old)-recordHead))
	binary.LittleEndian.PutUint32(old[4:], crc32.Checksum(old[recordHead:], castagnoli))
	if _, _, err := parseRecord(old, &again); err != nil || !reflect.DeepEqual(*r, again) {
		t.Errorf("read back %+v, %v\nwrote %+v", again, err, *r)
	}
}

func TestRecordKeepsTheWindowsOfACall(t *testing.T) {
	r := row("c", 5)
	r.Windows = []Window{
		{Scope: "key", ID: "k", Duration: "1d", Start: time.UnixMicro(1_774_000_000_000_000).UTC()},
		{Scope: "model_per_key", ID: "k:gpt-4o", Duration: "1mo", Start: time.UnixMicro(1_772_000_000_000_000).UTC()},
	}
	b := appendRecord(nil, closed, r)
	var again Row
	if _, _, err := parseRecord(b, &again); err != nil || !reflect.DeepEqual(*r, again) {
		t.Errorf("read back %+v, %v\nwrote %+v", again, err, *r)
	}
	for cut := range b {
		if _, _, err := parseRecord(b[:cut], &again); !errors.Is(err, errTorn) {
			t.Fatalf("a record cut at %d: %v, want errTorn", cut, err)
		}
	}
}

// A lane that somebody is writing to holds up no call that can go elsewhere, and
// a call's records stay in one lane.
func TestACallTakesALaneThatIsFree(t *testing.T) {
	j := open(t, t.TempDir(), Options{Lanes: 2})
	defer j.Close()
	j.lanes[0].mu.Lock()
	var rows []*Row
	for i := range 8 {
		r := row(fmt.Sprint(i), 1)
		if err := j.Begin(r); err != nil { // would wait for ever in the other lane
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	j.lanes[0].mu.Unlock()
	j.lanes[1].mu.Lock()
	ended := make(chan error)
	go func() { ended <- j.End(rows[0]) }()
	select {
	case err := <-ended:
		t.Errorf("the end of a call went to another lane than its beginning: %v", err)
	default:
	}
	j.lanes[1].mu.Unlock()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if rows[0].Lane != 2 || len(j.lanes[0].files) != 0 {
		t.Errorf("in lane %d, and the busy one has %d files", rows[0].Lane, len(j.lanes[0].files))
	}
}
