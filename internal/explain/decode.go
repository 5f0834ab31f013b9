package explain

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"

	"penstock/internal/gateway"
)

// ErrForeign says that the bytes are no record that this program can read.
var ErrForeign = errors.New("not a record of why a call went as it did, or one of a newer program")

// maxRefs is how many texts a Writer refers back to.
const maxRefs = len(Writer{}.refs)

// Read reads a record that a Writer has written.
func Read(b []byte) (*Record, error) {
	if len(b) == 0 || b[0] != version {
		return nil, ErrForeign
	}
	r := reader{b: b[1:]}
	rec := &Record{}
	for len(r.b) > 0 && !r.bad {
		tag := r.b[0]
		r.b = r.b[1:]
		switch tag {
		case tagAsked:
			rec.Why.Asked = r.text()
			rec.Why.Naming = gateway.Naming(r.num())
		case tagAttempt:
			rec.Attempts = append(rec.Attempts, r.attempt())
		case tagHop:
			rec.Why.Hops = append(rec.Why.Hops, gateway.Hop{From: r.text(), To: r.text(), Because: gateway.Kind(r.num()), Level: int(r.num())})
		case tagPick:
			rec.Why.Picks = append(rec.Why.Picks, gateway.Pick{
				Group: r.text(), Deployment: r.text(), Strategy: r.text(), Candidates: int(r.num()), Looked: int(r.num()),
				Removed: int(r.num()), Level: int(r.num()), Sticky: r.num() == 1,
			})
		case tagRemoval:
			r.removal(&rec.Why)
		case tagLimit:
			rec.Limits = append(rec.Limits, Limit{Scope: r.text(), Kind: r.text(), Model: r.text(), Amount: r.num(), Left: r.num()})
		case tagMoney:
			rec.Reserved = gateway.NanoUSD(r.num())
		case tagCap:
			rec.Capped = r.num()
		case tagLost:
			rec.Lost = int(r.num())
		default:
			return nil, ErrForeign
		}
	}
	if r.bad {
		return nil, ErrForeign
	}
	return rec, nil
}

type reader struct {
	b    []byte
	bad  bool
	refs []string
}

func (r *reader) num() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) take(n int64) []byte {
	if n < 0 || n > int64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) text() string {
	n := r.num()
	var s string
	switch {
	case n >= 0 && n < int64(len(words)):
		return words[n]
	case n >= int64(len(words)) && n-int64(len(words)) < int64(len(r.refs)):
		return r.refs[n-int64(len(words))]
	case n == newHash:
		s = hex.EncodeToString(r.take(8)) + "…"
	case n == newUUID:
		if h := hex.EncodeToString(r.take(16)); len(h) == 32 {
			s = h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
		}
	case n == newText:
		s = string(r.take(r.num()))
	default:
		r.bad, r.b = true, nil
	}
	if len(r.refs) < maxRefs {
		r.refs = append(r.refs, s)
	}
	return s
}

func (r *reader) attempt() gateway.Attempt {
	a := gateway.Attempt{Deployment: r.text(), Group: r.text()}
	flags := r.num()
	a.OK, a.Hedged = flags&1 != 0, flags&2 != 0
	if !a.OK {
		a.Kind, a.Status = gateway.Kind(r.num()), int(r.num())
	}
	span := func() time.Duration { return time.Duration(r.num()) * unit }
	a.Start, a.Duration, a.FirstByte = time.Time{}.Add(span()), span(), span()
	return a
}

// removal reads one that belongs to a pick before it. They come pick by pick.
func (r *reader) removal(y *gateway.Why) {
	i := r.num()
	v := gateway.Removal{Deployment: r.text(), Filter: gateway.Filter(r.num()), Have: r.num(), Limit: r.num()}
	if r.bad || i < 0 || i >= int64(len(y.Picks)) {
		r.bad = true
		return
	}
	p := &y.Picks[i]
	if p.To == 0 {
		p.From = len(y.Removals)
	}
	y.Removals = append(y.Removals, v)
	p.To = len(y.Removals)
}
