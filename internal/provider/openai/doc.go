// Package openai is the adapter for OpenAI and for the many vendors that speak
// its format: one adapter, and a table with a row for each vendor.
package openai
