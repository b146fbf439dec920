package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"go.calms.com/calms/pkg/api"
	"go.calms.com/calms/pkg/calms"
	"go.calms.com/calms/pkg/durable"
)

const configVersion = 1

// config is the configuration file. Contexts are a list, because names as keys
// would lose their case on the way.
type config struct {
	Version  int       `yaml:"version"`
	Context  string    `yaml:"context,omitempty"` // the one in use
	Output   string    `yaml:"output,omitempty"`
	Timeout  string    `yaml:"timeout,omitempty"`
	NoColor  bool      `yaml:"no-color,omitempty"`
	Contexts []profile `yaml:"contexts,omitempty"`
}

// profile is one cloud as one operator. Its key lies in the secrets file.
type profile struct {
	Name string `yaml:"name" json:"name"`
	URL  string `yaml:"url" json:"url"`
	CA   string `yaml:"ca" json:"ca"` // PEM
}

// secrets is the file with the keys, 0600, beside the configuration: the
// configuration can be shown, copied and kept under version control.
type secrets struct {
	Version int      `yaml:"version"`
	Keys    []secret `yaml:"keys"`
}

type secret struct {
	Context string `yaml:"context"`
	Key     string `yaml:"key"`
}

func configPath(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	home := os.Getenv("XDG_CONFIG_HOME")
	if home == "" && runtime.GOOS == "windows" {
		home, _ = os.UserConfigDir()
	}
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", calms.Errorf(calms.KindInvalid, "find the configuration: %w", err).WithHint("set XDG_CONFIG_HOME, or pass --config FILE")
		}
		home = filepath.Join(user, ".config")
	}
	return filepath.Join(home, "calms", "config.yaml"), nil
}

func secretsPath(config string) string { return filepath.Join(filepath.Dir(config), "secrets.yaml") }

func readConfig(path string) (*config, error) {
	c := &config{}
	return c, readYAML(path, c, &c.Version)
}

func readSecrets(path string) (*secrets, error) {
	s := &secrets{}
	return s, readYAML(path, s, &s.Version)
}

// readYAML reads a file strictly: unknown keys and newer versions are errors
// with the line. A file that does not exist is empty.
func readYAML(path string, into any, version *int) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		*version = configVersion
		return nil
	}
	if err != nil {
		return calms.Errorf(calms.KindInvalid, "%w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return calms.Errorf(calms.KindInvalid, "%s: %s", path, yamlWords(err))
	}
	if *version != configVersion {
		return calms.Errorf(calms.KindInvalid, "%s: version: %d is needed, this is %d", path, configVersion, *version)
	}
	return nil
}

// yamlWords takes the package's name and Go's types out of an error.
func yamlWords(err error) string {
	if wrong, ok := errors.AsType[*yaml.TypeError](err); ok {
		text := strings.Join(wrong.Errors, "; ")
		if i := strings.Index(text, " not found in type "); i >= 0 {
			return strings.Replace(text[:i], "field ", "unknown key ", 1)
		}
		return text
	}
	return strings.TrimPrefix(err.Error(), "yaml: ")
}

// settings are the values of the file for [setting]s that it may hold.
func (c *config) settings() map[string]any {
	values := map[string]any{}
	for name, value := range map[string]string{"context": c.Context, "output": c.Output, "timeout": c.Timeout} {
		if value != "" {
			values[name] = value
		}
	}
	if c.NoColor {
		values["no-color"] = true
	}
	return values
}

func (c *config) find(name string) (profile, error) {
	i := slices.IndexFunc(c.Contexts, func(p profile) bool { return p.Name == name })
	if i < 0 {
		return profile{}, calms.Errorf(calms.KindNotFound, "there is no context %q", name).WithHint("calmsctl context list")
	}
	return c.Contexts[i], nil
}

// target is the cloud of a context and its key.
func (c *config) target(path, name string) (api.Config, error) {
	p, err := c.find(name)
	if err != nil {
		return api.Config{}, err
	}
	s, err := readSecrets(secretsPath(path))
	if err != nil {
		return api.Config{}, err
	}
	target := api.Config{URL: p.URL, CA: []byte(p.CA)}
	for _, each := range s.Keys {
		if each.Context == name {
			target.Key = each.Key
		}
	}
	return target, nil
}

// changeConfig changes the configuration file as it is now, not as it was when
// the command began: another calmsctl may have changed it since. Nobody else
// reads and writes it, or the keys, while change runs.
func (a *app) changeConfig(change func(*config) error) error {
	if err := os.MkdirAll(filepath.Dir(a.path), 0o700); err != nil {
		return calms.Errorf(calms.KindInvalid, "%w", err)
	}
	unlock, err := lockFile(filepath.Join(filepath.Dir(a.path), ".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	current, err := readConfig(a.path)
	if err != nil {
		return err
	}
	a.config = current
	if err := change(current); err != nil {
		return err
	}
	return save(a.path, current)
}

// lockPatience is how long to wait for another calmsctl, which holds the lock
// for as long as it writes two small files.
const lockPatience = 5 * time.Second

// lockFile waits until a file is this process's alone. The system unlocks it when
// the process ends, however it ends; the file stays.
func lockFile(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, calms.Errorf(calms.KindInvalid, "%w", err)
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(10 * time.Millisecond) {
		taken, err := tryLock(file)
		if taken {
			return func() { file.Close() }, nil
		}
		if err != nil || time.Now().After(end) {
			file.Close()
			return nil, lockError(path, err)
		}
	}
}

func lockError(path string, err error) error {
	if err != nil {
		return calms.Errorf(calms.KindInternal, "lock %s: %w", path, err)
	}
	return calms.Errorf(calms.KindConflict, "another calmsctl is changing the configuration: it holds %s", path).
		WithHint("wait for it to end, and try again")
}

// save writes a file that only its owner reads.
func save(path string, content any) error {
	data, err := yaml.Marshal(content)
	if err != nil {
		return err
	}
	return calms.Wrap("write "+path, durable.WriteFile(path, data, 0o600))
}
