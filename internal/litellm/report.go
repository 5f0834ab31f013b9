package litellm

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// Report says what became of every row.
type Report struct {
	DryRun bool
	Tables []*Table
	// Rounded amounts of money had more digits than a nano-dollar has; Off is
	// what the rounding of them adds up to, in dollars.
	Rounded int64
	Off     float64
	// Notes concern more than one row.
	Notes []string
	// Models and Credentials are those that were brought, opened.
	Models      []gateway.StoredModel
	Credentials []gateway.Credential
}

// Table is what became of the rows of one of LiteLLM's tables.
type Table struct {
	Name string
	Read int64
	// Each row that was read is one of these: all of it is here, some of it is
	// not or means something else here, nothing of it is here.
	Exact, Approximate, Skipped int64
	// What was written; all zero in a dry run.
	Created, Updated, Unchanged int64
	Reasons                     []Reason // the most frequent first
}

// Reason is why rows are not exact.
type Reason struct {
	Text     string
	Skipped  bool
	Rows     int64
	Examples []string // ids
}

const maxExamples = 3

// because counts a reason.
func (t *Table) because(text string, skipped bool, rows int64, example string) {
	i := slices.IndexFunc(t.Reasons, func(r Reason) bool { return r.Text == text && r.Skipped == skipped })
	if i < 0 {
		t.Reasons = append(t.Reasons, Reason{Text: text, Skipped: skipped})
		i = len(t.Reasons) - 1
	}
	r := &t.Reasons[i]
	r.Rows += rows
	if example != "" && len(r.Examples) < maxExamples {
		r.Examples = append(r.Examples, example)
	}
}

// count files one row.
func (t *Table) count(id string, m *remarks, outcome store.Outcome) {
	switch {
	case m.skip != "":
		t.Skipped++
		t.because(m.skip, true, 1, id)
		return
	case len(m.notes) > 0:
		t.Approximate++
		for _, n := range m.notes {
			t.because(n, false, 1, id)
		}
	default:
		t.Exact++
	}
	switch outcome {
	case store.Created:
		t.Created++
	case store.Updated:
		t.Updated++
	case store.Unchanged:
		t.Unchanged++
	}
}

// table returns the table of that name, a new one at the end if need be.
func (r *Report) table(name string) *Table {
	for _, t := range r.Tables {
		if t.Name == name {
			return t
		}
	}
	t := &Table{Name: name}
	r.Tables = append(r.Tables, t)
	return t
}

// Changed returns how many rows were written.
func (r *Report) Changed() (n int64) {
	for _, t := range r.Tables {
		n += t.Created + t.Updated
	}
	return n
}

// WriteTo writes the report for people.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := "table\tread\texact\tapproximate\tskipped\t"
	if !r.DryRun {
		head += "new\tchanged\tas before\t"
	}
	fmt.Fprintln(tw, head)
	for _, t := range r.Tables {
		if t.Read == 0 {
			continue
		}
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t", strings.TrimPrefix(t.Name, "LiteLLM_"), t.Read, t.Exact, t.Approximate, t.Skipped)
		if !r.DryRun {
			fmt.Fprintf(tw, "%d\t%d\t%d\t", t.Created, t.Updated, t.Unchanged)
		}
		fmt.Fprintln(tw)
	}
	if err := tw.Flush(); err != nil {
		return 0, err
	}
	for _, t := range r.Tables {
		if len(t.Reasons) == 0 {
			continue
		}
		slices.SortStableFunc(t.Reasons, func(a, b Reason) int { return cmp.Compare(b.Rows, a.Rows) })
		fmt.Fprintf(&b, "\n%s\n", strings.TrimPrefix(t.Name, "LiteLLM_"))
		for _, re := range t.Reasons {
			how := "approximate"
			if re.Skipped {
				how = "skipped"
			}
			fmt.Fprintf(&b, "  %s, %d: %s", how, re.Rows, re.Text)
			if len(re.Examples) > 0 {
				fmt.Fprintf(&b, " (%s", strings.Join(re.Examples, ", "))
				if re.Rows > int64(len(re.Examples)) {
					b.WriteString(", …")
				}
				b.WriteString(")")
			}
			b.WriteString("\n")
		}
	}
	if len(r.Notes) > 0 || r.Rounded > 0 {
		b.WriteString("\n")
	}
	if r.Rounded > 0 {
		fmt.Fprintf(&b, "%d amounts of money were rounded to the nearest billionth of a dollar; together that is %.2g USD.\n", r.Rounded, r.Off)
	}
	for _, n := range r.Notes {
		fmt.Fprintln(&b, n)
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}
