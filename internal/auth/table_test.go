package auth_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

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
