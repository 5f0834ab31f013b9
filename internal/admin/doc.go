// Package admin is the management API: keys, users, teams and spend reports.
package admin
