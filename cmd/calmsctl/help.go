package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"go.calms.com/calms/pkg/calms"
)

// exit is one line of the table of exit codes.
type exit struct {
	kinds   []calms.Kind
	meaning string
}

// exits is the one table of exit codes; the numbers come from [calms.Kind].
func exits() []exit {
	return []exit{
		{[]calms.Kind{calms.KindInternal, calms.KindInvalid}, "error: a wrong request or file, or a fault"},
		{[]calms.Kind{calms.KindPartial}, "partial: it works, and something needs attention"},
		{[]calms.Kind{calms.KindUnauthenticated, calms.KindForbidden}, "not logged in, or not allowed"},
		{[]calms.Kind{calms.KindNotFound}, "not found"},
		{[]calms.Kind{calms.KindConflict}, "conflict: it exists already, or it is in use"},
		{[]calms.Kind{calms.KindUnreachable, calms.KindTimeout, calms.KindUnavailable}, "cannot reach the cloud, or no answer in time"},
		{[]calms.Kind{calms.KindPending}, "begun, and not finished yet"},
		{[]calms.Kind{calms.KindUsage}, "a wrong command line, or consent is missing"},
		{[]calms.Kind{calms.KindInterrupted}, "interrupted"},
	}
}

func joinKinds(kinds []calms.Kind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return strings.Join(words, " ")
}

// writeExits lists the codes; only the kinds named, or all where none is.
func writeExits(w io.Writer, kinds string) {
	fmt.Fprintf(w, "  %-4d %s\n", 0, "done")
	for _, e := range exits() {
		for _, k := range e.kinds {
			if kinds == "" || strings.Contains(" "+kinds+" ", " "+string(k)+" ") {
				fmt.Fprintf(w, "  %-4d %s\n", k.ExitCode(), e.meaning)
				break
			}
		}
	}
}

// writeHelp is the help of every command, always in the same order.
func writeHelp(cmd *cobra.Command, _ []string) {
	w := cmd.OutOrStdout()
	text := cmd.Short
	if cmd.Long != "" {
		text = cmd.Long
	}
	fmt.Fprintln(w, strings.Trim(text, "\n"))
	if cmd.IsAdditionalHelpTopicCommand() {
		return
	}
	if cmd.Runnable() {
		writeUsage(w, cmd)
	}
	writeCommands(w, cmd)
	writeSection(w, "Examples", indent(cmd.Example))
	writeFlags(w, "Flags", cmd.LocalNonPersistentFlags())
	writeFlags(w, "Flags of every command", rootFlags(cmd))
	if exits, ok := cmd.Annotations[exitsAnnotation]; ok {
		fmt.Fprint(w, "\nExit status:\n")
		writeExits(w, "internal usage interrupted "+exits)
	}
}

func writeUsage(w io.Writer, cmd *cobra.Command) {
	line := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		line = cmd.CommandPath() + " COMMAND"
	}
	writeSection(w, "Usage", "  "+line)
	if len(cmd.Aliases) > 0 {
		writeSection(w, "Also called", "  "+strings.Join(cmd.Aliases, ", "))
	}
}

func writeCommands(w io.Writer, cmd *cobra.Command) {
	var commands, topics strings.Builder
	for _, each := range cmd.Commands() {
		line := fmt.Sprintf("  %-12s %s\n", each.Name(), each.Short)
		switch {
		case each.IsAdditionalHelpTopicCommand():
			topics.WriteString(line)
		case each.IsAvailableCommand():
			commands.WriteString(line)
		}
	}
	writeSection(w, "Commands", strings.TrimRight(commands.String(), "\n"))
	writeSection(w, "Help topics", strings.TrimRight(topics.String(), "\n"))
}

func writeFlags(w io.Writer, title string, flags *pflag.FlagSet) {
	if flags.HasAvailableFlags() {
		writeSection(w, title, strings.TrimRight(flags.FlagUsages(), "\n"))
	}
}

// rootFlags are shown by commands that do something, not by groups and topics.
func rootFlags(cmd *cobra.Command) *pflag.FlagSet {
	if cmd.HasParent() && cmd.Annotations == nil {
		return pflag.NewFlagSet("", pflag.ContinueOnError)
	}
	return cmd.Root().PersistentFlags()
}

func writeSection(w io.Writer, title, body string) {
	if body != "" {
		fmt.Fprintf(w, "\n%s:\n%s\n", title, body)
	}
}

func indent(text string) string {
	if text == "" {
		return ""
	}
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}
