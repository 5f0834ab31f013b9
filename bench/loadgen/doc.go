// Command loadgen drives a gateway for scripts/bench and reports what a call
// cost it: processor time from /proc, latency, memory.
package main
