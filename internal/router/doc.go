// Package router decides where a call goes: which deployments can serve it, in
// which order to try them, and whether a failure is worth another try.
//
// The decisions are functions over a Table, which never changes; a call keeps
// the table it began with. Only Do waits.
package router
