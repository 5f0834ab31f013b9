//go:build !unix

package spend

import "os"

// lockFile opens path. There is no lock here: two processes on one data
// directory are the operator's to avoid.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
}
