// Package openai is the OpenAI dialect: chat requests, whole and streamed
// answers and errors, to and from the canonical form, and a tap for answers
// that pass through.
//
// Reference: https://platform.openai.com/docs/api-reference/chat
package openai
