package relay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"penstock/internal/gateway"
	"penstock/internal/limit"
	"penstock/internal/price"
	"penstock/internal/router"
	"penstock/internal/spend"
	"penstock/internal/token"
)

// Prices finds the price of a deployment's model: the deployment's own, or
// else the book's. It never changes, but remembers what it has looked up.
type Prices struct {
	book  *price.Book
	rates sync.Map // rateKey -> *price.Rate, nil if there is no price
	n     atomic.Int64
	// estimate stands for the price of models that have none; nil if they are not
	// estimated.
	estimate *price.Rate
	dear     sync.Map // model name -> *quote
}

// maxRemembered bounds what Prices remembers: with wildcards, model names are
// the clients' to choose.
const maxRemembered = 10_000

type rateKey struct{ deployment, model string }

// quote is the dearest a model name can come to.
type quote struct {
	rates     []*price.Rate // distinct, at the standard service tier
	tiers     []*price.Rate // the same with every tier
	unpriced  string        // a deployment without a price, "" if all have one
	maxOutput int64         // the most output tokens, 0 if not known
	model     string        // for learning how long answers are
}

// NewPrices returns prices over the book. If estimate is not nil, it is what
// models without a price are taken to cost.
func NewPrices(book *price.Book, estimate *price.Rate) *Prices {
	return &Prices{book: book, estimate: estimate}
}

// Unpriced says what becomes of calls of models without a price.
type Unpriced uint8

const (
	// BlockBudgeted refuses them if money is limited for anybody they are charged to.
	BlockBudgeted Unpriced = iota
	// BlockUnpriced refuses them all.
	BlockUnpriced
	// AllowUnpriced lets them cost nothing.
	AllowUnpriced
)

// Estimated is the version of the price of a model that has none.
const Estimated = "estimate"

// Book returns the published prices.
func (p *Prices) Book() *price.Book { return p.book }

// Rate returns the price of the deployment's model, nil if none is known.
func (p *Prices) Rate(d *gateway.Deployment, model string) *price.Rate {
	key := rateKey{d.ID, model}
	if v, ok := p.rates.Load(key); ok {
		return v.(*price.Rate)
	}
	name := model
	if d.BaseModel != "" {
		name = d.BaseModel
	}
	rate, _ := p.book.Lookup(d.Provider, name)
	if own, err := Own(rate, d); err == nil { // checked when the configuration was loaded
		rate = own
	}
	if p.n.Add(1) < maxRemembered {
		p.rates.Store(key, rate)
	}
	return rate
}

// Own returns the rate with the deployment's own token prices laid over it.
// Prices of other things are for other kinds of calls. The error names the
// deployment, the field and its value.
func Own(rate *price.Rate, d *gateway.Deployment) (*price.Rate, error) {
	fields := map[string]string{}
	for name, v := range d.Prices {
		if price.TokenPrice(name) {
			fields[name] = v
		}
	}
	if len(fields) == 0 {
		return rate, nil
	}
	own, err := price.Override(rate, fields)
	if err != nil {
		return nil, fmt.Errorf("deployment %s of model %s: %w", d.ID, d.Group, err)
	}
	return own, nil
}

func (p *Prices) quote(r *router.Route) *quote {
	name := r.Key()
	if v, ok := p.dear.Load(name); ok {
		return v.(*quote)
	}
	q := &quote{model: r.Group()}
	for _, target := range r.Serving() {
		rate := p.Rate(target.Deployment, target.Model)
		if rate == nil {
			rate = p.estimate
		}
		if rate == nil {
			q.unpriced = target.ID
			continue
		}
		if !slices.Contains(q.tiers, rate) {
			q.tiers, q.rates = append(q.tiers, rate), append(q.rates, rate.AtTier(""))
		}
		model := target.Model
		if target.BaseModel != "" {
			model = target.BaseModel
		}
		q.maxOutput = max(q.maxOutput, p.book.MaxOutput(target.Provider, model))
	}
	if p.n.Add(1) < maxRemembered {
		p.dear.Store(name, q)
	}
	return q
}

// or returns the dearest that a call of either can come to.
func (q *quote) or(o *quote) *quote {
	both := *q
	both.rates, both.tiers = slices.Concat(q.rates, o.rates), slices.Concat(q.tiers, o.tiers)
	both.unpriced = cmp.Or(q.unpriced, o.unpriced)
	if both.maxOutput = max(q.maxOutput, o.maxOutput); q.maxOutput == 0 || o.maxOutput == 0 {
		both.maxOutput = 0 // one of them is not known
	}
	return &both
}

// quote works out what the call may come to. It is an error if nobody serves
// the model, or if it has no price and somebody who pays has a budget.
func (l *line) quote() error {
	c := l.c
	var err error
	if l.route, err = l.s.Table.Route(c); err != nil {
		return err
	}
	q := l.s.Prices.quote(&l.route)
	for _, name := range c.Fallbacks {
		if r, err := l.s.Table.RouteTo(c, name); err == nil && !r.Nowhere() {
			q = q.or(l.s.Prices.quote(&r)) // the client's own fallbacks may answer, too
		}
	}
	if q.unpriced != "" && (l.s.Unpriced == BlockUnpriced || l.s.Unpriced == BlockBudgeted && l.r.Limits.Budgeted(&l.hold, &c.Principal, l.s.Global, c.Group)) {
		return &gateway.Error{
			Kind: gateway.Forbidden, Type: "model_cost_map_missing", Param: "model",
			Message: fmt.Sprintf("The model '%s' has no known price (deployment %s), so the call cannot be counted against a budget. "+
				"Set input_cost_per_token and output_cost_per_token for it in the configuration; 0 makes it free.", c.Model, q.unpriced),
		}
	}

	choices := max(c.Ask.Choices, 1)
	in := c.Ask.Input
	var out limit.Range // output tokens of one choice
	switch {
	case c.Op == gateway.Embed: // no output
	case c.Ask.MaxOutput > 0:
		// The client's own cap is kept, so it is what must be affordable.
		out = limit.Exactly(c.Ask.MaxOutput)
	default:
		out.Worst = q.maxOutput
		if out.Worst == 0 {
			out.Worst = maxUnknownOutput
		}
		out.Want = min(l.r.Outputs.Expect(q.model), out.Worst)
		out.Typical = min(max(l.r.Outputs.Typical(q.model), 1), out.Want)
		out.Least = 1
	}
	likely := token.Likely(l.in.Text, 1)
	l.size.Input = limit.Exactly(likely)
	l.size.Output = each(out, func(n int64) int64 { return n * choices })
	switch l.s.CountTokens {
	case InputOnly:
		l.size.Tokens = l.size.Input
	case OutputOnly:
		l.size.Tokens = l.size.Output
	default:
		l.size.Tokens = each(l.size.Output, func(n int64) int64 { return likely + n })
	}
	rates := q.rates
	if c.Ask.Tier {
		rates = q.tiers // a client must not get past its budget by a dearer tier
	}
	if out.Worst > out.Want && l.r.Outputs.Typical(q.model) == 0 {
		// Of a model that nobody has seen answer, a call that is alone gets a
		// third of a small budget, rather than an answer cut at our guess.
		out.Want = min(unseen, out.Worst)
	}
	for _, rate := range rates {
		cost := each(out, func(n int64) int64 { return int64(rate.Bound(in, n*choices)) })
		if l.rate == nil || cost.Worst > l.size.Money.Worst {
			l.rate = rate
		}
		m := &l.size.Money
		*m = limit.Range{
			Least: max(m.Least, cost.Least), Typical: max(m.Typical, cost.Typical), Want: max(m.Want, cost.Want), Worst: max(m.Worst, cost.Worst),
		}
	}
	l.single = l.size.Money
	if l.hedged = l.hedges(); l.hedged {
		// Both answers, where there is room for them; one must do.
		m := &l.size.Money
		m.Typical, m.Want, m.Worst = 2*m.Typical, 2*m.Want, 2*m.Worst
	}
	return nil
}

// unseen is what an answer of a model that has not been seen may rarely exceed,
// where it is about cutting it.
const unseen = 2048

// each applies f to every number of r.
func each(r limit.Range, f func(int64) int64) limit.Range {
	return limit.Range{Least: f(r.Least), Typical: f(r.Typical), Want: f(r.Want), Worst: f(r.Worst)}
}

// CountTokens says which tokens count against limits of tokens per minute
// (token_rate_limit_type).
type CountTokens uint8

// What may count.
const (
	AllTokens CountTokens = iota
	InputOnly
	OutputOnly
)

// actual returns what the call has used, as limits count it.
func (l *line) actual() limit.Actual {
	a := l.usedBy(&l.row)
	if l.outcome.Target.Deployment != nil {
		a.Requests = 1
	}
	return a
}

// usedBy returns what the row's attempt has used. Input that was read from the
// provider's cache does not count as tokens.
func (l *line) usedBy(row *spend.Row) limit.Actual {
	u := &row.Usage
	a := limit.Actual{Input: u.Prompt - u.CacheRead, Output: u.Completion, Money: row.Cost}
	switch l.s.CountTokens {
	case InputOnly:
		a.Tokens = a.Input
	case OutputOnly:
		a.Tokens = a.Output
	default:
		a.Tokens = a.Input + a.Output
	}
	return a
}

// affordable returns the max_tokens that the reservation pays for, 0 if the
// call needs no cap.
func (l *line) affordable() int64 {
	// A call that may be hedged has asked for twice as much as one answer needs.
	money, capped := l.hold.Money, l.hold.Capped && l.hold.Money < l.single.Worst
	if l.attempt.Capped {
		money, capped = min(money, l.attempt.Money), true
	}
	if !capped || l.c.Ask.MaxOutput > 0 || l.c.Op == gateway.Embed || l.rate == nil {
		return 0
	}
	return max(l.rate.Affordable(gateway.NanoUSD(money), l.c.Ask.Input)/max(l.c.Ask.Choices, 1), 1)
}

// Known returns the models behind a wildcard name that the price book knows:
// chat and embedding models of the provider in front of the star.
func (p *Prices) Known(wildcard string) []string {
	prefix, _, _ := strings.Cut(wildcard, "*")
	vendor, _, ok := strings.Cut(prefix, "/")
	if !ok {
		return nil // everything there is would be thousands
	}
	var out []string
	for _, key := range p.book.Keys(prefix) {
		if m, ok := p.book.Model(vendor, key); ok && (m.Mode == "chat" || m.Mode == "embedding") {
			out = append(out, key)
		}
	}
	for _, bare := range bareNames[vendor] {
		for _, key := range p.book.Keys(bare) {
			if m, ok := p.book.Model(vendor, key); ok && m.Provider == vendor && (m.Mode == "chat" || m.Mode == "embedding") && strings.HasPrefix(vendor+"/"+key, prefix) {
				out = append(out, vendor+"/"+key)
			}
		}
	}
	return out
}

// bareNames are how the models begin that the book lists without their provider.
var bareNames = map[string][]string{
	"openai":    {"chatgpt-", "gpt-", "o1", "o3", "o4", "text-embedding-3", "text-embedding-ada"},
	"anthropic": {"claude-"},
}
