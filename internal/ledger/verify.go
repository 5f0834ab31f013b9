package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"penstock/internal/gateway"
	"penstock/internal/price"
	"penstock/internal/store"
)

// maxFindings bounds the findings that a report describes; all are counted.
const maxFindings = 50

// Report is what a verification found.
type Report struct {
	Calls       int64
	Adjustments int64
	Cost        gateway.NanoUSD // of all calls and adjustments that are kept
	Totals      int             // totals that were compared
	Days        int             // daily sums that were compared with their calls
	Parts       int             // parts of days, by what calls have in common, that were compared with their calls
	// DroppedDays are days whose calls are no longer kept: their sums are
	// believed.
	DroppedDays int
	// Unpinned are calls with a price but without its terms, from before terms
	// were kept. Their costs cannot be computed again.
	Unpinned int64
	Links    int64 // of the hash chain, if it was asked for
	// Unchained are entries that are in no link: of times when the chain was
	// off. LastUnchained is when the last such call began.
	Unchained     int64
	LastUnchained time.Time
	Head          store.ChainHash // hash of the last link
	Problems      int64           // everything that is not as it must be
	Findings      []string        // the first of them, in words
}

func (r *Report) found(format string, args ...any) {
	r.Problems++
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
	}
}

// Progress is told now and then how much of a long run is done.
type Progress func(done, of int64)

// Verify computes every cost again from the call's usage and the terms of its
// price, adds the costs up, and compares the sums with the totals of everybody
// and with the daily sums. With chain it also follows the hash chain. An error
// means that it could not look; what it found wrong is in the report.
func Verify(ctx context.Context, db *store.DB, chain bool, progress Progress) (*Report, error) {
	r := &Report{}
	err := db.Ledger(ctx, func(l *store.Ledger) error {
		v := &verifier{l: l, r: r, days: map[ownerDay]*store.Counters{}, parts: map[partDay]*store.Counters{}, calls: map[int64][]store.ChainHash{}, chain: chain}
		return v.run(ctx, progress)
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

type ownerDay struct {
	store.Owner
	day string
}

type partDay struct {
	store.Part
	day string
}

type verifier struct {
	l     *store.Ledger
	r     *Report
	rates map[string]*price.Rate
	days  map[ownerDay]*store.Counters
	parts map[partDay]*store.Counters
	chain bool
	calls map[int64][]store.ChainHash // by link
}

func (v *verifier) run(ctx context.Context, progress Progress) error {
	terms, err := v.l.Rates(ctx)
	if err != nil {
		return err
	}
	v.rates = make(map[string]*price.Rate, len(terms))
	for id, text := range terms {
		rate, err := price.ParseTerms(text)
		switch {
		case err != nil:
			v.r.found("price %s cannot be read: %v", id, err)
		case rate.ID() != id:
			v.r.found("price %s holds the terms of another one, %s", id, rate.ID())
		default:
			v.rates[id] = rate
		}
	}
	of, err := v.l.Count(ctx, time.Time{}, time.Time{})
	if err != nil {
		return err
	}
	if err := v.walk(ctx, of, progress); err != nil {
		return err
	}
	if v.r.Calls != of {
		v.r.found("%d calls of %d have lost what they have in common with others (table contexts)", of-v.r.Calls, of)
	}
	dropped, err := v.l.DroppedDays(ctx)
	if err != nil {
		return err
	}
	v.r.DroppedDays = len(dropped)
	if err := v.totals(ctx, dropped); err != nil {
		return err
	}
	if v.chain {
		return v.links(ctx, dropped)
	}
	return nil
}

// walk reads calls and their adjustments side by side: both are in the order of
// their calls.
func (v *verifier) walk(ctx context.Context, of int64, progress Progress) error {
	var adjustments []store.Adjustment
	err := v.l.Adjustments(ctx, time.Time{}, time.Time{}, func(a *store.Adjustment) error {
		adjustments = append(adjustments, *a)
		return nil
	})
	if err != nil {
		return err
	}
	byCall := map[string][]*store.Adjustment{}
	for i := range adjustments {
		a := &adjustments[i]
		byCall[a.CallID] = append(byCall[a.CallID], a)
	}
	err = v.l.Calls(ctx, time.Time{}, time.Time{}, func(e *store.Entry) error {
		v.call(e, byCall[e.CallID])
		delete(byCall, e.CallID)
		if v.r.Calls++; v.r.Calls%1000 == 0 {
			progress(v.r.Calls, of)
		}
		return nil
	})
	for id, as := range byCall {
		v.r.found("%d adjustments of call %s, which is not in the books", len(as), id)
	}
	return err
}

// call checks one call's cost and adds it up.
func (v *verifier) call(e *store.Entry, adjustments []*store.Adjustment) {
	switch rate := v.rates[e.Rate]; {
	case e.Rate == "" && e.Priced && e.Cost != 0:
		v.r.Unpinned++
	case e.Rate == "" && e.Cost != 0:
		v.r.found("call %s costs %s and has no price", e.CallID, e.Cost)
	case e.Rate == "":
	case rate == nil:
		v.r.found("call %s has price %s, whose terms are not in the ledger", e.CallID, e.Rate)
	case rate.Cost(e.Usage) != e.Cost:
		v.r.found("call %s is booked at %s USD, its usage at price %s comes to %s USD", e.CallID, e.Cost, e.Rate, rate.Cost(e.Usage))
	}
	cost := e.Cost
	for i, a := range adjustments {
		v.r.Adjustments++
		cost += a.Cost
		switch rate := v.rates[a.Rate]; {
		case a.N != int64(i)+1:
			v.r.found("adjustment %d of call %s is number %d in the books", i+1, e.CallID, a.N)
		case rate == nil:
			v.r.found("adjustment %d of call %s has price %s, whose terms are not in the ledger", a.N, e.CallID, a.Rate)
		case rate.Cost(e.Usage) != cost:
			v.r.found("call %s costs %s USD after adjustment %d, its usage at price %s comes to %s USD", e.CallID, cost, a.N, a.Rate, rate.Cost(e.Usage))
		}
		if v.chain {
			v.chained(a.Link, e.Start, func() store.ChainHash { return store.HashAdjustment(a) })
		}
	}
	if v.chain {
		v.chained(e.Link, e.Start, func() store.ChainHash { return store.HashCall(&e.Row) })
	}
	v.r.Cost += cost
	day := store.Day(e.Start)
	store.Charge(&e.Row, func(o store.Owner) {
		k := ownerDay{o, day}
		s := v.days[k]
		if s == nil {
			s = new(store.Counters)
			v.days[k] = s
		}
		s.Count(&e.Row)
		s.Cost += cost - e.Cost
		v.part(e, o, day, cost)
	})
}

// part adds the call to the part of a day that it belongs to. Parts of customers
// and tags stand beside that of every call; those of others follow from it.
func (v *verifier) part(e *store.Entry, o store.Owner, day string, cost gateway.NanoUSD) {
	switch o.Scope {
	case store.Global:
		o.Scope = ""
	case store.EndUser, store.Tag:
	default:
		return
	}
	k := partDay{store.Part{Owner: o, Context: e.Context}, day}
	s := v.parts[k]
	if s == nil {
		s = new(store.Counters)
		v.parts[k] = s
	}
	s.Count(&e.Row)
	s.Failures = 0 // follows from the context
	s.Cost += cost - e.Cost
}

// chained keeps the hash of an entry for its link.
func (v *verifier) chained(link int64, start time.Time, hash func() store.ChainHash) {
	if link != 0 {
		v.calls[link] = append(v.calls[link], hash())
		return
	}
	v.r.Unchained++
	v.r.LastUnchained = start
}

// totals compares what the calls add up to with the daily sums, and these with
// the totals.
func (v *verifier) totals(ctx context.Context, dropped map[string]int64) error {
	booked := map[store.Owner]gateway.NanoUSD{}
	err := v.l.Days(ctx, func(o store.Owner, day string, c *store.Counters) error {
		booked[o] += c.Cost
		k := ownerDay{o, day}
		s := v.days[k]
		delete(v.days, k)
		if _, gone := dropped[day]; gone {
			return nil
		}
		v.r.Days++
		switch {
		case s == nil:
			v.r.found("%s on %s: the daily sum has %d calls for %s USD, and there are none", name(o), day, c.Requests, c.Cost)
		case *s != *c:
			v.r.found("%s on %s: the daily sum has %d calls for %s USD, its calls are %d for %s USD (all: %+v and %+v)",
				name(o), day, c.Requests, c.Cost, s.Requests, s.Cost, *c, *s)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for k, s := range v.days {
		v.r.found("%s on %s: %d calls for %s USD are in no daily sum", name(k.Owner), k.day, s.Requests, s.Cost)
	}
	if err := v.activity(ctx, dropped); err != nil {
		return err
	}
	corrected := map[store.Owner]gateway.NanoUSD{}
	if err := v.l.Corrections(ctx, func(o store.Owner, n gateway.NanoUSD) error { corrected[o] += n; return nil }); err != nil {
		return err
	}
	return v.l.Totals(ctx, func(o store.Owner, total gateway.NanoUSD) error {
		v.r.Totals++
		if want := booked[o] + corrected[o]; total != want {
			v.r.found("%s has a total of %s USD; its days are %s USD and corrections %s USD", name(o), total, booked[o], corrected[o])
		}
		return nil
	})
}

// activity compares the parts of days with their calls.
func (v *verifier) activity(ctx context.Context, dropped map[string]int64) error {
	err := v.l.Parts(ctx, func(p store.Part, day string, c *store.Counters) error {
		k := partDay{p, day}
		s := v.parts[k]
		delete(v.parts, k)
		if _, gone := dropped[day]; gone {
			return nil
		}
		v.r.Parts++
		if s == nil {
			s = new(store.Counters)
		}
		if *s != *c {
			v.r.found("activity of %s on %s: part %d has %d calls for %s USD, its calls are %d for %s USD (all: %+v and %+v)",
				name(p.Owner), day, p.Context, c.Requests, c.Cost, s.Requests, s.Cost, *c, *s)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for k, s := range v.parts {
		v.r.found("activity of %s on %s: %d calls for %s USD are in no part of the day; a report on the day sums it up again", name(k.Owner), k.day, s.Requests, s.Cost)
	}
	return nil
}

// links follows the hash chain. Links whose calls are partly gone with their
// days are believed, the others computed again.
func (v *verifier) links(ctx context.Context, dropped map[string]int64) error {
	var believed int64
	for _, link := range dropped {
		believed = max(believed, link)
	}
	next := int64(1)
	var before store.ChainHash
	err := v.l.Chain(ctx, func(l *store.Link) error {
		v.r.Links++
		if l.N != next {
			v.r.found("the chain has no link %d", next)
		}
		entries := v.calls[l.N]
		delete(v.calls, l.N)
		if l.N > believed {
			switch {
			case int64(len(entries)) != l.Entries:
				v.r.found("link %d is over %d entries, and %d of them are in the books", l.N, l.Entries, len(entries))
			case store.NextHash(before, entries) != l.Hash:
				v.r.found("link %d: an entry was changed since it was booked at %s", l.N, l.MadeAt.Format(time.RFC3339))
			}
		}
		next, before = l.N+1, l.Hash
		return nil
	})
	v.r.Head = before
	for _, n := range slices.Sorted(maps.Keys(v.calls)) {
		v.r.found("%d entries say they are of link %d, which is not there", len(v.calls[n]), n)
	}
	return err
}

// name is an owner for people.
func name(o store.Owner) string {
	switch {
	case o == store.Owner{}:
		return store.Global
	case o.ID == "":
		return o.Scope
	}
	return o.Scope + " " + o.ID
}
