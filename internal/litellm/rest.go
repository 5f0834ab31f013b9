package litellm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

type settingRow struct {
	Name  string         `json:"param_name"`
	Value jsontext.Value `json:"param_value"`
}

// tellSettings says which settings LiteLLM keeps in its database. They are not
// taken over: here the configuration file says everything.
func (im *importer) tellSettings(ctx context.Context) error {
	const table = "LiteLLM_Config"
	return read(ctx, im, table, "param_name", "", func(_ []byte, row *settingRow, err error) error {
		t := im.r.table(table)
		t.Read++
		m := &remarks{skip: "settings that were changed at LiteLLM's pages are not taken over: write " + row.Name + " into the configuration file"}
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
		case len(names) > 0:
			m.skip += " (" + strings.Join(names, ", ") + ")"
		}
		t.count(row.Name, m, 0)
		return nil
	})
}

// notHere says why tables are not brought.
var notHere = []struct{ prefix, why string }{
	{"LiteLLM_Daily", "daily sums are computed from the calls; days whose calls LiteLLM has deleted have none"},
	{"LiteLLM_Deleted", "what was deleted stays deleted"},
	{"LiteLLM_AuditLog", "LiteLLM's audit log stays in its database: the one here begins with this gateway"},
	{"LiteLLM_ErrorLogs", "failed calls are brought with the spend logs"},
	{"LiteLLM_InvitationLink", "there are no invitations here"},
	{"LiteLLM_UserNotifications", "there are no such requests here"},
	{"LiteLLM_VerifiedSubject", "users are found by sso_user_id"},
	{"LiteLLM_CronJob", "it holds nothing that lasts"},
	{"LiteLLM_ProxyWorkerHeartbeat", "it holds nothing that lasts"},
	{"LiteLLM_ModelAccessGroupBudgetTable", "budgets of the access groups of model_info are not brought: there are none here"},
	{"LiteLLM_MCP", "there are no MCP servers here"},
	{"LiteLLM_Guardrail", "there are no guardrails here"},
	{"LiteLLM_Prompt", "there are no stored prompts here"},
	{"LiteLLM_Agent", "there are no agents here"},
	{"LiteLLM_ManagedFile", "there are no files here"},
	{"LiteLLM_ManagedVectorStore", "there are no vector stores here"},
	{"LiteLLM_HealthCheck", "health is checked anew"},
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
