package price_test

import (
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/price"
)

func TestSmoke(t *testing.T) {
	b := price.Published()
	r, ok := b.Lookup("openai", "gpt-4o")
	if !ok {
		t.Fatal("no")
	}
	u := gateway.Usage{Prompt: 1000, CacheRead: 200, Completion: 100}
	t.Log(r.Cost(u), price.FormatUSD(r.Cost(u)), r.Breakdown(u), r.Bound(1000, 100), r.AtTier("").Bound(1000, 100), r.AffordableOutput(1e9))
}
func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		price.Published()
	}
}
func BenchmarkLookup(b *testing.B) {
	b.ReportAllocs()
	x := price.Published()
	for b.Loop() {
		x.Lookup("openai", "gpt-4o")
	}
}
func BenchmarkMiss(b *testing.B) {
	b.ReportAllocs()
	x := price.Published()
	for b.Loop() {
		x.Lookup("openai", "nothing-like-it-2024-10-11")
	}
}
func BenchmarkCost(b *testing.B) {
	b.ReportAllocs()
	x := price.Published()
	r, _ := x.Lookup("openai", "gpt-4o")
	u := gateway.Usage{Prompt: 1000, CacheRead: 200, Completion: 100}
	for b.Loop() {
		r.Cost(u)
	}
}
