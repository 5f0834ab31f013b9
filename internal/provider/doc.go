// Package provider is the contract between the gateway and model vendors. An
// adapter in a subfolder turns a call into one vendor's HTTP request and reads
// the vendor's answer. Adapters are translators from bytes to bytes: the
// connection, timeouts, retries and fallbacks belong to packages router and
// relay.
//
// To add a provider, add a folder here, a line in all/all.go, and golden wire
// files for providertest. Nothing outside internal/provider changes.
package provider
