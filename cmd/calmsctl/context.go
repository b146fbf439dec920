package main

import (
	"bytes"
	"context"
	"slices"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

func newContext(a *app) *cobra.Command {
	return group("context", "Choose which cloud to talk to, and as whom",
		"calmsctl context create main --operator-file operator.yaml\ncalmsctl context list\ncalmsctl context use main",
		newContextCreate(a), newContextList(a), newContextUse(a), newContextShow(a), newContextDelete(a))
}

// contextInfo is a context as it is shown: without its key.
type contextInfo struct {
	profile
	Current bool `json:"current"`
}

func (a *app) contextInfo(p profile) contextInfo {
	return contextInfo{p, p.Name == a.settings.GetString("context")}
}

func contextView() view[contextInfo] {
	return view[contextInfo]{
		name: func(c contextInfo) string { return c.Name },
		none: "there are no contexts yet: calmsctl context create NAME --operator-file FILE",
		columns: []column[contextInfo]{
			{title: "NAME", cell: func(c contextInfo) string { return c.Name }, tone: func(c contextInfo) tone {
				if c.Current {
					return toneBold
				}
				return toneNone
			}},
			{title: "URL", cell: func(c contextInfo) string { return c.URL }},
			{title: "IN USE", cell: func(c contextInfo) string { return yesNo(c.Current) }},
		},
	}
}

func newContextCreate(a *app) *cobra.Command {
	cmd := spec{
		use:   "create NAME --operator-file FILE",
		short: "Make a context from the operator file that the cloud wrote",
		long: `Makes a context from the operator file, which calms-cloudd writes at its first start. The
address and the roots go to the configuration file, the key to secrets.yaml beside it,
which only you can read. The first context is used from then on.`,
		example: "calmsctl context create main --operator-file operator.yaml\nssh cloud cat /var/lib/calms-cloudd/operator.yaml | calmsctl context create main --operator-file - --use",
		args:    cobra.ExactArgs(1),
		exits:   []calms.Kind{calms.KindConflict},
		run: func(_ context.Context, cmd *cobra.Command, args []string) error {
			name, _ := cmd.Flags().GetString("operator-file")
			use, _ := cmd.Flags().GetBool("use")
			if name == "" {
				return usage(cmd, "--operator-file is needed")
			}
			if err := a.config.mustLack(args[0]); err != nil {
				return err
			}
			file, err := a.readOperatorFile(name)
			if err != nil {
				return err
			}
			return a.addContext(args[0], file, use)
		},
	}.command()
	cmd.Flags().String("operator-file", "", "operator `file` of the cloud, - is the standard input")
	cmd.Flags().Bool("use", false, "use the new context from now on")
	_ = cmd.MarkFlagFilename("operator-file")
	return cmd
}

// mustLack tells early what would otherwise be told after a question or a look
// into other files.
func (c *config) mustLack(name string) error {
	if _, err := c.find(name); err != nil {
		return nil
	}
	return calms.Errorf(calms.KindConflict, "there is a context %q already", name).WithHint("calmsctl context delete %s", name)
}

func (a *app) readOperatorFile(name string) (api.OperatorFile, error) {
	const hint = "take the file that calms-cloudd wrote at its first start: /var/lib/calms-cloudd/operator.yaml"
	data, err := a.readFile(name)
	if err != nil {
		return api.OperatorFile{}, err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return api.OperatorFile{}, calms.Errorf(calms.KindInvalid, "%s is empty, an operator file is needed", name).WithHint(hint)
	}
	file, err := api.ParseOperatorFile(data)
	if err != nil && calms.HintOf(err) == "" {
		return file, calms.Errorf(calms.KindInvalid, "%s: %w", name, err).WithHint(hint)
	}
	return file, calms.Wrap(name, err)
}

func (a *app) addContext(name string, file api.OperatorFile, use bool) error {
	if _, err := api.NewClient(api.Config{URL: file.URL, CA: []byte(file.CA)}); err != nil {
		return err
	}
	p := profile{Name: name, URL: file.URL, CA: file.CA}
	if err := a.changeConfig(func(c *config) error {
		if err := c.mustLack(name); err != nil {
			return err
		}
		c.Contexts = append(c.Contexts, p)
		if use || c.Context == "" {
			c.Context = name
		}
		// The key first: a context without one would look complete.
		return a.changeKeys(func(keys []secret) []secret { return append(withoutKey(keys, name), secret{name, file.Key}) })
	}); err != nil {
		return err
	}
	return printOne(a, contextView(), contextInfo{p, a.config.Context == name})
}

func withoutKey(keys []secret, name string) []secret {
	return slices.DeleteFunc(keys, func(s secret) bool { return s.Context == name })
}

// changeKeys changes the file with the keys, within changeConfig.
func (a *app) changeKeys(change func([]secret) []secret) error {
	path := secretsPath(a.path)
	s, err := readSecrets(path)
	if err != nil {
		return err
	}
	s.Keys = change(s.Keys)
	return save(path, s)
}

func newContextList(a *app) *cobra.Command {
	return spec{
		use: "list", aliases: []string{"ls"}, short: "List contexts",
		example: "calmsctl context list",
		args:    noArgs,
		run: func(context.Context, *cobra.Command, []string) error {
			var items []contextInfo
			for _, p := range a.config.Contexts {
				items = append(items, a.contextInfo(p))
			}
			return printList(a, contextView(), items)
		},
	}.command()
}

func newContextUse(a *app) *cobra.Command {
	return spec{
		use: "use NAME", short: "Use a context from now on",
		example:  "calmsctl context use main",
		args:     cobra.ExactArgs(1),
		complete: first(a.completeContexts),
		exits:    []calms.Kind{calms.KindNotFound},
		run: func(_ context.Context, _ *cobra.Command, args []string) error {
			return a.changeConfig(func(c *config) error {
				_, err := c.find(args[0])
				c.Context = args[0]
				return err
			})
		},
	}.command()
}

func newContextShow(a *app) *cobra.Command {
	return spec{
		use: "show [NAME]", short: "Show a context, the one in use by default; never its key",
		example:  "calmsctl context show\ncalmsctl context show main -o yaml",
		args:     cobra.MaximumNArgs(1),
		complete: first(a.completeContexts),
		exits:    []calms.Kind{calms.KindNotFound},
		run: func(_ context.Context, _ *cobra.Command, args []string) error {
			name := a.settings.GetString("context")
			if len(args) > 0 {
				name = args[0]
			}
			if name == "" {
				return calms.Errorf(calms.KindNotFound, "no context is in use").WithHint("calmsctl context use NAME")
			}
			p, err := a.config.find(name)
			if err != nil {
				return err
			}
			return printOne(a, contextView(), a.contextInfo(p))
		},
	}.command()
}

func newContextDelete(a *app) *cobra.Command {
	cmd := spec{
		use: "delete NAME", aliases: []string{"rm"}, short: "Delete a context and its key from this machine",
		example:  "calmsctl context delete main\ncalmsctl context delete main --yes",
		args:     cobra.ExactArgs(1),
		complete: first(a.completeContexts),
		exits:    []calms.Kind{calms.KindNotFound},
		run: func(_ context.Context, cmd *cobra.Command, args []string) error {
			name := args[0]
			if _, err := a.config.find(name); err != nil {
				return err
			}
			if err := a.confirm(cmd, "This deletes context "+name+" and its key.", name); err != nil {
				return err
			}
			return a.deleteContext(name)
		},
	}.command()
	addYes(cmd)
	return cmd
}

func (a *app) deleteContext(name string) error {
	return a.changeConfig(func(c *config) error {
		c.Contexts = slices.DeleteFunc(c.Contexts, func(p profile) bool { return p.Name == name })
		if c.Context == name {
			c.Context = ""
		}
		// The key first: what is left behind by a crash should not be a secret.
		return a.changeKeys(func(keys []secret) []secret { return withoutKey(keys, name) })
	})
}
