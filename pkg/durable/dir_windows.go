package durable

// SyncDir does nothing on Windows, which cannot flush a directory; NTFS
// journals names itself.
func SyncDir(string) error { return nil }
