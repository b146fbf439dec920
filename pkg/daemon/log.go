package daemon

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"go.calms.com/calms/pkg/calms"
)

// Keys of log attributes that are searched for. One thing has one key.
const (
	KeyTarget = "target"
	KeyDevice = "device"
	KeyRemote = "remote" // a peer's address
	KeyError  = "error"
)

// Logger logs to w from a level on ("debug", "info", "warn", "error") in a
// format: "text", "json", or "auto", which is text on a terminal and JSON
// elsewhere.
func Logger(w io.Writer, level, format string) (*slog.Logger, error) {
	var options slog.HandlerOptions
	switch level {
	case "debug":
		options.Level = slog.LevelDebug
	case "info":
		options.Level = slog.LevelInfo
	case "warn":
		options.Level = slog.LevelWarn
	case "error":
		options.Level = slog.LevelError
	default:
		return nil, calms.Errorf(calms.KindInvalid, "log level %q is none of debug, info, warn, error", level)
	}
	if format == "auto" {
		format = autoFormat(w)
	}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, &options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &options)), nil
	}
	return nil, calms.Errorf(calms.KindInvalid, "log format %q is none of auto, text, json", format)
}

func autoFormat(w io.Writer) string {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return "text"
	}
	return "json"
}

const redacted = "[redacted]"

// Secret is a text that shows itself in no log, no error and no JSON, however
// deep in a structure it stands. [Secret.Reveal] gives it to whoever needs it.
type Secret struct{ text string }

// NewSecret hides a text.
func NewSecret(text string) Secret { return Secret{text: text} }

// Reveal is the secret itself.
func (s Secret) Reveal() string { return s.text }

// LogValue keeps the secret out of slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format keeps the secret out of package fmt, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// MarshalText keeps the secret out of encoders such as JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
