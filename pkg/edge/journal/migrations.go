package journal

import (
	"embed"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the schema of a journal file, see package store.
func Migrations() fs.FS { return migrations }
