package router

import (
	"slices"
	"sync/atomic"
	"time"
)

// meter counts what happened in the last minute: all of this clock minute and
// the share of the one before that is not a minute old yet. It takes no lock;
// counts that race with the change of the minute may land in either.
type meter struct {
	minute   atomic.Int64 // Unix minute that cur is of
	cur, old atomic.Int64
}

const perMinute = int64(time.Minute)

func (m *meter) roll(now int64) {
	is, was := now/perMinute, m.minute.Load()
	if is <= was || !m.minute.CompareAndSwap(was, is) {
		return
	}
	n := m.cur.Swap(0)
	if is > was+1 {
		n = 0
	}
	m.old.Store(n)
}

// add counts n at now, Unix nanoseconds.
func (m *meter) add(now, n int64) {
	m.roll(now)
	m.cur.Add(n)
}

// sum returns what the last minute counts.
func (m *meter) sum(now int64) int64 {
	m.roll(now)
	n := m.cur.Load()
	if old := m.old.Load(); old > 0 {
		n += int64(float64(old) * float64(perMinute-now%perMinute) / float64(perMinute))
	}
	return max(n, 0)
}

// moving keeps the last samples of something, in microseconds. Writers that
// race lose at most a sample; readers never wait.
type moving struct {
	n       atomic.Uint32 // samples ever
	mean    atomic.Int64  // of the last size samples, 0 before the first
	at      atomic.Int64  // Unix nanoseconds of the last sample
	samples [maxSamples]atomic.Uint32
}

// maxSamples is the most samples that are kept of one deployment.
const maxSamples = 64

// add takes a sample. size is how many samples the mean is of.
func (v *moving) add(now int64, d time.Duration, size int) {
	us := min(max(d.Microseconds(), 1), 1<<32-1)
	n := v.n.Add(1)
	v.samples[(n-1)%maxSamples].Store(uint32(us))
	size = int(min(int64(size), int64(n), maxSamples))
	sum := int64(0)
	for i := range size {
		sum += int64(v.samples[(n-1-uint32(i))%maxSamples].Load())
	}
	v.mean.Store(sum / int64(size))
	v.at.Store(now)
}

// percentile returns the q-th part (0 to 1) of the samples, and of how many it is.
func (v *moving) percentile(q float64) (d time.Duration, of int) {
	var buf [maxSamples]uint32
	of = int(min(v.n.Load(), maxSamples))
	if of == 0 {
		return 0, 0
	}
	for i := range of {
		buf[i] = v.samples[i].Load()
	}
	slices.Sort(buf[:of])
	at := min(int(q*float64(of)), of-1)
	return time.Duration(buf[at]) * time.Microsecond, of
}
