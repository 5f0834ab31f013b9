// Command gen turns LiteLLM's price file into the table that package price embeds.
package main
