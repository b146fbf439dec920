package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version string

func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// versions is the answer of `calmsctl version`.
type versions struct {
	Client clientVersion `json:"client"`
	Server *api.Version  `json:"server,omitempty"`
}

type clientVersion struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion(a *app) *cobra.Command {
	cmd := spec{
		use:     "version",
		short:   "Print the version of calmsctl, and of the cloud",
		example: "calmsctl version\ncalmsctl version --server -o json",
		args:    noArgs,
		exits:   []calms.Kind{calms.KindUnreachable},
		run: func(ctx context.Context, cmd *cobra.Command, _ []string) error {
			v := versions{Client: clientVersion{programVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}}
			if server, _ := cmd.Flags().GetBool("server"); server {
				client, err := a.client()
				if err != nil {
					return err
				}
				defer client.Close()
				answer, err := client.Version(ctx)
				if err != nil {
					return err
				}
				v.Server = &answer
			}
			return a.printVersions(v)
		},
	}.command()
	cmd.Flags().Bool("server", false, "ask the cloud for its version as well")
	return cmd
}

func (a *app) printVersions(v versions) error {
	switch f := a.format(); f {
	case formatJSON, formatYAML:
		return a.printDocument(f, v)
	case formatLines:
		return printLines(a.stdout, []versions{v})
	case formatName:
		fmt.Fprintln(a.stdout, v.Client.Version)
		return nil
	}
	fmt.Fprintf(a.stdout, "calmsctl     %s (%s %s)\n", v.Client.Version, v.Client.Go, v.Client.Platform)
	if v.Server != nil {
		mode := ""
		if v.Server.Recovery {
			mode = " (recovery mode)"
		}
		fmt.Fprintf(a.stdout, "calms-cloudd %s%s\n", v.Server.Version, mode)
	}
	return nil
}
