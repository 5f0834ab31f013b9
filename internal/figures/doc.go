// Package figures tells replicas of each other's deployments: which cool down,
// how many calls they carry, and how fast they are.
package figures
