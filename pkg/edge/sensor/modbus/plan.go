package modbus

import (
	"cmp"
	"slices"
)

// block is one request: neighbouring registers and the points inside.
type block struct {
	function Function
	address  int
	count    int
	points   []int // indexes into Map.Registers
}

// planner turns sets of points into few requests.
type planner struct {
	registers []Register
	order     []int // all points by function and address
	maxBlock  int
	maxHole   int
	alone     []bool // points that must not share a request
}

func newPlanner(m Map) *planner {
	p := &planner{registers: m.Registers, maxBlock: m.MaxBlock, maxHole: m.MaxHole, alone: make([]bool, len(m.Registers))}
	if p.maxBlock == 0 {
		p.maxBlock = MaxBlock
	}
	for i := range m.Registers {
		p.order = append(p.order, i)
		p.alone[i] = m.Single
	}
	slices.SortStableFunc(p.order, func(a, b int) int {
		x, y := m.Registers[a], m.Registers[b]
		return cmp.Or(cmp.Compare(x.Function, y.Function), cmp.Compare(x.Address, y.Address))
	})
	return p
}

// plan covers the wanted points with blocks, in the order of addresses.
func (p *planner) plan(wanted []int) []block {
	want := make([]bool, len(p.registers))
	for _, i := range wanted {
		want[i] = true
	}
	var blocks []block
	shared := -1 // the block that may still grow
	for _, i := range p.order {
		switch {
		case !want[i]:
		case p.alone[i]:
			blocks = append(blocks, p.single(i))
		case shared >= 0 && p.extend(&blocks[shared], i):
		default:
			shared = len(blocks)
			blocks = append(blocks, p.single(i))
		}
	}
	return blocks
}

func (p *planner) single(i int) block {
	r := p.registers[i]
	return block{r.Function, int(r.Address), r.Type.Words(), []int{i}}
}

// extend takes a point into a block when the limits allow it.
func (p *planner) extend(b *block, i int) bool {
	r := p.registers[i]
	start, end := int(r.Address), max(b.address+b.count, int(r.Address)+r.Type.Words())
	if r.Function != b.function || start > b.address+b.count+p.maxHole || end-b.address > p.maxBlock {
		return false
	}
	b.count = end - b.address
	b.points = append(b.points, i)
	return true
}

// separate remembers that the points of a block must be asked one by one, and
// returns those requests.
func (p *planner) separate(b block) []block {
	var singles []block
	for _, i := range b.points {
		p.alone[i] = true
		singles = append(singles, p.single(i))
	}
	return singles
}
