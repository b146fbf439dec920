package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A migration is frozen text, so every service's first one repeats the table
// that [Record] writes to. Here they are held to say the same.
func TestServicesHaveTheOutbox(t *testing.T) {
	services, err := filepath.Glob("../cloud/*/migrations/00001_*.sql")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range services {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "CREATE TABLE outbox") {
			continue // nothing there is changed by anybody
		}
		found++
		if !strings.Contains(string(text), OutboxSchema) {
			t.Errorf("%s: its outbox is not store.OutboxSchema; a released one needs a migration in every service", file)
		}
	}
	if found == 0 {
		t.Error("no service has an outbox")
	}
}
