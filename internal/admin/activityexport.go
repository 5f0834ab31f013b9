package admin

import (
	"context"
	comma "encoding/csv"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// download is an answer that is written as it is made. Each part of it is small;
// an error after the first part ends the connection, so that nobody takes half of
// it for the whole.
type download struct {
	media, name string // content type, and of the file
	parts       func(ctx context.Context, w io.Writer) error
}

// send answers with d. What fails before anything was written is an answer like
// any other.
func (a *API) send(w http.ResponseWriter, r *http.Request, d *download) {
	first := &firstWrite{w: w, begin: func() {
		h := w.Header()
		h.Set("Content-Type", d.media)
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
	}}
	err := d.parts(r.Context(), first)
	switch {
	case err == nil:
		return
	case !first.begun:
		a.writeError(w, r, err)
		return
	}
	a.o.Log.ErrorContext(r.Context(), "a download was cut short", slog.String("route", r.URL.Path), slog.Any("error", err))
	panic(http.ErrAbortHandler)
}

// firstWrite calls begin before the first byte.
type firstWrite struct {
	w     io.Writer
	begin func()
	begun bool
}

// Write implements io.Writer.
func (f *firstWrite) Write(b []byte) (int, error) {
	if !f.begun {
		f.begun = true
		f.begin()
	}
	return f.w.Write(b)
}

// exportRow is a line of an export.
type exportRow struct {
	Date       string  `json:"date"`
	ID         string  `json:"entity_id"`
	Alias      *string `json:"entity_alias"`
	Key        *string `json:"api_key"`
	KeyAlias   *string `json:"key_alias"`
	UserID     *string `json:"user_id"`
	Email      *string `json:"user_email"`
	Model      *string `json:"model"`
	Spend      usd     `json:"spend"`
	FlatCost   usd     `json:"flat_cost"`
	Prompt     int64   `json:"prompt_tokens"`
	Completion int64   `json:"completion_tokens"`
	Requests   int64   `json:"api_requests"`
	Successful int64   `json:"successful_requests"`
	Failed     int64   `json:"failed_requests"`
	CacheRead  int64   `json:"cache_read_input_tokens"`
	CacheWrite int64   `json:"cache_creation_input_tokens"`
}

var exportColumns = []string{
	"date", "entity_id", "entity_alias", "api_key", "key_alias", "user_id", "user_email", "model", "spend", "flat_cost", "prompt_tokens", "completion_tokens",
	"api_requests", "successful_requests", "failed_requests", "cache_read_input_tokens", "cache_creation_input_tokens",
}

func (e *exportRow) cells() []string {
	out := []string{e.Date}
	for _, t := range []*string{&e.ID, e.Alias, e.Key, e.KeyAlias, e.UserID, e.Email, e.Model} {
		cell := ""
		if t != nil {
			cell = *t
		}
		// A spreadsheet takes what begins so for a formula, and anybody may
		// choose the name of a customer or a tag.
		if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
			cell = "'" + cell
		}
		out = append(out, cell)
	}
	out = append(out, e.Spend.String(), e.FlatCost.String())
	for _, n := range [...]int64{e.Prompt, e.Completion, e.Requests, e.Successful, e.Failed, e.CacheRead, e.CacheWrite} {
		out = append(out, strconv.FormatInt(n, 10))
	}
	return out
}

// exports are the kinds of export: what is told apart besides days and entities.
var exports = map[string][]store.Facet{
	"daily": nil, "daily_with_keys": {store.OfKey}, "daily_with_models": {store.OfModel}, "daily_with_users": {store.OfUser},
}

// activityExport returns the handler of a noun's export.
func (a *API) activityExport(noun string) handler {
	return func(_ http.ResponseWriter, r *http.Request, p *gateway.Principal) (any, error) {
		q := readQuery(r)
		f := q.dayQuery(noun, a.o.Now())
		kind := q.oneOf("export_type", "daily", "daily", "daily_with_keys", "daily_with_models", "daily_with_users")
		format := q.oneOf("format", "csv", "csv", "json")
		if err := a.askFor(r.Context(), q, f, p); err != nil {
			return nil, err
		}
		d := &download{
			media: "application/json", name: fmt.Sprintf("%s-usage-%s-%s-%s.%s", noun, f.days.from.Format(time.DateOnly), f.days.to.Format(time.DateOnly), kind, format),
			parts: func(ctx context.Context, w io.Writer) error { return a.exportJSON(ctx, w, f, exports[kind]) },
		}
		if format == "csv" {
			d.media = "text/csv"
			d.parts = func(ctx context.Context, w io.Writer) error { return a.exportCSV(ctx, w, f, exports[kind]) }
		}
		return d, nil
	}
}

func (a *API) exportCSV(ctx context.Context, w io.Writer, f *asked, by []store.Facet) error {
	out := comma.NewWriter(w)
	out.UseCRLF = true
	begun := false
	begin := func() error {
		if begun {
			return nil
		}
		begun = true
		return out.Write(exportColumns)
	}
	err := a.exportRows(ctx, f, by, func(e *exportRow) error {
		if err := begin(); err != nil {
			return err
		}
		return out.Write(e.cells())
	})
	if err == nil {
		err = begin()
	}
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

func (a *API) exportJSON(ctx context.Context, w io.Writer, f *asked, by []store.Facet) error {
	sep := "["
	err := a.exportRows(ctx, f, by, func(e *exportRow) error {
		b, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = w.Write(append([]byte(sep), b...))
		sep = ","
		return err
	})
	if err == nil && sep == "[" {
		_, err = io.WriteString(w, sep)
	}
	if err == nil {
		_, err = io.WriteString(w, "]")
	}
	return err
}

// exportRows hands the rows of f to yield, day by day.
func (a *API) exportRows(ctx context.Context, f *asked, by []store.Facet, yield func(*exportRow) error) error {
	filter := f.filter()
	days, err := a.store.Facts(ctx, filter, []store.Facet{store.OfDay}, store.FactOrder{})
	if err != nil {
		return err
	}
	for i := range days {
		filter.Day0, filter.Day1 = dayOf(&days[i]), dayOf(&days[i])
		facts, err := a.store.Facts(ctx, filter, append([]store.Facet{f.entity}, by...), store.FactOrder{})
		if err != nil {
			return err
		}
		for j := range facts {
			if err := yield(a.exportRow(days[i].Of(store.OfDay), f, &facts[j], by)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *API) exportRow(day string, f *asked, fact *store.Fact, by []store.Facet) *exportRow {
	e := &exportRow{
		Date: day, ID: fact.Of(f.entity), Alias: a.entityMetadata(f.about(), fact.Of(f.entity)).Alias,
		Spend: usd(fact.Cost), Prompt: fact.Prompt, Completion: fact.Completion,
		Requests: fact.Requests, Successful: fact.Requests - fact.Failures, Failed: fact.Failures, CacheRead: fact.CacheRead, CacheWrite: fact.CacheWrite,
	}
	for _, facet := range by {
		v := fact.Of(facet)
		if v == store.Rest {
			continue
		}
		switch facet {
		case store.OfKey:
			about := a.keyMetadata(v)
			e.Key, e.KeyAlias, e.UserID, e.Email = text(shownKey(v)), about.Alias, about.UserID, about.Email
		case store.OfModel:
			e.Model = text(v)
		case store.OfUser:
			u := a.userActivity(fact)
			e.UserID, e.Email = text(v), u.Email
		}
	}
	return e
}
