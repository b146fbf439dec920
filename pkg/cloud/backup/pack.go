package backup

import (
	"bytes"
	"context"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"go.calms.com/calms/pkg/blob"
	"go.calms.com/calms/pkg/calms"
)

// seal encrypts data to a recipient: an age file.
func seal(recipient age.Recipient, data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// open decrypts what seal made.
func open(identity age.Identity, sealed []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	if err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "it cannot be decrypted: %w", err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "it cannot be decrypted: %w", err)
	}
	return data, nil
}

// openPack gives back a pack's plaintext.
func openPack(identity age.Identity, pack Pack, sealed []byte) ([]byte, error) {
	compressed, err := open(identity, sealed)
	if err != nil {
		return nil, err
	}
	// The limits keep a pack that claims to be huge from filling the memory.
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*maxSegment))
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	plain, err := decoder.DecodeAll(compressed, nil)
	if err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "it cannot be decompressed: %w", err)
	}
	if int64(len(plain)) != pack.Plain {
		return nil, calms.Errorf(calms.KindInvalid, "it holds %d bytes, its manifest says %d", len(plain), pack.Plain)
	}
	return plain, nil
}

// getPack reads a pack and checks it against its manifest; no key is needed. The
// error's kind is [calms.KindNotFound] or [calms.KindInvalid] when it is the
// pack that is missing or wrong.
func getPack(ctx context.Context, bucket blob.Bucket, pack Pack) ([]byte, error) {
	sealed, err := bucket.Get(ctx, pack.Name)
	if err != nil {
		return nil, err
	}
	if int64(len(sealed)) != pack.Size || hashOf(sealed) != pack.SHA256 {
		return nil, calms.Errorf(calms.KindInvalid, "%s is damaged: %d bytes with SHA-256 %s, %d with %s were written",
			pack.Name, len(sealed), hashOf(sealed), pack.Size, pack.SHA256)
	}
	return sealed, nil
}
