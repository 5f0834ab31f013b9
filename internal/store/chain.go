package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock/internal/spend"
)

// The hash chain, if it is on, has a link for every transaction that books
// calls or adjusts them. A link's hash is over the hash before it and over all
// entries of the transaction: whoever keeps the newest hash elsewhere can tell
// if any entry was changed, taken out or put in since.

// ChainHash is the hash of a link.
type ChainHash [sha256.Size]byte

// Link is one link of the chain.
type Link struct {
	N       int64 // from 1
	Entries int64 // calls or adjustments
	Hash    ChainHash
	MadeAt  time.Time
}

// NextHash is the hash of a link over the hash before it and the hashes of its
// entries, which it sorts.
func NextHash(before ChainHash, entries []ChainHash) ChainHash {
	slices.SortFunc(entries, func(a, b ChainHash) int { return slices.Compare(a[:], b[:]) })
	h := sha256.New()
	h.Write(before[:])
	for i := range entries {
		h.Write(entries[i][:])
	}
	return ChainHash(h.Sum(nil))
}

// HashCall is the hash of a call as the ledger keeps it.
func HashCall(r *spend.Row) ChainHash {
	e := encoder{'c'}
	u := &r.Usage
	e.texts(r.CallID, r.ResponseID, r.KeyHash, r.UserID, r.TeamID, r.OrgID, r.ProjectID, r.EndUser, string(r.Operation), r.Route, r.Group, r.Model,
		r.Provider, r.Deployment, r.Session, r.ClientIP, r.Error, r.Finish, u.Tier, r.Price, r.Rate)
	e.texts(r.Tags...)
	e.numbers(micros(r.Start), micros(r.FirstByte), micros(r.End), int64(r.Kind), int64(r.Retries), int64(r.Fallbacks), int64(r.Cost),
		u.Prompt, u.CacheRead, u.CacheWrite, u.CacheWrite1h, u.AudioIn, u.ImageIn, u.Completion, u.Reasoning, u.AudioOut, u.ImageOut, u.WebSearches)
	e.flags(r.Failed, r.Interrupted, r.Stream, r.Priced, u.Estimated)
	if len(r.Through) > 0 { // calls without have the hash they had before there were any
		e.texts(r.Through...)
	}
	if r.Agent != "" { // the same; no group is without a name
		e.texts("", r.Agent)
	}
	return sha256.Sum256(e)
}

// HashAdjustment is the hash of an adjustment.
func HashAdjustment(a *Adjustment) ChainHash {
	e := encoder{'a'}
	e.texts(a.CallID, a.Rate)
	e.numbers(micros(a.Start), a.N, int64(a.Cost), micros(a.MadeAt))
	return sha256.Sum256(e)
}

func adjustmentHashes(list []Adjustment) []ChainHash {
	out := make([]ChainHash, len(list))
	for i := range list {
		out[i] = HashAdjustment(&list[i])
	}
	return out
}

// kept returns c's row as it will be read back.
func (c *call) kept() spend.Row {
	r := *c.row
	k := c.c
	r.CallID, r.Start = shownID(c.id), instant(c.start)
	r.FirstByte, r.End = instant(micros(r.FirstByte)), instant(micros(r.End))
	r.KeyHash, r.UserID, r.TeamID, r.OrgID, r.ProjectID = k.key, k.user, k.team, k.org, k.project
	r.Operation, r.Route, r.Group, r.Model, r.Provider, r.Deployment = k.operation, k.route, k.group, k.model, k.provider, k.deployment
	r.Usage.Tier, r.Finish, r.Price, r.Rate = k.tier, k.finish, k.price, k.rate
	r.EndUser, r.Through, r.Agent = fitID(r.EndUser), k.through, k.agent
	r.ResponseID, r.Session, r.ClientIP, r.Error = fitText(r.ResponseID, maxText), fitText(r.Session, maxText), fitText(r.ClientIP, maxText), fitText(r.Error, maxText)
	if len(r.Tags) > 0 {
		tags := make([]string, len(r.Tags))
		for i, t := range r.Tags {
			tags[i] = fitID(t)
		}
		r.Tags = tags
	}
	return r
}

type encoder []byte

func (e *encoder) texts(list ...string) {
	*e = binary.AppendUvarint(*e, uint64(len(list)))
	for _, s := range list {
		*e = binary.AppendUvarint(*e, uint64(len(s)))
		*e = append(*e, s...)
	}
}

func (e *encoder) numbers(list ...int64) {
	for _, n := range list {
		*e = binary.BigEndian.AppendUint64(*e, uint64(n))
	}
}

func (e *encoder) flags(list ...bool) {
	for _, f := range list {
		b := byte(0)
		if f {
			b = 1
		}
		*e = append(*e, b)
	}
}

// newLink is a link that a transaction is about to add; nil if there is no chain.
type newLink struct {
	n      int64
	before ChainHash
}

// chainLock is the advisory lock of those who add to the chain on PostgreSQL.
const chainLock = 0x636861696e

// nextLink begins a link. Until t ends nobody else can.
func (db *DB) nextLink(ctx context.Context, t *txn) (*newLink, error) {
	if !db.chain {
		return nil, nil
	}
	if db.d.forUpdate != "" {
		if _, err := t.tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(chainLock)); err != nil {
			return nil, fmt.Errorf("lock the hash chain: %w", err)
		}
	}
	l := &newLink{n: 1}
	var hash []byte
	err := t.tx.QueryRowContext(ctx, `SELECT link + 1, hash FROM chain ORDER BY link DESC LIMIT 1`).Scan(&l.n, &hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("read the hash chain: %w", err)
	}
	copy(l.before[:], hash)
	return l, nil
}

// arg is the link's number as a column value.
func (l *newLink) arg() any {
	if l == nil {
		return nil
	}
	return l.n
}

// close writes the link, if it has entries.
func (l *newLink) close(ctx context.Context, t *txn, entries []ChainHash) error {
	if l == nil || len(entries) == 0 {
		return nil
	}
	hash := NextHash(l.before, entries)
	_, err := t.tx.ExecContext(ctx, `INSERT INTO chain (link, entries, hash, made_at) VALUES ($1, $2, $3, $4)`, l.n, len(entries), hash[:], micros(time.Now()))
	if err != nil {
		return fmt.Errorf("add to the hash chain: %w", err)
	}
	return nil
}

// Chain hands every link to yield, the oldest first.
func (l *Ledger) Chain(ctx context.Context, yield func(*Link) error) error {
	return l.each(ctx, "the hash chain", `SELECT link, entries, hash, made_at FROM chain ORDER BY link`, nil, func(rows *sql.Rows) error {
		var k Link
		var hash []byte
		var made int64
		if err := rows.Scan(&k.N, &k.Entries, &hash, &made); err != nil {
			return err
		}
		if len(hash) != len(k.Hash) {
			return fmt.Errorf("link %d has a hash of %d bytes", k.N, len(hash))
		}
		copy(k.Hash[:], hash)
		k.MadeAt = instant(made)
		return yield(&k)
	})
}
