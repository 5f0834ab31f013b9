package store_test

import (
	"fmt"
	"path/filepath"
	"testing"

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
	for _, size := range []int{1, 50, 500} {
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
					for i := range batch {
						batch[i] = storetest.Row(n)
						n++
					}
					if _, err := db.Book(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
			})
		})
	}
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
