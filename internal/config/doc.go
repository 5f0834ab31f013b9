// Package config reads the configuration file and environment into one Config
// value, and reports every mistake in it at once. The file format is LiteLLM's
// config.yaml; the Config is in our own terms, so that no other package knows
// where a setting was written.
package config
