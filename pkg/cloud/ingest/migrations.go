package ingest

import (
	"embed"
	"io/fs"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema of the service's database, for package store. A
// restore fills a database before the service opens it for the first time.
func Migrations() fs.FS {
	migrations, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is in the binary
	}
	return migrations
}
