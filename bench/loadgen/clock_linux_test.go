package main

import (
	"os"
	"runtime"
	"testing"
	"time"
)

func TestTheTimeOfAThreadThatHasEndedIsCounted(t *testing.T) {
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	own, err := ownTime()
	if err != nil {
		t.Fatal(err)
	}
	const work = 30 * time.Millisecond
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with us
		for {
			if now, err := ownTime(); err != nil || now-own >= work {
				done <- err
				return
			}
		}
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	after, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// Two clocks of the kernel, of which getrusage's is scaled to ticks.
	if used := after - before; used < work*8/10 || used > work*10 {
		t.Errorf("%v of processor time, want about %v", used, work)
	}
}

func TestPercentile(t *testing.T) {
	var v []time.Duration
	for i := range 200 {
		v = append(v, time.Duration(200-i)*time.Microsecond)
	}
	for _, tt := range []struct {
		p    int
		want float64
	}{{50, 101}, {99, 199}} {
		if got := percentile(v, tt.p); got != tt.want {
			t.Errorf("p%d of 1 to 200 us is %v, want %v", tt.p, got, tt.want)
		}
	}
}
