package config

import "penstock/internal/gateway"

// KeyMaking says who may make keys of a kind (key_generation_settings). A nil
// list asks for nothing.
type KeyMaking struct {
	Roles    []string // of members in the team, or of users
	Required []string // fields that must be sent
}

// UserRules are what new users get who are no proxy admins.
type UserRules struct {
	// Role, Limits, Models and Teams fill what was not sent (default_internal_user_params).
	Role   string
	Limits gateway.Limits
	Models []string
	Teams  []UserTeam
	// OpenTeams are teams that users may join by themselves (available_teams).
	OpenTeams []string
	// Internal are the budget and its duration of users whose role is said to be
	// internal_user (max_internal_user_budget, internal_user_budget_duration).
	Internal gateway.Limits
}

// PasswordRules are what new passwords must be like (password_policy_*).
type PasswordRules struct {
	Min                          int // characters; 12 unless set, 8 at least
	Upper, Lower, Digit, Special bool
}

// passwordKeys are those of general_settings about passwords.
func (l *loader) passwordKeys() []key {
	p := &l.cfg.Passwords
	return append([]key{
		use("password_policy_min_length", count[int](), func(_ *loader, n int) { p.Min = max(n, 8) }),
		bind("password_policy_require_uppercase", boolean(), &p.Upper),
		bind("password_policy_require_lowercase", boolean(), &p.Lower),
		bind("password_policy_require_numbers", boolean(), &p.Digit),
		bind("password_policy_require_special_characters", boolean(), &p.Special),
	}, later("nothing about passwords is asked of other services", "password_policy_check_breached_passwords")...)
}

// UserTeam is a place in a team.
type UserTeam struct {
	ID     string
	Role   string // "user" or "admin"
	Budget *gateway.NanoUSD
}

// TeamRules fill what was not sent of a new team (default_team_params).
type TeamRules struct {
	Limits            gateway.Limits
	Models            []string
	MemberPermissions []string
	OrganizationID    string
	// Metadata are the fields that forms ask for (team_metadata_schema). Nothing
	// is refused by them.
	Metadata []MetadataField
}

// MetadataField is a member of metadata that should be set.
type MetadataField struct{ Key, Label string }

// peopleKeys are those of litellm_settings about keys, users and teams that are
// made by the management API.
func (l *loader) peopleKeys() []key {
	k, u, t := &l.cfg.Keys, &l.cfg.Users, &l.cfg.Teams
	making := func(m *KeyMaking, roles string) func(*loader, *node) {
		return func(l *loader, n *node) {
			l.apply(n, []key{bind(roles, words(), &m.Roles), bind("required_params", words(), &m.Required)})
		}
	}
	return []key{
		custom("default_key_generate_params", "a mapping", func(l *loader, n *node) { l.apply(n, keyParamKeys(&k.Default)) }),
		custom("upperbound_key_generate_params", "a mapping", func(l *loader, n *node) { l.apply(n, upperKeys(&k.Upper)) }),
		custom("key_generation_settings", "a mapping", func(l *loader, n *node) {
			l.apply(n, []key{
				custom("team_key_generation", "a mapping", making(&k.Team, "allowed_team_member_roles")),
				custom("personal_key_generation", "a mapping", making(&k.Personal, "allowed_user_roles")),
			})
		}),
		maybe("max_internal_user_budget", money(), &u.Internal.Budget),
		bind("internal_user_budget_duration", span(), &u.Internal.BudgetDuration),
		custom("default_internal_user_params", "a mapping", func(l *loader, n *node) {
			l.apply(n, append(limitKeys(&u.Limits),
				bind("user_role", choice("internal_user", "internal_user_viewer", "proxy_admin_viewer", "proxy_admin"), &u.Role),
				bind("models", words(), &u.Models),
				bind("available_teams", words(), &u.OpenTeams),
				custom("teams", "a list of ids or of {team_id, user_role, max_budget_in_team}", func(l *loader, n *node) { u.Teams = l.userTeams(n) }),
			))
		}),
		custom("default_team_params", "a mapping", func(l *loader, n *node) {
			l.apply(n, append(limitKeys(&t.Limits),
				bind("models", words(), &t.Models),
				bind("team_member_permissions", words(), &t.MemberPermissions),
				bind("organization_id", text(), &t.OrganizationID),
			))
		}),
	}
}

// limitKeys are the ceilings that new users and teams may get.
func limitKeys(l *gateway.Limits) []key {
	return []key{
		maybe("max_budget", money(), &l.Budget), bind("budget_duration", span(), &l.BudgetDuration),
		maybe("tpm_limit", count[int64](), &l.TPM), maybe("rpm_limit", count[int64](), &l.RPM),
		maybe("max_parallel_requests", count[int64](), &l.Parallel),
	}
}

// teamMetadata reads team_metadata_schema.
func (l *loader) teamMetadata(n *node) {
	for _, item := range l.items(n) {
		var f MetadataField
		l.apply(item, []key{bind("key", text(), &f.Key), bind("label", text(), &f.Label)})
		if f.Key == "" {
			l.want(item, "a key")
			continue
		}
		l.cfg.Teams.Metadata = append(l.cfg.Teams.Metadata, f)
	}
}

func (l *loader) userTeams(n *node) []UserTeam {
	var out []UserTeam
	for _, item := range l.items(n) {
		t := UserTeam{Role: "user"}
		if item.shape == mapping {
			l.apply(item, []key{
				bind("team_id", text(), &t.ID), bind("user_role", choice("user", "admin"), &t.Role),
				maybe("max_budget_in_team", money(), &t.Budget),
			})
		} else if id, ok := text().read(l, item); ok {
			t.ID = id
		}
		if t.ID == "" {
			l.want(item, "a team_id")
			continue
		}
		out = append(out, t)
	}
	return out
}
