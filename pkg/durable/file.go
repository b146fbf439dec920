package durable

import (
	"errors"
	"io/fs"
)

// WriteFile replaces the file at path with data and mode perm (the umask does
// not apply). When it returns nil the content is on disk; when it returns an
// error, or the machine dies meanwhile, the old file stands as it was. Readers
// never see a part. Symbolic links are followed, not replaced; what is not a
// regular file, such as a device, is [calms.KindInvalid] and left alone. The
// directory must exist. Safe for concurrent use: the last rename wins.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	t, err := findTarget(path)
	if err != nil {
		return err
	}
	if t.stream() {
		return t.notRegular()
	}
	out, err := t.replace(perm)
	if err != nil {
		return err
	}
	if _, err := out.Write(data); err != nil {
		return errors.Join(err, out.Abort())
	}
	return out.Commit()
}
