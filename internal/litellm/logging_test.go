package litellm_test

import (
	"strings"
	"testing"

	"penstock/internal/gateway"
	"penstock/internal/secret"
	"penstock/internal/store"
)

// Destinations of teams and keys go on being used, with their secrets sealed anew.
func TestLoggingMovesIn(t *testing.T) {
	targets(t, func(t *testing.T, s *source, db *store.DB) {
		s.exec(`UPDATE "LiteLLM_TeamTable" SET metadata = jsonb_build_object('a', 1, 'logging', jsonb_build_array(
			jsonb_build_object('callback_name', 'langfuse', 'callback_type', 'success', 'callback_vars', jsonb_build_object('langfuse_public_key', 'pk', 'langfuse_secret_key', 'litellm_enc::' || $1::text, 'langfuse_host', 'https://lf')),
			jsonb_build_object('callback_name', 'langsmith', 'callback_vars', jsonb_build_object('langsmith_api_key', 'hunter2')),
			jsonb_build_object('callback_name', 'langfuse', 'callback_vars', jsonb_build_object('langfuse_public_key', 'os.environ/PK'))
		)) WHERE team_id = 'team-1'`, sealed("hunter2"))
		s.exec(`UPDATE "LiteLLM_TeamTable" SET metadata = '{"callback_settings": {"success_callback": [], "failure_callback": []}}' WHERE team_id = 'team-old'`)
		r := s.into(db)
		box, err := secret.New("our own key")
		must(t, err)
		team, err := db.Team(t.Context(), "team-1")
		must(t, err)
		if team.Logging == nil || len(team.Logging.To) != 2 || strings.Contains(string(team.Metadata), "logging") {
			t.Fatalf("logging is %+v, metadata %s", team.Logging, team.Metadata)
		}
		first := team.Logging.To[0]
		if !first.OnSuccess || first.OnFailure || strings.Contains(string(first.Vars), "hunter2") || strings.Contains(string(team.Logging.To[1].Vars), "hunter2") {
			t.Errorf("the first destination is %+v", first)
		}
		vars, err := secret.OpenTexts(box, first.Vars, secret.Logging("team", "team-1"))
		must(t, err)
		same(t, "what it is told", vars, map[string]string{"langfuse_public_key": "pk", "langfuse_secret_key": "hunter2", "langfuse_host": "https://lf"})
		off, err := db.Team(t.Context(), "team-old")
		must(t, err)
		same(t, "a team whose logging was switched off", off.Logging, &gateway.Logging{Off: true})
		var report strings.Builder
		_, err = r.WriteTo(&report)
		must(t, err)
		text := report.String()
		for _, want := range []string{
			"the logging destination langsmith is kept, and nothing acts on it (team-1)",
			"the logging destination langfuse is left out: it refers to LiteLLM's environment",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the report does not say %q: %s", want, text)
			}
		}
		// Again: what is sealed differs each time, and is no change.
		if n := s.into(db).Changed(); n != 0 {
			t.Errorf("another import has changed %d rows", n)
		}
		next, err := db.Team(t.Context(), "team-1")
		must(t, err)
		same(t, "the team after another import", next.Logging, team.Logging)
	})
}
