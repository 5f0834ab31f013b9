package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// surroundings is what the machine and we had done at one time.
type surroundings struct {
	busy, total float64 // ticks of all processors
	own         time.Duration
}

// lookAround reads how busy the machine has been, and how much of that was us,
// besides the processes that still run.
func lookAround() (surroundings, error) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return surroundings{}, err
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	var s surroundings
	for i, f := range strings.Fields(line) {
		if i == 0 || i > 8 { // the name; guests, whose time is in the first column too
			continue
		}
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return s, fmt.Errorf("/proc/stat: %w", err)
		}
		s.total += v
		if i != 4 && i != 5 { // idle, waiting for the disk
			s.busy += v
		}
	}
	s.own, err = ownTime()
	return s, err
}

// others returns the part of the machine's processors that neither we nor
// running, which we started, have used since then.
func (s surroundings) others(running *server) (float64, error) {
	now, err1 := lookAround()
	mock, err2 := cpuTime(running.pid)
	if err := errors.Join(err1, err2); err != nil {
		return 0, err
	}
	ours := (now.own - s.own + mock).Seconds() * 100 // a tick is a hundredth of a second
	return max(0, now.busy-s.busy-ours) / (now.total - s.total), nil
}
