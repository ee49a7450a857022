package main

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"
)

// zipArchive turns an Archive into the path of a zip file before the inputs are checked: the bridge has no assets for
// this kind of provider.
func zipArchive(property resource.PropertyKey) func(context.Context, resource.PropertyMap, resource.PropertyMap) (resource.PropertyMap, error) {
	return func(_ context.Context, config, _ resource.PropertyMap) (resource.PropertyMap, error) {
		value, ok := config[property]
		if !ok || !value.IsArchive() {
			return config, nil
		}
		path, err := zipFile(value.ArchiveValue(), os.TempDir())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", property, err)
		}
		config[property] = resource.NewStringProperty(path)
		return config, nil
	}
}

// zipFile writes the archive into folder as a zip whose bytes and name depend on its content alone, so that an
// unchanged archive is no change.
func zipFile(a *archive.Archive, folder string) (string, error) {
	files, err := contents(a)
	if err != nil {
		return "", err
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	hash := sha256.New()
	for _, name := range names {
		fmt.Fprintf(hash, "%d %s %d ", len(name), name, len(files[name]))
		hash.Write(files[name])
	}
	path := filepath.Join(folder, "pulumi-aws-"+hex.EncodeToString(hash.Sum(nil))[:24]+".zip")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, writeZip(path, names, files)
}

func contents(a *archive.Archive) (map[string][]byte, error) {
	reader, err := a.Open()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	files := map[string][]byte{}
	for {
		name, blob, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		data := make([]byte, blob.Size())
		if _, err := io.ReadFull(blob, data); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files[name] = data
	}
}

// writeZip writes beside the path and renames, because two engines may want the same file at once.
func writeZip(path string, names []string, files map[string][]byte) error {
	out, err := os.CreateTemp(filepath.Dir(path), "zip")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name()) // nothing is there any more when the rename was done
	w := zip.NewWriter(out)
	for _, name := range names {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
		header.SetMode(0o644) // Lambda must be allowed to read what it is given
		f, err := w.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := f.Write(files[name]); err != nil {
			return err
		}
	}
	if err := errors.Join(w.Close(), out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), path)
}
