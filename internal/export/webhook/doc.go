// Package webhook posts finished calls to a URL, in LiteLLM's payload.
package webhook
