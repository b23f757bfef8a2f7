// SPDX-License-Identifier: Apache-2.0
// Folding, keyboard, details and zoom. Everything that is to be read is in the
// page without it; texts are only ever moved as text.
(() => {
  'use strict';
  document.documentElement.classList.add('js');
  const $ = (id) => document.getElementById(id);
  const svg = (name) => document.createElementNS('http://www.w3.org/2000/svg', name);

  // Stacks: a link to one opens it, and paper has them all open.
  const openAround = (el) => {
    for (let d = el && el.closest('details'); d; d = d.parentElement.closest('details')) d.open = true;
  };
  let printed = [];
  addEventListener('beforeprint', () => {
    printed = [...document.querySelectorAll('details:not([open])')];
    printed.forEach((d) => { d.open = true; });
  });
  addEventListener('afterprint', () => printed.forEach((d) => { d.open = false; }));

  const grid = $('grid');
  if (!grid) return;
  const rows = [...grid.querySelectorAll('.r')];
  const total = Number(grid.dataset.total);
  const level = (r) => Number(r.getAttribute('aria-level'));
  const parentOf = new Map();
  const stackOf = (r) => r.querySelector('.stk');

  // The tree: aria-expanded is the state, the rest follows from it.
  const open = (r) => r.getAttribute('aria-expanded') !== 'false';
  const shown = () => rows.filter((r) => !r.hidden);
  const update = () => {
    let below = Infinity;
    for (const r of rows) {
      r.hidden = level(r) > below;
      if (!r.hidden) below = open(r) ? Infinity : level(r);
    }
  };
  const fold = (r, to) => {
    if (!r.hasAttribute('aria-expanded')) return;
    r.setAttribute('aria-expanded', String(to));
    update();
    if (current.hidden) focus(r);
  };
  const foldAll = (to) => {
    for (const r of rows) if (r.hasAttribute('aria-expanded')) r.setAttribute('aria-expanded', String(to));
    update();
    while (current.hidden) select(parentOf.get(current));
  };
  const path = [];
  const family = new Map();
  for (const r of rows) {
    path.length = level(r) - 1;
    const parent = path.at(-1) || null;
    parentOf.set(r, parent);
    if (!family.has(parent)) family.set(parent, []);
    family.get(parent).push(r);
    path.push(r);
    if ('fold' in r.dataset) r.setAttribute('aria-expanded', 'false');
  }
  for (const children of family.values()) {
    children.forEach((r, i) => {
      r.setAttribute('aria-posinset', String(i + 1));
      r.setAttribute('aria-setsize', String(children.length));
    });
  }

  // One row is in the tab order: the one that was focused last.
  let current = $('culprit') || rows[0];
  const select = (r) => {
    for (const old of [current, r]) {
      old.tabIndex = old === r ? 0 : -1;
      old.setAttribute('aria-selected', String(old === r));
    }
    current = r;
    describe(r);
  };
  const focus = (r) => {
    if (!r) return;
    for (let p = parentOf.get(r); p; p = parentOf.get(p)) p.setAttribute('aria-expanded', 'true');
    update();
    select(r);
    r.focus({preventScroll: true});
    const head = grid.querySelector('.head').getBoundingClientRect().bottom;
    const foot = $('details').getBoundingClientRect().top;
    const box = r.getBoundingClientRect();
    if (box.top < head) scrollBy(0, box.top - head - 4);
    else if (box.bottom > foot) scrollBy(0, box.bottom - foot + 4);
  };

  // Durations, as the report prints them.
  const took = (us) => {
    if (us < 1e3) return us + 'µs';
    if (us < 1e4) return (us / 1e3).toFixed(1) + 'ms';
    if (us < 999500) return (us / 1e3).toFixed(0) + 'ms';
    if (us < 59950000) return (us / 1e6).toFixed(1) + 's';
    const s = Math.round(us / 1e6);
    const two = (n) => String(n).padStart(2, '0');
    if (s < 3600) return Math.floor(s / 60) + 'm' + two(s % 60) + 's';
    return Math.floor(s / 3600) + 'h' + two(Math.floor(s % 3600 / 60)) + 'm';
  };

  // Details of the row under the pointer, else of the current one.
  const element = (name, text, className) => {
    const el = document.createElement(name);
    el.textContent = text;
    if (className) el.className = className;
    return el;
  };
  const table = document.querySelector('.phases');
  const heads = table ? [...table.querySelectorAll('thead th')].map((th) => th.textContent) : [];
  const facts = (r) => {
    const o = Number(r.dataset.o), d = Number(r.dataset.d);
    const list = [['From', took(o)], ['To', took(o + d)], ['Took', r.querySelector('.d').textContent],
      ['Of the shutdown', (100 * d / total).toFixed(1) + ' %']];
    const cells = document.querySelectorAll('.phases tbody tr')[r.dataset.phase - 1];
    if (cells) [...cells.children].forEach((td, i) => { if (i > 2 && td.textContent) list.push([heads[i], td.textContent]); });
    return list;
  };
  const show = (title, text, list) => {
    const dl = document.createElement('dl');
    for (const [label, value] of list) {
      const div = document.createElement('div');
      div.append(element('dt', label), element('dd', value));
      dl.append(div);
    }
    $('details').replaceChildren(title, element('p', text, 'x'), dl);
  };
  const describe = (r) => {
    const title = document.createElement('h3');
    for (const part of r.querySelectorAll('.name, .tag, .state, .stk')) title.append(part.cloneNode(true), ' ');
    const note = r.querySelector('.note');
    show(title, note ? note.textContent : '', facts(r));
  };
  const checkpoint = (mark) => {
    const cells = document.querySelectorAll('.story tbody tr')[mark.dataset.i].children;
    show(element('h3', 'checkpoint at ' + cells[0].textContent), cells[2].textContent,
      [['Phase', cells[1].textContent], ['Left', cells[3].textContent]]);
  };

  // Zoom: what is between from and to, in µs, has the whole width.
  let from = 0, to = total;
  const steps = [];
  for (let base = 1; base <= 1e7; base *= 10) steps.push(base, 2 * base, 5 * base);
  steps.length -= 2;
  for (const s of [20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400]) steps.push(s * 1e6);
  const label = (at, step) => {
    if (at === 0) return '0';
    if (step > 1e7) return took(at);
    const [unit, name] = to <= 1e3 ? [1, 'µs'] : to <= 1e6 ? [1e3, 'ms'] : [1e6, 's'];
    return (at / unit).toFixed(Math.max(0, Math.ceil(Math.log10(unit / step) - 1e-9))) + name;
  };
  const place = (at) => 100 * (at - from) / (to - from);
  const ticks = () => {
    const most = Math.max(2, Math.min(16, $('axis').getBoundingClientRect().width / 84));
    let step = steps.find((s) => (to - from) / s < most) || steps.at(-1);
    while ((to - from) / step >= most) step *= 2;
    const texts = [], lines = [];
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
      const x = place(at) + '%';
      const text = svg('text');
      text.setAttribute('x', x);
      text.setAttribute('y', '11');
      text.textContent = label(at, step);
      texts.push(text);
      const line = svg('line');
      line.setAttribute('x1', x);
      line.setAttribute('x2', x);
      line.setAttribute('y2', '100%');
      lines.push(line);
    }
    $('ticks').replaceChildren(...texts);
    $('lines').replaceChildren(...lines, ...marks.map(([, , line]) => line));
  };
  const lines = [...document.querySelectorAll('#lines .cp')];
  const marks = [...document.querySelectorAll('#axis .cp')].map((m, i) => {
    return [m, parseFloat(m.getAttribute('x')) * total / 100, lines[i]];
  });
  const outside = (el, is) => { el.style.display = is ? 'none' : ''; };
  const draw = () => {
    for (const r of rows) {
      const o = Number(r.dataset.o), end = o + Number(r.dataset.d);
      const [mark, rect] = r.querySelectorAll('.t rect');
      const x = Math.max(0, place(o)), x2 = Math.min(100, place(end));
      rect.setAttribute('x', x + '%');
      rect.setAttribute('width', Math.max(0, x2 - x) + '%');
      mark.setAttribute('x', x + '%');
      outside(mark, end < from || o > to);
    }
    for (const [m, at, line] of marks) {
      const x = place(at) + '%';
      m.setAttribute('x', x);
      line.setAttribute('x1', x);
      line.setAttribute('x2', x);
      outside(m, at < from || at > to);
      outside(line, at < from || at > to);
    }
    ticks();
    $('window').setAttribute('x', 100 * from / total + '%');
    $('window').setAttribute('width', 100 * (to - from) / total + '%');
    outside($('window'), to - from >= total);
    $('whole').disabled = to - from >= total;
  };
  const zoom = (a, b) => {
    const least = Math.min(total, 20);
    const middle = (a + b) / 2, half = Math.max(b - a, least) / 2;
    from = Math.max(0, Math.min(middle - half, total - 2 * half));
    to = Math.min(total, Math.max(middle + half, 2 * half));
    draw();
  };
  const whole = () => zoom(0, total);
  const zoomTo = (el) => {
    const o = Number(el.dataset.o), d = Number(el.dataset.d);
    zoom(o - d * 0.04, o + d * 1.04);
  };

  // Across the axis one drags what is to be seen, or clicks a phase.
  const overview = $('overview');
  const time = (e) => {
    const box = overview.getBoundingClientRect();
    return total * Math.max(0, Math.min(1, (e.clientX - box.left) / box.width));
  };
  let drag = null;
  overview.addEventListener('pointerdown', (e) => {
    drag = {at: time(e), x: e.clientX, moved: false, phase: e.target.closest('.phase')};
    overview.setPointerCapture(e.pointerId);
    e.preventDefault();
  });
  overview.addEventListener('pointermove', (e) => {
    if (!drag || !drag.moved && Math.abs(e.clientX - drag.x) < 4) return;
    drag.moved = true;
    const at = time(e);
    zoom(Math.min(at, drag.at), Math.max(at, drag.at));
  });
  overview.addEventListener('pointerup', () => {
    if (drag && !drag.moved && drag.phase) zoomTo(drag.phase);
    drag = null;
  });
  overview.addEventListener('pointercancel', () => { drag = null; });

  const key = {
    ArrowDown: () => { const s = shown(); return s[s.indexOf(current) + 1]; },
    ArrowUp: () => { const s = shown(); return s[s.indexOf(current) - 1]; },
    Home: () => rows[0],
    End: () => shown().at(-1),
    ArrowRight: () => {
      if (current.getAttribute('aria-expanded') === 'false') return fold(current, true);
      return (family.get(current) || [])[0];
    },
    ArrowLeft: () => {
      if (current.getAttribute('aria-expanded') === 'true') return fold(current, false);
      return parentOf.get(current);
    },
    Enter: () => fold(current, !open(current)),
    ' ': () => fold(current, !open(current)),
    z: () => zoomTo(current),
    Escape: whole,
    c: () => $('culprit'),
    s: () => { const a = stackOf(current); if (a) a.click(); },
  };
  grid.addEventListener('keydown', (e) => {
    const act = Object.hasOwn(key, e.key) && key[e.key];
    if (!act || e.ctrlKey || e.metaKey || e.altKey || e.target.closest('a')) return;
    e.preventDefault();
    focus(act());
  });
  grid.addEventListener('click', (e) => {
    const r = e.target.closest('.r');
    if (!r || e.target.closest('a')) return;
    if (e.target.closest('.n') && e.detail < 2) fold(r, !open(r));
    focus(r);
  });
  grid.addEventListener('dblclick', (e) => {
    const r = e.target.closest('.t') && e.target.closest('.r');
    if (r) zoomTo(r);
  });
  grid.addEventListener('mouseover', (e) => {
    const r = e.target.closest('.r'), mark = e.target.closest('#axis .cp');
    if (mark) checkpoint(mark); else describe(r || current);
  });
  grid.addEventListener('mouseleave', () => describe(current));
  grid.addEventListener('focusin', (e) => {
    const r = e.target.closest('.r');
    if (r && r !== current) select(r);
  });
  document.addEventListener('click', (e) => {
    const a = e.target.closest('a[href^="#"]');
    const target = a && $(a.getAttribute('href').slice(1));
    if (!target) return;
    e.preventDefault();
    openAround(target);
    if (rows.includes(target)) {
      target.scrollIntoView({block: 'center'});
      focus(target);
    } else {
      target.focus();
      target.scrollIntoView({block: 'nearest'});
    }
  });
  $('expand').addEventListener('click', () => foldAll(true));
  $('collapse').addEventListener('click', () => foldAll(false));
  $('zoom').addEventListener('click', () => zoomTo(current));
  $('whole').addEventListener('click', whole);
  addEventListener('resize', ticks);

  rows.forEach((r) => {
    r.tabIndex = -1;
    const a = stackOf(r);
    if (a) a.tabIndex = -1;
  });
  update();
  select(current);
  draw();
})();
