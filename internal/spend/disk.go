package spend

import (
	"io"
	"os"
)

// disk is what the journal does to the file system. Tests put one in its place
// that fails, or that ends the process at the n-th step.
type disk interface {
	create(path string) (diskFile, error)
	read(path string) ([]byte, error)
	remove(path string) error
	rename(from, to string) error
}

type diskFile interface {
	io.Writer
	io.ReaderAt
	io.Seeker
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// osDisk is the real one.
type osDisk struct{}

func (osDisk) create(path string) (diskFile, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
}
func (osDisk) read(path string) ([]byte, error) { return os.ReadFile(path) }
func (osDisk) remove(path string) error         { return os.Remove(path) }
func (osDisk) rename(from, to string) error     { return os.Rename(from, to) }
