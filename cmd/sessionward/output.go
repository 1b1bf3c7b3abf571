package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"
)

// dataFormat is the value of -o of commands that show data: table, json or yaml. It implements pflag.Value.
type dataFormat string

const (
	asTable dataFormat = "table"
	asJSON  dataFormat = "json"
	asYAML  dataFormat = "yaml"
)

// String implements pflag.Value.
func (o *dataFormat) String() string { return string(*o) }

// Set refuses what is none of the three.
func (o *dataFormat) Set(s string) error {
	switch f := dataFormat(s); f {
	case asTable, asJSON, asYAML:
		*o = f
		return nil
	}
	return errors.New("write table, json or yaml")
}

// Type is shown in the help.
func (*dataFormat) Type() string { return "table|json|yaml" }

// dataFlag adds -o to a command and all below it.
func dataFlag(cmd *cobra.Command) *dataFormat {
	format := asTable
	cmd.PersistentFlags().VarP(&format, "output", "o", "table for people, json and yaml for programs")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
	return &format
}

// show writes one value: as a table what table writes, lines of cells parted by tabs.
func (c *cli) show(format dataFormat, v any, table func(w io.Writer)) error {
	if format == asTable {
		w := tabwriter.NewWriter(c.out, 0, 8, 2, ' ', 0)
		table(w)
		return w.Flush()
	}
	text, err := encode(format, "", v)
	if err != nil {
		return err
	}
	_, err = c.out.Write(text)
	return err
}

// listing writes values one after the other as they come, as one table, one JSON array or one YAML list.
type listing struct {
	out    io.Writer
	format dataFormat
	header string // of the table
	n      int
	table  *tabwriter.Writer
}

func (c *cli) newListing(format dataFormat, columns ...string) *listing {
	return &listing{out: c.out, format: format, header: strings.Join(columns, "\t"), table: tabwriter.NewWriter(c.out, 0, 8, 2, ' ', 0)}
}

// add writes v; cells are its row in a table, safe for a terminal.
func (l *listing) add(v any, cells ...string) error {
	l.n++
	if l.format == asTable {
		if l.n == 1 && l.header != "" {
			_, _ = fmt.Fprintln(l.table, l.header)
		}
		_, err := fmt.Fprintln(l.table, strings.Join(cells, "\t"))
		return err
	}
	before := ""
	if l.format == asJSON {
		before = ",\n  "
		if l.n == 1 {
			before = "[\n  "
		}
	} else {
		v = []any{v}
	}
	text, err := encode(l.format, "  ", v)
	if err == nil {
		if l.format == asJSON {
			text = bytes.TrimRight(text, "\n")
		}
		_, err = io.WriteString(l.out, before+string(text))
	}
	return err
}

// page shows what a table has gathered: widths of columns are those of a page.
func (l *listing) page() error { return l.table.Flush() }

// end completes the list. What broke off is not completed: no program takes it for the whole.
func (l *listing) end() (err error) {
	switch {
	case l.format == asTable:
		return l.table.Flush()
	case l.n == 0:
		_, err = io.WriteString(l.out, "[]\n")
	case l.format == asJSON:
		_, err = io.WriteString(l.out, "\n]\n")
	}
	return err
}

// encode writes v as JSON, or as YAML of the same names in the same order. What a terminal would obey is escaped.
func encode(format dataFormat, prefix string, v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if format == asJSON {
		e.SetIndent(prefix, "  ")
	}
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	if format == asJSON {
		return escape(b.Bytes(), jsonEscape), nil
	}
	d := json.NewDecoder(&b)
	d.UseNumber()
	n, err := yamlNode(d)
	if err != nil {
		return nil, err
	}
	text, err := yaml.Dump(n)
	return escape(text, yamlEscape), err
}

// escape replaces what a terminal would obey. It stands in quoted texts alone.
func escape(text []byte, as func(rune) string) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r != '\n' && hidden(r) {
			out = append(out, as(r)...)
		} else {
			out = append(out, text[:size]...)
		}
		text = text[size:]
	}
	return out
}

func jsonEscape(r rune) string {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

func yamlEscape(r rune) string { return fmt.Sprintf(`\U%08x`, r) }

// yamlNode reads one JSON value.
func yamlNode(d *json.Decoder) (*yaml.Node, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, compound := t.(json.Delim)
	if !compound {
		return yamlScalar(t), nil
	}
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	if delim == '{' {
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
	}
	for d.More() {
		item, err := yamlNode(d) // of an object, the names are met like values
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, item)
	}
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle
	}
	_, err = d.Token()
	return n, err
}

func yamlScalar(t json.Token) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(t)}
	switch v := t.(type) {
	case nil:
		n.Tag, n.Value = "!!null", "null"
	case bool:
		n.Tag = "!!bool"
	case json.Number:
		n.Tag = "!!int"
		if strings.ContainsAny(n.Value, ".eE") {
			n.Tag = "!!float"
		}
	case string:
		n.Tag = "!!str"
		if strings.ContainsFunc(v, hidden) {
			n.Style = yaml.DoubleQuotedStyle
		}
	}
	return n
}
