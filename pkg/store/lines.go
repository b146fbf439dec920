package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"go.calms.com/calms/pkg/calms"
)

// lineReader reads lines of bounded length and sums up what it read.
type lineReader struct {
	in     *bufio.Reader
	hash   hash.Hash
	line   []byte // reused; without the newline
	number int    // of line, from 1
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(r, 64<<10), hash: sha256.New()}
}

// next returns the next line, never an empty one, valid until the next call.
func (l *lineReader) next() ([]byte, error) {
	l.number++
	l.line = l.line[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		l.line = append(l.line, part...)
		if len(l.line) > maxRecord {
			return nil, calms.Errorf(calms.KindInvalid, "the line is longer than %d bytes", maxRecord)
		}
		if err == nil {
			break
		}
		if err == io.EOF {
			return nil, calms.Errorf(calms.KindInvalid, "the export is cut off")
		}
		if err != bufio.ErrBufferFull {
			return nil, err
		}
	}
	l.hash.Write(l.line)
	l.line = bytes.TrimSuffix(l.line, []byte("\n"))
	if len(l.line) == 0 {
		return nil, calms.Errorf(calms.KindInvalid, "the line is empty")
	}
	return l.line, nil
}

// sum is the hash of all lines so far.
func (l *lineReader) sum() []byte { return l.hash.Sum(nil) }

// drained tells whether nothing follows.
func (l *lineReader) drained() error {
	if _, err := l.in.ReadByte(); err == nil {
		return calms.Errorf(calms.KindInvalid, "something follows the end of the export")
	} else if err != io.EOF {
		return err
	}
	return nil
}

// at says in which line an error happened.
func (l *lineReader) at(err error) error {
	return calms.Wrap(fmt.Sprintf("line %d", max(l.number, 1)), err)
}
