package config

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
)

// maxFiles bounds how many files one configuration may have.
const maxFiles = 100

// files reads path and what it includes into one tree, nil if that is
// impossible. at is the include that names path, nil for the main file. As in
// LiteLLM, lists are extended by an included file and everything else is
// replaced by it.
func (l *loader) files(path string, at *node) *node {
	l.report.Files = append(l.report.Files, path)
	data, err := l.o.ReadFile(path)
	if err != nil {
		if at == nil {
			at = &node{file: path}
		}
		l.bad(at, "cannot read %s: %s", path, unreadable(err))
		return nil
	}
	l.report.sums[path] = sha256.Sum256(data)
	root, ps := parse(path, data, &l.nodes)
	if root == nil {
		l.problems = append(l.problems, ps...)
		return nil
	}
	inc := root.get("include")
	if inc == nil || inc.shape == null {
		return root
	}
	if inc.shape == scalar {
		inc = &node{shape: list, items: []*node{inc}}
	}
	if inc.shape != list {
		l.want(inc, "a list of files")
		return root
	}
	for _, item := range inc.items {
		if name, ok := text().read(l, item); ok {
			l.include(root, item, name)
		}
	}
	return root
}

func (l *loader) include(root, at *node, name string) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(root.file), name)
	}
	if slices.Contains(l.report.Files, path) {
		return // each file once, which also ends cycles
	}
	// A cycle through a symlink has a new name at each turn.
	if len(l.report.Files) >= maxFiles {
		l.bad(at, "more than %d files; is there a cycle of includes?", maxFiles)
		return
	}
	if part := l.files(path, at); part != nil {
		l.merge(root, part)
	}
}

func (l *loader) merge(root, part *node) {
	for _, f := range part.fields {
		i := slices.IndexFunc(root.fields, func(have field) bool { return have.name == f.name })
		switch {
		case f.name == "include":
		case i < 0:
			root.fields = append(root.fields, f)
		case f.value.shape == list && root.fields[i].value.shape == list:
			both := *root.fields[i].value
			both.items = slices.Concat(both.items, f.value.items)
			root.fields[i].value = &both
		default:
			if have := root.fields[i].value; have.shape == mapping {
				l.warn(f.value, "replaces the whole %s of %s:%d, not only the settings that are in both", f.name, have.file, root.fields[i].line)
			}
			root.fields[i] = f
		}
	}
}

func unreadable(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "not allowed to read it"
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return err.Error()
}
