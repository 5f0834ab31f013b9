// Command revproxy is the yardstick of scripts/bench: httputil.ReverseProxy
// with a connection pool that fits, and nothing else.
package main
