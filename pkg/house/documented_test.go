package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range own(t) {
		name := p.Name
		if name == "main" {
			name = filepath.Base(p.path())
		}
		said := strings.TrimPrefix(strings.TrimPrefix(p.Doc, "Package "), "Command ")
		if !strings.EqualFold(name+" ", said[:min(len(name)+1, len(said))]) {
			t.Errorf("%s has no package comment that begins with its name", p.path())
		}
	}
}

func TestEveryExportIsDocumented(t *testing.T) {
	for _, p := range own(t) {
		files := token.NewFileSet()
		for _, name := range p.GoFiles {
			parsed, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range parsed.Decls {
				for _, missing := range undocumented(d) {
					at := files.Position(missing.Pos())
					t.Errorf("%s/%s:%d: %s has no comment", p.path(), name, at.Line, missing.Name)
				}
			}
		}
	}
}

// undocumented lists the exported names of a declaration that nothing is said
// about: neither about them nor about the group in which they stand.
func undocumented(d ast.Decl) (names []*ast.Ident) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || exportedReceiver(d.Recv) && !saysItself(d)) {
			names = append(names, d.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if d.Doc == nil || len(d.Specs) > 1 {
				names = append(names, undocumentedSpec(s, d.Doc != nil)...)
			}
		}
	}
	return names
}

func undocumentedSpec(s ast.Spec, group bool) (names []*ast.Ident) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && s.Comment == nil {
			names = append(names, s.Name)
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() && s.Doc == nil && s.Comment == nil && !group {
				names = append(names, n)
			}
		}
	}
	return names
}

// saysItself is true of String and Error, whose meaning the standard library
// documents.
func saysItself(d *ast.FuncDecl) bool {
	return (d.Name.Name == "String" || d.Name.Name == "Error") && d.Type.Params.NumFields() == 0
}

// exportedReceiver reports whether a method belongs to an exported type.
func exportedReceiver(list *ast.FieldList) bool {
	for e := list.List[0].Type; ; {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}
