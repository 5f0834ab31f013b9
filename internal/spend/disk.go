package spend

import (
	"errors"
	"io"
	"os"
)

// Disk is what the journal does to the file system.
type Disk interface {
	Create(path string) (DiskFile, error) // a new file
	Read(path string) ([]byte, error)
	Remove(path string) error
	Rename(from, to string) error
	// SyncDir forces the names of the directory's files onto the disk.
	SyncDir(dir string) error
}

// DiskFile is a file that the journal writes.
type DiskFile interface {
	io.Writer
	io.ReaderAt
	io.Seeker
	io.Closer
	Truncate(size int64) error
	Sync() error
}

// OSDisk is the real one.
type OSDisk struct{}

// Create implements Disk.
func (OSDisk) Create(path string) (DiskFile, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
}

// Read implements Disk.
func (OSDisk) Read(path string) ([]byte, error) { return os.ReadFile(path) }

// Remove implements Disk.
func (OSDisk) Remove(path string) error { return os.Remove(path) }

// Rename implements Disk.
func (OSDisk) Rename(from, to string) error { return os.Rename(from, to) }

// SyncDir implements Disk.
func (OSDisk) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
