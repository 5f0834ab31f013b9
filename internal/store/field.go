package store

import (
	"database/sql"
	"time"

	"penstock/internal/gateway"
)

// field ties a column to the part of a struct that it holds. An entity lists
// its fields once, and rows are written and read by that list.
type field struct {
	column string
	// arg returns the value to store, or an Invalid error.
	arg func() (any, error)
	// dest is where a row is scanned to.
	dest any
	// keep moves what was scanned into its place; nil if dest is the place.
	keep func() error
}

// id is a text that stands in an index; param is its name in a request.
func id(column, param string, p *string) field {
	return field{column: column, dest: p, arg: func() (any, error) { return *p, checkIDs(named{param, *p}) }}
}

// text is any other text.
func text[S ~string](column, param string, p *S) field {
	return field{column: column, dest: p, arg: func() (any, error) { return string(*p), checkTexts(named{param, string(*p)}) }}
}

func flag(column string, p *bool) field {
	return field{column: column, dest: p, arg: func() (any, error) { return *p, nil }}
}

func number[N ~int64](column string, p *N) field {
	return field{column: column, dest: p, arg: func() (any, error) { return int64(*p), nil }}
}

// ceiling is a number that may be absent.
func ceiling[N ~int64](column string, p **N) field {
	var n sql.Null[int64]
	return field{
		column: column, dest: &n,
		arg:  func() (any, error) { return nullable(*p), nil },
		keep: func() error { *p = optional[N](n); return nil },
	}
}

func moment(column string, p *time.Time) field {
	var us int64
	return field{
		column: column, dest: &us,
		arg:  func() (any, error) { return micros(*p), nil },
		keep: func() error { *p = instant(us); return nil },
	}
}

func list(column, param string, p *[]string) field {
	var s string
	return field{
		column: column, dest: &s,
		arg:  func() (any, error) { return encodeList(param, *p) },
		keep: func() error { return decode(column, s, p) },
	}
}

func mapping(column, param string, p *map[string]string) field {
	var s string
	return field{
		column: column, dest: &s,
		arg:  func() (any, error) { return encodeMap(param, *p) },
		keep: func() error { return decode(column, s, p) },
	}
}

// object is a raw JSON object.
func object(column, param string, p *[]byte) field {
	var s string
	return field{
		column: column, dest: &s,
		arg:  func() (any, error) { return encodeObject(param, *p) },
		keep: func() error { *p = decodeObject(s); return nil },
	}
}

// packed is a struct S kept as JSON: pack makes it of the row's value and
// unpack takes it back. S is comparable with nothing, so an empty one is known
// by its JSON.
func packed[S any](column string, pack func() (S, error), unpack func(*S)) field {
	var s string
	return field{
		column: column, dest: &s,
		arg: func() (any, error) {
			v, err := pack()
			if err != nil {
				return nil, err
			}
			text, err := encode(column, &v)
			if text == "{}" || text == "[]" || text == "null" {
				text = ""
			}
			return text, err
		},
		keep: func() error {
			var v S
			if err := decode(column, s, &v); err != nil {
				return err
			}
			unpack(&v)
			return nil
		},
	}
}

// names returns the columns of fields.
func names(fs []field) []string {
	out := make([]string, len(fs))
	for i, f := range fs {
		out[i] = f.column
	}
	return out
}

// values returns what to store of of fields.
func values(fs []field) ([]any, error) {
	out := make([]any, len(fs))
	for i, f := range fs {
		v, err := f.arg()
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// spendFields are what an entity has spent. Those of keys, users and teams are
// columns of their own; those of others come from table totals.
func spendFields(s *gateway.Spend) []field {
	return []field{number("spend_window", &s.Window), moment("window_start", &s.WindowStart), number("spend_total", &s.Total)}
}

// authorship are the four columns at the end of most tables.
func authorship(created *time.Time, createdBy *string, updated *time.Time, updatedBy *string) []field {
	return []field{
		moment("created_at", created), text("created_by", "created_by", createdBy),
		moment("updated_at", updated), text("updated_by", "updated_by", updatedBy),
	}
}
