package auth_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"runtime"
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

// BenchmarkMillionKeys authenticates with one key of a million: always the
// same few, which are ready, or any of them, which mostly are not.
func BenchmarkMillionKeys(b *testing.B) {
	d := auth.NewDirectory()
	start := time.Now()
	each := fill(d, 1_000_000)
	b.Logf("%.0f bytes a key, put in %v", each, time.Since(start).Round(time.Millisecond))
	a := &auth.Authenticator{Directory: d, Now: time.Now}
	for _, bm := range []struct {
		name string
		keys int
	}{{"of 1000 in use", 1000}, {"of all", 1_000_000}} {
		b.Run(bm.name, func(b *testing.B) {
			requests := make([]*http.Request, min(bm.keys, 100_000))
			for i := range requests {
				// Far apart, in no order.
				sum := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(i)))
				n := int(binary.LittleEndian.Uint64(sum[:]) % uint64(bm.keys))
				requests[i] = from(http.Header{"Authorization": {"Bearer " + typicalKey(n)}})
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := a.Authenticate(requests[i%len(requests)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}
