package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// topics are pages of `calmsctl help`.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "environment", Short: "Variables that calmsctl reads", Long: environmentTopic()},
		{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesTopic()},
		{Use: "output", Short: "Output formats, and what scripts may rely on", Long: outputTopic},
	}
}

func environmentTopic() string {
	var out strings.Builder
	fmt.Fprintf(&out, "A flag goes before a variable, a variable before the configuration file, and the\nfile before the default.\n\n")
	for _, s := range settings() {
		if s.env == "" {
			continue
		}
		from := ""
		if s.flag {
			from = " [--" + s.name + "]"
		}
		fmt.Fprintf(&out, "  %-17s %s%s\n", s.env, strings.ReplaceAll(s.usage, "`", ""), from)
	}
	for _, other := range [][2]string{
		{"NO_COLOR", "no colours, where it is not empty"},
		{"TERM", "dumb: no colours, no progress bar, charts in ASCII"},
		{"XDG_CONFIG_HOME", "where calms/config.yaml and calms/secrets.yaml lie (default ~/.config)"},
		{"TZ", "time zone of tables and charts"},
		{"HTTPS_PROXY", "proxy for connections to the cloud; NO_PROXY: hosts without it"},
	} {
		fmt.Fprintf(&out, "  %-17s %s\n", other[0], other[1])
	}
	return out.String()
}

func exitCodesTopic() string {
	var out strings.Builder
	writeExits(&out, "")
	out.WriteString("\nCode 2 is left to crashes. Every command's help lists the codes that it gives.")
	return out.String()
}

const outputTopic = `Results go to the standard output; errors, warnings, questions and progress go to the
standard error.

  -o table   columns for people, times in local time; may change in any version
  -o wide    the same with more columns
  -o json    one document in the shape of the API, with the number of its "schema"
             first; lists are in "items"; times are in UTC
  -o jsonl   one object of the API a line, and nothing around it
  -o yaml    the document of json as YAML
  -o name    paths or ids, one a line

Members are added to JSON without notice; the schema's number grows when one changes
its meaning or goes. With json and jsonl an error is one JSON object on the standard
error: {"schema", "kind", "detail", "hint", "requestId", "exitCode"}.

Piped tables have the same columns, without colours.`
