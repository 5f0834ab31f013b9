// Package anthropic sends calls to the Anthropic API, and to other vendors
// that serve the Messages API.
//
// It keeps nothing between a request and its answer: the dialect's codec
// escapes tool names so that the answer alone is enough to restore them.
package anthropic
