package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/cloud/pki"
	"go.calms.com/calms/pkg/program"
	"go.calms.com/calms/pkg/store"
)

func newAuthority() *cobra.Command {
	return program.Group(&cobra.Command{
		Use:   "authority",
		Short: "List the certificate authorities; take the root's key off the machine",
		Example: `  calms-cloudd authority list
  calms-cloudd authority take-root --out /media/usb/calms-root.key`,
	}, newAuthorityList(), newTakeRoot())
}

func newAuthorityList() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List all authorities that there ever were, oldest first",
		Example: "  calms-cloudd authority list",
		Args:    program.ExactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return withPKI(c.Context(), data, func(s *pki.Service) error {
				return printAuthorities(c.OutOrStdout(), s)
			})
		},
	}
	self().DataFlag(c, &data)
	return c
}

func printAuthorities(w io.Writer, s *pki.Service) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KIND\tSTATE\tEXPIRES\tKEY\tFINGERPRINT")
	for _, a := range s.Authorities() {
		state, key := "issuing", "database"
		if a.Pending() {
			state = "pending"
		}
		if a.Kind == pki.Root {
			key = "taken away"
			if s.RootKeyHere() {
				key = "on this machine"
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", a.Kind, state, a.Certificate.NotAfter.UTC().Format(time.DateOnly), key, a.ID)
	}
	return table.Flush()
}

func newTakeRoot() *cobra.Command {
	var data, out string
	c := &cobra.Command{
		Use:   "take-root",
		Short: "Move the root authority's key to a file that leaves the machine",
		Long: `Writes the root authority's key to a new file, proves that the file is good, and
removes the key from the data directory. Running does not need it; making new
intermediate authorities, every few years, does. The daemon may run meanwhile.`,
		Example: "  calms-cloudd authority take-root --out /media/usb/calms-root.key",
		Args:    program.ExactArgs(0),
		RunE: func(c *cobra.Command, _ []string) error {
			if out == "" {
				return program.UsageError(c, errors.New("--out FILE is needed"))
			}
			return withPKI(c.Context(), data, func(s *pki.Service) error {
				return takeRoot(c, s, out)
			})
		},
	}
	self().DataFlag(c, &data)
	c.Flags().StringVar(&out, "out", "", "new `file` for the key, best on a medium that you lock away")
	_ = c.MarkFlagFilename("out")
	return c
}

func takeRoot(c *cobra.Command, s *pki.Service, out string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return calms.Wrap("take root key", err)
	}
	if err := s.TakeRoot(store.WithActor(c.Context(), "console"), out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "the root's key is in %s and nowhere else: keep it off this machine, twice\n", out)
	return err
}

// withPKI opens the certificate authority of an existing data directory, beside
// a daemon that may run on it.
func withPKI(ctx context.Context, flag string, do func(*pki.Service) error) (err error) {
	dir, err := self().DataDir(flag)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "pki.db")); err != nil {
		return calms.Errorf(calms.KindNotFound, "there is no cloud in %s: %w", dir, err).
			WithHint("name its directory with --data, or make one: calms-cloudd serve")
	}
	s, err := pki.Open(ctx, dir, pki.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return do(s)
}
