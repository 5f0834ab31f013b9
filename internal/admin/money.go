package admin

import (
	"github.com/go-json-experiment/json/jsontext"

	"penstock/internal/gateway"
	"penstock/internal/price"
)

// usd is money at this door: a JSON number of dollars outside, an integer of
// nano-dollars inside. It never goes through a float: a tenth of a dollar must
// stay one. Clients see it as Python prints a float ("10.0", "2.5e-06").
type usd gateway.NanoUSD

// MarshalJSONTo writes the amount as a JSON number.
func (u usd) MarshalJSONTo(e *jsontext.Encoder) error {
	return e.WriteValue(jsontext.Value(price.FormatUSD(gateway.NanoUSD(u))))
}

// String returns the amount as it stands in JSON.
func (u usd) String() string { return price.FormatUSD(gateway.NanoUSD(u)) }
