// Package langfuse sends finished calls to Langfuse over OpenTelemetry's wire
// format, the one that Langfuse takes from every language.
//
// Format: https://langfuse.com/integrations/native/opentelemetry
package langfuse
