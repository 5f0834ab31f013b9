package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"penstock/internal/config"
	"penstock/internal/gateway"
)

func TestWhatNewKeysUsersAndTeamsGet(t *testing.T) {
	c, report := load(t, `
general_settings: {disable_custom_api_keys: true, password_policy_min_length: 3, password_policy_require_numbers: true, team_metadata_schema: [{key: cost_center, label: Cost center}, {key: app}]}
litellm_settings:
  key_generation_settings:
    team_key_generation: {allowed_team_member_roles: [admin], required_params: [tags]}
    personal_key_generation: {allowed_user_roles: [proxy_admin]}
  max_internal_user_budget: 5
  internal_user_budget_duration: 30d
  default_internal_user_params:
    user_role: internal_user_viewer
    max_budget: 1.5
    models: [m]
    teams: [t1, {team_id: t2, user_role: admin, max_budget_in_team: 2}]
    available_teams: [t3]
  default_team_params: {max_budget: 9, rpm_limit: 3, models: [m], team_member_permissions: [/key/generate], organization_id: o}
`, nil)
	if len(report.Warnings)+len(report.Ignored) > 0 {
		t.Errorf("warnings are %v, ignored %v", report.Warnings, report.Ignored)
	}
	money := func(n gateway.NanoUSD) *gateway.NanoUSD { n *= 1_000_000_000; return &n }
	half, rpm := gateway.NanoUSD(1_500_000_000), int64(3)
	if diff := cmp.Diff(config.UserRules{
		Role: "internal_user_viewer", Limits: gateway.Limits{Budget: &half}, Models: []string{"m"},
		Teams: []config.UserTeam{{ID: "t1", Role: "user"}, {ID: "t2", Role: "admin", Budget: money(2)}}, OpenTeams: []string{"t3"},
		Internal: gateway.Limits{Budget: money(5), BudgetDuration: "30d"},
	}, c.Users); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(config.TeamRules{
		Limits: gateway.Limits{Budget: money(9), RPM: &rpm}, Models: []string{"m"}, MemberPermissions: []string{"/key/generate"}, OrganizationID: "o",
		Metadata: []config.MetadataField{{Key: "cost_center", Label: "Cost center"}, {Key: "app"}},
	}, c.Teams); diff != "" {
		t.Errorf("teams (-want +got):\n%s", diff)
	}
	if want := (config.PasswordRules{Min: 8, Digit: true}); c.Passwords != want {
		t.Errorf("passwords: %+v, want %+v", c.Passwords, want)
	}
	want := config.KeyRules{NoCustom: true, Team: config.KeyMaking{Roles: []string{"admin"}, Required: []string{"tags"}}, Personal: config.KeyMaking{Roles: []string{"proxy_admin"}}}
	if diff := cmp.Diff(want, c.Keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestTeamsLogWhereTheConfigurationSays(t *testing.T) {
	c, report := load(t, `
litellm_settings:
  default_team_settings:
  - {team_id: t1, success_callback: [langfuse], failure_callback: langfuse, langfuse_public_key: os.environ/PK, langfuse_secret: s}
  - {team_id: t2, failure_callback: [webhook], endpoint: "https://x"}
`, env{"PK": "pk"})
	if len(report.Warnings)+len(report.Ignored) > 0 {
		t.Errorf("warnings are %v, ignored %v", report.Warnings, report.Ignored)
	}
	if diff := cmp.Diff(map[string][]config.Destination{
		"t1": {{Name: "langfuse", OnSuccess: true, OnFailure: true, Settings: config.Settings{"langfuse_public_key": "pk", "langfuse_secret": "s"}}},
		"t2": {{Name: "webhook", OnFailure: true, Settings: config.Settings{"endpoint": "https://x"}}},
	}, c.Logging.Teams); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, _, err := config.Load(options("litellm_settings: {default_team_settings: [{success_callback: [langfuse]}]}", nil)); err == nil {
		t.Error("settings of no team are taken")
	}
}
