package redis

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/redis/rueidis"

	"penstock/internal/router"
)

// Figures shares with other replicas what each knows of its deployments.
type Figures struct {
	db      *DB
	replica string
	heard   map[string]heard // by replica
}

// heard is when a replica was heard of last, by our own clock.
type heard struct {
	seq string
	at  time.Time
}

const (
	// maxFigures bounds the deployments that a replica tells of at a time: those
	// that cool down first, then those that are used most.
	maxFigures = 2000
	// silentAfter is how long the figures of a replica count that says nothing.
	silentAfter = 10 * time.Second
	// forgottenAfter is how long a replica may be silent before the others
	// remove what it has said.
	forgottenAfter = 5 * time.Minute
)

// Figures returns what shares figures under the name of this replica. It is for
// one goroutine.
func (db *DB) Figures(replica string) *Figures {
	return &Figures{db: db, replica: replica, heard: map[string]heard{}}
}

// told is what a replica says: the server's time in microseconds at which it
// spoke, and its figures.
type told struct {
	At      int64    `json:"at"`
	Figures []figure `json:"f"`
}

// figure is one deployment's. Cool is by the server's clock, in microseconds,
// so that a cooldown which goes from one to another and back stays what it was.
type figure struct {
	ID       string `json:"i"`
	Cool     int64  `json:"c,omitzero"`
	InFlight int64  `json:"n,omitzero"`
	Requests int64  `json:"r,omitzero"`
	Tokens   int64  `json:"t,omitzero"`
	Latency  int64  `json:"l,omitzero"` // microseconds
	First    int64  `json:"b,omitzero"` // microseconds
}

// Exchange tells the others own and returns what they together know of each
// deployment. Times are those of the clock that now is of.
func (f *Figures) Exchange(ctx context.Context, own []router.Figures, now time.Time) ([]router.Figures, error) {
	client, err := f.db.connect(ctx)
	if err != nil {
		return nil, err
	}
	offset, err := f.offset(ctx, client, now)
	if err != nil {
		return nil, fmt.Errorf("ask redis for the time: %w", err)
	}
	say, err := json.Marshal(tell(own, now, offset))
	if err != nil {
		return nil, fmt.Errorf("write figures: %w", err)
	}
	key := f.db.key("figures")
	out := client.DoMulti(
		ctx,
		client.B().Hset().Key(key).FieldValue().FieldValue(f.replica, string(say)).Build(),
		client.B().Pexpire().Key(key).Milliseconds(forgottenAfter.Milliseconds()).Build(),
		client.B().Hgetall().Key(key).Build(),
	)
	for _, r := range out {
		if err := r.Error(); err != nil {
			return nil, fmt.Errorf("share figures: %w", err)
		}
	}
	all, err := out[2].AsStrMap()
	if err != nil {
		return nil, fmt.Errorf("read figures: %w", err)
	}
	var others []told
	var forgotten []string
	for replica, text := range all {
		if replica == f.replica {
			continue
		}
		var t told
		if json.Unmarshal([]byte(text), &t) != nil {
			continue // a newer version's
		}
		seq := strconv.FormatInt(t.At, 10)
		h := f.heard[replica]
		if h.seq != seq {
			h = heard{seq, now}
			f.heard[replica] = h
		}
		switch age := now.Sub(h.at); {
		case age > forgottenAfter:
			forgotten = append(forgotten, replica)
			delete(f.heard, replica)
		case age <= silentAfter:
			others = append(others, t)
		}
	}
	for replica := range f.heard {
		if _, there := all[replica]; !there {
			delete(f.heard, replica)
		}
	}
	if len(forgotten) > 0 {
		if err := client.Do(ctx, client.B().Hdel().Key(key).Field(forgotten...).Build()).Error(); err != nil {
			return nil, fmt.Errorf("forget replicas: %w", err)
		}
	}
	return together(others, offset), nil
}

// offset returns how far the server's clock is ahead of ours.
func (f *Figures) offset(ctx context.Context, client rueidis.Client, now time.Time) (time.Duration, error) {
	sent := time.Now()
	parts, err := client.Do(ctx, client.B().Time().Build()).AsStrSlice()
	if err != nil {
		return 0, err
	}
	if len(parts) != 2 {
		return 0, fmt.Errorf("TIME answered %d numbers", len(parts))
	}
	s, err1 := strconv.ParseInt(parts[0], 10, 64)
	us, err2 := strconv.ParseInt(parts[1], 10, 64)
	if err := cmp.Or(err1, err2); err != nil {
		return 0, err
	}
	half := time.Since(sent) / 2
	return time.UnixMicro(s*1e6 + us).Sub(now.Add(half)), nil
}

// tell returns what to say of own.
func tell(own []router.Figures, now time.Time, offset time.Duration) told {
	t := told{At: now.Add(offset).UnixMicro()}
	for i := range own {
		f := &own[i]
		v := figure{
			ID: f.ID, InFlight: f.InFlight, Requests: f.Requests, Tokens: f.Tokens, Latency: f.Latency.Microseconds(), First: f.FirstByte.Microseconds(),
		}
		if !f.CoolUntil.IsZero() {
			v.Cool = f.CoolUntil.Add(offset).UnixMicro()
		}
		if v.Cool != 0 || v.InFlight != 0 || v.Requests != 0 || v.Tokens != 0 {
			t.Figures = append(t.Figures, v)
		}
	}
	slices.SortFunc(t.Figures, func(a, b figure) int {
		return cmp.Or(cmp.Compare(b.Cool, a.Cool), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.ID, b.ID))
	})
	t.Figures = t.Figures[:min(len(t.Figures), maxFigures)]
	return t
}

// together adds up what others say of each deployment.
func together(others []told, offset time.Duration) []router.Figures {
	type sum struct {
		router.Figures
		latencies, firsts int64 // of how many replicas
	}
	by := map[string]*sum{}
	var ids []string
	for _, t := range others {
		for _, v := range t.Figures {
			s := by[v.ID]
			if s == nil {
				s = &sum{Figures: router.Figures{ID: v.ID}}
				by[v.ID] = s
				ids = append(ids, v.ID)
			}
			if v.Cool != 0 {
				if until := time.UnixMicro(v.Cool).Add(-offset); until.After(s.CoolUntil) {
					s.CoolUntil = until
				}
			}
			s.InFlight += v.InFlight
			s.Requests += v.Requests
			s.Tokens += v.Tokens
			if v.Latency > 0 {
				s.Latency += time.Duration(v.Latency) * time.Microsecond
				s.latencies++
			}
			if v.First > 0 {
				s.FirstByte += time.Duration(v.First) * time.Microsecond
				s.firsts++
			}
		}
	}
	slices.Sort(ids)
	out := make([]router.Figures, 0, len(ids))
	for _, id := range ids {
		s := by[id]
		s.Latency /= time.Duration(max(s.latencies, 1))
		s.FirstByte /= time.Duration(max(s.firsts, 1))
		out = append(out, s.Figures)
	}
	return out
}
