package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/certs"
	"go.calms.com/calms/pkg/durable"
	"go.calms.com/calms/pkg/edge/identity"
	"go.calms.com/calms/pkg/wire"
)

type enrollOptions struct {
	data   string
	ticket string
	key    string
	again  bool
}

func newEnroll() *cobra.Command {
	var o enrollOptions
	c := &cobra.Command{
		Use:   "enroll",
		Short: "Make this machine the device that a ticket names",
		Long: `Makes a key, shows the ticket to the cloud that it names, and keeps the certificate
and what else the edge needs. The ticket comes from a file, from standard input (-)
or from a prompt, never from the command line, where others could read it. A ticket
of another cloud is refused before its secret is sent.

Where the answer is lost, the same command may be given again with the same ticket.`,
		Example: `  calms-edge enroll
  calms-edge enroll --ticket-file ticket
  ssh operator@cloud calmsctl device provision acme/ljubljana/comp-3 | calms-edge enroll --ticket-file -`,
		Args: refuseTicketArgument,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return o.enroll(ctx, c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	self().DataFlag(c, &o.data)
	c.Flags().StringVar(&o.ticket, "ticket-file", "", "`file` that holds the ticket; - is standard input; none asks for it")
	c.Flags().StringVar(&o.key, "key", string(certs.RSA2048), "`kind` of the device's key: rsa-2048 or p-256")
	c.Flags().BoolVar(&o.again, "again", false, "enrol although this edge is enrolled: for a device that an operator re-authorised")
	_ = c.RegisterFlagCompletionFunc("key", cobra.FixedCompletions([]string{string(certs.RSA2048), string(certs.P256)}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// refuseTicketArgument does not repeat the argument, which may be the ticket.
func refuseTicketArgument(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return calms.Errorf(calms.KindUsage, "a ticket on the command line can be read by others; ask for a new one if that was it").
			WithHint("calms-edge enroll --ticket-file FILE, or just calms-edge enroll to be asked for it")
	}
	return nil
}

func (o enrollOptions) enroll(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) error {
	data, err := self().DataDir(o.data)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return calms.Wrap("make data directory", err)
	}
	if err := checkPrivate(data); err != nil {
		return calms.Wrap("open data directory", err)
	}
	lock, err := durable.Lock(data)
	if err != nil {
		return err
	}
	defer lock.Close()
	if before, err := identity.Open(identityDir(data)); err == nil && !o.again {
		return calms.Errorf(calms.KindConflict, "this edge is enrolled already, as %s (%s)", before.Path(), before.Device()).
			WithHint("calms-edge run; with a new ticket for the same device: calms-edge enroll --again")
	}
	ticket, err := o.readTicket(stdin, stderr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "enrolling at %s\n", ticket.URL)
	i, err := identity.Enroll(ctx, identityDir(data), ticket, certs.Algorithm(o.key))
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "enrolled as %s (%s)\n", i.Path(), i.Device())
	fmt.Fprintf(stdout, "certificate until %s, renewed by itself\n", i.Certificate().Leaf.NotAfter.UTC().Format("2006-01-02 15:04:05Z"))
	fmt.Fprintln(stderr, "next: calms-edge run")
	return nil
}

// maxTicket bounds what is read; a ticket has some 200 characters.
const maxTicket = 4 << 10

func (o enrollOptions) readTicket(stdin io.Reader, stderr io.Writer) (wire.Ticket, error) {
	text, err := o.ticketText(stdin, stderr)
	if err != nil {
		return wire.Ticket{}, err
	}
	return wire.ParseTicket(string(text))
}

func (o enrollOptions) ticketText(stdin io.Reader, stderr io.Writer) ([]byte, error) {
	switch o.ticket {
	case "":
		return promptTicket(stdin, stderr)
	case "-":
		text, err := io.ReadAll(io.LimitReader(stdin, maxTicket))
		return text, calms.Wrap("read ticket from standard input", err)
	}
	f, err := os.Open(o.ticket)
	if err != nil {
		return nil, calms.Errorf(calms.KindNotFound, "read ticket: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTicket))
	return text, calms.Wrap("read ticket", err)
}

// promptTicket asks on the terminal and shows nothing of the answer.
func promptTicket(stdin io.Reader, stderr io.Writer) ([]byte, error) {
	terminal, ok := stdin.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) || os.Getenv("CALMS_NO_PROMPT") != "" {
		return nil, calms.Errorf(calms.KindUsage, "there is no ticket, and no terminal to ask for it").
			WithHint("calms-edge enroll --ticket-file FILE, or --ticket-file - for standard input")
	}
	fmt.Fprint(stderr, "Ticket (is not shown): ")
	text, err := term.ReadPassword(int(terminal.Fd()))
	fmt.Fprintln(stderr)
	if errors.Is(err, io.EOF) {
		return nil, calms.Errorf(calms.KindInterrupted, "no ticket was given")
	}
	return text, calms.Wrap("read ticket", err)
}
