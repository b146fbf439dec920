package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/calms"
)

// addYes gives a command the flag that replaces the question.
func addYes(cmd *cobra.Command) {
	cmd.Flags().BoolP("yes", "y", false, "do not ask")
}

// confirm lets the user type a name before something happens that cannot be
// undone. Without a terminal there is nobody to ask, and --yes is needed.
func (a *app) confirm(cmd *cobra.Command, consequence, name string) error {
	if yes, _ := cmd.Flags().GetBool("yes"); yes {
		return nil
	}
	if !a.terminal.stdin || a.settings.GetBool("no-prompt") {
		return calms.Errorf(calms.KindUsage, "%s needs your consent, and there is no terminal to ask on", cmd.CommandPath()).
			WithHint("add --yes if you mean it")
	}
	fmt.Fprintf(a.stderr, "%s\nType %s to go on: ", consequence, name)
	answer, _ := bufio.NewReader(a.stdin).ReadString('\n')
	if strings.TrimSpace(answer) != name {
		return calms.Errorf(calms.KindInterrupted, "that is not %s: nothing was done", name)
	}
	return nil
}
