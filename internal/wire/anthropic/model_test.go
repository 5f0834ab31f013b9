package anthropic

import "testing"

func TestClaudeVersion(t *testing.T) {
	tests := []struct {
		model, family string
		version       int
	}{
		{"claude-opus-4-5-20251101", "opus", 405},
		{"claude-opus-4-20250514", "opus", 400},
		{"claude-opus-4.6", "opus", 406},
		{"claude-opus-4_8", "opus", 408},
		{"claude-opus-41", "opus", 401},
		{"claude-sonnet-5", "sonnet", 500},
		{"claude-sonnet-5-5", "sonnet", 505},
		{"claude-3-5-sonnet-20241022", "sonnet", 305},
		{"claude-3-opus-20240229", "opus", 300},
		{"claude-3-7-sonnet-latest", "sonnet", 307},
		{"us.anthropic.claude-3-7-sonnet-20250219-v1:0", "sonnet", 307},
		{"claude-sonnet-4@20250514", "sonnet", 400},
		{"claude-2.1", "claude", 201},
		{"claude-instant-1.2", "instant", 102},
		{"claude-mythos-preview", "mythos", 0},
		{"claude-", "", 0},
		{"deepseek-chat", "", 0},
	}
	for _, tt := range tests {
		family, version := claudeVersion(tt.model)
		if family != tt.family || version != tt.version {
			t.Errorf("claudeVersion(%q) = %q, %d; want %q, %d", tt.model, family, version, tt.family, tt.version)
		}
	}
}

func TestAbilities(t *testing.T) {
	old := abilities{sampling: true, forced: true}
	budget := abilities{thinking: true, legacy: true, sampling: true, forced: true}
	with := func(a abilities, change func(*abilities)) abilities { change(&a); return a }
	v46 := with(budget, func(a *abilities) { a.adaptive, a.max, a.schema = true, true, true })
	v47 := with(v46, func(a *abilities) { a.legacy, a.sampling, a.xhigh = false, false, true })
	v48 := with(v47, func(a *abilities) { a.system = true })
	tests := []struct {
		model string
		want  abilities
	}{
		{"claude-3-5-sonnet-20241022", old},
		{"claude-3-7-sonnet-20250219", budget},
		{"claude-sonnet-4-20250514", budget},
		{"claude-haiku-4-5", with(budget, func(a *abilities) { a.schema = true })},
		{"claude-opus-4-6", v46},
		{"claude-opus-4-7-20260416", v47},
		{"claude-opus-4-8", v48},
		{"claude-sonnet-5", v48},
		{"claude-haiku-5-5", v48},
		{"claude-opus-5-5", with(v48, func(a *abilities) { a.always, a.forced = true, false })},
		{"claude-fable-5", with(v48, func(a *abilities) { a.always = true })},
		{"claude-mythos-5-1", with(v48, func(a *abilities) { a.always, a.forced = true, false })},
		{"claude-mythos-preview", with(v47, func(a *abilities) { a.always = true })},
		{"deepseek-chat", budget},
		{"claude-latest", budget},
	}
	for _, tt := range tests {
		if got := abilitiesOf(tt.model); got != tt.want {
			t.Errorf("abilitiesOf(%q)\ngot  %+v\nwant %+v", tt.model, got, tt.want)
		}
	}
}
