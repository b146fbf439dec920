package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
)

// noun is a kind of thing that has a path: organisation, site, device or
// channel. Its four verbs are the same.
type noun[T any] struct {
	word    string // "site"
	many    string // "sites"
	level   calms.Level
	sample  string // a path for examples
	removal string // what deleting one destroys
	view    view[T]

	create func(*api.Client, context.Context, api.CreateRequest) (T, error)
	list   func(*api.Client, context.Context, calms.Path) ([]T, error)
	get    func(*api.Client, context.Context, calms.Path) (T, error)
	delete func(*api.Client, context.Context, calms.Path) error
}

// group is the command `calmsctl NOUN` with the four verbs and others.
func (n noun[T]) group(a *app, others ...*cobra.Command) *cobra.Command {
	verbs := []*cobra.Command{n.creates(a), n.lists(a), n.gets(a), n.deletes(a)}
	examples := fmt.Sprintf("calmsctl %s create %s\ncalmsctl %s list\ncalmsctl %s get %s", n.word, n.sample, n.word, n.word, n.sample)
	return group(n.word, "Create, list, get and delete "+n.many, examples, append(verbs, others...)...)
}

func (n noun[T]) creates(a *app) *cobra.Command {
	cmd := spec{
		use:      "create PATH",
		short:    "Create " + n.level.WithArticle(),
		example:  fmt.Sprintf("calmsctl %s create %s", n.word, n.sample),
		args:     paths(1, 1, n.level),
		complete: n.completeParent(a),
		exits:    []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindConflict, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, cmd *cobra.Command, args []string) error {
			request := api.CreateRequest{Path: args[0]}
			if n.level == calms.LevelChannel {
				request.Unit, _ = cmd.Flags().GetString("unit")
				request.Description, _ = cmd.Flags().GetString("description")
			}
			item, err := n.create(client, ctx, request)
			if err != nil {
				return err
			}
			return printOne(a, n.view, item)
		}),
	}.command()
	if n.level == calms.LevelChannel {
		cmd.Flags().String("unit", "", "`unit` of the values, such as m³/h")
		cmd.Flags().String("description", "", "what is measured, in `words`")
	}
	return cmd
}

// completeParent offers what the new thing may lie in.
func (n noun[T]) completeParent(a *app) cobra.CompletionFunc {
	if n.level == calms.LevelOrganisation {
		return cobra.NoFileCompletions
	}
	parents := first(a.completePaths(n.level - 1))
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		words, directive := parents(cmd, args, begun)
		for i := range words {
			words[i] += "/"
		}
		return words, directive | cobra.ShellCompDirectiveNoSpace
	}
}

func (n noun[T]) lists(a *app) *cobra.Command {
	return spec{
		use:      "list [PREFIX]",
		aliases:  []string{"ls"},
		short:    "List " + n.many + ", all or those below a path",
		example:  fmt.Sprintf("calmsctl %s list\ncalmsctl %s list %s\ncalmsctl %s list -o json", n.word, n.word, calms.Path(n.sample).At(calms.LevelOrganisation), n.word),
		args:     paths(0, 1),
		complete: first(a.completePaths(calms.LevelOrganisation, calms.LevelSite)),
		exits:    []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, _ *cobra.Command, args []string) error {
			var prefix calms.Path
			if len(args) > 0 {
				prefix = calms.Path(args[0])
			}
			items, err := n.list(client, ctx, prefix)
			if err == nil && len(items) == 0 {
				err = mustExist(ctx, client, prefix)
			}
			if err != nil {
				return err
			}
			return printList(a, n.view, items)
		}),
	}.command()
}

func (n noun[T]) gets(a *app) *cobra.Command {
	return spec{
		use:      "get PATH",
		short:    "Get " + n.level.WithArticle(),
		example:  fmt.Sprintf("calmsctl %s get %s\ncalmsctl %s get %s -o yaml", n.word, n.sample, n.word, n.sample),
		args:     paths(1, 1, n.level),
		complete: first(a.completePaths(n.level)),
		exits:    []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, _ *cobra.Command, args []string) error {
			item, err := n.get(client, ctx, calms.Path(args[0]))
			if err != nil {
				return err
			}
			return printOne(a, n.view, item)
		}),
	}.command()
}

func (n noun[T]) deletes(a *app) *cobra.Command {
	cmd := spec{
		use:      "delete PATH",
		aliases:  []string{"rm"},
		short:    "Delete " + n.level.WithArticle(),
		long:     "Deletes " + n.level.WithArticle() + ". " + n.removal + "\nIt asks for the path; --yes answers.",
		example:  fmt.Sprintf("calmsctl %s delete %s\ncalmsctl %s delete %s --yes", n.word, n.sample, n.word, n.sample),
		args:     paths(1, 1, n.level),
		complete: first(a.completePaths(n.level)),
		exits:    []calms.Kind{calms.KindForbidden, calms.KindNotFound, calms.KindConflict, calms.KindUnreachable},
		run: a.asking(func(ctx context.Context, client *api.Client, cmd *cobra.Command, args []string) error {
			if err := a.confirm(cmd, fmt.Sprintf("This deletes %s %s. %s", n.level.String(), args[0], n.removal), args[0]); err != nil {
				return err
			}
			if err := n.delete(client, ctx, calms.Path(args[0])); err != nil {
				return err
			}
			a.note("%s deleted", args[0])
			return nil
		}),
	}.command()
	addYes(cmd)
	return cmd
}
