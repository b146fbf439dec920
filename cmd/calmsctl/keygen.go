package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/durable"
	"go.calms.com/calms/pkg/escrow"
)

// identityFile is what backup keygen answers.
type identityFile struct {
	File      string `json:"file"`
	Recipient string `json:"recipient"`
}

func newBackupKeygen(a *app) *cobra.Command {
	cmd := spec{
		use:   "keygen --file FILE",
		short: "Make an identity that can restore",
		long: `Makes an age identity and writes it to a new file that only you can read. Whoever holds
the file can restore the cloud, once its recipient was named to backup init. Keep it
away from the cloud, best on paper as well.`,
		example: "calmsctl backup keygen --file oncall-identity.txt",
		args:    noArgs,
		exits:   []calms.Kind{calms.KindConflict},
		run: func(_ context.Context, cmd *cobra.Command, _ []string) error {
			path, _ := cmd.Flags().GetString("file")
			if path == "" {
				return usage(cmd, "--file is needed")
			}
			if _, err := os.Lstat(path); err == nil {
				return calms.Errorf(calms.KindConflict, "%s exists already", path).WithHint("name another file: an identity is never overwritten")
			}
			secret, recipient, err := escrow.NewPerson()
			if err != nil {
				return err
			}
			if err := durable.WriteFile(path, secret, 0o600); err != nil {
				return calms.Errorf(calms.KindInvalid, "%w", err)
			}
			a.note("Next: calmsctl backup init --folder DIR --recipient %s", recipient)
			return printOne(a, identityView(), identityFile{path, recipient})
		},
	}.command()
	cmd.Flags().String("file", "", "new `file` for the identity, which is a secret")
	return cmd
}

func identityView() view[identityFile] {
	return view[identityFile]{
		name: func(i identityFile) string { return i.Recipient },
		columns: []column[identityFile]{
			{title: "FILE", cell: func(i identityFile) string { return i.File }},
			{title: "RECIPIENT", cell: func(i identityFile) string { return i.Recipient }},
		},
	}
}
