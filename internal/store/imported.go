package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"penstock/internal/gateway"
	"penstock/internal/spend"
)

// Foreign opens the PostgreSQL database of another program, to read it. The URL
// may be written as for Prisma.
func Foreign(url string) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the PostgreSQL URL cannot be read: use postgres://user:password@host:5432/database, with %-escapes for special characters in the password")
	}
	prisma(cfg)
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "penstock import"
	}
	cfg.RuntimeParams["default_transaction_read_only"] = "on"
	return stdlib.OpenDB(*cfg), nil
}

// Outcome is what became of a row that was imported.
type Outcome uint8

// The outcomes there are.
const (
	Unchanged Outcome = iota
	Created
	Updated
)

// Incoming is a row of another gateway, on its way in.
type Incoming struct {
	Row any // *gateway.Key, User, Team, Organization, Project, EndUser, Tag, Budget, AccessGroup, GroupBudget, StoredModel, Credential, DeprecatedKey or JWTMapping
	// Digest is of what the row was made from. While it stays as it was the last
	// time, the row is left alone, whatever became of it here.
	Digest string
	// Outcome and Err are the answer. Err is an ErrConflict or a *gateway.Error.
	Outcome Outcome
	Err     error
}

// arrival is an Incoming whose type is known.
type arrival interface {
	name() (kind, id string)
	put(ctx context.Context, db *DB, tx *sql.Tx, f *feed) (Outcome, error)
}

type arrived[T any] struct {
	e *entity[T]
	v *T
	// keep carries over what an import does not bring.
	keep func(to, from *T)
	// after writes what of the row stands elsewhere; nil if nothing does.
	after func(ctx context.Context, db *DB, tx *sql.Tx, f *feed, v *T) error
}

func (a arrived[T]) name() (kind, id string) { return a.e.kind, a.e.id(a.v) }

func (a arrived[T]) put(ctx context.Context, db *DB, tx *sql.Tx, f *feed) (Outcome, error) {
	outcome, err := a.write(ctx, db, tx, f)
	if err == nil && a.after != nil {
		err = a.after(ctx, db, tx, f, a.v)
	}
	return outcome, err
}

func (a arrived[T]) write(ctx context.Context, db *DB, tx *sql.Tx, f *feed) (Outcome, error) {
	old, err := a.e.locked(ctx, db, tx, a.e.id(a.v))
	switch {
	case errors.Is(err, ErrNotFound):
		if a.e.owned != nil {
			// It begins with nothing spent, though calls of it may be here already.
			if _, err := tx.ExecContext(ctx, `DELETE FROM imported_spend WHERE scope = $1 AND id = $2`, a.e.kind, fitID(a.e.id(a.v))); err != nil {
				return Unchanged, err
			}
		}
		return Created, a.e.insert(ctx, db, tx, f, a.v)
	case err != nil:
		return Unchanged, err
	}
	if a.keep != nil {
		a.keep(a.v, old)
	}
	return Updated, a.e.put(ctx, db, tx, f, a.v)
}

func arriving(row any) (arrival, error) {
	switch v := row.(type) {
	case *gateway.Key:
		return arrived[gateway.Key]{keys, v, func(to, from *gateway.Key) { to.Spend, to.LastActive = from.Spend, from.LastActive }, nil}, nil
	case *gateway.User:
		return arrived[gateway.User]{users, v, func(to, from *gateway.User) { to.Spend = from.Spend }, nil}, nil
	case *gateway.Team:
		return arrived[gateway.Team]{teams, v, func(to, from *gateway.Team) { to.Spend = from.Spend }, nil}, nil
	case *gateway.Organization:
		return arrived[gateway.Organization]{organizations, v, nil, nil}, nil
	case *gateway.Project:
		return arrived[gateway.Project]{projects, v, nil, nil}, nil
	case *gateway.EndUser:
		return arrived[gateway.EndUser]{endUsers, v, nil, nil}, nil
	case *gateway.Tag:
		return arrived[gateway.Tag]{tags, v, nil, nil}, nil
	case *gateway.Budget:
		return arrived[gateway.Budget]{budgets, v, nil, nil}, nil
	case *gateway.AccessGroup:
		return arrived[gateway.AccessGroup]{accessGroups, v, nil, func(ctx context.Context, db *DB, tx *sql.Tx, f *feed, g *gateway.AccessGroup) error {
			return db.assign(ctx, tx, f, g, &gateway.AccessGroup{})
		}}, nil
	case *gateway.GroupBudget:
		return arrived[gateway.GroupBudget]{groupBudgets, v, nil, nil}, nil
	case *gateway.StoredModel:
		return arrived[gateway.StoredModel]{models, v, nil, nil}, nil
	case *gateway.Credential:
		return arrived[gateway.Credential]{credentials, v, nil, nil}, nil
	case *gateway.DeletedKey:
		return arrived[gateway.DeletedKey]{deletedKeys, v, nil, nil}, nil
	case *gateway.DeletedTeam:
		return arrived[gateway.DeletedTeam]{deletedTeams, v, nil, nil}, nil
	case *gateway.DeprecatedKey:
		return arrived[gateway.DeprecatedKey]{deprecated, v, nil, nil}, nil
	case *gateway.JWTMapping:
		return arrived[gateway.JWTMapping]{jwtMappings, v, nil, nil}, nil
	}
	return nil, fmt.Errorf("import: rows of type %T cannot be", row)
}

// ImportRows writes rows of one type that come from another gateway, in one
// transaction, and says of each what became of it. The ids are different ones.
// What rows have spent is not written: see ImportSpend.
func (db *DB) ImportRows(ctx context.Context, rows []Incoming) error {
	return db.change(ctx, func(tx *sql.Tx, f *feed) error {
		arrivals := make([]arrival, len(rows))
		ids := make([]string, len(rows))
		kind := ""
		for i := range rows {
			var err error
			if arrivals[i], err = arriving(rows[i].Row); err != nil {
				return err
			}
			kind, ids[i] = arrivals[i].name()
			ids[i] = fitID(ids[i])
		}
		had, err := digests(ctx, tx, kind, ids)
		if err != nil {
			return err
		}
		for i := range rows {
			r := &rows[i]
			r.Outcome, r.Err = Unchanged, nil
			if had[ids[i]] == r.Digest {
				continue
			}
			if err := db.importRow(ctx, tx, f, arrivals[i], r); err != nil {
				return err
			}
			if r.Err != nil {
				continue
			}
			if err := setDigest(ctx, tx, kind, ids[i], r.Digest); err != nil {
				return err
			}
		}
		return nil
	})
}

// importRow writes one row, or takes all of it back if it cannot be.
func (db *DB) importRow(ctx context.Context, tx *sql.Tx, f *feed, a arrival, r *Incoming) error {
	if _, err := tx.ExecContext(ctx, `SAVEPOINT one_row`); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	noted := len(*f)
	outcome, err := a.put(ctx, db, tx, f)
	var conflict ErrConflict
	var bad *gateway.Error
	switch {
	case err == nil:
		r.Outcome = outcome
		_, err = tx.ExecContext(ctx, `RELEASE SAVEPOINT one_row`)
	case errors.As(err, &conflict), errors.As(err, &bad):
		r.Err, *f = err, (*f)[:noted]
		if _, err = tx.ExecContext(ctx, `ROLLBACK TO SAVEPOINT one_row`); err == nil {
			_, err = tx.ExecContext(ctx, `RELEASE SAVEPOINT one_row`)
		}
	}
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return nil
}

// digests returns those of the rows that were imported before.
func digests(ctx context.Context, tx *sql.Tx, kind string, ids []string) (map[string]string, error) {
	out := make(map[string]string, len(ids))
	for chunk := range slices.Chunk(ids, fillAtOnce) {
		var w where
		w.is("kind", kind)
		w.in("id", chunk)
		if w.bad != nil {
			return nil, w.bad
		}
		rows, err := tx.QueryContext(ctx, "SELECT id, digest FROM imported_rows"+w.sql(), w.args...) //nolint:gosec // G202: the text is ours, values are parameters
		err = results(rows, err, func(r *sql.Rows) error {
			var id, digest string
			err := r.Scan(&id, &digest)
			out[id] = digest
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read what was imported before: %w", err)
		}
	}
	return out, nil
}

func setDigest(ctx context.Context, tx *sql.Tx, kind, id, digest string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO imported_rows (kind, id, digest) VALUES ($1, $2, $3)
		ON CONFLICT (kind, id) DO UPDATE SET digest = excluded.digest`, kind, id, digest)
	if err != nil {
		return fmt.Errorf("note what was imported: %w", err)
	}
	return nil
}

// ImportedSpend is what an owner has spent elsewhere, as another gateway says.
type ImportedSpend struct {
	Scope, ID string          // as totals are kept; a member's by gateway.MemberID
	Total     gateway.NanoUSD // ever
	// AtLeast says that Total may be too little, which calls that were imported show.
	AtLeast     bool
	Window      gateway.NanoUSD // in the budget window from WindowStart
	WindowStart time.Time       // zero for a lifetime budget
	Duration    string          // of the window, in the form of limit.Window
	Active      time.Time       // last call, zero if not known
}

// ImportSpend has totals contain what was spent elsewhere, once, however often
// it is told: what was told before is taken off, and what was spent here stays.
// Owners are different ones. It returns for how many of them anything changed.
func (db *DB) ImportSpend(ctx context.Context, list []ImportedSpend) (int, error) {
	changed := 0
	err := db.writeOn(ctx, func(t *txn) error { return db.importSpend(ctx, t, list, &changed) })
	if err != nil {
		return 0, fmt.Errorf("import what was spent: %w", err)
	}
	return changed, nil
}

func (db *DB) importSpend(ctx context.Context, t *txn, list []ImportedSpend, changed *int) error {
	*changed = 0
	var f feed // replicas that count budgets must hear of it
	byScope := map[string][]sum{}
	var windows []windowSum
	for i := range list {
		in := &list[i]
		id, start := fitID(in.ID), micros(in.WindowStart)
		var total, window gateway.NanoUSD
		was := int64(0)
		err := t.tx.QueryRowContext(ctx, `SELECT total, spend_window, window_start FROM imported_spend WHERE scope = $1 AND id = $2`+db.d.forUpdate, in.Scope, id).
			Scan(&total, &window, &was)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if was != start {
			window = 0
		}
		told := in.Total
		if in.AtLeast {
			told = max(told, total)
		}
		add := sum{scope: in.Scope, id: id, start: start, window: in.Window - window, total: told - total, active: micros(in.Active)}
		if add.total == 0 && add.window == 0 && was == start {
			continue
		}
		*changed++
		f.note(in.Scope+SpendChange, in.ID)
		byScope[in.Scope] = append(byScope[in.Scope], add)
		if start != 0 && in.Duration != "" {
			windows = append(windows, windowSum{windowKey{in.Scope, id, in.Duration}, start, add.window})
		}
		_, err = t.tx.ExecContext(ctx, `INSERT INTO imported_spend (scope, id, total, spend_window, window_start) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (scope, id) DO UPDATE SET total = excluded.total, spend_window = excluded.spend_window, window_start = excluded.window_start`,
			in.Scope, id, int64(told), int64(in.Window), start)
		if err != nil {
			return err
		}
		if add.total != 0 {
			_, err = t.tx.ExecContext(ctx, `INSERT INTO corrections (scope, id, made_at, amount) VALUES ($1, $2, $3, $4)`, in.Scope, id, micros(time.Now()), int64(add.total))
			if err != nil {
				return err
			}
		}
	}
	if err := db.addImportedSums(ctx, t, byScope, windows); err != nil {
		return err
	}
	return db.publish(ctx, t.tx, f)
}

// ImportWindow has one further window of an owner's budgets, which the books know
// by scope, id and duration, contain what was spent in it elsewhere, by the rule
// of ImportSpend, and reports whether that changed anything.
func (db *DB) ImportWindow(ctx context.Context, o Owner, scope, id, duration string, start time.Time, spent gateway.NanoUSD) (bool, error) {
	changed := false
	err := db.writeOn(ctx, func(t *txn) error {
		kept, changes := "window "+duration+" of "+scope, false
		var had gateway.NanoUSD
		var was int64
		err := t.tx.QueryRowContext(ctx, `SELECT spend_window, window_start FROM imported_spend WHERE scope = $1 AND id = $2`, kept, fitID(id)).Scan(&had, &was)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if was != micros(start) {
			had = 0
		}
		if changes = spent != had; changes {
			_, err = t.tx.ExecContext(ctx, `INSERT INTO imported_spend (scope, id, total, spend_window, window_start) VALUES ($1, $2, 0, $3, $4)
				ON CONFLICT (scope, id) DO UPDATE SET spend_window = excluded.spend_window, window_start = excluded.window_start`, kept, fitID(id), int64(spent), micros(start))
			if err != nil {
				return err
			}
			if err := db.addToWindows(ctx, t, []windowSum{{windowKey{scope, fitID(id), duration}, micros(start), spent - had}}); err != nil {
				return err
			}
			var f feed
			f.note(o.Scope+SpendChange, o.ID)
			if err := db.publish(ctx, t.tx, f); err != nil {
				return err
			}
		}
		changed = changes
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("import what was spent in a budget window: %w", err)
	}
	return changed, nil
}

// addImportedSums adds to totals in the order that all writers keep.
func (db *DB) addImportedSums(ctx context.Context, t *txn, byScope map[string][]sum, windows []windowSum) error {
	byID := func(a, b sum) int { return strings.Compare(a.id, b.id) }
	for _, o := range owners {
		slices.SortFunc(byScope[o.scope], byID)
		if err := db.addToOwners(ctx, t, o, byScope[o.scope]); err != nil {
			return err
		}
		delete(byScope, o.scope)
	}
	for _, scope := range sortedKeys(byScope) {
		slices.SortFunc(byScope[scope], byID)
		if err := db.addToTotals(ctx, t, byScope[scope]); err != nil {
			return err
		}
	}
	slices.SortFunc(windows, compareWindows)
	return db.addToWindows(ctx, t, windows)
}

// Mark is how far the calls of a source were imported.
type Mark struct{ Source, At string }

// markKind is where marks stand among the rows that were imported.
const markKind = "calls"

// ImportMark returns how far the calls of a source were imported, "" if none were.
func (db *DB) ImportMark(ctx context.Context, source string) (string, error) {
	return db.mark(ctx, markKind, source)
}

func (db *DB) mark(ctx context.Context, kind, source string) (string, error) {
	var at string
	err := db.r.QueryRowContext(ctx, `SELECT digest FROM imported_rows WHERE kind = $1 AND id = $2`, kind, source).Scan(&at)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read how far %s were imported: %w", kind, err)
	}
	return at, nil
}

// BookImported is Book for calls of another gateway. They count in totals, and in
// no budget window: what of a window is used up is told to ImportSpend.
func (db *DB) BookImported(ctx context.Context, rows []spend.Row, m Mark) (int, error) {
	return db.book(ctx, rows, func(t *txn, s *sums) error {
		s.init()
		s.spread()
		args := make([][]any, 0, len(s.totals))
		for _, sum := range s.sorted(func(sumKey) bool { return true }) {
			args = append(args, []any{sum.scope, sum.id, int64(sum.total), int64(0), int64(0)})
		}
		for _, sum := range s.totals {
			sum.window, sum.start = 0, 0
		}
		if err := db.addSums(ctx, t, s); err != nil {
			return err
		}
		err := db.each(ctx, t, `INSERT INTO imported_spend (scope, id, total, spend_window, window_start)`,
			` ON CONFLICT (scope, id) DO UPDATE SET total = imported_spend.total + excluded.total`, make([]string, 5), args)
		if err != nil {
			return fmt.Errorf("note what was imported: %w", err)
		}
		return setDigest(ctx, t.tx, markKind, m.Source, m.At)
	})
}
