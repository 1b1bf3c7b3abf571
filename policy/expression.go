package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// The bounds of one evaluation. The cost counts steps and the bytes they look at; the time is a second net under
// loops.
const (
	maxExpression    = 4096 // characters
	maxCost          = 10_000
	maxEvaluation    = 50 * time.Millisecond
	stepsToInterrupt = 100
)

// expressions compiles expressions. It makes its environments when one is first needed; it is not safe for
// concurrent use and is dropped once a table is made.
type expressions struct {
	request   *cel.Env // for public routes: request and now
	full      *cel.Env // and the session
	variables map[string]variable
}

// expression is a compiled condition, safe for concurrent use.
type expression struct {
	program   cel.Program
	source    *celast.SourceInfo
	variables map[string]variable
	loops     bool
}

// compile checks and plans an expression; withSession says whether it may speak of the session. Errors give line and
// column, both from 1.
func (x *expressions) compile(source string, withSession bool) (*expression, error) {
	env, err := x.env(withSession)
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(source)
	if issues.Err() != nil {
		return nil, issueError(issues, withSession)
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		return nil, fmt.Errorf(`is of type %s, not bool; compare it, as in "… == true"`, ast.OutputType())
	}
	program, err := env.Program(ast, cel.CostLimit(maxCost), cel.InterruptCheckFrequency(stepsToInterrupt), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, err
	}
	e := &expression{program: program, source: ast.NativeRep().SourceInfo(), variables: x.variables}
	celast.PreOrderVisit(ast.NativeRep().Expr(), celast.NewExprVisitor(func(n celast.Expr) {
		e.loops = e.loops || n.Kind() == celast.ComprehensionKind
	}))
	return e, nil
}

// issueError turns the first issue into an error with its place.
func issueError(issues *cel.Issues, withSession bool) error {
	first := issues.Errors()[0]
	hint := "the names of request and session, now and authenticated are known"
	if !withSession {
		hint = "on a public route only the names of request and now are known; set access to optional to ask for the session"
	}
	return fmt.Errorf("%d:%d: %s (%s)", first.Location.Line(), first.Location.Column()+1, strings.TrimSpace(first.Message), hint)
}

func (x *expressions) env(withSession bool) (*cel.Env, error) {
	if x.full == nil {
		if err := x.prepare(); err != nil {
			return nil, err
		}
	}
	if withSession {
		return x.full, nil
	}
	return x.request, nil
}

func (x *expressions) prepare() (err error) {
	ofRequest, ofSession := requestVariables(), sessionVariables()
	options := append(declare(ofRequest), cel.ExtendedValidations(), cel.ParserExpressionSizeLimit(maxExpression))
	if x.request, err = cel.NewEnv(options...); err != nil {
		return err
	}
	x.full, err = x.request.Extend(declare(ofSession)...)
	maps.Copy(ofRequest, ofSession)
	x.variables = ofRequest
	return err
}

func declare(variables map[string]variable) []cel.EnvOption {
	var options []cel.EnvOption
	for name, v := range variables {
		options = append(options, cel.Variable(name, v.typ))
	}
	return options
}

// check evaluates the expression; everything but true denies.
func (e *expression) check(f *facts) *Denial {
	out, err := e.eval(f)
	if err != nil {
		return forbidden("expression_error", "the route's expression could not be evaluated"+e.place(err))
	}
	if out != types.True {
		return forbidden("expression_denied", "the route's expression is not true")
	}
	return nil
}

func (e *expression) eval(f *facts) (any, error) {
	if !e.loops {
		out, _, err := e.program.Eval(f)
		return out, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxEvaluation)
	defer cancel()
	out, _, err := e.program.ContextEval(ctx, f)
	if ctx.Err() != nil { // "… || true" swallows the error of what was broken off
		return nil, errTooLong
	}
	return out, err
}

var errTooLong = errors.New("evaluation took too long")

// place says where an evaluation failed. The error's own text may hold values of session and request.
func (e *expression) place(err error) string {
	at, ok := errors.AsType[*types.Err](err)
	if !ok {
		return ""
	}
	l := e.source.GetStartLocation(at.NodeID())
	if l.Line() < 1 {
		return ""
	}
	return fmt.Sprintf(" at %d:%d", l.Line(), l.Column()+1)
}
