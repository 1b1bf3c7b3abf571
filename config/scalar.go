package config

import (
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scalar decodes a single value. What is wrong is said with what would be right.
func (d *decoder) scalar(n *node, v reflect.Value, path, owner string) {
	switch {
	case n.shape != scalar:
		d.refuse(n, path, "", "must be %s, is %s", kindName(v.Type()), n.describe())
	case n.blank():
		d.refuse(n, path, "give it a value, or remove the key to take the default", "has no value")
	case isDuration(v.Type()):
		d.duration(n, v, path, owner)
	case isText(v.Type()):
		d.text(n, v, path)
	case v.Kind() == reflect.String:
		d.string(n, v, path, owner)
	case v.Kind() == reflect.Bool:
		d.bool(n, v, path)
	case v.CanInt():
		d.integer(n, v, path)
	case v.CanFloat():
		d.float(n, v, path)
	}
}

func (d *decoder) string(n *node, v reflect.Value, path, owner string) {
	text := n.text
	if valid := allowedValues(owner); valid != nil && !slices.Contains(valid, text) {
		hint := didYouMean(text, valid)
		if !strings.HasPrefix(hint, "valid") {
			hint += " (valid are " + strings.Join(valid, ", ") + ")"
		}
		d.refuse(n, path, hint, "%q is not one of its values", cut(text, 80))
		return
	}
	if isPath(owner) {
		text = d.resolve(text)
	}
	v.SetString(text)
}

// resolve makes a path relative to the folder of the configuration file.
func (d *decoder) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(d.dir, path)
}

func (d *decoder) duration(n *node, v reflect.Value, path, owner string) {
	span, err := time.ParseDuration(n.text)
	if err != nil {
		hint := "write a number and a unit, such as 30s, 15m or 24h"
		if _, err := strconv.ParseFloat(n.text, 64); err == nil {
			hint = "add the unit: " + n.text + "s for seconds, " + n.text + "m for minutes"
		}
		d.refuse(n, path, hint, "%q is not a duration", cut(n.text, 80))
		return
	}
	if effect := withoutIt(owner); span == 0 && effect != "" {
		d.refuse(n, path, "write how long, or remove the key", "is zero, which would %s", effect)
		return
	}
	v.SetInt(int64(span))
}

func (d *decoder) bool(n *node, v reflect.Value, path string) {
	switch n.text {
	case "true":
		v.SetBool(true)
	case "false":
		v.SetBool(false)
	default:
		d.refuse(n, path, "write true or false", "%q is neither true nor false", cut(n.text, 80))
	}
}

func (d *decoder) integer(n *node, v reflect.Value, path string) {
	i, err := strconv.ParseInt(n.text, 10, v.Type().Bits())
	switch {
	case errors.Is(err, strconv.ErrRange):
		d.refuse(n, path, "", "%s is too large a number", cut(n.text, 40))
	case err != nil:
		d.refuse(n, path, "write digits alone", "%q is not a whole number", cut(n.text, 80))
	default:
		v.SetInt(i)
	}
}

func (d *decoder) float(n *node, v reflect.Value, path string) {
	f, err := strconv.ParseFloat(n.text, v.Type().Bits())
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		d.refuse(n, path, "write digits with a point, such as 0.5", "%q is not a number", cut(n.text, 80))
		return
	}
	v.SetFloat(f)
}

// kindName names what a value of type t is written as.
func kindName(t reflect.Type) string {
	switch {
	case isDuration(t):
		return "a duration such as 30s"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case reflect.Zero(t).CanInt():
		return "a whole number"
	case reflect.Zero(t).CanFloat():
		return "a number"
	}
	return "a single text"
}
