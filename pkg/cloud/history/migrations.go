package history

import (
	"embed"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the schema of the service's database, for package store. A
// restore fills a database before the service opens it for the first time.
func Migrations() fs.FS { return migrations }
