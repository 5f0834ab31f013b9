package ledger_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/ledger"
	"penstock/internal/price"
	"penstock/internal/spend"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

// These tests run the journal and the booker in a process of their own, which
// ends itself with SIGKILL at one step: at the n-th write, sync, creation,
// removal or reading of a file, or before or behind a transaction. They do so
// for every n there is, and look at the books afterwards.

const (
	childDir  = "PENSTOCK_FAULT_DIR"
	childStep = "PENSTOCK_FAULT_STEP"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		step, err := strconv.ParseInt(os.Getenv(childStep), 10, 64)
		if err == nil {
			err = child(dir, step)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// fault ends the process at one step.
type fault struct {
	at, n atomic.Int64
}

// step is one boundary. At the last one nothing runs any more.
func (f *fault) step() {
	if f.n.Add(1) == f.at.Load() {
		die()
	}
}

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// faultyDisk is a disk whose every operation is a step. Writes are two: one half
// of the bytes is on the disk between them.
type faultyDisk struct {
	spend.OSDisk
	f *fault
}

func (d faultyDisk) Create(path string) (spend.DiskFile, error) {
	d.f.step()
	file, err := d.OSDisk.Create(path)
	d.f.step()
	return faultyFile{file, d.f}, err
}

func (d faultyDisk) Read(path string) ([]byte, error) {
	d.f.step()
	return d.OSDisk.Read(path)
}

func (d faultyDisk) Remove(path string) error {
	d.f.step()
	err := d.OSDisk.Remove(path)
	d.f.step()
	return err
}

func (d faultyDisk) SyncDir(dir string) error {
	d.f.step()
	return d.OSDisk.SyncDir(dir)
}

type faultyFile struct {
	spend.DiskFile
	f *fault
}

func (f faultyFile) Write(b []byte) (int, error) {
	f.f.step()
	n, err := f.DiskFile.Write(b[:len(b)/2])
	if err != nil {
		return n, err
	}
	f.f.step()
	m, err := f.DiskFile.Write(b[len(b)/2:])
	return n + m, err
}

func (f faultyFile) Sync() error {
	f.f.step()
	return f.DiskFile.Sync()
}

func (f faultyFile) Close() error {
	f.f.step()
	return f.DiskFile.Close()
}

// faultyStore has a step before and behind each transaction.
type faultyStore struct {
	*store.DB
	f *fault
}

func (s faultyStore) Book(ctx context.Context, rows []spend.Row) (int, error) {
	s.f.step()
	n, err := s.DB.Book(ctx, rows)
	s.f.step()
	return n, err
}

const faultCalls = 9

// child is the process. It says on standard output which calls have begun and
// which have ended, as a provider is called and a client answered after the
// journal has it.
func child(dir string, at int64) error {
	ctx := context.Background()
	rate, err := price.ParseTerms("input=1e-6 output=2e-6")
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "x.db"), store.Options{Chain: true})
	if err != nil {
		return err
	}
	f := &fault{}
	f.at.Store(at)
	log := slog.New(slog.DiscardHandler)
	// Files are small, so that they fill, go, and leave open calls to carry over.
	j, err := spend.OpenJournal(filepath.Join(dir, "journal"), spend.Options{Sync: spend.SyncAlways, Lanes: 2, Segment: 1000, Disk: faultyDisk{f: f}}, log)
	if err != nil {
		return err
	}
	if err := j.Recover(ctx, faultyStore{db, f}, func(int) {}); err != nil {
		return err
	}
	b := spend.NewBooker(j, faultyStore{db, f}, log)
	long := faultRow(faultCalls, rate)
	if err := j.Begin(&long); err != nil {
		return err
	}
	fmt.Println("began", long.CallID)
	for n := range faultCalls {
		r := faultRow(n, rate)
		if err := j.Begin(&r); err != nil {
			return err
		}
		fmt.Println("began", r.CallID)
		if n%3 == 0 {
			r.Usage.Completion = 7
			r.Cost = rate.Cost(r.Usage)
			if err := j.Progress(&r); err != nil {
				return err
			}
		}
		r.Usage.Completion = int64(100 + n)
		r.Cost = rate.Cost(r.Usage)
		r.End = r.Start
		if err := j.End(&r); err != nil {
			return err
		}
		fmt.Println(r.CallID)
		if n%4 == 3 {
			if err := b.Flush(ctx); err != nil {
				return err
			}
		}
	}
	long.Usage.Completion = 99
	long.Cost = rate.Cost(long.Usage)
	if err := j.End(&long); err != nil {
		return err
	}
	fmt.Println(long.CallID)
	err = errors.Join(b.Close(ctx), j.Close(), db.Close())
	fmt.Println("steps", f.n.Load())
	return err
}

// faultRow is a call as it begins: its input counts.
func faultRow(n int, rate *price.Rate) spend.Row {
	r := storetest.Row(n)
	r.OrgID, r.EndUser, r.Tags = "org", fmt.Sprint("customer-", n%4), []string{"a", fmt.Sprint("b", n%3)}
	r.CallID = fmt.Sprintf("%08x-%04x-7000-8000-%012x", r.Start.UnixMilli()>>16, r.Start.UnixMilli()&0xffff, n)
	r.Usage = gateway.Usage{Prompt: 10}
	r.Cost, r.Rate, r.RateTerms = rate.Cost(r.Usage), rate.ID(), rate.Terms()
	return r
}

// told is what processes said of their calls.
type told struct{ began, ended []string }

// runChild runs the process until it ends at step at, adds what it says to said,
// and returns how many steps there were if it came to its end.
func runChild(t *testing.T, dir string, at int64, said *told) (steps int64) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childStep+"="+strconv.FormatInt(at, 10))
	var out, failed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failed
	err = cmd.Run()
	killed := false
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		status, _ := e.Sys().(syscall.WaitStatus)
		killed = status.Signaled() && status.Signal() == syscall.SIGKILL
	}
	if err != nil && !killed {
		t.Fatalf("step %d: the process failed: %v\n%s", at, err, failed.String())
	}
	lines := bufio.NewScanner(&out)
	for lines.Scan() {
		if n, ok := strings.CutPrefix(lines.Text(), "steps "); ok {
			if steps, err = strconv.ParseInt(n, 10, 64); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if id, ok := strings.CutPrefix(lines.Text(), "began "); ok {
			said.began = append(said.began, id)
			continue
		}
		said.ended = append(said.ended, lines.Text())
	}
	return steps
}

// template is a database with owners, copied for each run: migrations take
// longer than all the rest.
func template(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := store.Open(t.Context(), "sqlite:"+path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 9 {
		if err := db.CreateKey(t.Context(), &gateway.Key{Hash: storetest.Row(i).KeyHash}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		if err := db.CreateUser(t.Context(), &gateway.User{ID: storetest.Row(i).UserID}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if err := db.CreateTeam(t.Context(), &gateway.Team{ID: storetest.Row(i).TeamID}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil { // which leaves all in one file
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func place(t *testing.T, db []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.db"), db, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// settle recovers what is in dir, and wants every ended call on the books as it
// ended, every one that has begun once, and all sums right to the nano-dollar.
func settle(t *testing.T, dir, when string, said *told) {
	t.Helper()
	ctx := t.Context()
	rate := terms(t, "input=1e-6 output=2e-6")
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "x.db"), store.Options{Chain: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	j, err := spend.OpenJournal(filepath.Join(dir, "journal"), spend.Options{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Recover(ctx, db, func(int) {}), j.Close()); err != nil {
		t.Fatalf("%s: recover: %v", when, err)
	}
	r, err := ledger.Verify(ctx, db, true, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if r.Problems != 0 {
		t.Errorf("%s: the books are wrong:\n%s", when, strings.Join(r.Findings, "\n"))
	}
	calls, err := db.Calls(ctx, store.CallFilter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	booked := map[string]spend.Row{}
	for _, c := range calls {
		booked[c.CallID] = c
	}
	for n := range faultCalls + 1 {
		want := faultRow(n, rate)
		want.Usage.Completion = int64(100 + n)
		if n == faultCalls {
			want.Usage.Completion = 99
		}
		c, ok := booked[want.CallID]
		delete(booked, want.CallID)
		for _, id := range said.ended {
			if id == want.CallID && (!ok || c.Interrupted || c.Usage.Completion != want.Usage.Completion || c.Cost != rate.Cost(want.Usage)) {
				t.Errorf("%s: call %d has ended and is on the books: %v, %d tokens at %s", when, n, ok, c.Usage.Completion, c.Cost)
			}
		}
		if !ok && slices.Contains(said.began, want.CallID) {
			t.Errorf("%s: call %d has begun and is not on the books", when, n)
		}
		if ok && c.Interrupted && c.Usage.Completion != 0 && c.Usage.Completion != 7 {
			t.Errorf("%s: call %d was interrupted at %d tokens", when, n, c.Usage.Completion)
		}
	}
	if len(booked) > 0 {
		t.Errorf("%s: calls on the books that never were: %v", when, booked)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "journal", "*.journal")); len(left) > 0 {
		t.Errorf("%s: files left: %v", when, left)
	}
}

// Killed at every step there is, and killed again while it recovers, the ledger
// has every call that had begun, once, those that had ended as they ended, and
// no sum is off by a nano-dollar.
func TestKilledAtEveryStep(t *testing.T) {
	db := template(t)
	dir := place(t, db)
	var said told
	steps := runChild(t, dir, 0, &said)
	if len(said.ended) != faultCalls+1 || steps < 100 { // a run without files to leave would prove little
		t.Fatalf("without a fault: %d calls ended in %d steps", len(said.ended), steps)
	}
	settle(t, dir, "without a fault", &said)

	for n := int64(1); n <= steps; n++ {
		t.Run(strconv.FormatInt(n, 10), func(t *testing.T) {
			t.Parallel()
			dir := place(t, db)
			var said told
			runChild(t, dir, n, &said)
			when := fmt.Sprintf("killed at step %d of %d", n, steps)
			if n%3 == 0 {
				// Again, in the recovery: it has a few steps for each file.
				runChild(t, dir, 1+n/3%12, &said)
				when += fmt.Sprintf(" and then at step %d", 1+n/3%12)
			}
			settle(t, dir, when, &said)
		})
	}
}
