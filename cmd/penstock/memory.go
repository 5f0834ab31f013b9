package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// garbage is how much may be allocated between two collections however little
// is alive. An idle gateway holds a few megabytes; with Go's own rule, to let
// the heap double, a busy one collected every 200 calls, for 5 % of its time.
const garbage = 24 << 20

// paceGC lets the collector run more seldom while the heap is small. A large
// heap, and a GOGC that somebody has set, are left alone.
func paceGC(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	set := 100
	for {
		metrics.Read(live)
		want := gcPercent(live[0].Value.Uint64())
		// Setting it stops the program for a moment: small changes are not worth that.
		if want > set+set/4 || want < set-set/4 {
			debug.SetGCPercent(want)
			set = want
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// gcPercent returns the GOGC with which live bytes may grow by as much as
// garbage, and never less than Go's own 100.
func gcPercent(live uint64) int {
	return int(min(max(100, garbage*100/max(live, 1<<20)), 1000))
}
