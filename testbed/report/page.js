'use strict';
/* Animates what page.py has drawn: the scale of time, and the details of a packet. */
for (const section of document.querySelectorAll('section')) {
  const svg = section.querySelector('svg.ladder');
  const details = section.querySelector('.details');
  const zoom = section.querySelector('.zoom');
  const numbers = name => (svg.dataset[name] || '').split(' ').filter(Boolean).map(Number);
  const [top, step, bottom, lane, laneWidth] = numbers('const');
  const times = numbers('t'), before = numbers('b');
  const first = Number(svg.dataset.scale);
  const bands = [...svg.querySelectorAll('.band')].map(
    band => [band, band.dataset.o.split(' ').map(Number)]);
  const most = Math.max(0, ...bands.map(([, orphans]) => Math.max(...orphans)));
  const ways = [...svg.querySelectorAll('.way')];
  let y = [];

  /* Pixels a second, on a logarithmic scale: at 0 time takes none, so packets are evenly spaced. */
  const duration = times.length ? times[times.length - 1] / 1e9 : 0;
  const largest = Math.max(1, Math.min(1e7, duration > 0 ? 30000 / duration : 1));
  const scaleOf = value => value === 0 ? 0 : Math.pow(largest, value / 100);
  const valueOf = scale =>
    scale <= 1 ? 0 : Math.min(100, 100 * Math.log(scale) / Math.log(largest));

  function move(scale) {
    const old = y;
    y = times.map((t, i) => top + step * i + before[i] + scale * t / 1e9);
    const lower = (part, place) =>
      part.setAttribute('y', Number(part.getAttribute('y')) + y[place] - old[place]);
    const height = y.length ? y[y.length - 1] + bottom : top;
    svg.setAttribute('height', Math.round(height));
    svg.setAttribute('viewBox', `0 0 ${svg.getAttribute('width')} ${Math.round(height)}`);
    for (const life of svg.querySelectorAll('.life'))
      life.setAttribute('y2', height);
    for (const node of svg.querySelectorAll('[data-y]')) {
      for (const part of node.tagName === 'g' ? node.children : [node])
        lower(part, node.dataset.y);
    }
    for (const way of ways) {
      const places = way.dataset.p.split(' ').map(Number);
      for (const line of way.querySelectorAll('polyline')) {
        const xs = line.getAttribute('points').split(' ').map(point => point.split(',')[0]);
        line.setAttribute('points', xs.map((x, i) => `${x},${y[places[i]].toFixed(1)}`).join(' '));
      }
      const end = places[places.length - 1];
      for (const part of way.querySelectorAll('path'))
        part.setAttribute('d', part.getAttribute('d').replace(/([ML][\d.]+ )(-?[\d.]+)/g,
          (_, x, at) => x + (Number(at) + y[end] - old[end])));
      for (const text of way.querySelectorAll('[data-leg]'))
        lower(text, places[text.dataset.leg]);
      for (const part of way.querySelectorAll('[data-note]'))
        lower(part, part.dataset.note);
    }
    for (const [band, orphans] of bands)
      band.setAttribute('d', [...orphans, 0].map((n, i) => {
        const at = y[Math.min(i, y.length - 1)].toFixed(1);
        const x = (lane + laneWidth * n / most).toFixed(1);
        if (!n && !orphans[i - 1])
          return '';
        return `${orphans[i - 1] ? 'V' : `M${lane} `}${at} H${x}${n ? '' : ' Z'}`;
      }).join(' '));
    section.querySelector('output').textContent = scale === 0 ? 'order only' :
      scale >= 1e4 ? `1 ms is ${Math.round(scale / 1000)} px` :
      scale >= 10 ? `1 s is ${Math.round(scale)} px` : `1 min is ${Math.round(scale * 60)} px`;
  }

  function show(way) {
    for (const lit of section.querySelectorAll('.lit'))
      lit.classList.remove('lit');
    details.hidden = !way;
    if (!way)
      return;
    way.classList.add('lit');
    details.textContent = way.querySelector('title').textContent;
    for (const line of section.querySelectorAll(`[data-way="${way.id}"]`))
      line.classList.add('lit');
  }

  function go(way) {
    for (const other of ways)
      other.tabIndex = other === way ? 0 : -1;
    way.focus({ preventScroll: true });
    way.scrollIntoView({ block: 'nearest' });
    show(way);
  }

  /* A line is too thin for a mouse to hit: puts a wide, invisible one below it. */
  for (const way of ways) {
    const line = way.querySelector('polyline');
    const wide = line.cloneNode();
    wide.classList.add('wide');
    line.before(wide);
  }
  y = times.map((t, i) => top + step * i + before[i] + first * t / 1e9);
  section.querySelector('.controls').hidden = false;
  zoom.value = valueOf(first);
  move(first);
  zoom.addEventListener('input', () => move(scaleOf(Number(zoom.value))));
  for (const way of ways) {
    way.addEventListener('mouseenter', () => show(way));
    way.addEventListener('focus', () => show(way));
    way.addEventListener('click', () => go(way));
  }
  svg.addEventListener('keydown', event => {
    const at = ways.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: ways.length - 1 }[event.key];
    if (to === undefined || at < 0)
      return;
    event.preventDefault();
    if (ways[to])
      go(ways[to]);
  });
  for (const line of section.querySelectorAll('[data-way]')) {
    const way = document.getElementById(line.dataset.way);
    if (way)
      line.addEventListener('mouseenter', () => show(way));
  }
}
for (const help of document.querySelectorAll('.help'))
  help.hidden = false;
