package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An operator's way: calls, a proof, a price that was wrong, the same again, and
// the month for the accountants.
func TestLedgerCommands(t *testing.T) {
	dir, args := setUp(t, "mock-tokens=6")
	config := filepath.Join(dir, "config.yaml")
	env := []string{"LITELLM_MASTER_KEY=" + testKey}
	edit := func(old, now string) {
		t.Helper()
		text, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(config, []byte(strings.Replace(string(text), old, now, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edit("model_list:", "general_settings: {ledger_hash_chain: true}\nmodel_list:")
	p := run(t, dir, env, args...)
	for range 5 {
		var answer struct{}
		p.json(t, "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"Hello"}]}`, &answer)
	}
	var rows []booked
	p.json(t, "/spend/logs", "", &rows) // books what there is
	ledger := func(command ...string) string {
		t.Helper()
		path, err := binary()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(path, append(append([]string{"ledger"}, command...), append(args, "--data-dir="+filepath.Join(dir, "data"))...)...)
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("penstock ledger %s: %v\n%s", strings.Join(command, " "), err, out)
		}
		return string(out)
	}
	wants := func(out string, texts ...string) {
		t.Helper()
		for _, want := range texts {
			if !strings.Contains(out, want) {
				t.Errorf("want %q in:\n%s", want, out)
			}
		}
	}
	wants(ledger("verify", "--chain"), "5 calls and 0 adjustments cost 0.03 USD", "newest hash", "the books are right")
	edit("output_cost_per_token: 0.001", "output_cost_per_token: 0.002")
	wants(ledger("reprice", "--dry-run"), "spend would change by 0.03 USD")
	wants(ledger("reprice", "--model", "m"), "spend changed by 0.03 USD with 5 adjustments")
	wants(ledger("reprice"), "spend changed by 0.0 USD with 0 adjustments")
	wants(ledger("verify", "--chain"), "5 calls and 5 adjustments cost 0.06 USD", "the books are right")
	p.json(t, "/spend/logs", "", &rows)
	for _, r := range rows {
		if r.Spend != 0.012 {
			t.Errorf("/spend/logs shows a repriced call at %v, want 0.012", r.Spend)
		}
	}
	file := filepath.Join(dir, "out.csv")
	wants(ledger("export", "--output", file), "10 rows written")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wants(string(text), "BilledCost,BillingAccountId", "Adjustment", "AI and Machine Learning")
	wants(ledger("export", "--format", "jsonl", "--from", "2100-01-01"), "")
	wants(ledger("verify", "--help"), "Examples:")

	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "ledger", "verify", "--data-dir", t.TempDir()).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "there is no database at") {
		t.Errorf("verify where nothing is: %v\n%s", err, out)
	}
}
