package limittest

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"penstock/internal/limit"
)

// Store is a limit.Shared in memory: the contract in the fewest words, and a
// store whose failures and time a test can play.
type Store struct {
	now func() time.Time

	mu       sync.Mutex
	meters   map[limit.Meter]*meter
	replicas map[string]time.Time
	recalls  map[int]func(limit.Meter)
	subs     int
	paused   chan struct{} // closed when it goes on; nil if it runs
	down     error
	asks     int
}

type meter struct {
	base, baseAt int64
	based        bool
	shortAt      time.Time
	seconds      map[int64]int64
	holders      map[string]holder
}

type holder struct {
	epoch, seq, held, idle int64
	expires                time.Time
}

// NewStore returns an empty store whose clock is now.
func NewStore(now func() time.Time) *Store {
	s := &Store{now: now, recalls: map[int]func(limit.Meter){}}
	s.Lose()
	return s
}

// Lose forgets everything, as a Redis that was killed does.
func (s *Store) Lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meters, s.replicas = map[limit.Meter]*meter{}, map[string]time.Time{}
}

// Fail makes every operation fail with err, until it is nil again.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

// Pause makes every operation wait, as a stopped process does. What waits is
// played when resume is called, whether its caller has left or not.
func (s *Store) Pause() (resume func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	s.paused = c
	return func() {
		s.mu.Lock()
		s.paused = nil
		s.mu.Unlock()
		close(c)
	}
}

// Asks returns how many asks were played or refused.
func (s *Store) Asks() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asks
}

// enter waits while the store is paused and locks it. An operation whose caller
// leaves is played all the same, later.
func (s *Store) enter(ctx context.Context, late func()) error {
	s.mu.Lock()
	if s.down != nil {
		defer s.mu.Unlock()
		return s.down
	}
	paused := s.paused
	if paused == nil {
		return nil
	}
	s.mu.Unlock()
	select {
	case <-paused:
		s.mu.Lock()
		return nil
	case <-ctx.Done():
		if late == nil {
			return ctx.Err()
		}
		go func() {
			<-paused
			s.mu.Lock()
			defer s.mu.Unlock()
			late()
		}()
		return ctx.Err()
	}
}

// Apply implements limit.Shared.
func (s *Store) Apply(ctx context.Context, replica string, asks []limit.Ask) ([]limit.Grant, error) {
	play := func() []limit.Grant {
		out := make([]limit.Grant, len(asks))
		for i := range asks {
			s.asks++
			out[i] = s.apply(replica, &asks[i])
		}
		return out
	}
	if err := s.enter(ctx, func() { play() }); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return play(), nil
}

func (s *Store) apply(replica string, a *limit.Ask) limit.Grant {
	now := s.now()
	sec := now.Unix()
	span := a.Meter.Span()
	m := s.meters[a.Meter]
	if m == nil {
		m = &meter{seconds: map[int64]int64{}, holders: map[string]holder{}}
		s.meters[a.Meter] = m
	}
	window := int64(limit.Sliding / time.Second)
	maps.DeleteFunc(m.seconds, func(at, _ int64) bool { return at < sec-window })
	maps.DeleteFunc(m.holders, func(_ string, h holder) bool { return !now.Before(h.expires.Add(span.Grace())) })

	me, known := m.holders[replica]
	reborn := known && me.epoch < a.Epoch
	switch {
	case known && me.epoch > a.Epoch:
		return limit.Grant{Status: limit.Superseded}
	case span.Booked() && a.BaseAt == 0 && (!m.based || reborn):
		return limit.Grant{Status: limit.NeedBase}
	case !known && !a.Fresh:
		return limit.Grant{Status: limit.Lost}
	}
	if reborn {
		if span.Slides() {
			m.seconds[sec] += me.held // some of it may have been used
		}
		me = holder{}
	}
	short := false
	if !known || reborn || a.Seq > me.seq {
		if a.BaseAt > 0 && (!m.based || a.Base > m.base || a.BaseAt > m.baseAt+limit.BaseSettles.Microseconds()) {
			m.base, m.baseAt, m.based = a.Base, a.BaseAt, true
		}
		m.base += a.Add
		for _, u := range a.Used {
			if u.At >= sec-window {
				m.seconds[u.At] += u.N
			}
		}
		delete(m.holders, replica)
		taken := m.sum()
		left := max(a.Amount-taken-a.Keep, 0)
		got := min(a.Need, left)
		idle := a.Idle
		if short = got < a.Need; short {
			m.shortAt = now
			switch {
			case a.Scrap+got < a.Least:
				got = -a.Scrap
			case a.Least > 0:
				idle += (a.Scrap + got) % a.Least
			}
		} else {
			more := min(a.Wish, left-got)
			if !m.tight(now) {
				more += min(a.Spare, (left-got-more)/(limit.Slices*max(a.Replicas, 1)))
			}
			got, idle = got+more, idle+more
		}
		me = holder{a.Epoch, a.Seq, a.Keep + got, idle, now.Add(limit.LeaseTTL)}
		m.holders[replica] = me
	}
	taken := m.sum()
	idle := int64(0)
	for name, h := range m.holders {
		switch {
		case name == replica:
		case span.Booked() && !now.Before(h.expires):
			idle += h.held // it may have started again since
		default:
			idle += h.idle
		}
	}
	g := limit.Grant{Held: me.held, Taken: taken, Base: m.base, Idle: idle, Short: me.held < a.Keep+a.Need, Tight: m.tight(now)}
	if g.Short && span.Slides() {
		for at, n := range m.seconds {
			g.Rate = append(g.Rate, limit.Second{At: at, N: n})
		}
	}
	return g
}

func (m *meter) tight(now time.Time) bool {
	return !m.shortAt.IsZero() && now.Before(m.shortAt.Add(limit.TightFor))
}

func (m *meter) sum() (taken int64) {
	taken = m.base
	for _, n := range m.seconds {
		taken += n
	}
	for _, h := range m.holders {
		taken += h.held
	}
	return taken
}

// Beat implements limit.Shared.
func (s *Store) Beat(ctx context.Context, replica string) (limit.Pulse, error) {
	if err := s.enter(ctx, nil); err != nil {
		return limit.Pulse{}, err
	}
	defer s.mu.Unlock()
	now := s.now()
	maps.DeleteFunc(s.replicas, func(_ string, until time.Time) bool { return !now.Before(until) })
	_, known := s.replicas[replica]
	s.replicas[replica] = now.Add(limit.LeaseTTL)
	return limit.Pulse{Now: now, Replicas: int64(len(s.replicas)), Known: known}, nil
}

// Leave implements limit.Shared.
func (s *Store) Leave(ctx context.Context, replica string) error {
	if err := s.enter(ctx, nil); err != nil {
		return err
	}
	defer s.mu.Unlock()
	delete(s.replicas, replica)
	return nil
}

// Recall implements limit.Shared.
func (s *Store) Recall(ctx context.Context, m limit.Meter) error {
	if err := s.enter(ctx, nil); err != nil {
		return err
	}
	fs := make([]func(limit.Meter), 0, len(s.recalls))
	for _, f := range s.recalls {
		fs = append(fs, f)
	}
	s.mu.Unlock()
	for _, f := range fs {
		f(m)
	}
	return nil
}

// Recalls implements limit.Shared.
func (s *Store) Recalls(ctx context.Context, f func(limit.Meter)) error {
	s.mu.Lock()
	s.subs++
	n := s.subs
	s.recalls[n] = f
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	delete(s.recalls, n)
	s.mu.Unlock()
	return errors.Join(ctx.Err())
}

// Taken returns what is used and held of m.
func (s *Store) Taken(m limit.Meter) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if mt := s.meters[m]; mt != nil {
		return mt.sum()
	}
	return 0
}
