package store_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/spend"
	"penstock/internal/store"
	"penstock/internal/store/storetest"
)

func engines(b *testing.B, run func(b *testing.B, db *store.DB)) {
	b.Run("sqlite", func(b *testing.B) { run(b, storetest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { run(b, storetest.Postgres(b)) })
}

// BenchmarkBook books batches of new rows of nine stored keys.
func BenchmarkBook(b *testing.B) {
	for _, size := range []int{1, 50, 500, 4000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			engines(b, func(b *testing.B, db *store.DB) {
				for n := range 9 {
					if err := db.CreateKey(b.Context(), &gateway.Key{Hash: storetest.Row(n).KeyHash}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportAllocs()
				batch := make([]spend.Row, size)
				n := 0
				for b.Loop() {
					b.StopTimer()
					for i := range batch {
						batch[i] = storetest.Row(n)
						batch[i].CallID = uuid7(n)
						n++
					}
					b.StartTimer()
					if _, err := db.Book(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
				size, err := db.LedgerBytes(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(size)/float64(n), "bytes/row")
			})
		})
	}
}

// BenchmarkBookManyKeys books batches in which every call is by another key, of a
// user, a team and an organization: each booking moves as many rows of lists as it
// has calls.
func BenchmarkBookManyKeys(b *testing.B) {
	engines(b, bookManyKeys)
}

func bookManyKeys(b *testing.B, db *store.DB) {
	const stored, size = 20_000, 500
	if err := db.Fill(b.Context(), stored); err != nil {
		b.Fatal(err)
	}
	keys, _, err := db.ListKeys(b.Context(), store.KeyFilter{}, store.Page{Limit: 10_000})
	if err != nil {
		b.Fatal(err)
	}
	batch := make([]spend.Row, size)
	var took []time.Duration
	n := 0
	for b.Loop() {
		for i := range batch {
			k := keys[n*7919%len(keys)]
			batch[i] = storetest.Row(n)
			batch[i].CallID, batch[i].KeyHash = uuid7(n), k.Hash
			batch[i].UserID, batch[i].TeamID, batch[i].OrgID = k.UserID, k.TeamID, k.OrganizationID
			n++
		}
		begin := time.Now()
		if _, err := db.Book(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	// The middle one: a machine that does other things too has slow ones.
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(size/took[len(took)/2].Seconds(), "rows/s")
	b.ReportMetric(size/took[0].Seconds(), "best-rows/s")
}

// BenchmarkLedger is the whole way of a call's spend: both journal entries,
// and from the journal into the database. cpu-us/row is this process's time in
// user and kernel mode; PostgreSQL's own is not in it.
func BenchmarkLedger(b *testing.B) {
	engines(b, func(b *testing.B, db *store.DB) {
		j, err := spend.OpenJournal(b.TempDir(), spend.Options{}, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		defer j.Close()
		booker := spend.NewBooker(j, db, slog.New(slog.DiscardHandler))
		const calls = 5000
		rows := make([]spend.Row, calls)
		n := 0
		var used time.Duration
		for b.Loop() {
			b.StopTimer()
			for i := range rows {
				rows[i] = storetest.Row(n)
				rows[i].CallID = uuid7(n)
				n++
			}
			b.StartTimer()
			before := processorTime(b)
			for i := range rows {
				if err := errors.Join(j.Begin(&rows[i]), j.End(&rows[i])); err != nil {
					b.Fatal(err)
				}
			}
			if err := booker.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			used += processorTime(b) - before
		}
		if err := booker.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
		b.ReportMetric(float64(used.Microseconds())/float64(n), "cpu-us/row")
	})
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkKey(b *testing.B) {
	engines(b, func(b *testing.B, db *store.DB) {
		key := storetest.Row(1).KeyHash
		if err := db.CreateKey(b.Context(), &gateway.Key{Hash: key, Models: []string{"m"}}); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := db.Key(b.Context(), key); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpen opens a database that is up to date: a part of every start.
func BenchmarkOpen(b *testing.B) {
	url := "sqlite:" + filepath.Join(b.TempDir(), "penstock.db")
	for b.Loop() {
		db, err := store.Open(b.Context(), url, store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// uuid7 is the id of storetest.Row(n), as the gateway makes them.
func uuid7(n int) string {
	h := sha256.Sum256([]byte(strconv.Itoa(n)))
	ms := storetest.Row(n).Start.UnixMilli()
	return fmt.Sprintf("%08x-%04x-7%03x-8%03x-%012x", ms>>16, ms&0xffff, h[0], h[1], h[2:8])
}
