package litellm

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/price"
)

// remarks are what is to be said about one row.
type remarks struct {
	skip  string   // why it is not brought, "" if it is
	notes []string // what of it is not as it was
	// Of amounts that have more digits than a nano-dollar.
	rounded int64
	off     float64
}

func (m *remarks) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if slices.Contains(m.notes, text) {
		return
	}
	m.notes = append(m.notes, text)
}

// dollars is an amount as LiteLLM keeps it: the shortest decimal that stands for
// its float.
type dollars string

// UnmarshalJSONFrom reads a number, or one of the texts that stand for no number.
func (d *dollars) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	v, err := dec.ReadValue()
	if err != nil {
		return err
	}
	switch v.Kind() {
	case 'n':
		*d = ""
	case '0':
		*d = dollars(v)
	case '"':
		text, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return err
		}
		*d = dollars(text)
	default:
		return fmt.Errorf("%s is no amount of money", v)
	}
	return nil
}

// amount returns the money, nil if there is none. What cannot be read is noted.
func (d dollars) amount(field string, m *remarks) *gateway.NanoUSD {
	if d == "" {
		return nil
	}
	n, err := price.ParseUSD(string(d))
	if err != nil {
		m.note("%s is no amount of money and left out", field)
		return nil
	}
	_, frac, _ := strings.Cut(string(d), ".")
	if len(frac) > 9 || strings.ContainsAny(string(d), "eE") {
		if was, ok := new(big.Rat).SetString(string(d)); ok {
			if was.Sub(big.NewRat(int64(n), 1e9), was); was.Sign() != 0 {
				off, _ := was.Float64()
				m.rounded++
				m.off += off
			}
		}
	}
	return &n
}

// spent is amount for what was spent: nothing if it is not there.
func (d dollars) spent(field string, m *remarks) gateway.NanoUSD {
	if n := d.amount(field, m); n != nil {
		return *n
	}
	return 0
}

// limit is amount for a ceiling. LiteLLM takes a negative one for used up.
func (d dollars) limit(field string, m *remarks) *gateway.NanoUSD {
	n := d.amount(field, m)
	if n != nil && *n < 0 {
		m.note("a negative %s refuses everything, as 0 does", field)
		n = new(gateway.NanoUSD)
	}
	return n
}

// ceiling returns a limit of a number of things.
func ceiling(n *int64, field string, m *remarks) *int64 {
	if n != nil && *n < 0 {
		m.note("a negative %s refuses everything, as 0 does", field)
		return new(int64)
	}
	return n
}

// moment is a time as PostgreSQL writes it in JSON, in UTC if it names no zone.
type moment string

var momentLayouts = [...]string{"2006-01-02T15:04:05.999999999", time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z07", "2006-01-02 15:04:05.999999999"}

func (t moment) time(field string, m *remarks) time.Time {
	if t == "" {
		return time.Time{}
	}
	for _, layout := range momentLayouts {
		if at, err := time.Parse(layout, string(t)); err == nil {
			return at.UTC()
		}
	}
	m.note("%s is no time and left out", field)
	return time.Time{}
}

// object returns a JSON object, nil if it is empty or none.
func object(v jsontext.Value) []byte {
	if v.Kind() != '{' || strings.Trim(string(v), "{} \n\t") == "" {
		return nil
	}
	return []byte(v)
}

// whole reads a whole number, or a text that stands for one.
func whole(v jsontext.Value) (int64, error) {
	text := string(v)
	if v.Kind() == '"' {
		raw, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return 0, err
		}
		text = string(raw)
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok || len(text) > 20 || !r.IsInt() || !r.Num().IsInt64() || r.Sign() < 0 {
		return 0, errors.New("no whole number")
	}
	return r.Num().Int64(), nil
}

// short is an id as the report shows it.
func short(id string) string {
	if len(id) > 40 {
		id = id[:12] + "…"
	}
	if strings.ContainsFunc(id, func(r rune) bool { return r < ' ' }) {
		return strconv.Quote(id)
	}
	return id
}
