package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConfig() *cobra.Command {
	c := group(&cobra.Command{
		Use:   "config",
		Short: "Check and show the configuration",
		Example: `  calms-cloudd config show > cloudd.yaml
  calms-cloudd config check --config cloudd.yaml`,
	})
	c.AddCommand(newConfigCheck(), newConfigShow(), newConfigSchema())
	return c
}

func newConfigCheck() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:     "check",
		Short:   "Check the configuration: exit status 0 when it is valid, 1 when not",
		Example: "  calms-cloudd config check --config /etc/calms/cloudd.yaml",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := loadConfig(configFile(file)); err != nil {
				return err
			}
			_, err := fmt.Fprintln(c.OutOrStdout(), "the configuration is valid")
			return err
		},
	}
	configFlag(c, &file)
	return c
}

func newConfigShow() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "show",
		Short: "Print the settings in force: environment over file over default",
		Example: `  calms-cloudd config show
  CALMS_CLOUDD_LOG_LEVEL=debug calms-cloudd config show`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			settings, err := loadConfig(configFile(file))
			if err != nil {
				return err
			}
			return settings.show(c.OutOrStdout())
		},
	}
	configFlag(c, &file)
	return c
}

func newConfigSchema() *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of the configuration file",
		Example: "  calms-cloudd config schema > cloudd.schema.json",
		Args:    noArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return writeSchema(c.OutOrStdout()) },
	}
}
