package litellm

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

type settingRow struct {
	Name  string         `json:"param_name"`
	Value jsontext.Value `json:"param_value"`
}

// sections are the parts of a configuration that LiteLLM may keep in its database.
var sections = [...]string{"general_settings", "litellm_settings", "router_settings"}

// tellSettings says which settings LiteLLM keeps in its database. They are not
// taken over: here the configuration file says everything.
func (im *importer) tellSettings(ctx context.Context) error {
	const table = "LiteLLM_Config"
	return read(ctx, im, table, "param_name", "", func(_ []byte, row *settingRow, err error) error {
		t := im.r.table(table)
		t.Read++
		m := &remarks{}
		var names []string
		for _, f := range members(row.Value) {
			if asks(f.value) {
				names = append(names, f.name)
			}
		}
		switch {
		case err != nil:
			m.skip = "the row cannot be read: " + unreadable(err)
		case row.Name == "environment_variables":
			m.skip = "set these variables in the environment of the gateway: " + strings.Join(names, ", ")
		case !slices.Contains(sections[:], row.Name):
			m.skip = "there is nothing like it here"
		case len(names) == 0:
			// Nothing is set, so nothing is missing.
		default:
			m.skip = "here the configuration file says everything: write " + row.Name + " into it (" + strings.Join(names, ", ") + ")"
			if im.o.Judge != nil {
				if bad := im.o.Judge(row.Name, row.Value); len(bad) > 0 {
					m.skip += "; not honoured even so: " + strings.Join(bad, "; ")
				}
			}
		}
		t.count(row.Name, m, 0)
		return nil
	})
}

const (
	permissionsTable = "LiteLLM_ObjectPermissionTable"
	aliasesTable     = "LiteLLM_ModelTable"
)

// tellParts says what became of rows that are parts of others here.
func (im *importer) tellParts(ctx context.Context) error {
	kept, err := im.referred(ctx, "object_permission_id", keysTable, teamsTable, usersTable, organizationsTable)
	if err != nil {
		return err
	}
	elsewhere, err := im.referred(ctx, "object_permission_id", projectsTable, endUsersTable)
	if err != nil {
		return err
	}
	err = read(ctx, im, permissionsTable, "object_permission_id", "", func(raw []byte, row *struct {
		ID string `json:"object_permission_id"`
	}, err error,
	) error {
		m := &remarks{}
		switch {
		case err != nil:
			m.skip = "the row cannot be read: " + unreadable(err)
		case kept[row.ID]:
			_ = permission(jsontext.Value(raw), m) // it says that nothing acts on it
		case elsewhere[row.ID]:
			m.skip = "those of projects and end users are not brought: there are no MCP servers, vector stores and agents here"
		default:
			m.skip = "nobody has it"
		}
		t := im.r.table(permissionsTable)
		t.Read++
		t.count(short(row.ID), m, 0)
		return nil
	})
	if err != nil {
		return err
	}
	used, err := im.referred(ctx, "model_id", teamsTable)
	if err != nil {
		return err
	}
	return read(ctx, im, aliasesTable, "id", "", func(_ []byte, row *struct {
		ID int64 `json:"id"`
	}, err error,
	) error {
		m := &remarks{}
		switch {
		case err != nil:
			m.skip = "the row cannot be read: " + unreadable(err)
		case !used[strconv.FormatInt(row.ID, 10)]:
			m.skip = "no team has these aliases"
		}
		t := im.r.table(aliasesTable)
		t.Read++
		t.count(strconv.FormatInt(row.ID, 10), m, 0)
		return nil
	})
}

// referred returns what rows of the tables refer to by a column.
func (im *importer) referred(ctx context.Context, column string, tables ...string) (map[string]bool, error) {
	out := map[string]bool{}
	for _, table := range tables {
		if !im.has(table, column) {
			continue
		}
		rows, err := im.tx.QueryContext(ctx, "SELECT DISTINCT "+column+"::text FROM "+quoted(table)+" WHERE "+column+" IS NOT NULL") //nolint:gosec // G202: names of tables and columns, ours and quoted
		if err == nil {
			err = each(rows, func(r *sql.Rows) error {
				var id string
				err := r.Scan(&id)
				out[id] = true
				return err
			})
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", table, err)
		}
	}
	return out, nil
}

// notHere says why tables are not brought.
var notHere = []struct{ prefix, why string }{
	{"LiteLLM_DailyAgentSpend", "there are no agents here"},
	{"LiteLLM_DailyGlobalSpend", "everybody's daily sums are those of all users"},
	{"LiteLLM_Daily", "there is nothing like it here"},
	{"LiteLLM_ErrorLogs", "failed calls are brought with the spend logs"},
	{"LiteLLM_InvitationLink", "the links lead to LiteLLM: invite again"},
	{"LiteLLM_UserNotifications", "there are no such requests here"},
	{"LiteLLM_VerifiedSubject", "users are found by sso_user_id"},
	{"LiteLLM_CronJob", "it holds nothing that lasts"},
	{"LiteLLM_ProxyWorkerHeartbeat", "it holds nothing that lasts"},
	{"LiteLLM_MCP", "there are no MCP servers here"},
	{"LiteLLM_Guardrail", "there are no guardrails here"},
	{"LiteLLM_Prompt", "there are no stored prompts here"},
	{"LiteLLM_Agent", "there are no agents here"},
	{"LiteLLM_ManagedFile", "there are no files here"},
	{"LiteLLM_ManagedVectorStore", "there are no vector stores here"},
	{"LiteLLM_HealthCheck", "health is checked anew"},
	{"LiteLLM_SSOConfig", "the identity provider stands in the configuration file"},
	{"LiteLLM_CacheConfig", "the cache stands in the configuration file"},
	{"LiteLLM_ConfigOverrides", "here the configuration file says everything"},
	{"LiteLLM_UISettings", "they are of LiteLLM's pages"},
	{"LiteLLM_SpendLog", "it is an index of the spend logs"},
	{"LiteLLM_Policy", "there are no policies here"},
	{"LiteLLM_Tool", "there is no registry of tools here"},
	{"LiteLLM_SearchTools", "there are no search tools here"},
	{"LiteLLM_Skills", "there are no skills here"},
	{"LiteLLM_ManagedObject", "there are no batches and fine-tuning jobs here"},
}

// enough is how many rows of such a table are counted at the most.
const enough = 100_000

// tellRest says of every further table that has rows why it is not brought.
func (im *importer) tellRest(ctx context.Context) error {
	for _, table := range sortedKeys(im.tables) {
		if im.done[table] {
			continue
		}
		var n int64
		err := im.tx.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %d) AS counted", quoted(table), enough)).Scan(&n)
		if err != nil {
			return fmt.Errorf("count %s: %w", table, err)
		}
		if n == 0 {
			continue
		}
		why := "there is nothing like it here"
		if i := slices.IndexFunc(notHere, func(x struct{ prefix, why string }) bool { return strings.HasPrefix(table, x.prefix) }); i >= 0 {
			why = notHere[i].why
		}
		if n == enough {
			why += " (its rows were counted no further)"
		}
		t := im.r.table(table)
		t.Read, t.Skipped = n, n
		t.because(why, true, n, "")
	}
	return nil
}
