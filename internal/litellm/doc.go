// Package litellm reads the database of a LiteLLM proxy and brings what is in it into the store.
package litellm
