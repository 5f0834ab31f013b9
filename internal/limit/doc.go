// Package limit decides whether a call may start, and settles what it really
// used when it has ended.
//
// Everything that may refuse a call for quantity is a limit: requests, tokens,
// calls in flight and money, each in a window, each on a scope. A call reserves
// from every limit that applies to it, all or nothing, in one step; settling
// replaces the reservation by the truth, once. A refused call has consumed
// nothing anywhere.
package limit
