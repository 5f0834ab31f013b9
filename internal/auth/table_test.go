package auth_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"penstock/internal/auth"
	"penstock/internal/gateway"
)

func sumOf(t testing.TB, k *gateway.Key) *auth.Sum {
	t.Helper()
	sum, ok := auth.ParseSum(k.Hash)
	if !ok {
		t.Fatalf("%q is no hash", k.Hash)
	}
	return &sum
}

// Whatever is added, changed and deleted in whatever order, of whatever size,
// the directory has what was put last.
func TestDirectoryHasWhatWasPutLast(t *testing.T) {
	const keys = 2000
	d, want := auth.NewDirectory(), map[int]*gateway.Key{}
	all := make([]*gateway.Key, keys)
	for i := range all {
		all[i] = typical(i)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	check := func(i int) {
		t.Helper()
		got := d.Key(sumOf(t, all[i]))
		if w := want[i]; w == nil && got != nil || w != nil && !reflect.DeepEqual(got, w) {
			t.Fatalf("key %d: got %+v, want %+v", i, got, w)
		}
	}
	for step := range 40_000 {
		i := rng.IntN(keys)
		switch rng.IntN(5) {
		case 0:
			d.DeleteKey(all[i].Hash)
			delete(want, i)
		case 1, 2:
			k := *all[i]
			k.Spend.Total = gateway.NanoUSD(step)
			if rng.IntN(500) == 0 { // larger than what rows usually share a piece of memory with
				k.Metadata = fmt.Appendf(nil, `{"text":%q}`, bytes.Repeat([]byte("x"), rng.IntN(40_000)))
			}
			d.PutKey(&k)
			want[i] = &k
		}
		check(i)
	}
	for i := range keys {
		check(i)
	}
	if d.Keys() != len(want) {
		t.Errorf("%d keys, want %d", d.Keys(), len(want))
	}
}

// Spend changes keys all the time: what they were takes no memory for long.
func TestChangedKeysLeaveNoMemory(t *testing.T) {
	const keys, times = 10_000, 20
	d := auth.NewDirectory()
	first := fill(d, keys) * keys
	all := make([]*gateway.Key, keys)
	for i := range all {
		all[i] = typical(i)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range times {
		for _, k := range all {
			k.Spend.Total++
			d.PutKey(k)
			d.Key(sumOf(t, k))
			d.Key(sumOf(t, k)) // twice, so that it is kept ready
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	const ready = 15e6 // keys that are kept ready
	if more := float64(after.HeapAlloc) - float64(before.HeapAlloc); more > first+ready {
		t.Errorf("after %d changes of each of %d keys they take %.1f MB more, which were %.1f MB", times, keys, more/1e6, first/1e6)
	}
	runtime.KeepAlive(d)
}

// Nobody gets a key as it was before a change that is made.
func TestReadersSeeChanges(t *testing.T) {
	const keys, changes = 64, 500
	d := auth.NewDirectory()
	all := make([]*gateway.Key, keys)
	var made [keys]atomic.Int64
	for i := range all {
		all[i] = typical(i)
		all[i].Spend.Total = 0
		d.PutKey(all[i])
	}
	// More that come and go in the same places.
	others := make([]*gateway.Key, 4096)
	for i := range others {
		others[i] = typical(keys + i)
		d.PutKey(others[i])
	}
	var wg, writers sync.WaitGroup
	stop := make(chan struct{})
	for w := range 2 {
		writers.Go(func() {
			for n := range changes {
				for i := w; i < keys; i += 2 {
					k := *all[i]
					k.Spend.Total = gateway.NanoUSD(n + 1)
					d.PutKey(&k)
					made[i].Store(int64(n + 1))
				}
				d.PutKey(others[(n*2+w)%len(others)])
			}
		})
	}
	for r := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(r), 3))
			for {
				select {
				case <-stop:
					return
				default:
				}
				i := rng.IntN(keys)
				least := made[i].Load()
				if k := d.Key(sumOf(t, all[i])); k == nil || int64(k.Spend.Total) < least || k.Alias != all[i].Alias {
					t.Errorf("key %d after change %d: got %+v", i, least, k)
					return
				}
				d.Key(sumOf(t, others[rng.IntN(len(others))]))
			}
		})
	}
	writers.Wait()
	close(stop)
	wg.Wait()
}

// A key that stays is there all the time while all of them are read anew.
func TestKeysStayWhileAllAreReplaced(t *testing.T) {
	const keys = 100
	d := auth.NewDirectory()
	all := make([]*gateway.Key, keys)
	for i := range all {
		all[i] = typical(i)
		d.PutKey(all[i])
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				want := all[i%keys]
				if k := d.Key(sumOf(t, want)); k == nil || k.Alias != want.Alias {
					t.Errorf("key %d: got %+v", i%keys, k)
					return
				}
			}
		})
	}
	for range 300 {
		n := d.Empty()
		for _, k := range all {
			n.PutKey(k)
		}
		d.Replace(n)
	}
	close(done)
	wg.Wait()
}

// What is seldom in a key comes back as it was, too.
func TestOddKeysComeBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		key  gateway.Key
	}{
		{"nothing is set", gateway.Key{}},
		{"a text so long that its length takes more than two bytes", gateway.Key{Alias: strings.Repeat("a", 1<<15-1), UserID: strings.Repeat("u", 100_000), TeamID: "t"}},
		{"a text one shorter", gateway.Key{Alias: strings.Repeat("a", 1<<15-2), TeamID: "t"}},
		{"many models", gateway.Key{Models: strings.Split(strings.Repeat("model,", 1<<15), ",")}},
		{"ceilings of nothing and of less", gateway.Key{Limits: gateway.Limits{RPM: new(int64(0)), TPM: new(int64(-1)), Budget: new(gateway.NanoUSD(math.MinInt64))}}},
		{"more ceilings than there is room for beside a key", gateway.Key{Limits: gateway.Limits{
			RPM: new(int64(1)), TPM: new(int64(2)), InputTPM: new(int64(3)), OutputTPM: new(int64(4)), TPD: new(int64(5)), Parallel: new(int64(6)), SoftBudget: new(gateway.NanoUSD(7)),
		}}},
		{"times long ago and far away", gateway.Key{
			Expires: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), CreatedAt: time.Date(1, 1, 2, 0, 0, 0, 1, time.UTC), LastActive: time.Unix(0, 0).UTC(),
		}},
		{"it is blocked", gateway.Key{Blocked: true, Limits: gateway.Limits{Shadow: true}}},
	} {
		d := auth.NewDirectory()
		want := tt.key
		want.Hash = auth.Hash(tt.name)
		d.PutKey(&want)
		for range 3 { // packed, and ready
			if got := d.Key(sumOf(t, &want)); !reflect.DeepEqual(got, &want) {
				t.Errorf("%s: got %+v, want %+v", tt.name, got, want)
			}
		}
	}
}

// Who appends to the JSON of a key does not write over the rows behind it.
func TestAppendingToAKeyChangesNoOther(t *testing.T) {
	d := auth.NewDirectory()
	a, b := typical(1), typical(2)
	d.PutKey(a)
	d.PutKey(b)
	_ = append(d.Key(sumOf(t, a)).Metadata, bytes.Repeat([]byte("x"), 1000)...)
	for _, want := range []*gateway.Key{a, b} {
		if got := d.Key(sumOf(t, want)); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// A key that is not in use takes less than one piece of memory to make ready.
func TestKeysNotInUseTakeFewAllocations(t *testing.T) {
	const keys = 20_000
	d := auth.NewDirectory()
	sums := make([]*auth.Sum, keys)
	for i := range sums {
		k := typical(i)
		d.PutKey(k)
		sums[i] = sumOf(t, k)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, sum := range sums {
		if d.Key(sum) == nil {
			t.Fatal("a key is missing")
		}
	}
	runtime.ReadMemStats(&after)
	if each := float64(after.Mallocs-before.Mallocs) / keys; each > 0.9 {
		t.Errorf("%.2f allocations a key, want a fraction of one", each)
	}
}
