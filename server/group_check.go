// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// check says everything that is wrong with the group, and resolves what members
// name in After.
func (g *Group) check() error {
	errs := []error{g.broken}
	if len(g.members) == 0 {
		errs = append(errs, errors.New("server: Group: there is no member"))
	}
	byName := make(map[string]*member)
	of := make(map[any]*member) // whose a server or a listener is
	for _, m := range g.members {
		if err := m.check(of); err != nil {
			errs = append(errs, &memberError{m.Name, err})
		}
		if u, ok := m.unit.(*httpUnit); ok {
			u.conns.silent = g.t.Withholds("peer")
		}
		if byName[m.Name] != nil {
			errs = append(errs, &memberError{m.Name, errors.New("there are two of that name")})
		}
		byName[m.Name] = m
	}
	for _, m := range g.members {
		for _, name := range m.After {
			if byName[name] == nil {
				errs = append(errs, &memberError{m.Name, fmt.Errorf(
					"names %q in After, there is no such member", name)})
				continue
			}
			m.after = append(m.after, byName[name])
		}
	}
	return errors.Join(append(errs, g.order())...)
}

// check looks at one member. of has whose each server is.
func (m *member) check(of map[any]*member) error {
	var kinds []string
	var its any
	if m.Server != nil {
		kinds, its = append(kinds, "Server"), m.Server
	}
	if m.HTTP != nil {
		kinds, its = append(kinds, "HTTP"), m.HTTP
	}
	if m.Close != nil {
		kinds = append(kinds, "Close")
	}
	switch {
	case m.Name == "":
		return errors.New("has no Name")
	case len(kinds) == 0:
		return errors.New("has neither Server nor HTTP nor Close, want one of them")
	case len(kinds) > 1:
		return fmt.Errorf("has %s, want one of them", strings.Join(kinds, " and "))
	case its != nil && of[its] != nil:
		return fmt.Errorf("its %s is member %s's, too: one member may have several Listeners",
			kinds[0], of[its].Name)
	}
	if its == nil {
		return m.checkClose()
	}
	of[its] = m
	if m.HTTP != nil && m.Addr == "" && len(m.Listeners) == 0 {
		m.Addr = m.HTTP.Addr
	}
	return errors.Join(m.checkListeners(of), m.checkServer())
}

// checkListeners finds listeners that are served twice. Those that are no pointers
// cannot be told from one another.
func (m *member) checkListeners(of map[any]*member) error {
	for _, l := range m.Listeners {
		if l == nil {
			return errors.New("one of its Listeners is nil")
		}
		if reflect.TypeOf(l).Kind() != reflect.Pointer {
			continue
		}
		if of[l] != nil {
			return fmt.Errorf("its listener on %s is member %s's, too", l.Addr(), of[l].Name)
		}
		of[l] = m
	}
	return nil
}

func (m *member) checkClose() error {
	if m.Addr != "" || len(m.Listeners) > 0 {
		return fmt.Errorf("has Close and an address (%q), which only a server has", m.Addr)
	}
	m.unit = &closeUnit{m.Close}
	return nil
}

func (m *member) checkServer() error {
	switch {
	case m.Addr == "" && len(m.Listeners) == 0:
		return errors.New("has neither Addr nor Listeners")
	case m.HTTP != nil:
		m.unit = newHTTPUnit(m.HTTP)
		return nil
	case m.Server.broken != nil:
		return m.Server.broken
	case m.Server.stopping() != nil:
		return errors.New("its Server was stopped before")
	}
	m.unit = &grpcUnit{srv: m.Server}
	return nil
}

// order counts for each member the stages that come after it, or names members
// that wait for one another.
func (g *Group) order() error {
	const fresh, open, done = 0, 1, 2
	state := make(map[*member]int)
	var path []string
	var visit func(m *member, later int) error
	visit = func(m *member, later int) error {
		path = append(path, m.Name)
		defer func() { path = path[:len(path)-1] }()
		if state[m] == open {
			return fmt.Errorf("server: Group: After is a circle: %s",
				strings.Join(path[slices.Index(path, m.Name):], " after "))
		}
		if state[m] == done && m.later >= later {
			return nil
		}
		state[m], m.later = open, max(m.later, later)
		for _, before := range m.after {
			if err := visit(before, m.later+1); err != nil {
				return err
			}
		}
		state[m] = done
		return nil
	}
	for _, m := range g.members {
		if state[m] == fresh {
			if err := visit(m, 0); err != nil {
				return err
			}
		}
	}
	return nil
}
