package facts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/store"
)

// paper is a log that fails from a point on.
type paper struct {
	facts []Fact
	room  int
}

func (p *paper) Append(_ context.Context, kind, subject string, at time.Time, detail map[string]string) error {
	if len(p.facts) >= p.room {
		return errors.New("no room")
	}
	p.facts = append(p.facts, Fact{kind, subject, at, detail})
	return nil
}

func TestFactsAreToldInOrderAndWaitMeanwhile(t *testing.T) {
	ctx := t.Context()
	db, err := store.Open(ctx, filepath.Join(t.TempDir(), "x.db"), fstest.MapFS{"migrations/00001_v.sql": {Data: []byte("-- +goose Up\n" + Schema)}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	note := func(f Fact, fail error) {
		err := db.Update(ctx, func(tx store.Tx) error {
			if err := Note(ctx, tx, f); err != nil {
				return err
			}
			return fail
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
	}
	at := time.Unix(1, 2).UTC()
	a := Fact{DeviceRevoked, "d-a", at, map[string]string{"reason": "stolen"}}
	b := Fact{TicketUsed, "t-b", at.Add(1), map[string]string{"device": "d-b"}}
	note(a, nil)
	note(Fact{Kind: "undone"}, errors.New("rolled back"))
	note(b, nil)

	if err := NewTeller(db, nil).Flush(ctx); calms.KindOf(err) != calms.KindPending {
		t.Errorf("without a log: %v", err)
	}
	log := &paper{room: 1}
	teller := NewTeller(db, log)
	if err := teller.Flush(ctx); calms.KindOf(err) != calms.KindPending {
		t.Errorf("with a full log: %v", err)
	}
	log.room = 10
	for range 2 {
		if err := teller.Flush(ctx); err != nil {
			t.Error(err)
		}
	}
	if want := []Fact{a, b}; !reflect.DeepEqual(log.facts, want) {
		t.Errorf("the log has %+v", log.facts)
	}
}

// A migration is frozen text, so a service that has facts repeats the table.
// Here they are held to say the same.
func TestServicesHaveTheTable(t *testing.T) {
	for _, service := range []string{"fleet", "pki"} {
		text, err := os.ReadFile("../cloud/" + service + "/migrations/00001_" + service + ".sql")
		if err != nil || !strings.Contains(string(text), Schema) {
			t.Errorf("%s: its table of facts is not facts.Schema (%v)", service, err)
		}
	}
}
