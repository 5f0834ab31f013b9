package auth_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"penstock/internal/auth"
	"penstock/internal/gateway"
)

// typical returns key number n of a house of a thousand teams: what
// /key/generate writes for a key with an owner, a few models and a budget.
func typical(n int) *gateway.Key {
	id := func(what string, n int) string { return uuid.NewSHA1(uuid.Nil, fmt.Append(nil, what, n)).String() }
	return &gateway.Key{
		Hash: auth.Hash(typicalKey(n)), Name: fmt.Sprintf("sk-...%04x", n&0xffff), Alias: fmt.Sprintf("service-%06d-production", n),
		UserID: id("user", n/10), TeamID: id("team", n%1000), OrganizationID: id("organization", n%50),
		Models: []string{"gpt-4o", "claude-sonnet-4"}, Tags: []string{"production"},
		Limits: gateway.Limits{
			RPM: new(int64(600)), TPM: new(int64(100_000)), Budget: new(gateway.NanoUSD(100_000_000_000)), BudgetDuration: "30d",
		},
		Spend:    gateway.Spend{Window: gateway.NanoUSD(n) * 1_234_567, WindowStart: now, Total: gateway.NanoUSD(n) * 7_654_321},
		Metadata: fmt.Appendf(nil, `{"application":"service-%06d","owner":"someone@example.com"}`, n),
		Type:     "llm_api", CreatedAt: now, CreatedBy: "default_user_id", UpdatedAt: now, UpdatedBy: "default_user_id", LastActive: now,
	}
}

func typicalKey(n int) string { return fmt.Sprintf("sk-%022d", n) }

// fill puts n typical keys into a directory and returns the bytes each takes.
func fill(d *auth.Directory, n int) float64 {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range n {
		d.PutKey(typical(i))
	}
	return float64(heap()-before) / float64(n)
}

// A million keys have to fit beside everything else: 400 bytes each at most.
func TestKeysAreSmallInMemory(t *testing.T) {
	d := auth.NewDirectory()
	each := fill(d, 100_000)
	t.Logf("%.0f bytes a key", each)
	if each > 400 {
		t.Errorf("a key takes %.0f bytes, want at most 400", each)
	}
	runtime.KeepAlive(d)
}

// processorTime is what this process has used, on all processors: what else runs
// on the machine does not count.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkMillionKeys authenticates with one key of a million: always the
// same few, which are ready, or any of them, which mostly are not; and the same
// where each key has a user, one of 100,000, and a team, one of 1,000.
func BenchmarkMillionKeys(b *testing.B) {
	const keys = 1_000_000
	d := auth.NewDirectory()
	start := time.Now()
	each := fill(d, keys)
	b.Logf("%.0f bytes a key, put in %v", each, time.Since(start).Round(time.Millisecond))
	a := &auth.Authenticator{Directory: d, Now: time.Now}
	run := func(name string, of int) {
		b.Run(name, func(b *testing.B) {
			// The header of a call that was just read is at hand, so it is one after
			// the other here and not spread over the memory.
			header := make([]string, 200_000)
			for i := range header {
				// Far apart, in no order.
				sum := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(i)))
				header[i] = "Bearer " + typicalKey(int(binary.LittleEndian.Uint64(sum[:])%uint64(of)))
			}
			values := make([]string, 1)
			r := from(http.Header{"Authorization": values})
			b.ReportAllocs()
			b.ReportMetric(each, "B/key")
			i, begin := 0, processorTime(b)
			for b.Loop() {
				values[0] = header[i%len(header)]
				if _, err := a.Authenticate(r); err != nil {
					b.Fatal(err)
				}
				i++
			}
			b.ReportMetric(float64(processorTime(b)-begin)/float64(b.N), "cpu-ns/op")
		})
	}
	run("of 1000 in use", 1000)
	run("of all", keys)
	// What the machine takes for the two looks alone, one at a slot and one at the
	// row it leads to, with nothing done: no key that is not in use costs less.
	b.Run("two looks into as much memory", func(b *testing.B) {
		slots, rows := make([]uint32, 4*keys), make([]byte, int(each)*keys)
		for i := range rows {
			rows[i] = byte(i)
		}
		random := func(i int) uint64 {
			sum := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(i)))
			return binary.LittleEndian.Uint64(sum[:])
		}
		for i := range slots {
			slots[i] = uint32(random(i) % uint64(len(rows)))
		}
		asked := make([]uint64, 200_000)
		for i := range asked {
			asked[i] = random(-i) % uint64(len(slots))
		}
		i, seen, begin := 0, byte(0), processorTime(b)
		for b.Loop() {
			// Each waits for the one before, as calls do that come one by one.
			seen = rows[slots[asked[i%len(asked)]^uint64(seen&1)]]
			i++
		}
		b.ReportMetric(float64(processorTime(b)-begin)/float64(b.N), "cpu-ns/op")
	})
	// What another replica has changed is put in its place, whatever else there is.
	b.Run("a change", func(b *testing.B) {
		changed := typical(0)
		for i := 0; b.Loop(); i++ {
			changed.Hash, changed.Spend.Total = auth.Hash(typicalKey(i*7919%keys)), gateway.NanoUSD(i)
			d.PutKey(changed)
		}
		b.ReportAllocs()
	})
	for i := range keys / 10 {
		k := typical(10 * i)
		d.PutUser(&gateway.User{ID: k.UserID, Email: fmt.Sprintf("person%06d@example.com", i), Role: gateway.InternalUser, Teams: []string{k.TeamID}, CreatedAt: now, UpdatedAt: now})
	}
	for i := range 1000 {
		k := typical(i)
		d.PutTeam(&gateway.Team{ID: k.TeamID, Alias: fmt.Sprintf("team %03d", i), Models: k.Models, Limits: k.Limits, CreatedAt: now, UpdatedAt: now})
	}
	run("of 1000 in use, with users and teams", 1000)
	run("of all, with users and teams", keys)
}
