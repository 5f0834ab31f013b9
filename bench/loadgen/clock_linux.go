package main

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

// cpuTime returns the processor time that the process has used in all its
// threads, those that have ended too. It asks the kernel's clock of that
// process, which counts nanoseconds; /proc/PID/stat counts ticks of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	clock := int32(^pid)<<3 | 2 // what clock_getcpuclockid makes: the scheduler's clock of a whole process
	var ts syscall.Timespec
	//nolint:gosec // the kernel writes into ts during this call only
	if _, _, e := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(uint32(clock)), uintptr(unsafe.Pointer(&ts)), 0); e != 0 {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, e)
	}
	return time.Duration(ts.Nano()), nil
}

// pause sleeps on a thread of its own: time.Sleep may be a millisecond late,
// which is more than a gateway adds. The caller has locked its thread.
func pause(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&ts, nil) // woken early is noticed by the caller, which looks at the time
}

// ownTime returns the processor time of this process and of the processes that
// it started and that have ended.
func ownTime() (time.Duration, error) {
	var sum time.Duration
	for _, who := range [...]int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			return 0, fmt.Errorf("getrusage: %w", err)
		}
		sum += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return sum, nil
}
