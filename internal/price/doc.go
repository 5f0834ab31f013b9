// Package price knows what a token costs.
//
// Every amount is an integer. A price is held in units of 10^-24 dollars per
// token, which is fine enough for every published price to be exact, and a call
// is rounded to nano-dollars once, at the end.
package price
