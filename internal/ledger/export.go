package ledger

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/store"
)

// Format is a form of export.
type Format string

// The forms there are.
const (
	CSV   Format = "csv"
	JSONL Format = "jsonl"
)

// charge is a row of the export, in the columns of FOCUS 1.2, the FinOps Open
// Cost and Usage Specification, and behind them ours, which begin with x_ as it
// asks. What FOCUS allows to be null and we do not know is null. The order of
// the fields is the order of the columns.
type charge struct {
	BilledCost         usd               `json:"BilledCost"`
	BillingAccountID   string            `json:"BillingAccountId"`
	BillingAccountName *string           `json:"BillingAccountName"`
	BillingCurrency    string            `json:"BillingCurrency"`
	BillingPeriodEnd   instant           `json:"BillingPeriodEnd"`
	BillingPeriodStart instant           `json:"BillingPeriodStart"`
	ChargeCategory     string            `json:"ChargeCategory"`
	ChargeClass        *string           `json:"ChargeClass"`
	ChargeDescription  string            `json:"ChargeDescription"`
	ChargeFrequency    string            `json:"ChargeFrequency"`
	ChargePeriodEnd    instant           `json:"ChargePeriodEnd"`
	ChargePeriodStart  instant           `json:"ChargePeriodStart"`
	ConsumedQuantity   *int64            `json:"ConsumedQuantity"`
	ConsumedUnit       *string           `json:"ConsumedUnit"`
	ContractedCost     usd               `json:"ContractedCost"`
	EffectiveCost      usd               `json:"EffectiveCost"`
	InvoiceIssuerName  string            `json:"InvoiceIssuerName"`
	ListCost           usd               `json:"ListCost"`
	PricingCategory    *string           `json:"PricingCategory"`
	PricingQuantity    *int64            `json:"PricingQuantity"`
	PricingUnit        *string           `json:"PricingUnit"`
	ProviderName       string            `json:"ProviderName"`
	PublisherName      string            `json:"PublisherName"`
	RegionID           *string           `json:"RegionId"`
	RegionName         *string           `json:"RegionName"`
	ResourceID         *string           `json:"ResourceId"`
	ResourceName       *string           `json:"ResourceName"`
	ResourceType       *string           `json:"ResourceType"`
	ServiceCategory    string            `json:"ServiceCategory"`
	ServiceName        string            `json:"ServiceName"`
	ServiceSubcategory string            `json:"ServiceSubcategory"`
	SkuID              *string           `json:"SkuId"`
	SkuPriceID         *string           `json:"SkuPriceId"`
	SubAccountID       *string           `json:"SubAccountId"`
	SubAccountName     *string           `json:"SubAccountName"`
	Tags               map[string]string `json:"Tags"`
	CallID             string            `json:"x_CallId"`
	RequestID          *string           `json:"x_RequestId"`
	KeyHash            *string           `json:"x_KeyHash"`
	UserID             *string           `json:"x_UserId"`
	OrganizationID     *string           `json:"x_OrganizationId"`
	ProjectID          *string           `json:"x_ProjectId"`
	EndUser            *string           `json:"x_EndUser"`
	ModelGroup         string            `json:"x_ModelGroup"`
	Operation          string            `json:"x_Operation"`
	PromptTokens       int64             `json:"x_PromptTokens"`
	CachedTokens       int64             `json:"x_CachedPromptTokens"`
	CompletionTokens   int64             `json:"x_CompletionTokens"`
	Status             string            `json:"x_Status"`
	PriceVersion       *string           `json:"x_PriceVersion"`
}

// usd is an amount of money, written in dollars without loss.
type usd gateway.NanoUSD

// MarshalJSONTo writes a decimal number.
func (u usd) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteValue(jsontext.Value(gateway.NanoUSD(u).String()))
}

// instant is a time as FOCUS wants it: UTC, ISO 8601.
type instant time.Time

func (t instant) String() string { return time.Time(t).UTC().Format("2006-01-02T15:04:05.000Z") }

// MarshalJSONTo writes a text.
func (t instant) MarshalJSONTo(enc *jsontext.Encoder) error {
	return enc.WriteToken(jsontext.String(t.String()))
}

func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// unassigned stands where FOCUS wants a name and there is none.
const unassigned = "none"

// chargeOf returns the row of a call.
func chargeOf(e *store.Entry) charge {
	start := e.Start.UTC()
	month := time.Date(start.Year(), start.Month(), 1, 0, 0, 0, 0, time.UTC)
	end := e.End
	if !end.After(start) {
		end = start.Add(time.Microsecond)
	}
	provider, model := e.Provider, e.Model
	if provider == "" {
		provider = unassigned
	}
	if model == "" {
		model = e.Group
	}
	c := charge{
		BilledCost: usd(e.Cost), ContractedCost: usd(e.Cost), EffectiveCost: usd(e.Cost), ListCost: usd(e.Cost),
		BillingAccountID: e.OrgID, BillingCurrency: "USD", BillingPeriodStart: instant(month), BillingPeriodEnd: instant(month.AddDate(0, 1, 0)),
		ChargeCategory: "Usage", ChargeDescription: string(e.Operation) + " with " + model, ChargeFrequency: "Usage-Based",
		ChargePeriodStart: instant(start), ChargePeriodEnd: instant(end),
		InvoiceIssuerName: provider, ProviderName: provider, PublisherName: provider,
		ServiceCategory: "AI and Machine Learning", ServiceSubcategory: "Generative AI", ServiceName: provider,
		ResourceID: known(e.Deployment), ResourceName: known(model), SkuID: known(e.Model), SkuPriceID: known(e.Rate), SubAccountID: known(e.TeamID),
		CallID: e.CallID, RequestID: known(e.ResponseID), KeyHash: known(e.KeyHash), UserID: known(e.UserID), OrganizationID: known(e.OrgID),
		ProjectID: known(e.ProjectID), EndUser: known(e.EndUser), ModelGroup: e.Group, Operation: string(e.Operation),
		PromptTokens: e.Usage.Prompt, CachedTokens: e.Usage.CacheRead, CompletionTokens: e.Usage.Completion, Status: "success",
		PriceVersion: known(e.Price),
	}
	if c.BillingAccountID == "" {
		c.BillingAccountID = unassigned
	}
	if c.ResourceID != nil {
		c.ResourceType = known("model deployment")
	}
	if c.SkuPriceID != nil {
		n := e.Usage.Total()
		c.ConsumedQuantity, c.PricingQuantity = &n, &n
		c.ConsumedUnit, c.PricingUnit, c.PricingCategory = known("Tokens"), known("Tokens"), known("Standard")
	}
	if e.Failed {
		c.Status = "failure"
	}
	if len(e.Tags) > 0 {
		c.Tags = make(map[string]string, len(e.Tags))
		for _, t := range e.Tags {
			c.Tags[t] = "true" // FOCUS: a tag without a value
		}
	}
	return c
}

// adjusted returns the row of an adjustment of the call.
func adjusted(e *store.Entry, a *store.Adjustment) charge {
	c := chargeOf(e)
	c.BilledCost, c.ContractedCost, c.EffectiveCost, c.ListCost = usd(a.Cost), usd(a.Cost), usd(a.Cost), usd(a.Cost)
	c.ChargeCategory, c.ChargeDescription = "Adjustment", "price of "+c.ChargeDescription+" changed on "+a.MadeAt.Format(time.DateOnly)
	c.SkuPriceID = known(a.Rate)
	if e.Start.UTC().Format("2006-01") != a.MadeAt.Format("2006-01") {
		c.ChargeClass = known("Correction")
	}
	// The call's own row has the tokens.
	c.ConsumedQuantity, c.ConsumedUnit, c.PricingQuantity, c.PricingUnit = nil, nil, nil, nil
	c.PromptTokens, c.CachedTokens, c.CompletionTokens = 0, 0, 0
	return c
}

// Export writes the calls that began from from to to (zero: without bound) and
// their adjustments to w, and returns how many rows that were.
func Export(ctx context.Context, db *store.DB, w io.Writer, format Format, from, to time.Time, progress Progress) (int64, error) {
	put, finish, err := writer(w, format)
	if err != nil {
		return 0, err
	}
	var rows int64
	err = db.Ledger(ctx, func(l *store.Ledger) error {
		of, err := l.Count(ctx, from, to)
		if err != nil {
			return err
		}
		later := map[string][]store.Adjustment{}
		err = l.Adjustments(ctx, from, to, func(a *store.Adjustment) error {
			later[a.CallID] = append(later[a.CallID], *a)
			return nil
		})
		if err != nil {
			return err
		}
		var done int64
		return l.Calls(ctx, from, to, func(e *store.Entry) error {
			c := chargeOf(e)
			if err := put(&c); err != nil {
				return err
			}
			rows++
			for _, a := range later[e.CallID] {
				c := adjusted(e, &a)
				if err := put(&c); err != nil {
					return err
				}
				rows++
			}
			if done++; done%1000 == 0 {
				progress(done, of)
			}
			return nil
		})
	})
	if err == nil {
		err = finish()
	}
	if err != nil {
		return rows, fmt.Errorf("export the ledger: %w", err)
	}
	return rows, nil
}

// writer returns what writes one row, and what ends the file.
func writer(w io.Writer, format Format) (put func(*charge) error, finish func() error, err error) {
	switch format {
	case JSONL:
		enc := jsontext.NewEncoder(w)
		return func(c *charge) error { return json.MarshalEncode(enc, c, json.Deterministic(true)) }, func() error { return nil }, nil
	case CSV:
		out := csv.NewWriter(w)
		if err := out.Write(columns()); err != nil {
			return nil, nil, err
		}
		var record []string
		return func(c *charge) (err error) {
				if record, err = c.appendRecord(record[:0]); err != nil {
					return err
				}
				return out.Write(record)
			}, func() error {
				out.Flush()
				return out.Error()
			}, nil
	}
	return nil, nil, fmt.Errorf("export format %q: use csv or jsonl", format)
}

// columns are the names of charge's fields, in order.
func columns() (out []string) {
	t := reflect.TypeFor[charge]()
	for field := range t.Fields() {
		out = append(out, field.Tag.Get("json"))
	}
	return out
}

// appendRecord appends the values of charge's fields as CSV has them, null as "".
func (c *charge) appendRecord(out []string) ([]string, error) {
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		cell := ""
		switch x := v.Field(i).Interface().(type) {
		case usd:
			cell = gateway.NanoUSD(x).String()
		case instant:
			cell = x.String()
		case string:
			cell = x
		case int64:
			cell = strconv.FormatInt(x, 10)
		case *string:
			if x != nil {
				cell = *x
			}
		case *int64:
			if x != nil {
				cell = strconv.FormatInt(*x, 10)
			}
		case map[string]string:
			b, err := json.Marshal(x, json.Deterministic(true))
			if err != nil {
				return nil, err
			}
			cell = string(b)
		default:
			return nil, fmt.Errorf("column %s has a type that CSV has no form for: %T", v.Type().Field(i).Name, x)
		}
		out = append(out, cell)
	}
	return out, nil
}
