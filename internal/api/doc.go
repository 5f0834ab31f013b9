// Package api is the client-facing HTTP API, OpenAI-compatible. Handlers read
// the request, call package relay, and write its answer; they decide nothing.
package api
