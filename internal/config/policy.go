package config

// Policy is a count by class of failure. The keys are LiteLLM's class names
// without the ending ("RateLimitError"), and "Default" for those not named.
type Policy map[string]int
