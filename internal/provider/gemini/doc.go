// Package gemini is the adapter of Google AI Studio: chat and embeddings of the
// Gemini API at generativelanguage.googleapis.com.
package gemini
