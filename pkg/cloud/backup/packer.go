package backup

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"go.calms.com/calms/pkg/blob"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// packer stores segments, each plaintext once. Not for concurrent use.
type packer struct {
	db        *store.DB
	bucket    blob.Bucket
	recipient age.Recipient
	namingKey []byte
	present   map[string]int64 // sizes of the packs in the repository
	encoder   *zstd.Encoder
	stored    int64 // bytes of ciphertext newly written
}

func newPacker(ctx context.Context, db *store.DB, bucket blob.Bucket, k keeping) (*packer, error) {
	recipient, err := age.ParseX25519Recipient(k.about.Recipient)
	if err != nil {
		return nil, err
	}
	infos, err := bucket.List(ctx, packPrefix)
	if err != nil {
		return nil, err
	}
	// Sealed samples in base64 repeat nothing; entropy coding alone takes the
	// base64 away again.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithAllLitEntropyCompression(true))
	if err != nil {
		return nil, err
	}
	present := make(map[string]int64, len(infos))
	for _, info := range infos {
		present[info.Name] = info.Size
	}
	return &packer{db: db, bucket: bucket, recipient: recipient, namingKey: k.namingKey, present: present, encoder: encoder}, nil
}

// put makes sure that the repository holds a segment, and says where. A pack
// that we know of and that is there, whole by its size, is not written again.
func (p *packer) put(ctx context.Context, segment []byte) (Pack, error) {
	digest := hex.EncodeToString(keyedHash(p.namingKey, segment))
	known, err := p.known(ctx, digest)
	if err != nil {
		return Pack{}, err
	}
	known.Plain = int64(len(segment))
	if size, there := p.present[known.Name]; there && size == known.Size {
		return known, nil
	}
	return p.write(ctx, digest, segment)
}

func keyedHash(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}

// write stores a segment under a name that nobody used before: a name stands
// for one ciphertext, so its hash can be noted before it is written, and a pack
// of which we know no hash (or that has rotted) is never built upon.
func (p *packer) write(ctx context.Context, digest string, segment []byte) (Pack, error) {
	sealed, err := seal(p.recipient, p.encoder.EncodeAll(segment, nil))
	if err != nil {
		return Pack{}, err
	}
	pack := Pack{
		Name:   packPrefix + digest[:2] + "/" + digest + "-" + calms.RandomName(5) + sealedExtension,
		SHA256: hashOf(sealed), Size: int64(len(sealed)), Plain: int64(len(segment)),
	}
	if err := p.db.Update(ctx, func(tx store.Tx) error { return notePack(ctx, tx, pack) }); err != nil {
		return Pack{}, err
	}
	if err := p.bucket.Put(ctx, pack.Name, sealed); err != nil {
		return Pack{}, err
	}
	p.present[pack.Name] = pack.Size
	p.stored += pack.Size
	return pack, nil
}

func (p *packer) known(ctx context.Context, digest string) (pack Pack, err error) {
	err = p.db.Read().QueryRowContext(ctx, `SELECT name, sha256, size FROM packs WHERE digest = $1`, digest).
		Scan(&pack.Name, &pack.SHA256, &pack.Size)
	if errors.Is(err, sql.ErrNoRows) {
		return Pack{}, nil
	}
	return pack, err
}

// digestOf is the plaintext's keyed hash, which a pack's name holds.
func digestOf(name string) string {
	digest, _, _ := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], "-")
	return digest
}

func notePack(ctx context.Context, tx store.Tx, pack Pack) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO packs (digest, name, sha256, size) VALUES ($1, $2, $3, $4)
		ON CONFLICT (digest) DO UPDATE SET name = excluded.name, sha256 = excluded.sha256, size = excluded.size`,
		digestOf(pack.Name), pack.Name, pack.SHA256, pack.Size)
	return err
}
