package litellm

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/secret"
	"penstock/internal/store"
)

// Options say what is brought from where to where.
type Options struct {
	Source *sql.DB   // LiteLLM's database
	Target *store.DB // nil for a dry run: nothing is written
	Box    *secret.Box
	// Salts open what LiteLLM has sealed: its LITELLM_SALT_KEY, or its master key.
	Salts []string
	// MasterKey is LiteLLM's, whose calls stand under its hash in some releases.
	MasterKey string
	Calendar  limit.Calendar
	Now       time.Time
	// Judge returns what of a section of the configuration (general_settings, …),
	// which LiteLLM keeps in its database, would not be honoured here, each with
	// why; nil if nobody can say.
	Judge func(section string, value []byte) []string
	// Progress is told now and then how many rows of a table are done, of how
	// many if that is known.
	Progress func(table string, done, of int64)
}

// batch is how many rows are written in one transaction.
const batch = 200

// importer is one run.
type importer struct {
	o      Options
	tx     *sql.Tx // a view of the source as it was at the start
	r      *Report
	tables map[string]map[string]bool // columns by table
	done   map[string]bool            // tables that have been dealt with

	budgets    map[string]budgetWindow // by id
	places     map[string][]membership // by team
	born       map[string]time.Time    // when teams were made
	orgMembers map[string][]orgMembership
	orgsOf     map[string][]string // by user
	aliases    map[string]string   // that several keys have, and which of them keeps it
	emails     map[string]string   // that several users have, likewise
	gone       map[string]bool     // "table:id" of rows that were skipped

	modelBudgets []modelBudgets
}

// Run imports everything. What it has done when it fails is kept, and the next
// run goes on from there.
func Run(ctx context.Context, o Options) (*Report, error) {
	im := &importer{
		o: o, r: &Report{DryRun: o.Target == nil}, done: map[string]bool{}, gone: map[string]bool{},
		budgets: map[string]budgetWindow{}, places: map[string][]membership{}, born: map[string]time.Time{}, orgMembers: map[string][]orgMembership{}, orgsOf: map[string][]string{},
	}
	if im.o.Progress == nil {
		im.o.Progress = func(string, int64, int64) {}
	}
	tx, err := o.Source.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open LiteLLM's database: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	im.tx = tx
	if err := im.findTables(ctx); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{
		im.importBudgets, im.readPlaces, im.readTwins, im.importOrganizations, im.importTeams, im.importUsers, im.importProjects, im.importKeys, im.importGroups, im.importGroupBudgets,
		im.importReplacedKeys, im.importMappings, im.importEndUsers, im.importTags, im.importCredentials, im.importModels, im.importCalls, im.importSpend,
		im.importModelSpend, im.importDays, im.importAudit, im.importDeleted, im.tellParts, im.tellSettings, im.tellRest,
	} {
		if err := step(ctx); err != nil {
			return im.r, err
		}
	}
	return im.r, nil
}

// keysTable is the one table that every LiteLLM has.
const keysTable = "LiteLLM_VerificationToken"

func (im *importer) findTables(ctx context.Context) error {
	rows, err := im.tx.QueryContext(ctx, `SELECT table_name, column_name FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name LIKE 'LiteLLM\_%' AND table_name IN
			(SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE')`)
	if err != nil {
		return fmt.Errorf("look for LiteLLM's tables: %w", err)
	}
	im.tables = map[string]map[string]bool{}
	err = each(rows, func(r *sql.Rows) error {
		var table, column string
		if err := r.Scan(&table, &column); err != nil {
			return err
		}
		if im.tables[table] == nil {
			im.tables[table] = map[string]bool{}
		}
		im.tables[table][column] = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for LiteLLM's tables: %w", err)
	}
	if im.tables[keysTable] == nil {
		return fmt.Errorf("the database has no table %q: --database-url names LiteLLM's own database (its DATABASE_URL), with ?schema=… if the tables are not in the usual one", keysTable)
	}
	return nil
}

func each(rows *sql.Rows, yield func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := yield(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// quoted is a table's name in SQL.
func quoted(table string) string { return `"` + strings.ReplaceAll(table, `"`, `""`) + `"` }

// has reports whether LiteLLM's database has a column.
func (im *importer) has(table, column string) bool { return im.tables[table][column] }

// read hands every row of a table to yield, in the order of the columns in by.
// more is added to what is selected of it, which is a JSON object called row.
func read[R any](ctx context.Context, im *importer, table, by, more string, yield func(raw []byte, row *R, err error) error) error {
	im.done[table] = true
	if im.tables[table] == nil {
		return nil
	}
	var of int64
	if err := im.tx.QueryRowContext(ctx, "SELECT count(*) FROM "+quoted(table)).Scan(&of); err != nil {
		return fmt.Errorf("count %s: %w", table, err)
	}
	rows, err := im.tx.QueryContext(ctx, "SELECT to_jsonb(t)"+more+" FROM "+quoted(table)+" t ORDER BY "+by) //nolint:gosec // G202: names of tables and columns, ours and quoted
	if err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	var done int64
	im.o.Progress(table, 0, of)
	err = each(rows, func(r *sql.Rows) error {
		var raw []byte
		if err := r.Scan(&raw); err != nil {
			return err
		}
		var v R
		if err := yield(raw, &v, json.Unmarshal(raw, &v)); err != nil {
			return err
		}
		done++
		im.o.Progress(table, done, of)
		return nil
	})
	if err != nil {
		return fmt.Errorf("import %s: %w", table, err)
	}
	return nil
}

// waiting is a row that will be written with its batch.
type waiting struct {
	id string
	m  *remarks
}

// load brings the rows of one table. build makes ours of a row, and says its id;
// digest is what it was made from if that is not ours as a whole.
func load[R any](ctx context.Context, im *importer, table, by, more string, build func(row *R, m *remarks) (id string, ours any, digest []byte)) error {
	if im.tables[table] == nil {
		im.done[table] = true
		return nil
	}
	t := im.r.table(table)
	var in []store.Incoming
	var with []waiting
	flush := func() error {
		if im.o.Target != nil && len(in) > 0 {
			if err := im.o.Target.ImportRows(ctx, in); err != nil {
				return err
			}
		}
		for i, w := range with {
			if err := in[i].Err; err != nil {
				w.m.skip = reason(err)
				im.gone[table+":"+w.id] = true
			}
			t.count(short(w.id), w.m, in[i].Outcome)
		}
		in, with = in[:0], with[:0]
		return nil
	}
	err := read(ctx, im, table, by, more, func(raw []byte, row *R, err error) error {
		t.Read++
		m := &remarks{}
		if err != nil {
			m.skip = "the row cannot be read: " + unreadable(err)
			t.count("", m, store.Unchanged)
			return nil
		}
		id, ours, digest := build(row, m)
		im.round(m)
		if m.skip == "" && ours == nil {
			m.skip = "the row has no id"
		}
		if m.skip != "" {
			im.gone[table+":"+id] = true
			t.count(short(id), m, store.Unchanged)
			return nil
		}
		if digest == nil {
			if digest, err = json.Marshal(ours, json.Deterministic(true)); err != nil {
				return err
			}
		}
		sum := sha256.Sum256(digest)
		in, with = append(in, store.Incoming{Row: ours, Digest: hex.EncodeToString(sum[:16])}), append(with, waiting{id, m})
		if len(in) == batch {
			return flush()
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	return err
}

func (im *importer) round(m *remarks) {
	im.r.Rounded += m.rounded
	im.r.Off += m.off
}

// reason is why the store did not take a row, without what is the row's own.
func reason(err error) string {
	if conflict, ok := errors.AsType[store.ErrConflict](err); ok {
		return "its " + conflict.Field + " is taken by another one here"
	}
	return gateway.AsError(err).Message
}

// unreadable says what is wrong with a row, without its values.
func unreadable(err error) string {
	var at *json.SemanticError
	if errors.As(err, &at) && at.JSONPointer != "" {
		return "its column " + strings.TrimPrefix(string(at.JSONPointer), "/") + " is not what it should be"
	}
	return "it is no JSON"
}
