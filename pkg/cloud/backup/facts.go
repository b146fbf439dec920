package backup

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"filippo.io/age"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/facts"
	"go.calms.com/calms/pkg/store"
)

// fact is a fact as the repository holds it: signed, then sealed.
type fact struct {
	Version int               `json:"version"`
	Kind    string            `json:"kind"`
	Subject string            `json:"subject"`
	At      time.Time         `json:"at"`
	Detail  map[string]string `json:"detail,omitempty"`
}

// FactLog keeps facts in the repository, beside the snapshots and at once. It
// implements [facts.Log].
type FactLog struct{ s *Service }

// Facts is the log of facts.
func (s *Service) Facts() *FactLog { return &FactLog{s} }

// Append returns nil when the repository holds the fact. The same fact is kept
// once, however often it is appended. The kind is [calms.KindPending] when the
// repository cannot be reached: the fact is kept here and tried again; without a
// repository ([ErrNoRepository]) it is not kept.
func (l *FactLog) Append(ctx context.Context, kind, subject string, at time.Time, detail map[string]string) error {
	k, err := l.s.keeping(ctx)
	if err != nil {
		return calms.Wrap("keep fact", err)
	}
	name, sealed, err := sealFact(k, fact{formatVersion, kind, subject, at.UTC(), detail})
	if err != nil {
		return calms.Wrap("keep fact", err)
	}
	sent := l.s.sendFact(ctx, name, sealed)
	if sent == nil {
		return nil
	}
	note := context.WithoutCancel(ctx)
	if err := l.s.db.Update(note, func(tx store.Tx) error {
		_, err := tx.ExecContext(note, `INSERT INTO pending_facts (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, sealed)
		return err
	}); err != nil {
		return calms.Wrap("keep fact", err)
	}
	return calms.Errorf(calms.KindPending, "keep fact: the repository does not have it yet: %w", sent)
}

// sealFact names a fact by its time and content, so that the bucket itself
// keeps it from being there twice.
func sealFact(k keeping, f fact) (name string, sealed []byte, err error) {
	text, err := json.Marshal(f) // the keys of maps come sorted
	if err != nil {
		return "", nil, err
	}
	document, err := sign(k.signer, purposeFact, f)
	if err != nil {
		return "", nil, err
	}
	recipient, err := age.ParseX25519Recipient(k.about.Recipient)
	if err != nil {
		return "", nil, err
	}
	sealed, err = seal(recipient, document)
	name = factPrefix + f.At.Format(timeInNames) + "-" + hex.EncodeToString(keyedHash(k.namingKey, text)[:16]) + sealedExtension
	return name, sealed, err
}

func (s *Service) sendFact(ctx context.Context, name string, sealed []byte) error {
	r, _, err := s.repository(ctx)
	if err != nil {
		return err
	}
	if err := r.bucket.Put(ctx, name, sealed); err != nil && calms.KindOf(err) != calms.KindConflict {
		return err
	}
	return nil
}

// Pending counts the facts that the repository does not have yet.
func (l *FactLog) Pending(ctx context.Context) (n int, err error) {
	err = l.s.db.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM pending_facts`).Scan(&n)
	return n, calms.Wrap("count pending facts", err)
}

// sendPending tries the facts that are pending again, until one cannot be sent.
func (s *Service) sendPending(ctx context.Context) error {
	for {
		name, sealed, err := s.onePending(ctx)
		if err != nil || name == "" {
			return err
		}
		if err := s.sendFact(ctx, name, sealed); err != nil {
			return err
		}
		if err := s.db.Update(ctx, func(tx store.Tx) error {
			_, err := tx.ExecContext(ctx, `DELETE FROM pending_facts WHERE name = $1`, name)
			return err
		}); err != nil {
			return err
		}
	}
}

func (s *Service) onePending(ctx context.Context) (name string, sealed []byte, err error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT name, sealed FROM pending_facts ORDER BY name LIMIT 1`)
	if err != nil {
		return "", nil, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&name, &sealed); err != nil {
			return "", nil, err
		}
	}
	return name, sealed, rows.Err()
}

// readFacts reads all facts, oldest first. Those that are damaged or that our
// writer did not sign are named in bad: the list is then known not to be
// complete.
func (r *Repository) readFacts(ctx context.Context, identity age.Identity, progress Progress) (list []facts.Fact, bad []string, err error) {
	infos, err := r.bucket.List(ctx, factPrefix)
	if err != nil {
		return nil, nil, err
	}
	for i, info := range infos {
		f, err := r.readFact(ctx, info.Name, identity)
		if broken(err) {
			bad = append(bad, info.Name+": "+err.Error())
		} else if err != nil {
			return nil, nil, err
		} else {
			list = append(list, f)
		}
		progress.tell("read facts", int64(i+1), int64(len(infos)))
	}
	slices.SortStableFunc(list, func(a, b facts.Fact) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Subject, b.Subject))
	})
	return list, bad, nil
}

func (r *Repository) readFact(ctx context.Context, name string, identity age.Identity) (facts.Fact, error) {
	sealed, err := r.bucket.Get(ctx, name)
	if err != nil {
		return facts.Fact{}, err
	}
	document, err := open(identity, sealed)
	if err != nil {
		return facts.Fact{}, err
	}
	var f fact
	if err := readSigned(r.signer, purposeFact, document, &f); err != nil {
		return facts.Fact{}, err
	}
	return facts.Fact{Kind: f.Kind, Subject: f.Subject, At: f.At, Detail: f.Detail}, nil
}
