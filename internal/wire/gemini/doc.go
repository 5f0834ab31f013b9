// Package gemini is the codec of Google's generateContent dialect, which AI
// Studio and Vertex AI both speak: requests from the canonical form, answers
// and streams into its events, errors, and a tap for answers that pass through.
//
// Format: https://ai.google.dev/api/generate-content
package gemini
