// Package canon is the one form between dialects: a chat request, and the
// events of an answer.
//
// A dialect's codec translates to and from this form, so N dialects and M
// providers need N+M translations. Where client and vendor speak the same
// dialect this form is not used at all: bytes pass through.
//
// Raw JSON stays raw here (tool schemas, arguments, numbers): key order and
// digits survive, because prompt caches and 64-bit ids depend on them.
package canon
